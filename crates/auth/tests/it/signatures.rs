//! Algorithms, keys, rotation, and the ways to get around a signature.

use auth::{Verdict, Verifier};
use jsonwebtoken::errors::Error;
use jsonwebtoken::{Algorithm, EncodingKey};
use model::Secret;
use serde_json::json;

use crate::fixture::*;

type ReadKey = fn(&[u8]) -> Result<EncodingKey, Error>;

const PUBLIC_KEY_ALGORITHMS: [(Algorithm, &str, ReadKey, &str); 9] = [
    (Algorithm::RS256, RSA, EncodingKey::from_rsa_pem, RSA_PUBLIC),
    (Algorithm::RS384, RSA, EncodingKey::from_rsa_pem, RSA_PUBLIC),
    (Algorithm::RS512, RSA, EncodingKey::from_rsa_pem, RSA_PUBLIC_PKCS1),
    (Algorithm::PS256, RSA, EncodingKey::from_rsa_pem, RSA_PUBLIC),
    (Algorithm::PS384, RSA, EncodingKey::from_rsa_pem, RSA_PUBLIC),
    (Algorithm::PS512, RSA, EncodingKey::from_rsa_pem, RSA_PUBLIC),
    (Algorithm::ES256, P256, EncodingKey::from_ec_pem, P256_PUBLIC),
    (Algorithm::ES384, P384, EncodingKey::from_ec_pem, P384_PUBLIC),
    (Algorithm::EdDSA, ED25519, EncodingKey::from_ed_pem, ED25519_PUBLIC),
];

#[test]
fn every_algorithm_verifies_with_its_key_and_only_what_was_signed() {
    for (algorithm, private, read, public) in PUBLIC_KEY_ALGORITHMS {
        let key = read(private.as_bytes()).expect("a private key");
        let token = signed(algorithm, &key, &json!({ "sub": "alice" }));
        let verifier = public_verifier(public, |config| config.algorithms = vec![format!("{algorithm:?}")]);
        assert_only_genuine(&verifier, &token, algorithm);
    }
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let token = signed(algorithm, &key, &json!({ "sub": "alice" }));
        let verifier = verifier(|config| config.algorithms = vec![format!("{algorithm:?}")]);
        assert_only_genuine(&verifier, &token, algorithm);
    }
}

#[test]
fn without_a_list_a_key_verifies_its_usual_algorithm_alone() {
    let usual = [
        (RSA_PUBLIC, Algorithm::RS256),
        (RSA_PUBLIC_PKCS1, Algorithm::RS256),
        (P256_PUBLIC, Algorithm::ES256),
        (P384_PUBLIC, Algorithm::ES384),
        (ED25519_PUBLIC, Algorithm::EdDSA),
    ];
    for (public, usual) in usual {
        let verifier = public_verifier(public, |_| {});
        for (algorithm, private, read, _) in PUBLIC_KEY_ALGORITHMS {
            let key = read(private.as_bytes()).expect("a private key");
            let token = signed(algorithm, &key, &json!({}));
            let expected = if algorithm == usual { "granted" } else { "key_unknown" };
            assert_eq!(connect(&verifier, &token), expected, "{algorithm:?} with a key for {usual:?}");
        }
    }
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let hs512 = signed(Algorithm::HS512, &key, &json!({}));
    assert_eq!(connect(&verifier(|_| {}), &hs512), "key_unknown");
}

#[test]
fn a_secret_and_a_public_key_may_be_set_together() {
    let verifier = verifier(|config| config.public_key = Secret::new(RSA_PUBLIC));
    assert_eq!(connect(&verifier, &token(&json!({}))), "granted");
    assert_eq!(connect(&verifier, &rsa_token(RSA)), "granted");
}

#[test]
fn the_previous_key_is_accepted_beside_the_current_one() {
    let old = EncodingKey::from_secret(SECRET_PREVIOUS.as_bytes());
    let old = signed(Algorithm::HS256, &old, &json!({}));
    assert_eq!(connect(&verifier(|_| {}), &old), "bad_signature");
    let rotating = verifier(|config| config.hmac_secret_previous = Secret::new(SECRET_PREVIOUS));
    assert_eq!(connect(&rotating, &old), "granted");
    assert_eq!(connect(&rotating, &token(&json!({}))), "granted");

    let settled = public_verifier(RSA_PUBLIC, |_| {});
    assert_eq!(connect(&settled, &rsa_token(RSA_PREVIOUS)), "bad_signature");
    let rotating = public_verifier(RSA_PUBLIC, |config| {
        config.public_key_previous = Secret::new(RSA_PREVIOUS_PUBLIC);
    });
    assert_eq!(connect(&rotating, &rsa_token(RSA_PREVIOUS)), "granted");
    assert_eq!(connect(&rotating, &rsa_token(RSA)), "granted");

    let other_kind = public_verifier(P256_PUBLIC, |config| {
        config.public_key_previous = Secret::new(RSA_PUBLIC);
    });
    assert_eq!(connect(&other_kind, &rsa_token(RSA)), "granted");
}

#[test]
fn a_public_key_is_never_taken_for_a_secret() {
    for bytes in [RSA_PUBLIC, RSA_PUBLIC.trim_end()] {
        let key = EncodingKey::from_secret(bytes.as_bytes());
        let forged = signed(Algorithm::HS256, &key, &json!({ "sub": "root" }));
        assert_eq!(connect(&public_verifier(RSA_PUBLIC, |_| {}), &forged), "key_unknown");
        let both = verifier(|config| config.public_key = Secret::new(RSA_PUBLIC));
        assert_eq!(connect(&both, &forged), "bad_signature");
    }
}

#[test]
fn a_token_that_is_not_a_signed_object_is_malformed() {
    let verifier = verifier(|_| {});
    let good = raw_token(br#"{"alg":"HS256"}"#, b"{}");
    assert_eq!(connect(&verifier, &good), "granted");
    let headers: [&[u8]; 11] = [
        br#"{"alg":"none"}"#,
        br#"{"alg":"None"}"#,
        br#"{"alg":"hs256"}"#,
        br#"{"alg":"ES512"}"#,
        br#"{"alg":1}"#,
        br#"{"alg":"HS256","alg":"none"}"#,
        br#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
        br#"{"typ":"JWT"}"#,
        br#"["HS256"]"#,
        b"HS256",
        b"{\"alg\":\"HS256\",\"kid\":\"\xff\"}",
    ];
    for header in headers {
        assert_eq!(connect(&verifier, &raw_token(header, b"{}")), "malformed", "{}", header.escape_ascii());
    }
    let payloads: [&[u8]; 7] = [b"", b"[]", br#"["alice"]"#, b"{", b"{} {}", b"null", b"{\"sub\":\"\xff\"}"];
    for payload in payloads {
        let token = raw_token(br#"{"alg":"HS256"}"#, payload);
        assert_eq!(connect(&verifier, &token), "malformed", "{}", payload.escape_ascii());
    }
    let unsigned = good.rsplit_once('.').expect("a signature").0;
    let texts = [
        String::new(),
        "..".to_owned(),
        unsigned.to_owned(),
        format!("{good}="),
        format!("{good}.{good}"),
        format!(" {good}"),
    ];
    for text in texts {
        assert_eq!(connect(&verifier, &text), "malformed", "{text:?}");
    }
    assert_eq!(connect(&verifier, &format!("{unsigned}.")), "bad_signature");
}

#[test]
fn an_unknown_key_is_named_by_what_the_token_says() {
    let header = br#"{"alg":"RS256","kid":"2024-1"}"#;
    let token = raw_token(header, br#"{"iss":"https://issuer","sub":7}"#);
    let Verdict::KeyUnknown(key) = verifier(|_| {}).verify_connection(&token, NOW) else {
        panic!("another verdict");
    };
    assert_eq!(key.issuer.as_deref(), Some("https://issuer"));
    assert_eq!(key.kid.as_deref(), Some("2024-1"));
    assert_eq!(key.algorithm, auth::Algorithm::RS256);
    let token = raw_token(header, br#"{"iss":7}"#);
    assert_eq!(connect(&verifier(|_| {}), &token), "malformed");
}

fn rsa_token(private: &str) -> String {
    let key = EncodingKey::from_rsa_pem(private.as_bytes()).expect("a private key");
    signed(Algorithm::RS256, &key, &json!({}))
}

fn assert_only_genuine(verifier: &Verifier, token: &str, algorithm: Algorithm) {
    assert_eq!(connect(verifier, token), "granted", "{algorithm:?}");
    let mut parts: Vec<&str> = token.split('.').collect();
    let reversed: String = parts[2].chars().rev().collect();
    let signature = jsonwebtoken::crypto::sign(b"other", &EncodingKey::from_secret(b"x"), Algorithm::HS256)
        .expect("a signature");
    // "{}", where the token says more.
    parts[1] = "e30";
    assert_eq!(connect(verifier, &parts.join(".")), "bad_signature", "{algorithm:?}");
    for forged in [&*signature, "", "AAAA"] {
        let (signed, _) = token.rsplit_once('.').expect("a signature");
        let token = format!("{signed}.{forged}");
        assert_eq!(connect(verifier, &token), "bad_signature", "{algorithm:?} {forged}");
    }
    let (signed, _) = token.rsplit_once('.').expect("a signature");
    assert_ne!(connect(verifier, &format!("{signed}.{reversed}")), "granted");
}
