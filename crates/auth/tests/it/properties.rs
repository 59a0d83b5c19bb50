//! Whatever the bearer writes, a verdict comes of it.

use auth::{Verdict, Verifier, explain};
use model::UnixTime;
use proptest::prelude::*;

use crate::fixture::*;

const HEADER: &[u8] = br#"{"alg":"HS256","typ":"JWT"}"#;

/// Claims of every name we read, with values that fit, nearly fit and do not.
fn claims() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "sub",
        "exp",
        "nbf",
        "aud",
        "iss",
        "expire_at",
        "channel",
        "client",
        "channels",
        "subs",
        "info",
        "b64info",
        "data",
        "b64data",
        "meta",
    ]);
    let value = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:e}")),
        "[a-z{}#:$]{0,8}".prop_map(|text| format!("{text:?}")),
        prop::sample::select(vec![
            "null",
            "true",
            "{}",
            "[]",
            "[1]",
            r#"["news"]"#,
            r#"{"news":{"info":1}}"#,
            r#"{"news":[]}"#,
            r#""bnVsbA==""#,
            "1e999",
            "-",
            "\"",
            "{\"a\":\r\n1}",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec((name, value), 0..6).prop_map(|members| {
        let members: Vec<_> = members.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
        format!("{{{}}}", members.join(","))
    })
}

proptest! {
    #[test]
    fn any_text_is_refused(text in "\\PC*", dotted in "[A-Za-z0-9_=-]{0,40}(\\.[A-Za-z0-9_=-]{0,40}){0,4}") {
        let verifier = verifier(|_| {});
        for token in [text, dotted] {
            prop_assert_ne!(connect(&verifier, &token), "granted");
            prop_assert_ne!(subscribe(&verifier, &token), "granted");
            let _ = explain(&token, &verifier, NOW);
        }
    }

    #[test]
    fn any_signed_bytes_have_a_verdict(
        header in prop::collection::vec(any::<u8>(), 0..64),
        payload in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let verifier = verifier(|_| {});
        prop_assert_eq!(connect(&verifier, &raw_token(&header, b"{}")), "malformed");
        connect(&verifier, &raw_token(HEADER, &payload));
    }

    #[test]
    fn any_claims_have_a_verdict(claims in claims(), now in any::<i64>()) {
        let verifier = verifier(|config| config.audience = "push".to_owned());
        let open = crate::fixture::verifier(|_| {});
        let token = raw_token(HEADER, claims.as_bytes());
        for verifier in [&verifier, &open] {
            let _ = explain(&token, verifier, UnixTime(now));
            assert_fit_for_a_frame(verifier, &token, UnixTime(now));
        }
    }
}

fn assert_fit_for_a_frame(verifier: &Verifier, token: &str, now: UnixTime) {
    if let Verdict::Granted(grant) = verifier.verify_connection(token, now) {
        let infos = grant.subscriptions.iter().map(|grant| &grant.info);
        for info in infos.chain([&grant.info]).flatten() {
            assert!(!info.get().contains(['\n', '\r']));
        }
    }
    if let Verdict::Granted(grant) = verifier.verify_subscription(token, now) {
        for value in [grant.info, grant.data].iter().flatten() {
            assert!(!value.get().contains(['\n', '\r']));
        }
    }
}
