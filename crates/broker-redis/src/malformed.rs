//! What can be wrong about bytes from Redis.

use model::PayloadError;

/// Why bytes from Redis are no publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// The payload is not one JSON value.
    #[error("the payload is not one JSON value")]
    NotJson,
    /// A part is larger than allowed.
    #[error("it is larger than allowed")]
    TooLarge,
    /// The envelope ends within a field.
    #[error("the envelope is cut short")]
    Truncated,
    /// The envelope is of another version.
    #[error("the envelope is of an unknown version")]
    Version,
    /// A field is missing, doubled, or not what it should be.
    #[error("a field of the envelope is missing or wrong")]
    Field,
    /// The signature is missing or wrong.
    #[error("the signature is missing or wrong")]
    Signature,
}

impl Malformed {
    /// Every kind, in the order of [`Self::index`].
    pub(crate) const ALL: [Self; 6] =
        [Self::NotJson, Self::TooLarge, Self::Truncated, Self::Version, Self::Field, Self::Signature];

    /// Position in [`Self::ALL`].
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// The kind as a metric's label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::TooLarge => "too_large",
            Self::Truncated => "truncated",
            Self::Version => "version",
            Self::Field => "field",
            Self::Signature => "signature",
        }
    }
}

impl From<PayloadError> for Malformed {
    fn from(_: PayloadError) -> Self {
        Self::NotJson
    }
}
