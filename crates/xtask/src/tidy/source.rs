//! The repository's Rust files, read once and cut up for every rule.

use std::fs;
use std::path::Path;

use super::items::{self, Item};
use super::{lexer, walk};

/// One Rust file.
#[derive(Debug)]
pub(crate) struct Source {
    /// Where it is, from the repository's root, with `/`.
    pub(crate) path: String,
    /// The file as it is.
    pub(crate) text: String,
    /// Code without comments and literals, on the same lines.
    pub(crate) code: String,
    /// Comments alone, on the same lines.
    pub(crate) comments: String,
    /// What the code declares.
    pub(crate) items: Vec<Item>,
    test_lines: Vec<(usize, usize)>,
}

impl Source {
    /// Cuts up one file.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let halves = lexer::split(text);
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            items: items::find(&halves.code),
            test_lines: items::test_lines(&halves.code),
            code: halves.code,
            comments: halves.comments,
        }
    }

    /// The folder of the crate that the file belongs to.
    pub(crate) fn crate_name(&self) -> &str {
        self.path.split('/').nth(1).unwrap_or_default()
    }

    /// The path inside the crate, like `src/lib.rs`.
    pub(crate) fn path_in_crate(&self) -> &str {
        self.path.splitn(3, '/').nth(2).unwrap_or_default()
    }

    /// Whether the line is compiled for tests alone.
    pub(crate) fn is_test(&self, line: usize) -> bool {
        let place = self.path_in_crate();
        let whole_file =
            place.starts_with("tests/") || place.starts_with("benches/") || place.ends_with("/tests.rs");
        let within = |(first, last): &(usize, usize)| (*first..=*last).contains(&line);
        whole_file || self.test_lines.iter().any(within)
    }

    /// Lines of code with their numbers.
    pub(crate) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(index, text)| (index + 1, text))
    }
}

/// Every Rust file of the workspace's crates, generated ones aside, sorted by path.
pub(crate) fn read_all(root: &Path) -> Vec<Source> {
    let paths = walk::files(root, "crates", "rs");
    paths.iter().map(|path| read(root, path)).filter(|source| !is_generated(&source.text)).collect()
}

/// One file; empty if it cannot be read.
pub(crate) fn read(root: &Path, path: &str) -> Source {
    let text = fs::read_to_string(root.join(path)).unwrap_or_default();
    Source::new(path, &text)
}

fn is_generated(text: &str) -> bool {
    text.lines().take(5).any(|line| line.contains("@generated"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_code_is_told_from_the_rest() {
        let source = Source::new("crates/a/src/b.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n}\n");
        assert!(!source.is_test(1));
        assert!(source.is_test(3));
        assert!(Source::new("crates/a/tests/b.rs", "").is_test(1));
        assert!(Source::new("crates/a/src/b/tests.rs", "").is_test(1));
    }

    #[test]
    fn a_path_names_its_crate() {
        let source = Source::new("crates/a/src/b/c.rs", "");
        assert_eq!(source.crate_name(), "a");
        assert_eq!(source.path_in_crate(), "src/b/c.rs");
    }

    #[test]
    fn generated_files_say_so_at_the_top() {
        assert!(is_generated("//! Types.\n// @generated\n"));
        assert!(!is_generated("\n\n\n\n\n// @generated\n"));
    }
}
