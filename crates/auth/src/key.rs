//! The configured keys, each pinned to the algorithms that it may verify.

use std::fmt;

use jsonwebtoken::DecodingKey;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use model::Secret;

use crate::algorithm::{Algorithm, KeyKind};
use crate::{Config, pem};

/// HMAC secrets below this are warned about: HS256 is no stronger than what is left to guess.
const HMAC_SECRET_BYTES_MIN: usize = 32;

/// Why the keys in `[token]` cannot be used. Names the setting and the way out, never the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {fault}")]
pub struct KeyError {
    /// The setting to change.
    pub setting: &'static str,
    /// What is wrong with it.
    pub fault: KeyFault,
}

/// What is wrong with a key setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// The text is not a public key in PEM.
    #[error(
        "is not a public key in PEM: it begins with `-----BEGIN PUBLIC KEY-----` and ends with \
         `-----END PUBLIC KEY-----`"
    )]
    NotPem,
    /// The text is a private key.
    #[error("is a private key: set the public one, as `openssl pkey -in key.pem -pubout` prints it")]
    PrivateKey,
    /// The text is a certificate.
    #[error("is a certificate: set its key, as `openssl x509 -in cert.pem -pubkey -noout` prints it")]
    Certificate,
    /// The key is of a kind that no accepted algorithm uses.
    #[error("is a public key of another kind than RSA, EC on P-256 or P-384 (uncompressed), and Ed25519")]
    UnsupportedKey,
    /// The RSA key is too small or too large.
    #[error("is an RSA key of {bits} bits: use one of 2048 to 8192 bits")]
    RsaSize {
        /// The size of its modulus.
        bits: usize,
    },
    /// An HMAC secret is a PEM text.
    #[error("holds a PEM key: a public key belongs into token.public_key, and is no secret")]
    PemAsSecret,
    /// A previous key stands alone.
    #[error("is set but {current} is not: the key in use belongs there")]
    PreviousAlone {
        /// The setting without `_previous`.
        current: &'static str,
    },
    /// No such algorithm.
    #[error(
        "`{name}` is not an algorithm we verify: use HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, \
         PS512, ES256, ES384 or EdDSA"
    )]
    UnknownAlgorithm {
        /// What was set.
        name: Box<str>,
    },
    /// An accepted algorithm has no key.
    #[error("{algorithm} needs {requirement}")]
    AlgorithmWithoutKey {
        /// The algorithm.
        algorithm: Algorithm,
        /// The key it needs.
        requirement: &'static str,
    },
    /// A token is to be signed without a secret.
    #[error("is empty: tokens cannot be signed without a secret")]
    NoSecret,
    /// A token is to be signed with an algorithm that needs a private key.
    #[error("{algorithm} needs a private key; with a secret, sign under HS256, HS384 or HS512")]
    NotHmac {
        /// The algorithm.
        algorithm: Algorithm,
    },
}

/// What is doubtful about the configured keys, to be told at each start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyWarning {
    /// An HMAC secret can be guessed.
    ShortSecret {
        /// Where it is set.
        setting: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// No accepted algorithm uses the key.
    UnusedKey {
        /// Where it is set.
        setting: &'static str,
    },
}

impl fmt::Display for KeyWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShortSecret { setting, bytes } => write!(
                f,
                "{setting} has {bytes} bytes and can be guessed: use at least {HMAC_SECRET_BYTES_MIN} random ones, \
                 as `openssl rand -hex 32` prints them"
            ),
            Self::UnusedKey { setting } => write!(
                f,
                "{setting} is set but no algorithm in token.algorithms uses it: remove one or add the other"
            ),
        }
    }
}

/// The keys that signatures are checked with; the current ones stand before the previous ones.
pub(crate) struct KeySet {
    pinned: Vec<(Algorithm, DecodingKey)>,
    warnings: Vec<KeyWarning>,
}

/// What a set of keys says about a signature.
pub(crate) enum Signature {
    Genuine,
    Forged,
    /// No key may verify this algorithm.
    Unverifiable,
}

struct ConfiguredKey {
    setting: &'static str,
    kind: KeyKind,
    key: DecodingKey,
}

impl KeySet {
    pub(crate) fn new(config: &Config) -> Result<Self, KeyError> {
        let keys = configured_keys(config)?;
        let accepted = accepted_algorithms(&config.algorithms, &keys)?;
        let mut warnings = short_secrets(config);
        let mut pinned = Vec::new();
        for ConfiguredKey { setting, kind, key } in keys {
            let usable = || accepted.iter().filter(|algorithm| algorithm.key_kind() == kind);
            if usable().next().is_none() {
                warnings.push(KeyWarning::UnusedKey { setting });
            }
            pinned.extend(usable().map(|algorithm| (*algorithm, key.clone())));
        }
        Ok(Self { pinned, warnings })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pinned.is_empty()
    }

    pub(crate) fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.pinned.iter().map(|(algorithm, _)| *algorithm)
    }

    pub(crate) fn warnings(&self) -> &[KeyWarning] {
        &self.warnings
    }

    // `algorithm` comes from the token, but only picks among the keys that configuration has pinned to it.
    pub(crate) fn check(&self, algorithm: Algorithm, signed: &[u8], signature: &Vec<u8>) -> Signature {
        let mut outcome = Signature::Unverifiable;
        for (_, key) in self.pinned.iter().filter(|(pinned, _)| *pinned == algorithm) {
            let verifier = (DEFAULT_PROVIDER.verifier_factory)(&algorithm.primitive(), key)
                .expect("keys are pinned to algorithms of their own family");
            if verifier.verify(signed, signature).is_ok() {
                return Signature::Genuine;
            }
            outcome = Signature::Forged;
        }
        outcome
    }
}

fn configured_keys(config: &Config) -> Result<Vec<ConfiguredKey>, KeyError> {
    type Read = fn(&str) -> Result<(KeyKind, DecodingKey), KeyFault>;
    let settings: [(&'static str, &Secret, &'static str, &Secret, Read); 2] = [
        (
            "token.hmac_secret",
            &config.hmac_secret,
            "token.hmac_secret_previous",
            &config.hmac_secret_previous,
            hmac_key,
        ),
        (
            "token.public_key",
            &config.public_key,
            "token.public_key_previous",
            &config.public_key_previous,
            pem::public_key,
        ),
    ];
    let mut keys = Vec::new();
    for (current, secret, previous, secret_previous, read) in settings {
        if secret.is_empty() && !secret_previous.is_empty() {
            return Err(KeyError { setting: previous, fault: KeyFault::PreviousAlone { current } });
        }
        for (setting, secret) in [(current, secret), (previous, secret_previous)] {
            if !secret.is_empty() {
                let (kind, key) = read(secret.reveal()).map_err(|fault| KeyError { setting, fault })?;
                keys.push(ConfiguredKey { setting, kind, key });
            }
        }
    }
    Ok(keys)
}

fn hmac_key(text: &str) -> Result<(KeyKind, DecodingKey), KeyFault> {
    if pem::looks_like_pem(text) {
        return Err(KeyFault::PemAsSecret);
    }
    Ok((KeyKind::Hmac, DecodingKey::from_secret(text.as_bytes())))
}

fn accepted_algorithms(names: &[String], keys: &[ConfiguredKey]) -> Result<Vec<Algorithm>, KeyError> {
    let mut accepted = Vec::new();
    for name in names {
        let algorithm = algorithm_with_key(name, keys)
            .map_err(|fault| KeyError { setting: "token.algorithms", fault })?;
        accepted.push(algorithm);
    }
    if names.is_empty() {
        accepted.extend(keys.iter().map(|key| key.kind.usual_algorithm()));
    }
    // A name that is listed twice would have every forged signature checked twice.
    let mut seen = Vec::new();
    accepted.retain(|algorithm| {
        let first = !seen.contains(algorithm);
        seen.push(*algorithm);
        first
    });
    Ok(accepted)
}

fn algorithm_with_key(name: &str, keys: &[ConfiguredKey]) -> Result<Algorithm, KeyFault> {
    let algorithm = Algorithm::parse(name).ok_or_else(|| KeyFault::UnknownAlgorithm { name: name.into() })?;
    if keys.iter().any(|key| key.kind == algorithm.key_kind()) {
        Ok(algorithm)
    } else {
        Err(KeyFault::AlgorithmWithoutKey { algorithm, requirement: algorithm.key_kind().requirement() })
    }
}

fn short_secrets(config: &Config) -> Vec<KeyWarning> {
    [("token.hmac_secret", &config.hmac_secret), ("token.hmac_secret_previous", &config.hmac_secret_previous)]
        .into_iter()
        .map(|(setting, secret)| (setting, secret.reveal().len()))
        .filter(|(_, bytes)| (1..HMAC_SECRET_BYTES_MIN).contains(bytes))
        .map(|(setting, bytes)| KeyWarning::ShortSecret { setting, bytes })
        .collect()
}
