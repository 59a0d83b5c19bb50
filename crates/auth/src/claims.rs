//! What a token says, read as it stands. What it is allowed because of that is `grant`'s to decide.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::RawJson;
use serde::Deserialize;

use crate::TokenRefusal;
use crate::json::{ObjectError, Seconds, Text, on_one_line, parse_object};

/// What a token is for; a claim `channel` makes the difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// To connect.
    Connection,
    /// To subscribe to one channel.
    Subscription,
}

/// The claims of a token of either kind. Unknown ones are ignored, `null` is the same as absent.
#[derive(Deserialize)]
pub(crate) struct PresentedClaims<'a> {
    #[serde(borrow)]
    pub(crate) sub: Option<Text<'a>>,
    pub(crate) exp: Option<Seconds>,
    pub(crate) nbf: Option<Seconds>,
    #[serde(borrow)]
    pub(crate) iss: Option<Text<'a>>,
    #[serde(borrow)]
    aud: Option<&'a RawJson>,
    pub(crate) expire_at: Option<Seconds>,
    #[serde(borrow)]
    pub(crate) channel: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) client: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) channels: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    pub(crate) subs: Option<BTreeMap<Text<'a>, Option<&'a RawJson>>>,
    #[serde(borrow)]
    info: Option<&'a RawJson>,
    #[serde(borrow)]
    b64info: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<&'a RawJson>,
    #[serde(borrow)]
    b64data: Option<Text<'a>>,
}

/// What `subs` says about one channel. `override` waits for the options it overrides.
#[derive(Deserialize, Default)]
pub(crate) struct PresentedOptions<'a> {
    #[serde(borrow)]
    info: Option<&'a RawJson>,
    #[serde(borrow)]
    b64info: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<&'a RawJson>,
    #[serde(borrow)]
    b64data: Option<Text<'a>>,
}

impl<'a> PresentedClaims<'a> {
    pub(crate) fn parse(payload: &'a str) -> Result<Self, TokenRefusal> {
        parse_object(payload).map_err(|error| match error {
            ObjectError::NotAnObject => TokenRefusal::Malformed,
            ObjectError::WrongMember => TokenRefusal::WrongClaims,
        })
    }

    pub(crate) fn kind(&self) -> TokenKind {
        match self.channel {
            Some(_) => TokenKind::Subscription,
            None => TokenKind::Connection,
        }
    }

    /// The audiences, be they one text or a list; none if `aud` is neither.
    pub(crate) fn audiences(&self) -> Vec<Text<'a>> {
        let Some(audiences) = self.aud.map(RawJson::get) else {
            return Vec::new();
        };
        match serde_json::from_str(audiences) {
            Ok(audience) => vec![audience],
            Err(_) => serde_json::from_str(audiences).unwrap_or_default(),
        }
    }

    pub(crate) fn info(&self) -> Result<Option<Box<RawJson>>, TokenRefusal> {
        value(self.info, self.b64info.as_ref())
    }

    pub(crate) fn data(&self) -> Result<Option<Box<RawJson>>, TokenRefusal> {
        value(self.data, self.b64data.as_ref())
    }
}

impl<'a> PresentedOptions<'a> {
    pub(crate) fn parse(options: Option<&'a RawJson>) -> Result<Self, TokenRefusal> {
        match options {
            Some(options) => parse_object(options.get()).map_err(|_| TokenRefusal::WrongClaims),
            None => Ok(Self::default()),
        }
    }

    pub(crate) fn info(&self) -> Result<Option<Box<RawJson>>, TokenRefusal> {
        value(self.info, self.b64info.as_ref())
    }

    pub(crate) fn data(&self) -> Result<Option<Box<RawJson>>, TokenRefusal> {
        value(self.data, self.b64data.as_ref())
    }
}

/// The issuer alone, for a token whose other claims nobody can vouch for.
pub(crate) fn issuer(payload: &str) -> Result<Option<Box<str>>, TokenRefusal> {
    #[derive(Deserialize)]
    struct Issuer<'a> {
        #[serde(borrow)]
        iss: Option<Text<'a>>,
    }
    let claims: Issuer<'_> = parse_object(payload).map_err(|_| TokenRefusal::Malformed)?;
    Ok(claims.iss.map(|issuer| issuer.to_boxed()))
}

/// The base64 form wins. It may hold any bytes elsewhere; connections speak JSON, so it must hold JSON here.
fn value(plain: Option<&RawJson>, base64: Option<&Text<'_>>) -> Result<Option<Box<RawJson>>, TokenRefusal> {
    let Some(base64) = base64.filter(|base64| !base64.as_str().is_empty()) else {
        return Ok(plain.map(on_one_line));
    };
    let bytes = STANDARD.decode(base64.as_str()).map_err(|_| TokenRefusal::WrongClaims)?;
    let decoded: &RawJson = serde_json::from_slice(&bytes).map_err(|_| TokenRefusal::WrongClaims)?;
    Ok(Some(on_one_line(decoded)))
}
