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

    /// The denial's label.
    pub fn label(self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::KeyUnknown => "key_unknown",
            Self::TokenMismatch => "token_mismatch",
            Self::Token(refusal) => refusal.label(),
        }
    }

    /// The setting that an operator should look at.
    pub fn setting(self) -> &'static str {
        match self {
            Self::NoToken => "client.insecure",
            Self::KeyUnknown => "token.algorithms",
            Self::Token(refusal) => refusal.setting().unwrap_or("token"),
            Self::TokenMismatch => "token",
        }
    }

    /// What is wrong, for the operator.
    pub fn hint(self) -> &'static str {
        match self {
            Self::NoToken => "clients must send a token with their connect command",
            Self::KeyUnknown => "no key is configured for the algorithm that the token names",
            Self::Token(refusal) => refusal.hint(),
            Self::TokenMismatch => "the token is valid, but for another user, client or channel",
        }
    }

    /// The label of every denial.
    pub fn labels() -> impl Iterator<Item = &'static str> {
        let others = [Self::NoToken, Self::KeyUnknown, Self::TokenMismatch];
        others
            .into_iter()
            .chain(TokenRefusal::ALL.map(Self::Token))
            .map(Self::label)
            .chain(TokenRefusal::ALL.map(TokenRefusal::label))
    }
}
