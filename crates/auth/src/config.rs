//! The settings section `[token]`: which keys sign tokens, and what a token must say.

use model::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which tokens are believed. Without any key, every token is turned down.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-reload" = true))]
pub struct Config {
    /// The secret that tokens are signed with under HS256, HS384 or HS512, as the bytes of this text. At least 32
    /// random bytes, for example from `openssl rand -hex 32`; a shorter one is warned about at each start.
    pub hmac_secret: Secret,
    /// The secret before the last change, accepted beside `hmac_secret`. Set it while tokens signed with it are
    /// still in use, then remove it.
    pub hmac_secret_previous: Secret,
    /// The public key of whoever signs tokens, in PEM (`-----BEGIN PUBLIC KEY-----`): RSA of 2048 to 8192 bits,
    /// EC on P-256 or P-384, or Ed25519. Line breaks may be written as `\n`.
    pub public_key: Secret,
    /// The public key before the last change, accepted beside `public_key`; it may be of another kind. Set it
    /// while tokens signed with it are still in use, then remove it.
    pub public_key_previous: Secret,
    /// The signature algorithms that are accepted, among HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384,
    /// PS512, ES256, ES384 and EdDSA. Each needs a key that fits. Empty: HS256 for a secret, and RS256, ES256,
    /// ES384 or EdDSA for a public key by its kind. What a token's header says never widens this list.
    pub algorithms: Vec<String>,
    /// What a token must carry as `aud`, alone or in a list. Empty: `aud` is not looked at.
    pub audience: String,
    /// What a token must carry as `iss`. Empty: `iss` is not looked at.
    pub issuer: String,
    /// Turns down tokens without an `exp`. Otherwise such a token never ends.
    pub require_exp: bool,
}
