//! What operators should read about: state changes that the loop writes to the log.

use auth::TokenRefusal;
use model::{ClientId, CloseReason};

/// Why a client was denied a connection or a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The first command carried no token and none is optional.
    NoToken,
    /// The token names a key that is not configured.
    KeyUnknown,
    /// The token was refused.
    Token(TokenRefusal),
    /// The token is valid, but for another user, client or channel.
    TokenMismatch,
}

/// Something that happened to a connection.
#[derive(Debug, Clone)]
pub enum Notice {
    /// A token was turned down.
    Denied(Denial),
    /// A connection began to close.
    Closed {
        /// The connection.
        client: ClientId,
        /// Why.
        reason: CloseReason,
    },
}

impl Denial {
    /// How many denials there are.
    pub const COUNT: usize = 3 + TokenRefusal::ALL.len();

    /// Position of the denial in [`Self::labels`].
    pub fn index(self) -> usize {
        match self {
            Self::NoToken => 0,
            Self::KeyUnknown => 1,
            Self::TokenMismatch => 2,
            Self::Token(refusal) => 3 + refusal as usize,
        }
    }

    /// The label of every denial.
    pub fn labels() -> impl Iterator<Item = &'static str> {
        ["no_token", "key_unknown", "token_mismatch"]
            .into_iter()
            .chain(TokenRefusal::ALL.map(TokenRefusal::label))
    }
}
