//! What a client asks, protocol-neutral. Texts are borrowed from the frame.

use std::borrow::Cow;

use model::Payload;

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command<'f> {
    /// Authenticates the connection; must be the first command.
    Connect {
        /// The connection token, if one was given.
        token: Option<Cow<'f, str>>,
    },
    /// Asks for a subscription.
    Subscribe {
        /// The channel, as the client wrote it.
        channel: Cow<'f, str>,
        /// The subscription token, if one was given.
        token: Option<Cow<'f, str>>,
    },
    /// Ends a subscription.
    Unsubscribe {
        /// The channel, as the client wrote it.
        channel: Cow<'f, str>,
    },
    /// Publishes to a channel.
    Publish {
        /// The channel, as the client wrote it.
        channel: Cow<'f, str>,
        /// What to publish; `None` when the client sent nothing.
        payload: Option<Payload>,
    },
    /// Presents a fresh connection token.
    Refresh {
        /// The token.
        token: Cow<'f, str>,
    },
    /// Presents a fresh subscription token.
    RefreshSubscription {
        /// The channel, as the client wrote it.
        channel: Cow<'f, str>,
        /// The token.
        token: Cow<'f, str>,
    },
    /// Calls a remote procedure.
    Rpc,
    /// Sends something that expects no answer.
    Send,
    /// Asks something about a channel that no namespace offers: presence, presence statistics, history.
    Inquire {
        /// Which of them.
        kind: CommandKind,
        /// The channel, as the client wrote it.
        channel: Cow<'f, str>,
    },
    /// Answers a ping.
    Pong,
}

/// A command's kind, as metrics label it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the command of the same name")]
pub enum CommandKind {
    Connect,
    Subscribe,
    Unsubscribe,
    Publish,
    Refresh,
    RefreshSubscription,
    Rpc,
    Send,
    Presence,
    PresenceStats,
    History,
    Pong,
}

impl CommandKind {
    /// Every label, in the order of [`Self::index`].
    pub const LABELS: [&'static str; 12] = [
        "connect",
        "subscribe",
        "unsubscribe",
        "publish",
        "refresh",
        "sub_refresh",
        "rpc",
        "send",
        "presence",
        "presence_stats",
        "history",
        "pong",
    ];

    /// Position of the kind in [`Self::LABELS`].
    pub fn index(self) -> usize {
        self as usize
    }
}

impl Command<'_> {
    /// The command's kind.
    pub fn kind(&self) -> CommandKind {
        match self {
            Self::Connect { .. } => CommandKind::Connect,
            Self::Subscribe { .. } => CommandKind::Subscribe,
            Self::Unsubscribe { .. } => CommandKind::Unsubscribe,
            Self::Publish { .. } => CommandKind::Publish,
            Self::Refresh { .. } => CommandKind::Refresh,
            Self::RefreshSubscription { .. } => CommandKind::RefreshSubscription,
            Self::Rpc => CommandKind::Rpc,
            Self::Send => CommandKind::Send,
            Self::Inquire { kind, .. } => *kind,
            Self::Pong => CommandKind::Pong,
        }
    }
}
