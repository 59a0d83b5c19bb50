//! What a token says and what would come of it, for `fanfare token --explain`. Nothing here is believed.

use model::UnixTime;

use crate::claims::{PresentedClaims, TokenKind};
use crate::grant::stated_end;
use crate::json::Text;
use crate::segments::Segments;
use crate::{TokenRefusal, Verdict, Verifier};

/// What can be read of a token, genuine or not, and the verdict on it. Without its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The header's `alg`, if there is a header.
    pub algorithm: Option<Box<str>>,
    /// The header's `kid`.
    pub kid: Option<Box<str>>,
    /// What the claims say, if they can be read.
    pub claims: Option<ExplainedClaims>,
    /// What would come of it if it were used as what it is.
    pub verdict: Verdict<()>,
}

/// What the claims of a token say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedClaims {
    /// What the token is for.
    pub kind: TokenKind,
    /// The claim `sub`; empty for anonymous users.
    pub user: Box<str>,
    /// The channel that a subscription token is for.
    pub channel: Option<Box<str>>,
    /// The claim `exp`: when the token ends.
    pub token_expires: Option<UnixTime>,
    /// When what it grants ends: `expire_at`, else `exp`.
    pub expires: Option<UnixTime>,
    /// The claim `nbf`: when the token begins.
    pub begins: Option<UnixTime>,
    /// The claim `iss`.
    pub issuer: Option<Box<str>>,
    /// The claim `aud`.
    pub audiences: Vec<Box<str>>,
}

/// Explains a token.
pub fn explain(token: &str, verifier: &Verifier, now: UnixTime) -> Explanation {
    let Ok(segments) = Segments::split(token) else {
        return Explanation {
            algorithm: None,
            kid: None,
            claims: None,
            verdict: Verdict::Refused(TokenRefusal::Malformed),
        };
    };
    let header = segments.header().ok();
    let claims =
        segments.payload().and_then(|payload| Ok(explained(&PresentedClaims::parse(&payload)?))).ok();
    let kind = claims.as_ref().map_or(TokenKind::Connection, |claims| claims.kind);
    Explanation {
        algorithm: header.as_ref().map(|header| header.alg.to_boxed()),
        kid: header.and_then(|header| header.kid.map(|kid| kid.to_boxed())),
        claims,
        verdict: match kind {
            TokenKind::Connection => verifier.verify_connection(token, now).map(|_| ()),
            TokenKind::Subscription => verifier.verify_subscription(token, now).map(|_| ()),
        },
    }
}

fn explained(claims: &PresentedClaims<'_>) -> ExplainedClaims {
    let boxed = |text: &Option<Text<'_>>| text.as_ref().map(Text::to_boxed);
    ExplainedClaims {
        kind: claims.kind(),
        user: boxed(&claims.sub).unwrap_or_default(),
        channel: boxed(&claims.channel),
        token_expires: claims.exp.map(UnixTime::from),
        expires: stated_end(claims).ok().flatten(),
        begins: claims.nbf.map(UnixTime::from),
        issuer: boxed(&claims.iss),
        audiences: claims.audiences().iter().map(Text::to_boxed).collect(),
    }
}
