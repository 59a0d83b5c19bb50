//! What a client asks, protocol-neutral. Texts are borrowed from the frame.

use std::borrow::Cow;

use model::{Payload, Since};

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command<'f> {
    /// Authenticates the connection; must be the first command.
    Connect {
        /// The connection token, if one was given.
        token: Option<Cow<'f, str>>,
        /// What the client last saw of channels that the server subscribes it to.
        recoveries: Vec<(Cow<'f, str>, Since)>,
    },
    /// Asks for a subscription.
    Subscribe {
        /// The channel, as the client wrote it.
        channel: Cow<'f, str>,
        /// The subscription token, if one was given.
        token: Option<Cow<'f, str>>,
        /// What the client last saw of the channel, if it wants what it missed.
        recovery: Option<Recovery>,
        /// Whether the client wants to be told who comes and goes.
        wants_movements: bool,
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
    /// Asks for a part of a channel's history.
    History {
        /// The channel, as the client wrote it.
        channel: Cow<'f, str>,
        /// From where on.
        since: Option<Since>,
        /// How many publications; `None` for as many as may be asked for.
        limit: Option<u32>,
        /// From new to old.
        reverse: bool,
    },
    /// Asks who is subscribed to a channel, or how many are.
    Inquire {
        /// Which of them.
        kind: CommandKind,
        /// The channel, as the client wrote it.
        channel: Cow<'f, str>,
    },
    /// Answers a ping.
    Pong,
}

/// What a client that subscribes again wants of what it missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// What it last saw.
    pub since: Since,
    /// Whether it would rather be refused than subscribed when not all of it is there.
    pub is_strict: bool,
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
            Self::History { .. } => CommandKind::History,
            Self::Inquire { kind, .. } => *kind,
            Self::Pong => CommandKind::Pong,
        }
    }
}
