//! What comes of a token: granted, refused for one reason, or signed with a key nobody configured.

use std::fmt;

use crate::Algorithm;

/// What comes of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict<G> {
    /// The token allows this.
    Granted(G),
    /// The token allows nothing.
    Refused(TokenRefusal),
    /// The token is well formed, but no key is configured for its algorithm.
    KeyUnknown(KeyId),
}

/// Which key a token says it is signed with. All of it is the bearer's word.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyId {
    /// The claim `iss`.
    pub issuer: Option<Box<str>>,
    /// The header's `kid`.
    pub kid: Option<Box<str>>,
    /// The header's `alg`.
    pub algorithm: Algorithm,
}

/// Why a token is turned down. Carries nothing of the token, so that it can be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// Not three segments of base64 JSON under an algorithm we know.
    #[error("the token is not a JWT under a known algorithm")]
    Malformed,
    /// No configured key made the signature.
    #[error("the token's signature was not made with a configured key")]
    BadSignature,
    /// `aud` does not name us.
    #[error("the token is for another audience, or for none")]
    WrongAudience,
    /// `iss` is not the issuer we believe.
    #[error("the token is from another issuer, or from none")]
    WrongIssuer,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// There is no `exp`, which is required.
    #[error("the token has no expiry")]
    NoExpiry,
    /// A connection was to be made with a token that has a `channel`.
    #[error("a subscription token was used to connect")]
    SubscriptionTokenUsedToConnect,
    /// A subscription was to be made with a token without a `channel`.
    #[error("a connection token was used to subscribe")]
    ConnectionTokenUsedToSubscribe,
    /// A claim is of the wrong type, or names no possible channel.
    #[error("a claim of the token has the wrong type or form")]
    WrongClaims,
}

impl TokenRefusal {
    /// Every refusal, in the order of [`Self::index`].
    pub const ALL: [Self; 10] = [
        Self::Malformed,
        Self::BadSignature,
        Self::WrongAudience,
        Self::WrongIssuer,
        Self::Expired,
        Self::NotYetValid,
        Self::NoExpiry,
        Self::SubscriptionTokenUsedToConnect,
        Self::ConnectionTokenUsedToSubscribe,
        Self::WrongClaims,
    ];

    /// Position of the refusal in [`Self::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// The label in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::BadSignature => "bad_signature",
            Self::WrongAudience => "wrong_audience",
            Self::WrongIssuer => "wrong_issuer",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::NoExpiry => "no_expiry",
            Self::SubscriptionTokenUsedToConnect => "subscription_token_used_to_connect",
            Self::ConnectionTokenUsedToSubscribe => "connection_token_used_to_subscribe",
            Self::WrongClaims => "wrong_claims",
        }
    }

    /// The setting to look at, if the cause may be on our side.
    pub fn setting(self) -> Option<&'static str> {
        match self {
            Self::BadSignature => Some("token.hmac_secret, token.public_key"),
            Self::WrongAudience => Some("token.audience"),
            Self::WrongIssuer => Some("token.issuer"),
            Self::NoExpiry => Some("token.require_exp"),
            Self::Malformed
            | Self::Expired
            | Self::NotYetValid
            | Self::SubscriptionTokenUsedToConnect
            | Self::ConnectionTokenUsedToSubscribe
            | Self::WrongClaims => None,
        }
    }

    /// What to do about it, for a log line.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Malformed => {
                "the client should present what its backend signed, unchanged; `none` is no algorithm"
            }
            Self::BadSignature => {
                "token.hmac_secret or token.public_key must match the key that signs tokens; during a change of keys \
                 set the earlier one as token.hmac_secret_previous or token.public_key_previous"
            }
            Self::WrongAudience => {
                "token.audience must be among the token's `aud`; empty accepts every token"
            }
            Self::WrongIssuer => "token.issuer must equal the token's `iss`; empty accepts every token",
            Self::Expired => "the client should fetch a fresh token; if fresh ones fail, compare the clocks",
            Self::NotYetValid => "the token's `nbf` is ahead of this node's clock: compare the clocks",
            Self::NoExpiry => "the backend must set `exp`, or token.require_exp be switched off",
            Self::SubscriptionTokenUsedToConnect => {
                "a connection token has no claim `channel`; list channels in `channels` or `subs`"
            }
            Self::ConnectionTokenUsedToSubscribe => {
                "a subscription token names its channel in the claim `channel`"
            }
            Self::WrongClaims => {
                "`sub` is a string, times are numbers, `channels` is a list of channel names, `subs` an object by \
                 channel name, `b64info` and `b64data` are JSON in base64"
            }
        }
    }
}

impl KeyId {
    /// The label in metrics, beside those of [`TokenRefusal::label`].
    pub const LABEL: &'static str = "key_unknown";

    /// The settings to look at.
    pub fn setting(&self) -> &'static str {
        "token.algorithms, token.hmac_secret, token.public_key"
    }

    /// What to do about it, for a log line. Carries nothing of the token but its algorithm.
    pub fn hint(&self) -> String {
        format!(
            "the token is signed under {}, which needs {} and, if token.algorithms is set, a place in it",
            self.algorithm,
            self.algorithm.key_kind().requirement()
        )
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyId").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl<G> Verdict<G> {
    /// The grant, if there is one.
    pub fn granted(self) -> Option<G> {
        match self {
            Self::Granted(grant) => Some(grant),
            Self::Refused(_) | Self::KeyUnknown(_) => None,
        }
    }

    /// The verdict with another grant.
    pub fn map<H>(self, change: impl FnOnce(G) -> H) -> Verdict<H> {
        match self {
            Self::Granted(grant) => Verdict::Granted(change(grant)),
            Self::Refused(refusal) => Verdict::Refused(refusal),
            Self::KeyUnknown(key) => Verdict::KeyUnknown(key),
        }
    }
}

/// A [`Verdict`] that grants nothing, as the way there passes it on with `?`.
pub(crate) enum Denial {
    Refused(TokenRefusal),
    KeyUnknown(KeyId),
}

impl From<TokenRefusal> for Denial {
    fn from(refusal: TokenRefusal) -> Self {
        Self::Refused(refusal)
    }
}

impl<G> From<Result<G, Denial>> for Verdict<G> {
    fn from(outcome: Result<G, Denial>) -> Self {
        match outcome {
            Ok(grant) => Self::Granted(grant),
            Err(Denial::Refused(refusal)) => Self::Refused(refusal),
            Err(Denial::KeyUnknown(key)) => Self::KeyUnknown(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_place_and_a_label_of_its_own() {
        for (index, refusal) in TokenRefusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal.index(), index);
            let same = TokenRefusal::ALL.iter().filter(|other| other.label() == refusal.label());
            assert_eq!(same.count(), 1, "{}", refusal.label());
            assert_ne!(refusal.label(), KeyId::LABEL);
        }
    }

    #[test]
    fn a_key_id_shows_nothing_that_the_bearer_wrote() {
        let key = KeyId {
            issuer: Some("https://issuer".into()),
            kid: Some("kid-1".into()),
            algorithm: Algorithm::RS256,
        };
        let shown = format!("{key:?} {}", key.hint());
        assert!(!shown.contains("issuer") && !shown.contains("kid-1"), "{shown}");
    }
}
