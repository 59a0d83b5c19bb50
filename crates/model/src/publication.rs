//! One thing published to one channel.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::{ClientId, Moment, TraceParent};

/// A JSON value kept as its text, to be spliced and never parsed again.
pub type RawJson = RawValue;

/// The publisher's bytes: one JSON value without line breaks, so that it can stand inside any frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload(Bytes);

/// Why bytes are not a payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// There are none.
    #[error("is empty")]
    Empty,
    /// They are not one JSON value.
    #[error("is not one JSON value: {0}")]
    NotJson(String),
}

impl Payload {
    /// Validates bytes from outside: exactly one JSON value. Line breaks between tokens are dropped.
    pub fn parse_json(raw: &[u8]) -> Result<Self, PayloadError> {
        if raw.is_empty() {
            return Err(PayloadError::Empty);
        }
        let value: &RawJson =
            serde_json::from_slice(raw).map_err(|error| PayloadError::NotJson(error.to_string()))?;
        Ok(Self::from_json(value))
    }

    /// Takes a value that was already parsed as JSON.
    pub fn from_json(value: &RawJson) -> Self {
        // Inside a JSON string a line break is escaped, so every literal one stands between tokens.
        let text = value.get().as_bytes();
        // Each `contains` looks at a word of bytes at once; a search for both looks at one byte after the other.
        if text.contains(&b'\n') || text.contains(&b'\r') {
            Self(text.iter().copied().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect())
        } else {
            Self(Bytes::copy_from_slice(text))
        }
    }

    /// The JSON text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The size in bytes.
    pub fn size(&self) -> usize {
        self.0.len()
    }
}

/// Words beside a payload, by name. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tags(Option<Arc<TagTexts>>);

#[derive(Debug)]
struct TagTexts {
    by_name: BTreeMap<String, String>,
    size: usize,
}

impl Tags {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The texts with their names, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let texts = self.0.iter().flat_map(|texts| &texts.by_name);
        texts.map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// The size in bytes as a JSON object, like a payload's; 0 when there are none.
    pub fn size(&self) -> usize {
        self.0.as_ref().map_or(0, |texts| texts.size)
    }
}

impl From<BTreeMap<String, String>> for Tags {
    fn from(by_name: BTreeMap<String, String>) -> Self {
        if by_name.is_empty() {
            return Self::default();
        }
        let size = serde_json::to_string(&by_name).expect("texts by name are JSON").len();
        Self(Some(Arc::new(TagTexts { by_name, size })))
    }
}

/// Who published, as subscribers are told.
#[derive(Debug, Clone)]
pub struct ClientInfo {
    /// The user, empty for anonymous ones.
    pub user: Box<str>,
    /// The connection.
    pub client: ClientId,
    /// What the token says about the connection.
    pub connection: Option<Box<RawJson>>,
    /// What the token says about the subscription.
    pub subscription: Option<Box<RawJson>>,
}

impl ClientInfo {
    /// The size in bytes of what it is called and shows.
    pub fn size(&self) -> usize {
        let shown = [&self.connection, &self.subscription].into_iter().flatten();
        self.user.len() + shown.map(|shown| shown.get().len()).sum::<usize>()
    }
}

/// What a member of a channel did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Movement {
    /// It came.
    Join,
    /// It went.
    Leave,
}

/// One thing published to one channel.
#[derive(Debug, Clone)]
pub struct Publication {
    /// What was published.
    pub payload: Payload,
    /// The connection that published it, if one did.
    pub publisher: Option<Arc<ClientInfo>>,
    /// Words beside the payload, for filters.
    pub tags: Tags,
    /// When this node took it on, or received it from another.
    pub accepted: Moment,
    /// How long it had been under way from whoever took it on before; 0 if nobody did, or nobody says.
    pub travel_micros: u32,
    /// The sampled span that published it, if one did.
    pub trace: Option<Arc<TraceParent>>,
}

impl Publication {
    /// What nobody in particular published, without tags, and a node took on at a moment.
    pub fn new(payload: Payload, accepted: Moment) -> Self {
        Self { payload, publisher: None, tags: Tags::default(), accepted, travel_micros: 0, trace: None }
    }

    /// The size in bytes of what was published: payload and tags.
    pub fn size(&self) -> usize {
        self.payload.size() + self.tags.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_one_json_value_without_line_breaks() {
        let payload = Payload::parse_json(b" {\"a\":\r\n [1,\n2], \"b\": \"x\\ny\"}\n").expect("a payload");
        assert_eq!(payload.as_bytes(), b"{\"a\": [1,2], \"b\": \"x\\ny\"}");
        assert_eq!(Payload::parse_json(b""), Err(PayloadError::Empty));
        for refused in ["hello", "{}}", "{} {}", "{\"a\":1}\n{\"push\":{}}", "\"a\nb\"", "\u{feff}1"] {
            assert!(
                matches!(Payload::parse_json(refused.as_bytes()), Err(PayloadError::NotJson(_))),
                "{refused:?}"
            );
        }
        assert!(Payload::parse_json(b"\"\xff\"").is_err());
    }

    #[test]
    fn tags_count_as_the_json_that_they_become() {
        let tags = |pairs: &[(&str, &str)]| -> Tags {
            let pairs = pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
            pairs.collect::<BTreeMap<String, String>>().into()
        };
        assert!(tags(&[]).is_empty());
        assert_eq!(tags(&[]).size(), 0);
        for (pairs, json) in [
            (&[("", "")][..], r#"{"":""}"#),
            (&[("b", "2"), ("a", "1")], r#"{"a":"1","b":"2"}"#),
            (&[("a\"", "\u{1}\n")], r#"{"a\"":"\u0001\n"}"#),
        ] {
            assert_eq!(tags(pairs).size(), json.len(), "{json}");
        }
        let several = tags(&[("b", "2"), ("a", "1")]);
        assert_eq!(several.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
        let payload = Payload::parse_json(b"[1]").expect("a payload");
        let accepted = Moment::default();
        let publication = Publication { tags: several, ..Publication::new(payload, accepted) };
        assert_eq!(publication.size(), 3 + 17);
    }
}
