//! One thing published to one channel.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::{ClientId, Moment};

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
        if text.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
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

/// Which stream, and where in it. Positions of different epochs cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Identity of the stream: changes when what was counted is lost.
    pub epoch: u32,
    /// Number within the stream; the first publication has 1.
    pub offset: u64,
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

/// One thing published to one channel.
#[derive(Debug, Clone)]
pub struct Publication {
    /// What was published.
    pub payload: Payload,
    /// The connection that published it, if one did.
    pub publisher: Option<Arc<ClientInfo>>,
    /// Words beside the payload, for filters.
    pub tags: BTreeMap<String, String>,
    /// When this node took it on.
    pub accepted: Moment,
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
}
