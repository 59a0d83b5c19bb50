//! The section `[token]`: what is refused at start, what is warned about, and that no key is ever shown.

use auth::{Config, KeyWarning, Signer, Verifier};
use model::Secret;
use serde_json::json;

use crate::fixture::*;

#[test]
fn a_public_key_that_cannot_be_used_names_its_setting_and_the_way_out() {
    let cases = [
        ("c2VjcmV0", "is not a public key in PEM"),
        ("-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----", "is not a public key in PEM"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "is a public key of another kind"),
        (RSA, "is a private key"),
        (P256, "is a private key"),
        (RSA_CERTIFICATE, "is a certificate"),
        (RSA_1024_PUBLIC, "is an RSA key of 1024 bits"),
        (SECP256K1_PUBLIC, "is a public key of another kind"),
    ];
    for (key, expected) in cases {
        let key = || Secret::new(key);
        assert_refused(|c| c.public_key = key(), &format!("token.public_key: {expected}"));
        let rotate = |c: &mut Config| {
            c.public_key = Secret::new(RSA_PUBLIC);
            c.public_key_previous = key();
        };
        assert_refused(rotate, &format!("token.public_key_previous: {expected}"));
    }
}

#[test]
fn keys_and_algorithms_must_fit_together() {
    assert_refused(
        |c| c.public_key_previous = Secret::new(RSA_PUBLIC),
        "token.public_key_previous: is set but token.public_key is not",
    );
    assert_refused(
        |c| c.hmac_secret_previous = Secret::new(SECRET),
        "token.hmac_secret_previous: is set but token.hmac_secret is not",
    );
    assert_refused(|c| c.hmac_secret = Secret::new(RSA_PUBLIC), "token.hmac_secret: holds a PEM key");
    assert_refused(
        |c| c.algorithms = vec!["none".to_owned()],
        "token.algorithms: `none` is not an algorithm",
    );
    let one_too_many = |c: &mut Config| {
        c.public_key = Secret::new(P256_PUBLIC);
        c.algorithms = vec!["ES256".to_owned(), "RS256".to_owned()];
    };
    assert_refused(one_too_many, "token.algorithms: RS256 needs an RSA key in token.public_key");
}

#[test]
fn doubtful_keys_are_warned_about() {
    assert_eq!(verifier(|_| {}).warnings(), []);
    let short = verifier(|config| {
        config.hmac_secret = Secret::new("0123456789012345678901234567890");
        config.hmac_secret_previous = Secret::new("short");
    });
    let expected = [
        KeyWarning::ShortSecret { setting: "token.hmac_secret", bytes: 31 },
        KeyWarning::ShortSecret { setting: "token.hmac_secret_previous", bytes: 5 },
    ];
    assert_eq!(short.warnings(), expected);
    assert!(short.warnings()[0].to_string().starts_with("token.hmac_secret has 31 bytes"));

    let unused = verifier(|config| {
        config.public_key = Secret::new(RSA_PUBLIC);
        config.algorithms = vec!["PS256".to_owned()];
    });
    assert_eq!(unused.warnings(), [KeyWarning::UnusedKey { setting: "token.hmac_secret" }]);
    assert_eq!(connect(&unused, &token(&json!({}))), "key_unknown");
}

#[test]
fn without_keys_nothing_is_granted() {
    let verifier = Verifier::new(&Config::default()).expect("no keys are fine");
    assert!(!verifier.has_keys());
    assert_eq!(connect(&verifier, &token(&json!({}))), "key_unknown");
    assert!(crate::fixture::verifier(|_| {}).has_keys());
}

#[test]
fn threads_share_one_verifier_and_one_signer() {
    fn assert_shareable<T: Send + Sync>() {}
    assert_shareable::<Verifier>();
    assert_shareable::<Signer>();
}

#[test]
fn a_public_key_may_be_written_on_one_line() {
    for line_break in ["\\n", " ", "\r\n"] {
        let key = format!("\n{}", ED25519_PUBLIC.trim_end().replace('\n', line_break));
        assert!(public_verifier(&key, |_| {}).has_keys());
    }
}

#[test]
fn settings_are_read_strictly_and_never_show_a_key() {
    let config: Config = serde_json::from_value(json!({
        "hmac_secret": SECRET,
        "public_key": RSA_PUBLIC,
        "algorithms": ["HS256"],
        "audience": "push",
    }))
    .expect("settings");
    assert_eq!(config.audience, "push");
    assert!(serde_json::from_value::<Config>(json!({ "jwks": "https://issuer" })).is_err());
    let verifier = Verifier::new(&config).expect("keys that can be used");
    let shown =
        [format!("{config:?}"), format!("{verifier:?}"), serde_json::to_string(&config).expect("JSON")];
    for shown in shown {
        assert!(!shown.contains(SECRET) && !shown.contains("BEGIN"), "{shown}");
    }
}

#[test]
fn a_signer_needs_a_secret_and_an_algorithm_for_it() {
    let refused = |secret, algorithm| {
        Signer::hmac(&Secret::new(secret), algorithm).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert!(refused("", auth::Algorithm::HS256).starts_with("token.hmac_secret: is empty"));
    assert!(
        refused(SECRET, auth::Algorithm::RS256).starts_with("token.algorithms: RS256 needs a private key")
    );
    assert_eq!(refused(SECRET, auth::Algorithm::HS512), "");
}

fn assert_refused(change: impl FnOnce(&mut Config), expected: &str) {
    let mut config = Config::default();
    change(&mut config);
    let error = Verifier::new(&config).expect_err(expected);
    assert!(error.to_string().starts_with(expected), "{error}");
    let shown = format!("{error} {error:?}");
    for key in [&config.hmac_secret, &config.public_key, &config.public_key_previous] {
        assert!(key.is_empty() || !shown.contains(key.reveal().trim()), "{shown}");
    }
}
