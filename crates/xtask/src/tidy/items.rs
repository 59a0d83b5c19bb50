//! Finds functions, types and modules in code, with their extent and what they hold.

use super::lexer::{self, Token};

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ItemKind {
    /// A function or method.
    Function,
    /// A trait; counts its methods.
    Trait,
    /// A struct; counts its named fields.
    Struct,
    /// Anything else that has a name: enum, module, constant, static, type alias.
    Other,
}

/// One named item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// What it is.
    pub(crate) kind: ItemKind,
    /// Its name.
    pub(crate) name: String,
    /// The line of its keyword.
    pub(crate) line: usize,
    /// The line of its closing brace, or of its keyword if it has none.
    pub(crate) last_line: usize,
    /// Methods of a trait, fields of a struct.
    pub(crate) members: usize,
    /// Whether it is marked `pub`, at whatever reach, or is a method of a trait.
    pub(crate) is_public: bool,
}

impl Item {
    /// Lines from the keyword to the closing brace.
    pub(crate) fn lines(&self) -> usize {
        self.last_line - self.line + 1
    }
}

const KEYWORDS: [&str; 8] = ["fn", "trait", "struct", "enum", "mod", "const", "static", "type"];
const QUALIFIERS: [&str; 4] = ["const", "async", "unsafe", "extern"];

/// Every item of the code, nested ones included, in the order of their keywords.
pub(crate) fn find(code: &str) -> Vec<Item> {
    let tokens = lexer::tokens(code);
    let mut items = Vec::new();
    let mut trait_ends_at = 0;
    for at in 0..tokens.len() {
        let Some(mut item) = item_at(&tokens, at) else {
            continue;
        };
        if let Some((open, close)) = braces_after(&tokens, at) {
            item.last_line = tokens[close].line;
            let body = &tokens[open + 1..close];
            match item.kind {
                ItemKind::Trait => {
                    item.members = count_at_top(body, |texts| texts[0] == "fn");
                    trait_ends_at = close;
                }
                ItemKind::Struct => item.members = count_at_top(body, |texts| texts[1] == ":"),
                ItemKind::Function | ItemKind::Other => {}
            }
        }
        item.is_public |= item.kind == ItemKind::Function && at < trait_ends_at;
        items.push(item);
    }
    items
}

/// First and last lines of what is compiled for tests alone.
pub(crate) fn test_lines(code: &str) -> Vec<(usize, usize)> {
    let tokens = lexer::tokens(code);
    let texts: Vec<&str> = tokens.iter().map(|token| token.text).collect();
    let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
    (0..tokens.len())
        .filter(|at| texts[*at..].starts_with(&attribute))
        .map(|at| {
            let last = braces_after(&tokens, at).map_or(at, |(_, close)| close);
            (tokens[at].line, tokens[last].line)
        })
        .collect()
}

fn item_at(tokens: &[Token<'_>], at: usize) -> Option<Item> {
    let keyword = tokens[at].text;
    let name = tokens.get(at + 1)?.text;
    let is_named = name.starts_with(|first: char| first.is_alphabetic() || first == '_');
    let is_pointer = at > 0 && tokens[at - 1].text == "*";
    if !KEYWORDS.contains(&keyword) || !is_named || is_pointer || KEYWORDS.contains(&name) {
        return None;
    }
    Some(Item {
        kind: match keyword {
            "fn" => ItemKind::Function,
            "trait" => ItemKind::Trait,
            "struct" => ItemKind::Struct,
            _ => ItemKind::Other,
        },
        name: name.to_owned(),
        line: tokens[at].line,
        last_line: tokens[at].line,
        members: 0,
        is_public: is_public(&tokens[..at]),
    })
}

fn is_public(before: &[Token<'_>]) -> bool {
    let mut before = before;
    while let [earlier @ .., last] = before
        && QUALIFIERS.contains(&last.text)
    {
        before = earlier;
    }
    if before.last().is_some_and(|last| last.text == ")") {
        let open = before.iter().rposition(|token| token.text == "(").unwrap_or(0);
        before = &before[..open];
    }
    before.last().is_some_and(|last| last.text == "pub")
}

/// The braces of the item whose keyword or attribute is at `at`, if it has any before it ends with `;`.
fn braces_after(tokens: &[Token<'_>], at: usize) -> Option<(usize, usize)> {
    let mut depth = 0;
    let mut open = None;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.text {
            "{" if depth == 0 => {
                open = Some(index);
                depth += 1;
            }
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            ";" if depth == 0 => return None,
            _ => {}
        }
        if let Some(open) = open
            && depth == 0
        {
            return Some((open, index));
        }
    }
    None
}

/// How many neighbours outside all brackets satisfy `is_member`.
fn count_at_top(body: &[Token<'_>], is_member: impl Fn([&str; 2]) -> bool) -> usize {
    let mut depth = 0;
    let mut count = 0;
    for pair in body.windows(2) {
        match pair[0].text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 && is_member([pair[0].text, pair[1].text]) {
            count += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_have_their_extent() {
        let items = find("fn a(b: [u8; 4]) -> u8\nwhere\n{\n  if b { c }\n}\nfn d();");
        assert_eq!((items[0].name.as_str(), items[0].lines()), ("a", 5));
        assert_eq!((items[1].name.as_str(), items[1].lines()), ("d", 1));
    }

    #[test]
    fn members_are_counted() {
        let structure = "struct A<T: B> {\n #[c(d: 1)]\n pub e: Map<K, V>,\n f: fn(g: u8) -> h::I,\n}";
        assert_eq!(find(structure)[0].members, 2);
        let contract = "trait A: B { fn c(&self); fn d() { fn inner() {} } const E: u8; }";
        assert_eq!(find(contract)[0].members, 2);
        assert_eq!(find("struct A(u8, u8);")[0].members, 0);
    }

    #[test]
    fn what_is_marked_public_is_public() {
        let public = |code: &str| find(code)[0].is_public;
        assert!(public("pub fn a() {}"));
        assert!(public("pub(crate) const fn a() {}"));
        assert!(public("pub(in crate::b) async unsafe fn a() {}"));
        assert!(!public("fn a() {}"));
        assert!(!public("fn b(c: (u8, u8)) {} fn a() {}"));
        assert!(find("trait A { fn b(); }")[1].is_public);
        assert!(!find("trait A { fn b(); } fn c() {}")[2].is_public);
    }

    #[test]
    fn types_in_signatures_are_no_items() {
        let names: Vec<String> =
            find("fn a(b: *const B, c: &'static C, d: fn(D)) {}").into_iter().map(|item| item.name).collect();
        assert_eq!(names, ["a"]);
    }

    #[test]
    fn test_code_has_its_lines() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() {}\n}\nfn c() {}\n#[cfg(test)]\nmod d;\n";
        assert_eq!(test_lines(code), [(2, 5), (7, 7)]);
    }
}
