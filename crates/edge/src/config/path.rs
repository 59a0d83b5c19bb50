//! The name of a setting: its place in the tree, and how files, flags and environment variables write it.

use std::fmt;

/// The place of a setting in the tree, like `client.ping_interval`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct SettingPath(Vec<String>);

/// What the names of our environment variables begin with. Kubernetes injects `FANFARE_PORT` and the like for
/// a service called `fanfare`: those have one underscore and are not ours.
pub(super) const VARIABLE_PREFIX: &str = "FANFARE__";

const VARIABLE_SEPARATOR: &str = "__";

impl SettingPath {
    /// Reads the dotted form; a name with dots stands in double quotes: `namespaces."a.b".client_publish`.
    pub fn parse(text: &str) -> Self {
        let mut segments = vec![String::new()];
        let mut is_quoted = false;
        for symbol in text.trim().chars() {
            match symbol {
                '"' => is_quoted = !is_quoted,
                '.' if !is_quoted => segments.push(String::new()),
                _ => segments.last_mut().expect("it begins with one").push(symbol),
            }
        }
        Self(segments)
    }

    /// Reads an environment variable's name, if it is one of ours.
    pub(super) fn parse_variable(name: &str) -> Option<Self> {
        let rest = name.strip_prefix(VARIABLE_PREFIX)?.to_lowercase();
        Some(Self(rest.split(VARIABLE_SEPARATOR).map(str::to_owned).collect()))
    }

    /// The name of the setting's environment variable.
    pub fn variable(&self) -> String {
        let name = self.0.join(VARIABLE_SEPARATOR);
        format!("{VARIABLE_PREFIX}{}", name.to_uppercase())
    }

    /// The names from the root to the setting.
    pub fn segments(&self) -> &[String] {
        &self.0
    }

    /// The setting's own name.
    pub(super) fn last(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// The section that the setting is in.
    pub(super) fn parent(&self) -> Self {
        Self(self.0[..self.0.len().saturating_sub(1)].to_vec())
    }

    /// A setting in this section.
    pub(super) fn child(&self, name: &str) -> Self {
        let mut segments = self.0.clone();
        segments.push(name.to_owned());
        Self(segments)
    }

    /// Whether this is the section, or something in it.
    pub(super) fn is_within(&self, section: &Self) -> bool {
        self.0.starts_with(&section.0)
    }
}

impl fmt::Display for SettingPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            let is_bare = |symbol: char| symbol.is_ascii_alphanumeric() || symbol == '_' || symbol == '-';
            if !segment.is_empty() && segment.chars().all(is_bare) {
                write!(f, "{dot}{segment}")?;
            } else {
                write!(f, "{dot}\"{segment}\"")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_what_it_writes() {
        for text in
            ["workers", "client.ping_interval", "namespaces.\"a.b\".client_publish", "api.keys.\"\".key"]
        {
            assert_eq!(SettingPath::parse(text).to_string(), text);
        }
    }

    #[test]
    fn a_variable_names_a_path_in_lower_case() {
        let path = SettingPath::parse_variable("FANFARE__NAMESPACES__CHAT__CLIENT_PUBLISH").expect("ours");
        assert_eq!(path.to_string(), "namespaces.chat.client_publish");
        assert_eq!(path.variable(), "FANFARE__NAMESPACES__CHAT__CLIENT_PUBLISH");
        for other in ["FANFARE_PORT", "FANFARE_PORT_8000_TCP", "fanfare__workers", "HOME"] {
            assert_eq!(SettingPath::parse_variable(other), None, "{other}");
        }
    }
}
