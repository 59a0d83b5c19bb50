//! Words that say nothing, or that other systems use for something of ours, stay out of public names and out
//! of file names. CONTRIBUTING.md has the dictionary.

use super::Violation;
use super::exceptions::{Exceptions, Rule};
use super::items::{Item, ItemKind};
use super::source::Source;

/// Avoided wherever they stand in a name, with what to say instead.
const ANYWHERE: [(&str, &str); 18] = [
    ("manager", "the noun of what it owns"),
    ("handler", "the noun of what it owns"),
    ("helper", "the noun of what it owns"),
    ("helpers", "the noun of what it owns"),
    ("util", "the noun of what it owns"),
    ("utils", "the noun of what it owns"),
    ("common", "the noun of what it owns"),
    ("base", "the noun of what it owns"),
    ("wrapper", "the noun of what it owns"),
    ("impl", "the noun of what it owns"),
    ("room", "channel"),
    ("topic", "channel"),
    ("packet", "frame"),
    ("notification", "publication"),
    ("emit", "publish, deliver or send"),
    ("dispatch", "publish, deliver or send"),
    ("whitelist", "allow"),
    ("blacklist", "deny"),
];

/// Avoided as the last or only word of what is not a function: before another word they can mean something,
/// and a function may be named after a field of the wire.
const VAGUE: [&str; 3] = ["info", "data", "context"];

/// Checks public items and files.
pub(crate) fn check(sources: &[Source], exceptions: &mut Exceptions) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources {
        for item in source.items.iter().filter(|item| item.is_public) {
            if let Some(fix) = fault_of_item(item)
                && exceptions.allowed(Rule::Name, &source.path, &item.name).is_none()
            {
                let what = format!("the name `{}` {fix}", item.name);
                violations.push(Violation::new(&source.path, item.line, what));
            }
        }
        if let Some(fix) = source.path.split('/').find_map(fault_of_file)
            && exceptions.allowed(Rule::Name, &source.path, "").is_none()
        {
            violations.push(Violation::new(&source.path, 1, format!("the file's name {fix}")));
        }
    }
    violations
}

fn fault_of_item(item: &Item) -> Option<String> {
    let words = words(&item.name);
    if item.kind != ItemKind::Function {
        return fault_of_noun(&words).or_else(|| fault_of_words(&words));
    }
    let prefix =
        ["get_", "do_"].into_iter().find(|prefix| item.name.starts_with(prefix) && item.name != "get_mut");
    prefix.map(|prefix| format!("begins with `{prefix}`: leave that out")).or_else(|| fault_of_words(&words))
}

fn fault_of_file(segment: &str) -> Option<String> {
    let words = words(segment.strip_suffix(".rs").unwrap_or(segment));
    fault_of_noun(&words).or_else(|| fault_of_words(&words))
}

fn fault_of_noun(words: &[String]) -> Option<String> {
    let last = words.last()?;
    let is_vague = VAGUE.contains(&last.as_str()) || (last == "state" && words.len() == 1);
    is_vague.then(|| format!("says only `{last}`: use the noun of what it holds"))
}

fn fault_of_words(words: &[String]) -> Option<String> {
    let last = words.last()?;
    let numbered = |stem: &str| {
        last.strip_prefix(stem)
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    if numbered("v") || numbered("new") {
        return Some(format!("ends with `{last}`: say what differs"));
    }
    let singular = |word: &str| word.strip_suffix('s').unwrap_or(word).to_owned();
    ANYWHERE
        .iter()
        .find(|(avoided, _)| words.iter().any(|word| word == avoided || singular(word) == *avoided))
        .map(|(avoided, instead)| format!("has the word `{avoided}`: use {instead}"))
}

/// The words of a name in CamelCase, snake_case or kebab-case, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut is_start = true;
    let symbols: Vec<char> = name.chars().collect();
    for (at, symbol) in symbols.iter().enumerate() {
        if !symbol.is_alphanumeric() {
            is_start = true;
            continue;
        }
        let after_capital = at > 0 && symbols[at - 1].is_uppercase();
        let before_small = symbols.get(at + 1).is_some_and(|next| next.is_lowercase());
        is_start |= symbol.is_uppercase() && (!after_capital || before_small);
        if is_start {
            words.push(String::new());
            is_start = false;
        }
        words.last_mut().expect("a word has begun").extend(symbol.to_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_into_words() {
        assert_eq!(words("HTTPHandlerV2"), ["http", "handler", "v2"]);
        assert_eq!(words("utf8_base64"), ["utf8", "base64"]);
        assert_eq!(words("WORKER_MAX"), ["worker", "max"]);
        assert_eq!(words("protocol-centrifugal"), ["protocol", "centrifugal"]);
    }

    #[test]
    fn words_to_avoid_are_found() {
        let found = |code: &str| {
            let sources = [Source::new("crates/a/src/b.rs", code)];
            !check(&sources, &mut Exceptions::default()).is_empty()
        };
        for bad in [
            "pub struct ConnectionManager;",
            "pub(crate) mod utils {}",
            "pub enum State { A }",
            "pub struct UserData;",
            "pub fn get_user() {}",
            "pub fn emit() {}",
            "pub type RoomName = String;",
            "pub fn rooms() {}",
            "pub const IP_WHITELIST: u8 = 0;",
            "pub struct ConfigV2;",
            "pub fn new2() {}",
            "trait Port { fn dispatch(&self); }",
        ] {
            assert!(found(bad), "{bad}");
        }
        for good in [
            "struct ConnectionManager;",
            "pub enum DrainState { A }",
            "pub fn data_frame() {}",
            "pub fn base64() {}",
            "pub fn commonly_used() {}",
            "pub fn hs256() {}",
            "pub fn forget() {}",
            "pub fn dot_product() {}",
            "pub struct InfoRequest;",
            "pub fn info() {}",
            "pub fn get_mut() {}",
            "pub struct Topical;",
        ] {
            assert!(!found(good), "{good}");
        }
    }

    #[test]
    fn files_have_names_too() {
        let found = |path: &str| !check(&[Source::new(path, "")], &mut Exceptions::default()).is_empty();
        assert!(found("crates/a/src/util.rs"));
        assert!(found("crates/a/tests/common/mod.rs"));
        assert!(!found("crates/a/src/outbox.rs"));
    }

    #[test]
    fn an_exception_allows_one_name() {
        let entry = "[[exception]]\nrule = \"name\"\npath = \"crates/a/src/b.rs\"\nitem = \"ClientInfo\"\n\
                     reason = \"c\"\n";
        let mut exceptions = Exceptions::parse(entry, &mut Vec::new());
        let sources = [Source::new("crates/a/src/b.rs", "pub struct ClientInfo;\npub struct UserInfo;")];
        let lines: Vec<usize> =
            check(&sources, &mut exceptions).iter().map(|violation| violation.line).collect();
        assert_eq!(lines, [2]);
        assert_eq!(exceptions.not_needed().count(), 0);
    }
}
