//! From PEM text to a public key of a kind we verify with. Refuses at start what would fail on every token.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;

use crate::KeyFault;
use crate::algorithm::KeyKind;

// A SubjectPublicKeyInfo (RFC 5280) of these kinds has one encoding: a fixed prefix, then the key.
const P256_PREFIX: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
const P384_PREFIX: &[u8] =
    b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00";
const ED25519_PREFIX: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
const P256_POINT_BYTES: usize = 65;
const P384_POINT_BYTES: usize = 97;
const ED25519_KEY_BYTES: usize = 32;
// What aws-lc verifies with.
const RSA_BITS_MIN: usize = 2048;
const RSA_BITS_MAX: usize = 8192;

/// Whether a text is meant as PEM, of whatever kind.
pub(crate) fn looks_like_pem(text: &str) -> bool {
    text.trim_start().starts_with("-----BEGIN ")
}

/// Reads the first key of a PEM text.
pub(crate) fn public_key(text: &str) -> Result<(KeyKind, DecodingKey), KeyFault> {
    let der = unwrap(text)?;
    let fixed = |prefix, size| der.strip_prefix(prefix).filter(|key: &&[u8]| key.len() == size);
    if let Some(point) = fixed(P256_PREFIX, P256_POINT_BYTES) {
        return Ok((KeyKind::P256, DecodingKey::from_ec_der(point)));
    }
    if let Some(point) = fixed(P384_PREFIX, P384_POINT_BYTES) {
        return Ok((KeyKind::P384, DecodingKey::from_ec_der(point)));
    }
    if let Some(key) = fixed(ED25519_PREFIX, ED25519_KEY_BYTES) {
        return Ok((KeyKind::Ed25519, DecodingKey::from_ed_der(key)));
    }
    rsa_key(&der).map(|key| (KeyKind::Rsa, key))
}

fn unwrap(text: &str) -> Result<Vec<u8>, KeyFault> {
    let (label, rest) = text
        .split_once("-----BEGIN ")
        .and_then(|(_, rest)| rest.split_once("-----"))
        .ok_or(KeyFault::NotPem)?;
    if label.ends_with("PRIVATE KEY") {
        return Err(KeyFault::PrivateKey);
    }
    if label.ends_with("CERTIFICATE") {
        return Err(KeyFault::Certificate);
    }
    if label != "PUBLIC KEY" && label != "RSA PUBLIC KEY" {
        return Err(KeyFault::NotPem);
    }
    let (body, _) = rest.split_once("-----END ").ok_or(KeyFault::NotPem)?;
    // Environment files cannot hold line breaks, so they are often written as a backslash and a letter.
    let digits: String = body.replace("\\n", "").split_whitespace().collect();
    STANDARD.decode(digits).map_err(|_| KeyFault::NotPem)
}

fn rsa_key(der: &[u8]) -> Result<DecodingKey, KeyFault> {
    let components = DEFAULT_PROVIDER.key_utils.rsa_pub_components_from_public_key;
    let (modulus, exponent) = components(der).map_err(|_| KeyFault::UnsupportedKey)?;
    let bits = bit_length(&modulus);
    if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
        return Err(KeyFault::RsaSize { bits });
    }
    Ok(DecodingKey::from_rsa_raw_components(&modulus, &exponent))
}

fn bit_length(big_endian: &[u8]) -> usize {
    let first = big_endian.iter().position(|byte| *byte != 0);
    first.map_or(0, |at| (big_endian.len() - at) * 8 - big_endian[at].leading_zeros() as usize)
}
