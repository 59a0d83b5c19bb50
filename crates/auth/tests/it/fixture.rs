//! Keys, tokens and verdicts as the tests write them down.

use auth::{Config, KeyId, Verdict, Verifier};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use model::{Secret, UnixTime};
use serde_json::Value;

pub(crate) const NOW: UnixTime = UnixTime(1_700_000_000);
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const SECRET_PREVIOUS: &str = "fedcba9876543210fedcba9876543210";

pub(crate) const RSA: &str = include_str!("../keys/rsa.pem");
pub(crate) const RSA_PUBLIC: &str = include_str!("../keys/rsa.pub.pem");
pub(crate) const RSA_PUBLIC_PKCS1: &str = include_str!("../keys/rsa-pkcs1.pub.pem");
pub(crate) const RSA_PREVIOUS: &str = include_str!("../keys/rsa-previous.pem");
pub(crate) const RSA_PREVIOUS_PUBLIC: &str = include_str!("../keys/rsa-previous.pub.pem");
pub(crate) const RSA_CERTIFICATE: &str = include_str!("../keys/rsa.cert.pem");
pub(crate) const RSA_1024_PUBLIC: &str = include_str!("../keys/rsa-1024.pub.pem");
pub(crate) const P256: &str = include_str!("../keys/p256.pem");
pub(crate) const P256_PUBLIC: &str = include_str!("../keys/p256.pub.pem");
pub(crate) const P384: &str = include_str!("../keys/p384.pem");
pub(crate) const P384_PUBLIC: &str = include_str!("../keys/p384.pub.pem");
pub(crate) const SECP256K1_PUBLIC: &str = include_str!("../keys/secp256k1.pub.pem");
pub(crate) const ED25519: &str = include_str!("../keys/ed25519.pem");
pub(crate) const ED25519_PUBLIC: &str = include_str!("../keys/ed25519.pub.pem");

/// `SECRET`, with changes.
pub(crate) fn verifier(change: impl FnOnce(&mut Config)) -> Verifier {
    let mut config = Config { hmac_secret: Secret::new(SECRET), ..Config::default() };
    change(&mut config);
    Verifier::new(&config).expect("keys that can be used")
}

/// Only a public key, with changes.
pub(crate) fn public_verifier(key: &str, change: impl FnOnce(&mut Config)) -> Verifier {
    verifier(|config| {
        config.hmac_secret = Secret::default();
        config.public_key = Secret::new(key);
        change(config);
    })
}

/// A token under HS256 and `SECRET`.
pub(crate) fn token(claims: &Value) -> String {
    signed(Algorithm::HS256, &EncodingKey::from_secret(SECRET.as_bytes()), claims)
}

pub(crate) fn signed(algorithm: Algorithm, key: &EncodingKey, claims: &Value) -> String {
    jsonwebtoken::encode(&Header::new(algorithm), claims, key).expect("a token")
}

/// A token of these texts under `SECRET`, whatever they are.
pub(crate) fn raw_token(header: &[u8], payload: &[u8]) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let signature =
        jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).expect("a signature");
    format!("{signed}.{signature}")
}

pub(crate) fn connect(verifier: &Verifier, token: &str) -> &'static str {
    label(verifier.verify_connection(token, NOW))
}

pub(crate) fn subscribe(verifier: &Verifier, token: &str) -> &'static str {
    label(verifier.verify_subscription(token, NOW))
}

pub(crate) fn label<G>(verdict: Verdict<G>) -> &'static str {
    match verdict {
        Verdict::Granted(_) => "granted",
        Verdict::Refused(refusal) => refusal.label(),
        Verdict::KeyUnknown(_) => KeyId::LABEL,
    }
}
