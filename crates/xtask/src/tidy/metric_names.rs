//! What rules, dashboards and operators' pages name as a metric is one: it stands in the reference of metrics, or
//! is recorded by a rule.

use std::collections::BTreeSet;

use super::Violation;
use super::markdown;

/// Where the metrics are documented.
pub(crate) const REFERENCE_PATH: &str = "docs/metrics.md";
/// What begins like a metric and is the name of something in Redis.
const OTHERS: [&str; 1] = ["fanfare_publish"];

/// The names that may be used.
pub(crate) struct Known {
    documented: BTreeSet<String>,
    recorded: BTreeSet<String>,
}

impl Known {
    /// Of the reference page and the rules.
    pub(crate) fn new(reference: &str, rules: &str) -> Self {
        let rows = markdown::tables(reference);
        let recorded = rules.lines().filter_map(|line| line.trim().strip_prefix("- record: "));
        Self {
            documented: rows.iter().flat_map(|table| &table.rows).map(|row| row.cell(0).to_owned()).collect(),
            recorded: recorded.map(str::to_owned).collect(),
        }
    }

    /// Says which names in a text are none.
    pub(crate) fn check(&self, path: &str, text: &str) -> Vec<Violation> {
        let lines = text.lines().enumerate();
        let unknown = lines.flat_map(|(index, line)| {
            let names = names(line).filter(|name| !self.is_known(name));
            names.map(move |name| {
                Violation::new(path, index + 1, format!("{name} is no metric: {REFERENCE_PATH} lacks it"))
            })
        });
        unknown.collect()
    }

    fn is_known(&self, name: &str) -> bool {
        let parts = ["_bucket", "_count", "_sum"];
        let family = parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        let is_documented = |name: &str| self.documented.contains(name);
        is_documented(name) || is_documented(family) || self.recorded.contains(name) || OTHERS.contains(&name)
    }
}

fn names(line: &str) -> impl Iterator<Item = &str> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
    line.split(move |letter| !is_part(letter)).map(|word| word.trim_matches(':')).filter(|word| {
        let name = word.strip_prefix("cluster:").unwrap_or(word);
        name.starts_with("fanfare_") || name.starts_with("process_")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCE: &str = "| metric | kind |\n|---|---|\n| `fanfare_a_total` | counter |\n| `fanfare_b_seconds` | histogram |\n";
    const RULES: &str = "- record: cluster:fanfare_a:rate5m\n";

    #[test]
    fn a_name_is_documented_or_recorded() {
        let known = Known::new(REFERENCE, RULES);
        for good in [
            "rate(fanfare_a_total[5m])",
            "sum by (le) (fanfare_b_seconds_bucket)",
            "cluster:fanfare_a:rate5m > 1",
            "FCALL fanfare_publish",
            "fanfare: a product",
        ] {
            assert_eq!(known.check("a", good), [], "{good}");
        }
        for bad in [
            "fanfare_a",
            "rate(fanfare_c[5m])",
            "fanfare_b_seconds_total",
            "cluster:fanfare_c:rate5m",
            "\"process_gone\"",
        ] {
            assert_eq!(known.check("a", bad).len(), 1, "{bad}");
        }
    }
}
