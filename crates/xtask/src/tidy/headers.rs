//! Every file says at its top what it owns, and every crate forbids unsafe code.

use super::Violation;
use super::source::Source;

const HEADER_LINES_MAX: usize = 5;

/// Checks the first lines of every file and the attributes of every crate root.
pub(crate) fn check(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources {
        let lines = source.text.lines().take_while(|line| line.starts_with("//!")).count();
        if lines == 0 {
            let what = "begins without a `//!` header: say what the file owns and must not know";
            violations.push(Violation::new(&source.path, 1, what));
        } else if lines > HEADER_LINES_MAX {
            let what = format!("the `//!` header has {lines} lines, at most {HEADER_LINES_MAX}: shorten it");
            violations.push(Violation::new(&source.path, 1, what));
        }
        if is_crate_root(source.path_in_crate()) && !source.code.contains("#![forbid(unsafe_code)]") {
            let what = "the crate root lacks `#![forbid(unsafe_code)]`: add it below the header";
            violations.push(Violation::new(&source.path, 1, what));
        }
    }
    violations
}

fn is_crate_root(path: &str) -> bool {
    matches!(path, "src/lib.rs" | "src/main.rs") || path.starts_with("src/bin/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        check(&[Source::new(path, text)]).len()
    }

    #[test]
    fn a_file_begins_with_a_short_header() {
        assert_eq!(found("crates/a/src/b.rs", "//! Owns b.\nfn b() {}"), 0);
        assert_eq!(found("crates/a/src/b.rs", &"//! b\n".repeat(5)), 0);
        assert_eq!(found("crates/a/src/b.rs", &"//! b\n".repeat(6)), 1);
        assert_eq!(found("crates/a/src/b.rs", "\n//! Owns b."), 1);
        assert_eq!(found("crates/a/src/b.rs", "// Owns b."), 1);
    }

    #[test]
    fn a_crate_root_forbids_unsafe_code() {
        let forbids = "//! a\n\n#![forbid(unsafe_code)]\n";
        assert_eq!(found("crates/a/src/lib.rs", forbids), 0);
        assert_eq!(found("crates/a/src/main.rs", "//! a\n"), 1);
        assert_eq!(found("crates/a/src/lib.rs", "//! a\n// #![forbid(unsafe_code)]\n"), 1);
        assert_eq!(found("crates/a/src/b.rs", "//! a\n"), 0);
    }
}
