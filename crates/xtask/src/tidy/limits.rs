//! The page of limits is true: it has every limit of the code with its value, and none besides.

use super::Violation;
use super::markdown;
use super::source::Source;

/// Where the limits are.
pub(crate) const SOURCE_PATH: &str = "crates/model/src/limits.rs";
/// Where they are documented.
pub(crate) const PAGE_PATH: &str = "docs/limits.md";

struct Limit {
    name: String,
    value: Option<String>,
    line: usize,
}

/// Compares code and page in both directions.
pub(crate) fn check(source: &Source, page: &str) -> Vec<Violation> {
    let limits = limits(source);
    let tables = markdown::tables(page);
    let rows: Vec<_> = tables.iter().flat_map(|table| &table.rows).collect();
    let mut violations = Vec::new();
    for limit in &limits {
        let Some(value) = &limit.value else {
            let what = format!("the value of {} is not understood: write a plain number", limit.name);
            violations.push(Violation::new(&source.path, limit.line, what));
            continue;
        };
        match rows.iter().find(|row| row.cell(0) == limit.name) {
            None => {
                let what = format!("{} is not in {PAGE_PATH}: add a row with {value}", limit.name);
                violations.push(Violation::new(&source.path, limit.line, what));
            }
            Some(row) if row.cell(1) != value => {
                let what = format!("{} is {value} in the code: correct the row", limit.name);
                violations.push(Violation::new(PAGE_PATH, row.line, what));
            }
            Some(row) if row.cell(2).is_empty() || row.cell(3).is_empty() => {
                let what = format!("{} lacks its meaning or its policy: add it", limit.name);
                violations.push(Violation::new(PAGE_PATH, row.line, what));
            }
            Some(_) => {}
        }
    }
    let is_stale = |name: &str| limits.iter().all(|limit| limit.name != name);
    for row in rows.iter().filter(|row| is_stale(row.cell(0))) {
        let what = format!("there is no limit {}: remove the row", row.cell(0));
        violations.push(Violation::new(PAGE_PATH, row.line, what));
    }
    violations
}

fn limits(source: &Source) -> Vec<Limit> {
    source
        .code_lines()
        .filter_map(|(line, text)| {
            let (name, definition) = text.trim().strip_prefix("pub const ")?.split_once(':')?;
            let value = definition
                .split_once('=')
                .and_then(|(_, value)| readable(name, value.trim().trim_end_matches(';')));
            Some(Limit { name: name.to_owned(), value, line })
        })
        .collect()
}

/// A value as people read it: `3 s`, `16 KiB`, `10,000`.
fn readable(name: &str, value: &str) -> Option<String> {
    let argument = |constructor: &str| {
        value.strip_prefix(constructor).and_then(|rest| rest.strip_suffix(')')).map(number)
    };
    if let Some(seconds) = argument("Duration::from_secs(") {
        return seconds.map(readable_seconds);
    }
    if let Some(millis) = argument("Duration::from_millis(") {
        return millis.map(|millis| format!("{millis} ms"));
    }
    let value = number(value)?;
    Some(match value {
        _ if !name.contains("BYTES") => grouped(value),
        _ if value.is_multiple_of(1 << 20) => format!("{} MiB", value >> 20),
        _ if value.is_multiple_of(1 << 10) => format!("{} KiB", value >> 10),
        _ => format!("{} bytes", grouped(value)),
    })
}

fn readable_seconds(seconds: u64) -> String {
    if seconds != 0 && seconds.is_multiple_of(86_400) {
        format!("{} days", seconds / 86_400)
    } else {
        format!("{seconds} s")
    }
}

/// The value of `a`, `a * b` or `a << b`.
fn number(text: &str) -> Option<u64> {
    if let Some((left, right)) = text.split_once("<<") {
        return number(left)?.checked_shl(u32::try_from(number(right)?).ok()?);
    }
    if let Some((left, right)) = text.split_once('*') {
        return number(left)?.checked_mul(number(right)?);
    }
    text.trim().replace('_', "").parse().ok()
}

fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "/// Why.\npub const WAIT_MAX: Duration = Duration::from_secs(3);\n";
    const HEAD: &str = "| name | value | meaning | at the bound |\n|---|---|---|---|\n";

    #[test]
    fn values_are_readable() {
        let cases = [
            ("WAIT", "Duration::from_secs(365 * 86_400)", Some("365 days")),
            ("WAIT", "Duration::from_millis(250)", Some("250 ms")),
            ("HEAD_BYTES_MAX", "16 * 1024", Some("16 KiB")),
            ("BYTES_MAX", "64 << 20", Some("64 MiB")),
            ("TEXT_BYTES", "123", Some("123 bytes")),
            ("ENTRIES_MAX", "65_536", Some("65,536")),
            ("ENTRIES_MAX", "OTHER_MAX", None),
        ];
        for (name, value, expected) in cases {
            assert_eq!(readable(name, value).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn code_and_page_agree() {
        let found = |rows: &str| check(&Source::new(SOURCE_PATH, CODE), &format!("{HEAD}{rows}")).len();
        assert_eq!(found("| `WAIT_MAX` | 3 s | a wait | refused |\n"), 0);
        assert_eq!(found(""), 1);
        assert_eq!(found("| `WAIT_MAX` | 4 s | a wait | refused |\n"), 1);
        assert_eq!(found("| `WAIT_MAX` | 3 s | a wait | |\n"), 1);
        let stale = "| `WAIT_MAX` | 3 s | a wait | refused |\n| `GONE_MAX` | 1 | b | c |\n";
        assert_eq!(found(stale), 1);
    }

    #[test]
    fn a_value_that_is_not_understood_is_told() {
        let source = Source::new(SOURCE_PATH, "pub const A_MAX: usize = B_MAX;\n");
        assert_eq!(check(&source, "").len(), 1);
    }
}
