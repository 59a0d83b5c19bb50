//! The three segments of a token: found, decoded, not yet believed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::TokenRefusal;
use crate::json::{Text, parse_object};

/// A token taken apart.
pub(crate) struct Segments<'a> {
    /// What the signature is over.
    pub(crate) signed: &'a [u8],
    pub(crate) signature: Vec<u8>,
    header: String,
    payload: &'a str,
}

/// The members of a header that matter here.
#[derive(Deserialize)]
pub(crate) struct Header<'a> {
    #[serde(borrow)]
    pub(crate) alg: Text<'a>,
    #[serde(borrow)]
    pub(crate) kid: Option<Text<'a>>,
    crit: Option<IgnoredAny>,
}

impl<'a> Segments<'a> {
    pub(crate) fn split(token: &'a str) -> Result<Self, TokenRefusal> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenRefusal::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenRefusal::Malformed)?;
        // Encrypted tokens (RFC 7516) have five segments.
        if payload.contains('.') {
            return Err(TokenRefusal::Malformed);
        }
        Ok(Self {
            signed: signed.as_bytes(),
            signature: decode(signature)?,
            header: decode_text(header)?,
            payload,
        })
    }

    pub(crate) fn header(&self) -> Result<Header<'_>, TokenRefusal> {
        let header: Header<'_> = parse_object(&self.header).map_err(|_| TokenRefusal::Malformed)?;
        // `crit` lists extensions that a reader must refuse unless it knows them (RFC 7515 §4.1.11).
        if header.crit.is_some() {
            return Err(TokenRefusal::Malformed);
        }
        Ok(header)
    }

    /// The claims as text.
    pub(crate) fn payload(&self) -> Result<String, TokenRefusal> {
        decode_text(self.payload)
    }
}

fn decode(segment: &str) -> Result<Vec<u8>, TokenRefusal> {
    URL_SAFE_NO_PAD.decode(segment).map_err(|_| TokenRefusal::Malformed)
}

fn decode_text(segment: &str) -> Result<String, TokenRefusal> {
    String::from_utf8(decode(segment)?).map_err(|_| TokenRefusal::Malformed)
}
