//! Places that may break a rule, each with its reason. The list only shrinks: an entry that nothing needs is
//! itself a violation.

use super::Violation;

/// Where the list is.
pub(crate) const PATH: &str = "crates/xtask/tidy-exceptions.toml";

/// The rules that know exceptions, by their names in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Lines of a file.
    FileLines,
    /// Lines of a function.
    FunctionLines,
    /// Methods of a trait.
    TraitMethods,
    /// Fields of a struct.
    StructFields,
    /// Words in a public name.
    Name,
}

impl Rule {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "file-lines" => Self::FileLines,
            "function-lines" => Self::FunctionLines,
            "trait-methods" => Self::TraitMethods,
            "struct-fields" => Self::StructFields,
            "name" => Self::Name,
            _ => return None,
        })
    }
}

/// The list.
#[derive(Debug, Default)]
pub(crate) struct Exceptions(Vec<Exception>);

#[derive(Debug)]
struct Exception {
    rule: Rule,
    path: String,
    item: String,
    allowed: usize,
    line: usize,
    is_needed: bool,
}

impl Exceptions {
    /// Reads the list; what cannot be read becomes a violation.
    pub(crate) fn parse(text: &str, violations: &mut Vec<Violation>) -> Self {
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => {
                violations.push(Violation::new(PATH, 1, format!("is not TOML: {error}")));
                return Self::default();
            }
        };
        let entries = table.get("exception").and_then(toml::Value::as_array).cloned().unwrap_or_default();
        let is_head = |(_, line): &(usize, &str)| line.trim() == "[[exception]]";
        let heads = text.lines().enumerate().filter(is_head).map(|(index, _)| index + 1);
        let mut list = Vec::new();
        for (entry, line) in entries.iter().zip(heads) {
            match Exception::parse(entry, line) {
                Ok(exception) => list.push(exception),
                Err(what) => violations.push(Violation::new(PATH, line, what)),
            }
        }
        Self(list)
    }

    /// How much more than the general limit the place may have, if it is listed. Marks the entry as needed.
    pub(crate) fn allowed(&mut self, rule: Rule, path: &str, item: &str) -> Option<usize> {
        let matches = |entry: &&mut Exception| entry.rule == rule && entry.path == path && entry.item == item;
        let entry = self.0.iter_mut().find(matches)?;
        entry.is_needed = true;
        Some(entry.allowed)
    }

    /// The entries that no rule has asked for.
    pub(crate) fn not_needed(&self) -> impl Iterator<Item = Violation> {
        self.0.iter().filter(|entry| !entry.is_needed).map(|entry| {
            let what =
                format!("{} {} keeps the rule by itself: remove the exception", entry.path, entry.item);
            Violation::new(PATH, entry.line, what)
        })
    }
}

impl Exception {
    fn parse(entry: &toml::Value, line: usize) -> Result<Self, String> {
        let text = |key: &str| entry.get(key).and_then(toml::Value::as_str);
        let required = |key: &str| {
            text(key)
                .filter(|value| !value.trim().is_empty())
                .ok_or_else(|| format!("the exception lacks `{key}`: add it"))
        };
        let rule = Rule::parse(required("rule")?).ok_or(
            "the rule is unknown: use file-lines, function-lines, trait-methods, struct-fields or name",
        )?;
        required("reason")?;
        let allowed = entry.get("allowed").and_then(toml::Value::as_integer);
        if allowed.is_none() && rule != Rule::Name {
            return Err("the exception lacks `allowed`: add the number".to_owned());
        }
        Ok(Self {
            rule,
            path: required("path")?.to_owned(),
            item: text("item").unwrap_or_default().to_owned(),
            allowed: usize::try_from(allowed.unwrap_or_default()).unwrap_or_default(),
            line,
            is_needed: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = "# why\n[[exception]]\nrule = \"function-lines\"\npath = \"a.rs\"\nitem = \"b\"\n\
                         allowed = 70\nreason = \"c\"\n";

    #[test]
    fn an_entry_that_nothing_needs_is_a_violation() {
        let mut violations = Vec::new();
        let mut exceptions = Exceptions::parse(ENTRY, &mut violations);
        assert_eq!(violations, []);
        let line = exceptions.not_needed().next().map(|violation| violation.line);
        assert_eq!(line, Some(2));
        assert_eq!(exceptions.allowed(Rule::FileLines, "a.rs", "b"), None);
        assert_eq!(exceptions.allowed(Rule::FunctionLines, "a.rs", "b"), Some(70));
        assert_eq!(exceptions.not_needed().count(), 0);
    }

    #[test]
    fn an_entry_says_everything() {
        for missing in ["rule", "path", "allowed", "reason"] {
            let kept = |line: &&str| !line.starts_with(missing);
            let text: Vec<&str> = ENTRY.lines().filter(kept).collect();
            let mut violations = Vec::new();
            Exceptions::parse(&text.join("\n"), &mut violations);
            assert_eq!(violations.len(), 1, "{missing}");
        }
        let mut violations = Vec::new();
        Exceptions::parse(&ENTRY.replace("function-lines", "lines"), &mut violations);
        assert_eq!(violations.len(), 1);
    }
}
