//! The names that a release promises: of settings, metrics with their labels, and codes. What was released may only go
//! when the changelog says so.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use super::changelog::Changelog;
use crate::markdown;
use crate::violation::Violation;

const RELEASED: &str = "docs/released-names.txt";
const HEAD: &str = "\
# Names that the last release promised to keep, and docs/compatibility.md speaks of.
# Written for each release by `cargo run -p xtask -- release record`, never by hand.
";

/// A page that documents names in tables, and the heads of those tables.
const PAGES: [(&str, &str); 3] =
    [("docs/configuration.md", "setting"), ("docs/metrics.md", "metric"), ("docs/codes.md", "code")];

/// Checks that what was released is still there, or that the changelog's newest section says that it is gone.
pub(super) fn check(root: &Path, changelog: &str) -> Vec<Violation> {
    let Ok(released) = fs::read_to_string(root.join(RELEASED)) else {
        return vec![Violation::new(RELEASED, 1, "cannot be read")];
    };
    let removed = removed(Changelog::parse(changelog).newest());
    let present = documented(root);
    let lines = released.lines().enumerate().filter(|(_, line)| !line.starts_with('#'));
    lines
        .filter(|(_, name)| !present.contains(*name) && !is_named(&removed, name))
        .map(|(at, name)| {
            let what = format!("`{name}` was released: keep it, or name it under Removed in CHANGELOG.md");
            Violation::new(RELEASED, at + 1, what)
        })
        .collect()
}

/// Checks that the names that are documented are those that are recorded.
pub(super) fn check_recorded(root: &Path) -> Option<Violation> {
    let recorded = fs::read_to_string(root.join(RELEASED)).unwrap_or_default();
    let what = "is not what this release promises: run `cargo run -p xtask -- release record`";
    (recorded != listed(&documented(root))).then(|| Violation::new(RELEASED, 1, what))
}

/// Records the names that are documented.
pub(super) fn record(root: &Path) -> io::Result<()> {
    fs::write(root.join(RELEASED), listed(&documented(root)))
}

fn listed(names: &BTreeSet<String>) -> String {
    let lines = names.iter().flat_map(|name| [name.as_str(), "\n"]);
    std::iter::once(HEAD).chain(lines).collect()
}

fn documented(root: &Path) -> BTreeSet<String> {
    let names = |(path, head): (&str, &str)| {
        let page = fs::read_to_string(root.join(path)).unwrap_or_default();
        names_of(&page, head)
    };
    PAGES.into_iter().flat_map(names).collect()
}

/// The names in the tables of a page whose first column has this head.
fn names_of(page: &str, head: &str) -> Vec<String> {
    let tables = markdown::tables(page);
    let tables = tables.iter().filter(|table| table.head.first().is_some_and(|first| first == head));
    let mut names = Vec::new();
    for table in tables {
        let labels = table.head.iter().position(|column| column == "labels");
        for row in &table.rows {
            names.push(format!("{head} {}", row.cell(0)));
            let labels = labels.map(|column| markdown::names(row.cell(column))).unwrap_or_default();
            names.extend(labels.iter().map(|label| format!("{head} {}{{{label}}}", row.cell(0))));
        }
    }
    names
}

/// What stands under the heads `Removed` of a section.
fn removed(section: &str) -> String {
    let mut is_inside = false;
    let mut removed = String::new();
    for line in section.lines() {
        if let Some(head) = line.strip_prefix("### ") {
            is_inside = head.trim() == "Removed";
        } else if is_inside {
            removed.push_str(line);
            removed.push('\n');
        }
    }
    removed
}

fn is_named(removed: &str, name: &str) -> bool {
    let bare = name.split_once(' ').map_or(name, |(_, bare)| bare);
    let metric = bare.split('{').next().unwrap_or(bare);
    [bare, metric].iter().any(|name| removed.contains(&format!("`{name}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_the_tables_that_have_them() {
        let page = "| metric | kind | labels | m |\n|---|---|---|---|\n| `a` | gauge |  | x |\n\
            | `b` | counter | `c`, `d` | y |\n\n| other |\n|---|\n| e |\n";
        assert_eq!(names_of(page, "metric"), ["metric a", "metric b", "metric b{c}", "metric b{d}"]);
        assert_eq!(names_of(page, "setting"), Vec::<String>::new());
    }

    #[test]
    fn what_is_removed_is_named_in_backticks_under_its_head() {
        let section = "### Added\n\n- `a`\n\n### Removed\n\n- Metric `b`, and of `c` the label `c{d}`.\n";
        let removed = removed(section);
        assert!(!is_named(&removed, "metric a"));
        assert!(is_named(&removed, "metric b") && is_named(&removed, "metric b{e}"));
        assert!(is_named(&removed, "metric c{d}"));
        assert!(!is_named(&removed, "setting be"));
    }

    #[test]
    fn what_was_released_is_still_there() {
        let root = crate::repository();
        let changelog = fs::read_to_string(root.join("CHANGELOG.md")).expect("the changelog");
        let lines: Vec<String> = check(root, &changelog).iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "{}", lines.join("\n"));
    }

    #[test]
    fn the_pages_still_document_names() {
        let root = crate::repository();
        for (path, head) in PAGES {
            let page = fs::read_to_string(root.join(path)).expect("the page");
            assert!(names_of(&page, head).len() > 20, "{path}");
        }
    }
}
