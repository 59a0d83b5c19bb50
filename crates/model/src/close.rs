//! Why a connection ends: one reason, with its number and text on the native wire.

use std::borrow::Cow;

/// Why a connection ends.
///
/// The codes are those of the native protocol: 3000–3499 ask the client to reconnect, 3500–3999 end it for
/// good, 1000–1999 are WebSocket's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer closed or vanished; nobody is left to be told.
    Gone,
    /// The node drains.
    Shutdown,
    /// A fault of ours.
    Internal,
    /// The connection's token ran out and was not refreshed.
    Expired,
    /// A server-side subscription ran out.
    SubscriptionExpired,
    /// The outbox outgrew its bound.
    Slow,
    /// What the client is subscribed to no longer matches its token.
    InsufficientState,
    /// The connection reached the age at which it is to begin anew, maybe on another node.
    Aged,
    /// No pong in time.
    NoPong,
    /// The command rate was exceeded after a warning.
    TooManyRequests,
    /// The token is not valid, or belongs to somebody else.
    InvalidToken,
    /// The client broke the protocol.
    BadRequest,
    /// No successful connect in time.
    Stale,
    /// An operator or backend disconnected the user.
    Disconnected,
    /// The token lists more channels than a connection may hold.
    ChannelLimit,
    /// The client used something this node does not offer.
    NotAvailable,
    /// A backend disconnected the user with a code and text of its own.
    Requested {
        /// 4000–4999 by convention; any number the API caller chose.
        code: u16,
        /// At most 123 bytes.
        text: Box<str>,
    },
    /// The peer broke the WebSocket protocol.
    ProtocolViolation,
    /// A text frame was not UTF-8.
    InvalidText,
    /// A message outgrew the inbound limit.
    TooBig,
}

impl CloseReason {
    /// The number on the native wire.
    pub fn code(&self) -> u16 {
        match self {
            Self::Gone => 3000,
            Self::Shutdown => 3001,
            Self::Internal => 3004,
            Self::Expired => 3005,
            Self::SubscriptionExpired => 3006,
            Self::Slow => 3008,
            Self::InsufficientState => 3010,
            Self::Aged => 3011,
            Self::NoPong => 3012,
            Self::TooManyRequests => 3013,
            Self::InvalidToken => 3500,
            Self::BadRequest => 3501,
            Self::Stale => 3502,
            Self::Disconnected => 3503,
            Self::ChannelLimit => 3505,
            Self::NotAvailable => 3508,
            Self::Requested { code, .. } => *code,
            Self::ProtocolViolation => 1002,
            Self::InvalidText => 1007,
            Self::TooBig => 1009,
        }
    }

    /// The text on the native wire. Never empty: client libraries read the code's range only beside a text.
    pub fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Self::Gone => "connection closed",
            Self::Shutdown => "shutdown",
            Self::Internal => "internal server error",
            Self::Expired => "connection expired",
            Self::SubscriptionExpired => "subscription expired",
            Self::Slow => "slow",
            Self::InsufficientState => "insufficient state",
            Self::Aged => "force reconnect",
            Self::NoPong => "no pong",
            Self::TooManyRequests => "too many requests",
            Self::InvalidToken => "invalid token",
            Self::BadRequest => "bad request",
            Self::Stale => "stale",
            Self::Disconnected => "force disconnect",
            Self::ChannelLimit => "channel limit",
            Self::NotAvailable => "not available",
            Self::Requested { text, .. } => text,
            Self::ProtocolViolation => "protocol error",
            Self::InvalidText => "text is not UTF-8",
            Self::TooBig => "message size limit",
        })
    }

    /// The label in metrics: the code, with every code a backend chose folded into one.
    pub fn label(&self) -> &'static str {
        Self::LABELS[self.index()]
    }

    /// Position of the reason in [`Self::LABELS`].
    pub fn index(&self) -> usize {
        match self {
            Self::Gone => 0,
            Self::Shutdown => 1,
            Self::Internal => 2,
            Self::Expired => 3,
            Self::SubscriptionExpired => 4,
            Self::Slow => 5,
            Self::InsufficientState => 6,
            Self::Aged => 7,
            Self::NoPong => 8,
            Self::TooManyRequests => 9,
            Self::InvalidToken => 10,
            Self::BadRequest => 11,
            Self::Stale => 12,
            Self::Disconnected => 13,
            Self::ChannelLimit => 14,
            Self::NotAvailable => 15,
            Self::Requested { .. } => 16,
            Self::ProtocolViolation => 17,
            Self::InvalidText => 18,
            Self::TooBig => 19,
        }
    }

    /// Every label that [`Self::label`] can return, in the order of [`Self::index`].
    pub const LABELS: [&'static str; 20] = [
        "3000", "3001", "3004", "3005", "3006", "3008", "3010", "3011", "3012", "3013", "3500", "3501",
        "3502", "3503", "3505", "3508", "custom", "1002", "1007", "1009",
    ];
}
