//! What belongs to work in progress and not into the repository.

use super::Violation;
use super::source::Source;

const IN_CODE: [(&str, &str); 5] = [
    ("dbg!", "remove it"),
    ("todo!", "do it, or open an issue and refuse the case"),
    ("unimplemented!", "do it, or open an issue and refuse the case"),
    ("[allow(", "use `#[expect(lint, reason = \"...\")]`"),
    (", allow(", "use `expect(lint, reason = \"...\")`"),
];

const IN_COMMENTS: [(&str, &str); 3] = [
    ("FIXME", "fix it, or open an issue"),
    ("TODO", "do it, or open an issue"),
    ("XXX", "say what is meant"),
];

/// Looks for leftovers in code and in comments; texts in string literals are free.
pub(crate) fn check(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources {
        let halves: [(&str, &[_]); 2] = [(&source.code, &IN_CODE), (&source.comments, &IN_COMMENTS)];
        for (half, leftovers) in halves {
            for (index, line) in half.lines().enumerate() {
                for (_, fix) in leftovers.iter().filter(|(text, _)| line.contains(text)) {
                    let excerpt = source.text.lines().nth(index).unwrap_or_default().trim();
                    let what = format!("leftover `{excerpt}`: {fix}");
                    violations.push(Violation::new(&source.path, index + 1, what));
                }
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_found_where_they_count() {
        let found = |text: &str| check(&[Source::new("crates/a/src/b.rs", text)]).len();
        for bad in [
            "let a = dbg!(b);",
            "todo!()",
            "#[allow(dead_code)]",
            "#![allow(dead_code)]",
            "#[cfg_attr(test, allow(dead_code))]",
            "// FIXME later",
            "/* TODO */",
        ] {
            assert_eq!(found(bad), 1, "{bad}");
        }
        for good in [
            "let a = \"dbg!\";",
            "// dbg! is refused",
            "#[expect(dead_code, reason = \"FIXME\")]",
            "access.allow(a)",
        ] {
            assert_eq!(found(good), 0, "{good}");
        }
    }
}
