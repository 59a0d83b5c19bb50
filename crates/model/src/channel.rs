//! Channel names: parsed once, carried as a type, stored once per node.

use std::fmt;
use std::sync::Arc;

use crate::{ClientId, limits};

/// A channel's name. Cloning shares the text.
///
/// A name is 1 to [`limits::CHANNEL_NAME_BYTES_MAX`] printable ASCII characters without `{` and `}`, which
/// Redis Cluster reads as hash tags.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelName(Arc<str>);

/// Why a text is not a channel name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChannelNameError {
    /// The text is empty.
    #[error("channel is empty")]
    Empty,
    /// The text is longer than [`limits::CHANNEL_NAME_BYTES_MAX`].
    #[error("channel is longer than {} bytes", limits::CHANNEL_NAME_BYTES_MAX)]
    TooLong,
    /// The text holds a character that names do not.
    #[error("channel has a character other than printable ASCII without {{ and }}")]
    Character,
}

impl ChannelName {
    /// Parses a name.
    pub fn parse(raw: &str) -> Result<Self, ChannelNameError> {
        Self::check(raw).map(|()| Self(Arc::from(raw)))
    }

    /// The channel by which nodes speak to each other, as a text. No name that is parsed is the same.
    pub const OF_NODES: &'static str = "\u{1}nodes";

    /// What the channels by which single nodes are spoken to begin with.
    pub const OF_NODE: &'static str = "\u{1}node-";

    /// The channel by which nodes speak to each other.
    pub fn of_nodes() -> Self {
        Self(Arc::from(Self::OF_NODES))
    }

    /// Whether it is the channel by which nodes speak to each other.
    pub fn is_of_nodes(&self) -> bool {
        &*self.0 == Self::OF_NODES
    }

    /// The channel by which one node is spoken to.
    pub fn of_node(node: ClientId) -> Self {
        Self(Arc::from(format!("{}{node}", Self::OF_NODE)))
    }

    /// The text of the node that is spoken to by it, if it is such a channel.
    pub fn node(&self) -> Option<&str> {
        self.0.strip_prefix(Self::OF_NODE)
    }

    /// Whether nodes alone use it.
    pub fn is_internal(&self) -> bool {
        self.is_of_nodes() || self.node().is_some()
    }

    fn check(raw: &str) -> Result<(), ChannelNameError> {
        if raw.is_empty() {
            return Err(ChannelNameError::Empty);
        }
        if raw.len() > limits::CHANNEL_NAME_BYTES_MAX {
            return Err(ChannelNameError::TooLong);
        }
        let allowed = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'{' && byte != b'}';
        if raw.bytes().all(allowed) { Ok(()) } else { Err(ChannelNameError::Character) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The namespace that the name selects: what stands before the first `:`, the private prefix aside.
    pub fn namespace(&self) -> Option<&str> {
        let name = self.0.strip_prefix('$').unwrap_or(&self.0);
        name.split_once(':').map(|(namespace, _)| namespace).filter(|namespace| !namespace.is_empty())
    }

    /// Whether subscribing needs a token (`$…`).
    pub fn is_private(&self) -> bool {
        self.0.starts_with('$')
    }

    /// The users that a user-limited name lists (`…#alice,bob`): what stands after the last `#`.
    pub fn users(&self) -> Option<impl Iterator<Item = &str>> {
        self.0.rsplit_once('#').map(|(_, users)| users.split(','))
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Logs would have the byte as it is. No name that is parsed has a brace.
        match self.0.strip_prefix('\u{1}') {
            Some(internal) => write!(f, "\\u{{1}}{internal}"),
            None => f.write_str(&self.0),
        }
    }
}

impl fmt::Debug for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_printable_ascii_without_braces() {
        assert_eq!(ChannelName::parse(""), Err(ChannelNameError::Empty));
        assert_eq!(ChannelName::parse(&"x".repeat(256)), Err(ChannelNameError::TooLong));
        for refused in ["a{b", "a}b", "a\nb", "é", "a\u{7f}"] {
            assert_eq!(ChannelName::parse(refused), Err(ChannelNameError::Character), "{refused:?}");
        }
        assert!(ChannelName::parse(&"x".repeat(255)).is_ok());
        assert_eq!(ChannelName::parse(ChannelName::of_nodes().as_str()), Err(ChannelNameError::Character));
        assert_eq!(ChannelName::of_nodes().to_string(), r"\u{1}nodes");
        assert_eq!(name("a\"b").to_string(), "a\"b");
    }

    #[test]
    fn a_name_selects_its_namespace() {
        let namespace = |raw: &str| name(raw).namespace().map(str::to_owned);
        assert_eq!(namespace("news"), None);
        assert_eq!(namespace(":news"), None);
        assert_eq!(namespace("chat:one:two").as_deref(), Some("chat"));
        assert_eq!(namespace("$chat:one").as_deref(), Some("chat"));
    }

    #[test]
    fn a_user_limited_name_lists_its_users() {
        let users = |raw: &str| name(raw).users().map(|users| users.map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(users("news"), None);
        assert_eq!(users("a#b#alice,bob"), Some(vec!["alice".to_owned(), "bob".to_owned()]));
    }

    fn name(raw: &str) -> ChannelName {
        ChannelName::parse(raw).expect("a channel name")
    }
}
