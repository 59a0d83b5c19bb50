//! Which web pages may connect: patterns over the Origin header.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FormError;

/// Origins that may connect, written like `https://example.com` or `https://*.example.com`; `*` stands for
/// any text, and alone for every origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline, extend("format" = "origin-pattern"))]
pub struct OriginPattern(String);

impl OriginPattern {
    /// Whether an Origin header's value matches, in any case of letters.
    pub fn matches(&self, origin: &str) -> bool {
        engine::matches(&self.0, &origin.to_ascii_lowercase())
    }
}

impl FromStr for OriginPattern {
    type Err = FormError;

    /// Refuses what no Origin header can match: those have a scheme and no path.
    fn from_str(text: &str) -> Result<Self, FormError> {
        let pattern = text.to_ascii_lowercase();
        let host = pattern.split_once("://").map(|(_, host)| host);
        let plausible = match host {
            Some(host) => !host.is_empty() && !host.contains('/'),
            None => pattern == "null" || (pattern.starts_with('*') && !pattern.contains('/')),
        };
        if plausible && pattern.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(pattern))
        } else {
            Err(FormError::OriginPattern(text.to_owned()))
        }
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for OriginPattern {
    type Error = FormError;

    fn try_from(text: String) -> Result<Self, FormError> {
        text.parse()
    }
}

impl From<OriginPattern> for String {
    fn from(pattern: OriginPattern) -> Self {
        pattern.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_in_any_case() {
        check("*", &["https://example.com", "null", ""], &[]);
        check(
            "https://Example.com",
            &["https://example.com", "HTTPS://EXAMPLE.COM"],
            &["http://example.com", "https://example.com.evil", "https://example.com:8443", ""],
        );
        check(
            "https://*.example.com",
            &["https://a.example.com", "https://a.b.example.com", "https://.example.com.example.com"],
            &["https://example.com", "https://a.example.com.evil", "https://aexample.com"],
        );
        check("http://localhost:*", &["http://localhost:3000", "http://localhost:"], &["http://localhost"]);
        check("*.a*b.c", &["https://x.aab.b.c"], &["https://x.ab.d", "https://xab.c"]);
        check("null", &["null"], &["nul", "nulll"]);
    }

    #[test]
    fn what_no_origin_can_match_is_refused() {
        for text in ["", "example.com", "https://", "https://a.b/", "https://a.b/c", "https://a b", "*/c"] {
            assert_eq!(text.parse::<OriginPattern>(), Err(FormError::OriginPattern(text.to_owned())));
        }
    }

    fn check(text: &str, matched: &[&str], others: &[&str]) {
        let pattern: OriginPattern = text.parse().expect(text);
        for origin in matched {
            assert!(pattern.matches(origin), "{text} {origin}");
        }
        for origin in others {
            assert!(!pattern.matches(origin), "{text} {origin}");
        }
    }
}
