//! The two tables of ARCHITECTURE.md that are law: the layers, and who may use which outside crates.

use super::markdown::{self, Table};

/// Where the tables are.
pub(crate) const PATH: &str = "ARCHITECTURE.md";

/// What the tables say.
#[derive(Debug, Default)]
pub(crate) struct Architecture {
    /// One crate of ours each.
    pub(crate) layers: Vec<Layer>,
    /// Outside crates with more than one user.
    pub(crate) shared: Vec<Shared>,
}

/// A row of the layer table.
#[derive(Debug)]
pub(crate) struct Layer {
    /// The line in ARCHITECTURE.md.
    pub(crate) line: usize,
    /// The rank; `None` for what serves development alone and stands above all.
    pub(crate) rank: Option<u8>,
    /// The crate.
    pub(crate) name: String,
    /// The crates of ours that it may use.
    pub(crate) may_use: Vec<String>,
    /// The outside crates that it alone may use.
    pub(crate) owns: Vec<String>,
}

/// A row of the table of shared outside crates.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The line in ARCHITECTURE.md.
    pub(crate) line: usize,
    /// The outside crates.
    pub(crate) names: Vec<String>,
    /// Who may use them.
    pub(crate) users: Users,
}

/// Who may use a shared outside crate.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Users {
    /// Every crate: vocabulary.
    Every,
    /// Tests of every crate.
    Tests,
    /// The crates named.
    Crates(Vec<String>),
}

impl Architecture {
    /// Reads the tables; whatever is missing is told by the rules that need it.
    pub(crate) fn parse(page: &str) -> Self {
        let tables = markdown::tables(page);
        let rows = |first: &str| {
            let is_it = move |table: &&Table| table.head.first().is_some_and(|head| head == first);
            tables.iter().filter(is_it).flat_map(|table| &table.rows).collect::<Vec<_>>()
        };
        let layers = rows("rank").into_iter().map(|row| Layer {
            line: row.line,
            rank: row.cell(0).parse().ok(),
            name: row.cell(1).to_owned(),
            may_use: markdown::names(row.cell(3)),
            owns: markdown::names(row.cell(4)),
        });
        let shared = rows("outside crates").into_iter().map(|row| Shared {
            line: row.line,
            names: markdown::names(row.cell(0)),
            users: Users::parse(row.cell(1)),
        });
        Self { layers: layers.collect(), shared: shared.collect() }
    }

    /// The row of a crate.
    pub(crate) fn layer(&self, name: &str) -> Option<&Layer> {
        self.layers.iter().find(|layer| layer.name == name)
    }
}

impl Users {
    fn parse(cell: &str) -> Self {
        match cell {
            "every crate" => Self::Every,
            "tests of every crate" => Self::Tests,
            _ => Self::Crates(markdown::names(cell)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tables_are_read() {
        let page = "| rank | crate | responsibility | may use of ours | owns which outside crates |\n\
                    |---|---|---|---|---|\n\
                    | 1 | `auth` | Grants. | model | jsonwebtoken |\n\
                    | dev | `xtask` | Checks. | – | – |\n\n\
                    | outside crates | who may use them |\n|---|---|\n\
                    | bytes, serde | every crate |\n| mio | transport, bench |\n";
        let architecture = Architecture::parse(page);
        let auth = architecture.layer("auth").expect("a row");
        assert_eq!((auth.line, auth.rank), (3, Some(1)));
        assert_eq!(
            (auth.may_use.as_slice(), auth.owns.as_slice()),
            (&["model".to_owned()][..], &["jsonwebtoken".to_owned()][..])
        );
        assert_eq!(architecture.layer("xtask").and_then(|layer| layer.rank), None);
        assert_eq!(architecture.shared[0].users, Users::Every);
        assert_eq!(architecture.shared[1].users, Users::parse("transport bench"));
    }
}
