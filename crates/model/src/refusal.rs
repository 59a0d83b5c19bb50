//! Why a request is turned down while the connection lives on.

/// Why a request is turned down. The codes are those of the native protocol and of the server API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A fault of ours, or a bound of ours was reached; trying again may help.
    Internal,
    /// The channel's namespace is not configured.
    UnknownChannel,
    /// The rules do not allow it.
    PermissionDenied,
    /// No such method.
    MethodNotFound,
    /// The connection already has this subscription.
    AlreadySubscribed,
    /// The connection holds as many channels as it may.
    LimitExceeded,
    /// The request is malformed.
    BadRequest,
    /// The feature is off for this channel or node.
    NotAvailable,
    /// The token's time is over; a fresh one will do.
    TokenExpired,
    /// What was asked for is already over.
    Expired,
    /// The command rate was exceeded.
    TooManyRequests,
    /// The history no longer reaches back to the position, or is another one.
    UnrecoverablePosition,
}

impl Refusal {
    /// Every refusal, in the order of [`Self::index`].
    pub const ALL: [Self; 12] = [
        Self::Internal,
        Self::UnknownChannel,
        Self::PermissionDenied,
        Self::MethodNotFound,
        Self::AlreadySubscribed,
        Self::LimitExceeded,
        Self::BadRequest,
        Self::NotAvailable,
        Self::TokenExpired,
        Self::Expired,
        Self::TooManyRequests,
        Self::UnrecoverablePosition,
    ];

    /// Position of the refusal in [`Self::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// The number on the wire.
    pub fn code(self) -> u16 {
        match self {
            Self::Internal => 100,
            Self::UnknownChannel => 102,
            Self::PermissionDenied => 103,
            Self::MethodNotFound => 104,
            Self::AlreadySubscribed => 105,
            Self::LimitExceeded => 106,
            Self::BadRequest => 107,
            Self::NotAvailable => 108,
            Self::TokenExpired => 109,
            Self::Expired => 110,
            Self::TooManyRequests => 111,
            Self::UnrecoverablePosition => 112,
        }
    }

    /// The text on the wire.
    pub fn text(self) -> &'static str {
        match self {
            Self::Internal => "internal server error",
            Self::UnknownChannel => "unknown channel",
            Self::PermissionDenied => "permission denied",
            Self::MethodNotFound => "method not found",
            Self::AlreadySubscribed => "already subscribed",
            Self::LimitExceeded => "limit exceeded",
            Self::BadRequest => "bad request",
            Self::NotAvailable => "not available",
            Self::TokenExpired => "token expired",
            Self::Expired => "expired",
            Self::TooManyRequests => "too many requests",
            Self::UnrecoverablePosition => "unrecoverable position",
        }
    }

    /// Whether the same request may succeed later.
    pub fn is_temporary(self) -> bool {
        matches!(self, Self::Internal | Self::TooManyRequests)
    }
}
