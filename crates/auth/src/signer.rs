//! Signing of development tokens: for `fanfare token`, development mode and the load generator. Production tokens
//! are the backend's to sign.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use model::{ChannelName, RawJson, Secret, UnixTime};
use serde::Serialize;

use crate::algorithm::{Algorithm, KeyKind};
use crate::{KeyError, KeyFault};

/// What a token to be signed shall say.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Claims {
    #[serde(rename = "sub", skip_serializing_if = "str::is_empty")]
    user: Box<str>,
    #[serde(rename = "exp", skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
    #[serde(rename = "iss", skip_serializing_if = "Option::is_none")]
    issuer: Option<Box<str>>,
    #[serde(rename = "aud", skip_serializing_if = "Option::is_none")]
    audience: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<Box<RawJson>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<Box<str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    channels: Vec<Box<str>>,
}

impl Claims {
    /// Those of a connection token. An empty user is an anonymous one.
    pub fn connection(user: &str) -> Self {
        Self { user: user.into(), ..Self::default() }
    }

    /// Those of a subscription token.
    pub fn subscription(user: &str, channel: &ChannelName) -> Self {
        Self { channel: Some(channel.as_str().into()), ..Self::connection(user) }
    }

    /// Ends the token at this time; without, it never ends.
    pub fn expires(mut self, at: UnixTime) -> Self {
        self.expires = Some(at.0);
        self
    }

    /// What others may see of the connection or subscription.
    pub fn info(mut self, info: Box<RawJson>) -> Self {
        self.info = Some(info);
        self
    }

    /// Channels that the connection is subscribed to from its start.
    pub fn channels<'a>(mut self, channels: impl IntoIterator<Item = &'a ChannelName>) -> Self {
        self.channels = channels.into_iter().map(|channel| channel.as_str().into()).collect();
        self
    }

    /// Who signs the token.
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Whom the token is for.
    pub fn audience(mut self, audience: &str) -> Self {
        self.audience = Some(audience.into());
        self
    }
}

/// Signs tokens with a secret.
pub struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
    header: String,
}

impl Signer {
    /// Signs with an HMAC secret under HS256, HS384 or HS512.
    pub fn hmac(secret: &Secret, algorithm: Algorithm) -> Result<Self, KeyError> {
        let refused = |setting, fault| Err(KeyError { setting, fault });
        if algorithm.key_kind() != KeyKind::Hmac {
            return refused("token.algorithms", KeyFault::NotHmac { algorithm });
        }
        if secret.is_empty() {
            return refused("token.hmac_secret", KeyFault::NoSecret);
        }
        let header = format!(r#"{{"alg":"{algorithm}","typ":"JWT"}}"#);
        Ok(Self {
            algorithm,
            key: EncodingKey::from_secret(secret.reveal().as_bytes()),
            header: URL_SAFE_NO_PAD.encode(header),
        })
    }

    /// The token that says this.
    pub fn sign(&self, claims: &Claims) -> String {
        let claims = serde_json::to_vec(claims).expect("claims are texts, numbers and JSON");
        let mut token = self.header.clone();
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = (DEFAULT_PROVIDER.signer_factory)(&self.algorithm.primitive(), &self.key)
            .expect("the key is of the algorithm's family")
            .sign(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }
}
