//! The first impression: a short listing of the root, and documents that are read because they are short.

use std::fs;
use std::path::Path;

use super::Violation;

const ENTRIES_MAX: usize = 19;
const DOCUMENTS: [(&str, usize); 2] = [("README.md", 150), ("ARCHITECTURE.md", 300)];

/// Checks the root's listing and its documents.
pub(crate) fn check(root: &Path) -> Vec<Violation> {
    let ignored = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
    let names = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    let entries = check_entries(&names.collect::<Vec<_>>(), &ignored);
    let documents = DOCUMENTS.iter().filter_map(|(path, lines_max)| {
        let text = fs::read_to_string(root.join(path)).ok();
        check_document(path, text.as_deref(), *lines_max)
    });
    entries.into_iter().chain(documents).collect()
}

fn check_entries(names: &[String], ignored: &str) -> Option<Violation> {
    let is_ignored = |name: &str| ignored.lines().any(|line| line.trim_matches('/') == name);
    let is_visible = |name: &&String| !name.starts_with('.') && !is_ignored(name);
    let count = names.iter().filter(is_visible).count();
    (count > ENTRIES_MAX).then(|| {
        let what = format!("the root has {count} visible entries, at most {ENTRIES_MAX}: move some");
        Violation::new(".", 1, what)
    })
}

fn check_document(path: &str, text: Option<&str>, lines_max: usize) -> Option<Violation> {
    let Some(text) = text else {
        return Some(Violation::new(path, 1, "is missing: write it"));
    };
    let lines = text.lines().count();
    (lines > lines_max).then(|| {
        let what = format!("has {lines} lines, at most {lines_max}: shorten it");
        Violation::new(path, lines_max + 1, what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_a_short_listing() {
        let names = |count: usize| (0..count).map(|at| format!("entry{at}")).collect::<Vec<_>>();
        assert_eq!(check_entries(&names(ENTRIES_MAX), ""), None);
        assert!(check_entries(&names(ENTRIES_MAX + 1), "").is_some());
        assert_eq!(check_entries(&names(ENTRIES_MAX + 1), "/entry3\n"), None);
        let mut hidden = names(ENTRIES_MAX);
        hidden.push(".git".to_owned());
        assert_eq!(check_entries(&hidden, ""), None);
    }

    #[test]
    fn documents_are_there_and_short() {
        assert_eq!(check_document("a.md", Some(&"\n".repeat(150)), 150), None);
        assert!(check_document("a.md", Some(&"\n".repeat(151)), 150).is_some());
        assert!(check_document("a.md", None, 150).is_some());
    }
}
