//! Tables of Markdown pages, as far as our own pages use them.

/// A table.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// The cells of the head.
    pub(crate) head: Vec<String>,
    /// The rows below it.
    pub(crate) rows: Vec<Row>,
}

/// A row of a table.
#[derive(Debug)]
pub(crate) struct Row {
    /// The line it stands in, counted from 1.
    pub(crate) line: usize,
    /// Its cells, without backticks and surrounding blanks.
    pub(crate) cells: Vec<String>,
}

impl Row {
    /// A cell's text; empty if the row is shorter.
    pub(crate) fn cell(&self, index: usize) -> &str {
        self.cells.get(index).map_or("", String::as_str)
    }
}

/// Every table of a page.
pub(crate) fn tables(page: &str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let mut is_inside = false;
    for (index, line) in page.lines().enumerate() {
        let Some(row) = line.trim().strip_prefix('|') else {
            is_inside = false;
            continue;
        };
        let cells: Vec<String> = row
            .strip_suffix('|')
            .unwrap_or(row)
            .split('|')
            .map(|cell| cell.replace('`', "").trim().to_owned())
            .collect();
        let is_rule = cells.iter().all(|cell| cell.trim_matches(['-', ':']).is_empty());
        match tables.last_mut().filter(|_| is_inside) {
            None => tables.push(Table { head: cells, rows: Vec::new() }),
            Some(_) if is_rule => {}
            Some(table) => table.rows.push(Row { line: index + 1, cells }),
        }
        is_inside = true;
    }
    tables
}

/// The names in a cell: words between commas and blanks, without the dash that stands for none.
pub(crate) fn names(cell: &str) -> Vec<String> {
    cell.split([',', ' '])
        .filter(|name| !name.is_empty() && *name != "–" && *name != "-")
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_a_head_and_rows_with_lines() {
        let page = "# Title\n\n| a | b |\n|---|:-:|\n| `c` | d, e |\n\ntext\n| f |\n|---|\n| g |\n";
        let tables = tables(page);
        assert_eq!(tables.len(), 2);
        assert_eq!(tables[0].head, ["a", "b"]);
        assert_eq!(tables[0].rows.len(), 1);
        assert_eq!((tables[0].rows[0].line, tables[0].rows[0].cell(0)), (5, "c"));
        assert_eq!(tables[0].rows[0].cell(7), "");
        assert_eq!(tables[1].rows[0].cell(0), "g");
    }

    #[test]
    fn cells_list_names() {
        assert_eq!(names("a, b c"), ["a", "b", "c"]);
        assert!(names("–").is_empty());
    }
}
