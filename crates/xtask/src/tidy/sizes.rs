//! Sizes that stay readable: lines of files and functions, methods of traits, fields of structs.

use super::Violation;
use super::exceptions::{Exceptions, Rule};
use super::items::ItemKind;
use super::source::Source;

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 60;
const TRAIT_METHODS_MAX: usize = 8;
const STRUCT_FIELDS_MAX: usize = 15;

/// Something counted.
struct Size<'a> {
    rule: Rule,
    item: &'a str,
    line: usize,
    count: usize,
}

/// Compares every size with its limit or its exception.
pub(crate) fn check(sources: &[Source], exceptions: &mut Exceptions) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources {
        for size in sizes(source) {
            let (limit, unit, fix) = limit(size.rule);
            if size.count <= limit {
                continue;
            }
            let allowed = exceptions.allowed(size.rule, &source.path, size.item);
            if allowed.is_none_or(|allowed| size.count > allowed) {
                let subject = if size.item.is_empty() { "the file" } else { size.item };
                let bound = allowed.unwrap_or(limit);
                let what = format!("{subject} has {} {unit}, at most {bound}: {fix}", size.count);
                violations.push(Violation::new(&source.path, size.line, what));
            }
        }
    }
    violations
}

fn sizes(source: &Source) -> Vec<Size<'_>> {
    let file = Size { rule: Rule::FileLines, item: "", line: 1, count: source.text.lines().count() };
    let items = source.items.iter().filter_map(|item| {
        let (rule, count) = match item.kind {
            ItemKind::Function => (Rule::FunctionLines, item.lines()),
            ItemKind::Trait => (Rule::TraitMethods, item.members),
            ItemKind::Struct => (Rule::StructFields, item.members),
            ItemKind::Other => return None,
        };
        Some(Size { rule, item: &item.name, line: item.line, count })
    });
    std::iter::once(file).chain(items).collect()
}

fn limit(rule: Rule) -> (usize, &'static str, &'static str) {
    match rule {
        Rule::FileLines => (FILE_LINES_MAX, "lines", "split it by what owns what"),
        Rule::FunctionLines => (FUNCTION_LINES_MAX, "lines", "extract a step that earns a name"),
        Rule::TraitMethods => (TRAIT_METHODS_MAX, "methods", "make an optional ability its own trait"),
        Rule::StructFields => (STRUCT_FIELDS_MAX, "fields", "group what changes together"),
        Rule::Name => (0, "names", "rename it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(text: &str, exceptions: &mut Exceptions) -> usize {
        check(&[Source::new("crates/a/src/b.rs", text)], exceptions).len()
    }

    fn check_limit(at_limit: &str, beyond: &str) {
        assert_eq!(violations(at_limit, &mut Exceptions::default()), 0);
        assert_eq!(violations(beyond, &mut Exceptions::default()), 1);
    }

    #[test]
    fn files_are_limited() {
        check_limit(&"\n".repeat(400), &"\n".repeat(401));
    }

    #[test]
    fn functions_are_limited() {
        let function = |lines: usize| format!("fn a() {{{}}}", "\n".repeat(lines - 1));
        check_limit(&function(60), &function(61));
    }

    #[test]
    fn traits_are_limited() {
        let contract = |methods: usize| format!("trait A {{ {} }}", "fn b();".repeat(methods));
        check_limit(&contract(8), &contract(9));
    }

    #[test]
    fn structs_are_limited() {
        let structure = |fields: usize| format!("struct A {{ {} }}", "b: C, ".repeat(fields));
        check_limit(&structure(15), &structure(16));
    }

    #[test]
    fn an_exception_allows_its_number_and_no_more() {
        let entry = "[[exception]]\nrule = \"function-lines\"\npath = \"crates/a/src/b.rs\"\nitem = \"a\"\n\
                     allowed = 70\nreason = \"c\"\n";
        let function = |lines: usize| format!("fn a() {{{}}}", "\n".repeat(lines - 1));
        for (lines, found, is_needed) in [(60, 0, false), (70, 0, true), (71, 1, true)] {
            let mut exceptions = Exceptions::parse(entry, &mut Vec::new());
            assert_eq!(violations(&function(lines), &mut exceptions), found, "{lines}");
            assert_eq!(exceptions.not_needed().count() == 0, is_needed, "{lines}");
        }
    }
}
