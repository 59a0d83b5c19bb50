//! Signature algorithms, and which kind of key each one needs.

use std::fmt;

use jsonwebtoken::Algorithm as Primitive;

/// A signature algorithm that a token may be signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of RFC 7518 and RFC 8037")]
pub enum Algorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

/// What a key can verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Hmac,
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 12] = [
        Self::HS256,
        Self::HS384,
        Self::HS512,
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::EdDSA,
    ];

    /// The algorithm that a token's header or a setting calls by this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// The name in a token's header.
    pub fn name(self) -> &'static str {
        match self {
            Self::HS256 => "HS256",
            Self::HS384 => "HS384",
            Self::HS512 => "HS512",
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::EdDSA => "EdDSA",
        }
    }

    pub(crate) fn key_kind(self) -> KeyKind {
        match self {
            Self::HS256 | Self::HS384 | Self::HS512 => KeyKind::Hmac,
            Self::RS256 | Self::RS384 | Self::RS512 | Self::PS256 | Self::PS384 | Self::PS512 => KeyKind::Rsa,
            Self::ES256 => KeyKind::P256,
            Self::ES384 => KeyKind::P384,
            Self::EdDSA => KeyKind::Ed25519,
        }
    }

    pub(crate) fn primitive(self) -> Primitive {
        match self {
            Self::HS256 => Primitive::HS256,
            Self::HS384 => Primitive::HS384,
            Self::HS512 => Primitive::HS512,
            Self::RS256 => Primitive::RS256,
            Self::RS384 => Primitive::RS384,
            Self::RS512 => Primitive::RS512,
            Self::PS256 => Primitive::PS256,
            Self::PS384 => Primitive::PS384,
            Self::PS512 => Primitive::PS512,
            Self::ES256 => Primitive::ES256,
            Self::ES384 => Primitive::ES384,
            Self::EdDSA => Primitive::EdDSA,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl KeyKind {
    /// What a key of this kind is used for when the operator names no algorithms.
    pub(crate) fn usual_algorithm(self) -> Algorithm {
        match self {
            Self::Hmac => Algorithm::HS256,
            Self::Rsa => Algorithm::RS256,
            Self::P256 => Algorithm::ES256,
            Self::P384 => Algorithm::ES384,
            Self::Ed25519 => Algorithm::EdDSA,
        }
    }

    /// What an operator has to set to have such a key.
    pub(crate) fn requirement(self) -> &'static str {
        match self {
            Self::Hmac => "a secret in token.hmac_secret",
            Self::Rsa => "an RSA key in token.public_key",
            Self::P256 => "a P-256 key in token.public_key",
            Self::P384 => "a P-384 key in token.public_key",
            Self::Ed25519 => "an Ed25519 key in token.public_key",
        }
    }
}
