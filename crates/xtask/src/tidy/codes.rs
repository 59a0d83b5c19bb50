//! The page of codes is true: it has every code that clients and backends can see, with its text, and none
//! besides.

use super::Violation;
use super::markdown;
use super::source::Source;

/// Where the codes are: each file has one `code` and one `text`.
pub(crate) const SOURCE_PATHS: [&str; 3] =
    ["crates/model/src/refusal.rs", "crates/model/src/close.rs", "crates/protocol/src/event.rs"];
/// Where they are documented.
pub(crate) const PAGE_PATH: &str = "docs/codes.md";

struct Code {
    number: String,
    text: String,
    line: usize,
}

/// Compares code and page in both directions.
pub(crate) fn check(sources: &[Source], page: &str) -> Vec<Violation> {
    let tables = markdown::tables(page);
    let is_code = |cell: &str| !cell.is_empty() && cell.bytes().all(|byte| byte.is_ascii_digit());
    let rows: Vec<_> =
        tables.iter().flat_map(|table| &table.rows).filter(|row| is_code(row.cell(0))).collect();
    let mut violations = Vec::new();
    let mut numbers = Vec::new();
    for source in sources {
        let codes = codes(source);
        if codes.is_empty() {
            let what = "no codes found: keep `fn code` and `fn text` as matches with one arm a line";
            violations.push(Violation::new(&source.path, 1, what));
        }
        for code in codes {
            let row = rows.iter().find(|row| row.cell(0) == code.number);
            if row.is_none_or(|row| row.cell(1) != code.text) {
                let what = format!(
                    "{PAGE_PATH} lacks a row with {} and `{}`: add or correct it",
                    code.number, code.text
                );
                violations.push(Violation::new(&source.path, code.line, what));
            }
            numbers.push(code.number);
        }
    }
    let is_stale = |number: &str| numbers.iter().all(|known| known != number);
    for row in rows.iter().filter(|row| is_stale(row.cell(0))) {
        let what = format!("there is no code {}: remove the row", row.cell(0));
        violations.push(Violation::new(PAGE_PATH, row.line, what));
    }
    violations
}

fn codes(source: &Source) -> Vec<Code> {
    let texts = arms(source, "text");
    let is_number = |value: &str| value.bytes().all(|byte| byte.is_ascii_digit());
    arms(source, "code")
        .into_iter()
        .filter(|(_, number, _)| is_number(number))
        .map(|(variant, number, line)| {
            let text = texts.iter().find(|(other, _, _)| *other == variant);
            Code {
                number: number.to_owned(),
                text: text.map_or(String::new(), |(_, text, _)| text.trim_matches('"').to_owned()),
                line,
            }
        })
        .collect()
}

/// The arms `Self::Variant => value,` of one function, with their lines.
fn arms<'s>(source: &'s Source, function: &str) -> Vec<(&'s str, &'s str, usize)> {
    let Some(item) = source.items.iter().find(|item| item.name == function) else {
        return Vec::new();
    };
    source
        .text
        .lines()
        .enumerate()
        .map(|(index, text)| (index + 1, text))
        .filter(|(line, _)| (item.line..=item.last_line).contains(line))
        .filter_map(|(line, text)| {
            let (variant, value) = text.trim().strip_prefix("Self::")?.split_once(" => ")?;
            Some((variant, value.trim_end_matches(','), line))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "impl A {\n\
        fn code(self) -> u16 { match self {\n\
        Self::Slow => 3008,\n\
        Self::Requested { code, .. } => *code,\n\
        } }\n\
        fn text(self) -> &str { match self {\n\
        Self::Slow => \"slow\",\n\
        } }\n\
        fn index(self) -> u8 { match self {\n\
        Self::Slow => 5,\n\
        } }\n}\n";
    const HEAD: &str = "| code | text | meaning |\n|---|---|---|\n";

    #[test]
    fn code_and_page_agree() {
        let found = |rows: &str| check(&[Source::new("a.rs", CODE)], &format!("{HEAD}{rows}")).len();
        assert_eq!(found("| 3008 | slow | b |\n| custom | any | c |\n"), 0);
        assert_eq!(found(""), 1);
        assert_eq!(found("| 3008 | fast | b |\n"), 1);
        assert_eq!(found("| 3008 | slow | b |\n| 3009 | write error | c |\n"), 1);
    }

    #[test]
    fn a_file_without_codes_is_told() {
        assert_eq!(check(&[Source::new("a.rs", "")], "").len(), 1);
    }
}
