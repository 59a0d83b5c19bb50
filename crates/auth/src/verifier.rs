//! The way of a token: take it apart, check its signature, read its claims, ask the rules, grant.

use std::fmt;

use model::UnixTime;

use crate::claims::{PresentedClaims, TokenKind, issuer};
use crate::grant::Requirements;
use crate::key::{KeySet, Signature};
use crate::refusal::Denial;
use crate::segments::{Header, Segments};
use crate::{
    Algorithm, Config, ConnectionGrant, KeyError, KeyId, KeyWarning, SubscriptionGrant, TokenRefusal, Verdict,
};

/// Tells which tokens are to be believed. Immutable: share it between threads.
///
/// It keeps no memory of tokens: the same token is checked in full each time.
pub struct Verifier {
    keys: KeySet,
    requirements: Requirements,
}

impl Verifier {
    /// Reads the keys. Without any, the verifier is valid and grants nothing.
    pub fn new(config: &Config) -> Result<Self, KeyError> {
        Ok(Self { keys: KeySet::new(config)?, requirements: Requirements::new(config) })
    }

    /// Whether any token can be granted at all.
    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// What is doubtful about the keys, to be told at each start.
    pub fn warnings(&self) -> &[KeyWarning] {
        self.keys.warnings()
    }

    /// What a token allows that is presented to connect.
    pub fn verify_connection(&self, token: &str, now: UnixTime) -> Verdict<ConnectionGrant> {
        let grant = |payload: &str| {
            let claims = PresentedClaims::parse(payload)?;
            self.requirements.admit(&claims, TokenKind::Connection, now)?;
            ConnectionGrant::from_claims(&claims, now)
        };
        self.genuine_payload(token).and_then(|payload| Ok(grant(&payload)?)).into()
    }

    /// What a token allows that is presented to subscribe. That its channel, user and client are those of the
    /// subscriber is the caller's to compare.
    pub fn verify_subscription(&self, token: &str, now: UnixTime) -> Verdict<SubscriptionGrant> {
        let grant = |payload: &str| {
            let claims = PresentedClaims::parse(payload)?;
            self.requirements.admit(&claims, TokenKind::Subscription, now)?;
            SubscriptionGrant::from_claims(&claims, now)
        };
        self.genuine_payload(token).and_then(|payload| Ok(grant(&payload)?)).into()
    }

    fn genuine_payload(&self, token: &str) -> Result<String, Denial> {
        let segments = Segments::split(token)?;
        let header = segments.header()?;
        let algorithm = Algorithm::parse(header.alg.as_str()).ok_or(TokenRefusal::Malformed)?;
        match self.keys.check(algorithm, segments.signed, &segments.signature) {
            Signature::Genuine => Ok(segments.payload()?),
            Signature::Forged => Err(TokenRefusal::BadSignature.into()),
            Signature::Unverifiable => Err(key_unknown(&segments, &header, algorithm)),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("algorithms", &self.keys.algorithms().collect::<Vec<_>>())
            .field("requirements", &self.requirements)
            .finish()
    }
}

fn key_unknown(segments: &Segments<'_>, header: &Header<'_>, algorithm: Algorithm) -> Denial {
    match segments.payload().and_then(|payload| issuer(&payload)) {
        Ok(issuer) => Denial::KeyUnknown(KeyId {
            issuer,
            kid: header.kid.as_ref().map(|kid| kid.to_boxed()),
            algorithm,
        }),
        Err(refusal) => refusal.into(),
    }
}
