//! Splits Rust source into what the compiler reads and what people read. Both halves keep the lines and
//! columns of the original; literals are blank in both, so that text about code is never taken for code.

/// The two halves of a source text.
#[derive(Debug, Default)]
pub(crate) struct Halves {
    /// Code without comments, strings and character literals.
    pub(crate) code: String,
    /// Comments alone.
    pub(crate) comments: String,
}

/// A word or a sign of code, with the line it stands in, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'s> {
    /// An identifier, a lifetime, `::`, or one other character.
    pub(crate) text: &'s str,
    /// The line.
    pub(crate) line: usize,
}

#[derive(Clone, Copy)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// Splits a source text.
pub(crate) fn split(source: &str) -> Halves {
    let mut halves = Halves::default();
    let mut rest = source;
    while !rest.is_empty() {
        let (length, kind) = next_piece(rest);
        let (piece, after) = rest.split_at(length);
        let blank = || piece.chars().map(|symbol| if symbol == '\n' { '\n' } else { ' ' });
        match kind {
            Kind::Code => halves.code.push_str(piece),
            Kind::Comment | Kind::Literal => halves.code.extend(blank()),
        }
        match kind {
            Kind::Comment => halves.comments.push_str(piece),
            Kind::Code | Kind::Literal => halves.comments.extend(blank()),
        }
        rest = after;
    }
    halves
}

/// Cuts code into tokens.
pub(crate) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (index, text) in code.lines().enumerate() {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = match first {
                _ if is_word(first) => word_length(rest),
                '\'' => 1 + word_length(&rest[1..]),
                ':' if rest.starts_with("::") => 2,
                _ => first.len_utf8(),
            };
            let (text, after) = rest.split_at(length);
            tokens.push(Token { text, line: index + 1 });
            rest = after.trim_start();
        }
    }
    tokens
}

fn next_piece(rest: &str) -> (usize, Kind) {
    let first = rest.chars().next().map_or(' ', |symbol| symbol);
    match first {
        '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), Kind::Comment),
        '/' if rest.starts_with("/*") => (block_comment_length(rest), Kind::Comment),
        '"' => (quoted_length(rest, '"'), Kind::Literal),
        '\'' if is_character_literal(rest) => (quoted_length(rest, '\''), Kind::Literal),
        _ if is_word(first) => word_or_raw_string(rest),
        _ => (first.len_utf8(), Kind::Code),
    }
}

fn word_or_raw_string(rest: &str) -> (usize, Kind) {
    let length = word_length(rest);
    let (word, after) = rest.split_at(length);
    let hashes = after.len() - after.trim_start_matches('#').len();
    if matches!(word, "r" | "br" | "cr") && after[hashes..].starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let body = &after[hashes + 1..];
        let body_length = body.find(&end).map_or(body.len(), |at| at + end.len());
        (length + hashes + 1 + body_length, Kind::Literal)
    } else {
        (length, Kind::Code)
    }
}

fn quoted_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, symbol) in rest.char_indices().skip(1) {
        if !escaped && symbol == quote {
            return at + 1;
        }
        escaped = !escaped && symbol == '\\';
    }
    rest.len()
}

fn is_character_literal(rest: &str) -> bool {
    let mut symbols = rest.chars().skip(1);
    symbols.next() == Some('\\') || symbols.next() == Some('\'')
}

fn block_comment_length(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn word_length(rest: &str) -> usize {
    rest.find(|symbol| !is_word(symbol)).unwrap_or(rest.len())
}

fn is_word(symbol: char) -> bool {
    symbol.is_alphanumeric() || symbol == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_comments_are_not_code() {
        let cases = [
            ("let a = \"fn b() {\"; c", "let a = ; c"),
            ("let a = \"\\\"}\"; c", "let a = ; c"),
            ("let a = r#\"fn \"b\" {\"#; c", "let a = ; c"),
            ("let a = br\"\\\"; c", "let a = ; c"),
            ("match a { '{' => b, '\\'' => c }", "match a { => b, => c }"),
            ("fn a<'s>(b: &'s str) {}", "fn a<'s>(b: &'s str) {}"),
            ("a // { b\nc", "a c"),
            ("a /* { /* b */ } */ c", "a c"),
        ];
        for (source, expected) in cases {
            let code = split(source).code;
            let squeezed: Vec<&str> = code.split_whitespace().collect();
            assert_eq!(squeezed.join(" "), expected, "{source}");
        }
    }

    #[test]
    fn both_halves_keep_lines_and_comments_stay_readable() {
        let halves = split("a\n/* one\ntwo */ b // three\n\"x\ny\" c");
        assert_eq!(halves.code.lines().count(), 5);
        assert_eq!(halves.code.lines().nth(4).map(str::trim), Some("c"));
        assert_eq!(halves.comments.lines().nth(2), Some("two */   // three"));
    }

    #[test]
    fn a_lifetime_is_one_token() {
        let texts: Vec<&str> = tokens("&'static a::b").iter().map(|token| token.text).collect();
        assert_eq!(texts, ["&", "'static", "a", "::", "b"]);
    }
}
