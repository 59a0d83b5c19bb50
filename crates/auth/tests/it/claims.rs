//! What a token of genuine signature must say, and what it then grants.

use auth::{ConnectionGrant, LEEWAY, SubscriptionGrant};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{RawJson, UnixTime};
use serde_json::{Value, json};

use crate::fixture::*;

#[test]
fn times_are_checked_with_leeway_against_the_given_time() {
    assert_eq!(LEEWAY.as_secs(), 5);
    let now = NOW.0;
    let cases = [
        (json!({}), "granted"),
        (json!({ "exp": null, "nbf": null }), "granted"),
        (json!({ "exp": now + 1 }), "granted"),
        (json!({ "exp": now - 4 }), "granted"),
        (json!({ "exp": now - 5 }), "expired"),
        (json!({ "exp": now as f64 - 4.5 }), "expired"),
        (json!({ "exp": now as f64 - 3.5 }), "granted"),
        (json!({ "exp": 0 }), "expired"),
        (json!({ "exp": -1 }), "expired"),
        (json!({ "exp": i64::MIN }), "expired"),
        (json!({ "exp": u64::MAX }), "granted"),
        (json!({ "exp": 1e300 }), "granted"),
        (json!({ "nbf": now + 5 }), "granted"),
        (json!({ "nbf": now + 6 }), "not_yet_valid"),
        (json!({ "nbf": now as f64 + 6.5 }), "not_yet_valid"),
        (json!({ "nbf": u64::MAX }), "not_yet_valid"),
        (json!({ "exp": now - 5, "nbf": now + 6 }), "expired"),
        (json!({ "exp": now.to_string() }), "wrong_claims"),
        (json!({ "nbf": true }), "wrong_claims"),
    ];
    let verifier = verifier(|_| {});
    for (claims, expected) in cases {
        assert_eq!(connect(&verifier, &token(&claims)), expected, "{claims}");
        let claims = merged(&claims, &json!({ "channel": "news" }));
        assert_eq!(subscribe(&verifier, &token(&claims)), expected, "{claims}");
    }
    let late = token(&json!({ "exp": now }));
    for time in [i64::MIN, i64::MAX] {
        let expected = if time < 0 { "granted" } else { "expired" };
        assert_eq!(label(verifier.verify_connection(&late, UnixTime(time))), expected);
    }
}

#[test]
fn what_is_configured_is_required() {
    let cases = [
        (json!({ "aud": "push", "iss": "us", "exp": NOW.0 + 60 }), "granted"),
        (json!({ "aud": ["web", "push"], "iss": "us", "exp": NOW.0 + 60 }), "granted"),
        (json!({ "iss": "us", "exp": NOW.0 + 60 }), "wrong_audience"),
        (json!({ "aud": "web", "iss": "us", "exp": NOW.0 + 60 }), "wrong_audience"),
        (json!({ "aud": "pushy", "iss": "us", "exp": NOW.0 + 60 }), "wrong_audience"),
        (json!({ "aud": [], "iss": "us", "exp": NOW.0 + 60 }), "wrong_audience"),
        (json!({ "aud": [["push"]], "iss": "us", "exp": NOW.0 + 60 }), "wrong_audience"),
        (json!({ "aud": 7, "iss": "us", "exp": NOW.0 + 60 }), "wrong_audience"),
        (json!({ "aud": "push", "exp": NOW.0 + 60 }), "wrong_issuer"),
        (json!({ "aud": "push", "iss": "US", "exp": NOW.0 + 60 }), "wrong_issuer"),
        (json!({ "aud": "push", "iss": ["us"], "exp": NOW.0 + 60 }), "wrong_claims"),
        (json!({ "aud": "push", "iss": "us" }), "no_expiry"),
        (json!({ "aud": "push", "iss": "us", "expire_at": NOW.0 + 60 }), "no_expiry"),
    ];
    let strict = verifier(|config| {
        config.audience = "push".to_owned();
        config.issuer = "us".to_owned();
        config.require_exp = true;
    });
    for (claims, expected) in cases {
        assert_eq!(connect(&strict, &token(&claims)), expected, "{claims}");
    }
    let claims = json!({ "aud": "anyone", "iss": "anybody" });
    assert_eq!(connect(&verifier(|_| {}), &token(&claims)), "granted");
}

#[test]
fn a_token_of_one_kind_is_not_one_of_the_other() {
    let verifier = verifier(|_| {});
    let connection = token(&json!({ "sub": "alice" }));
    let subscription = token(&json!({ "sub": "alice", "channel": "news" }));
    assert_eq!(connect(&verifier, &connection), "granted");
    assert_eq!(subscribe(&verifier, &subscription), "granted");
    assert_eq!(connect(&verifier, &subscription), "subscription_token_used_to_connect");
    assert_eq!(subscribe(&verifier, &connection), "connection_token_used_to_subscribe");
    let expired = token(&json!({ "channel": "news", "exp": 1 }));
    assert_eq!(connect(&verifier, &expired), "subscription_token_used_to_connect");
}

#[test]
fn claims_of_another_form_are_refused() {
    let cases = [
        json!({ "sub": 7 }),
        json!({ "channel": 7 }),
        json!({ "channels": "news" }),
        json!({ "channels": [7] }),
        json!({ "channels": ["news", ""] }),
        json!({ "channels": ["{news}"] }),
        json!({ "subs": ["news"] }),
        json!({ "subs": { "": {} } }),
        json!({ "subs": { "a b\u{7f}": {} } }),
        json!({ "subs": { "news": [1] } }),
        json!({ "subs": { "news": { "b64data": "!" } } }),
        json!({ "b64info": "!" }),
        json!({ "b64info": STANDARD.encode("not JSON") }),
        json!({ "b64info": STANDARD.encode(b"\"\xff\"") }),
        json!({ "b64info": 7 }),
        json!({ "expire_at": -1 }),
        json!({ "expire_at": "0" }),
    ];
    for claims in cases {
        assert_eq!(connect(&verifier(|_| {}), &token(&claims)), "wrong_claims", "{claims}");
    }
    for channel in ["", "{news}", &"x".repeat(256)] {
        let token = token(&json!({ "channel": channel }));
        assert_eq!(subscribe(&verifier(|_| {}), &token), "wrong_claims", "{channel}");
    }
    let twice = raw_token(br#"{"alg":"HS256"}"#, br#"{"sub":"alice","sub":"root"}"#);
    assert_eq!(connect(&verifier(|_| {}), &twice), "wrong_claims");
}

#[test]
fn a_connection_lasts_until_expire_at_or_else_exp() {
    let now = NOW.0;
    let cases = [
        (json!({}), None),
        (json!({ "exp": now + 60 }), Some(now + 60)),
        (json!({ "exp": now as f64 + 60.9 }), Some(now + 60)),
        (json!({ "exp": now - 3 }), Some(now + 1)),
        (json!({ "exp": now + 60, "expire_at": 0 }), None),
        (json!({ "exp": now + 60, "expire_at": null }), Some(now + 60)),
        (json!({ "exp": now + 60, "expire_at": now + 9 }), Some(now + 9)),
        (json!({ "expire_at": now + 9 }), Some(now + 9)),
        (json!({ "expire_at": now - 9 }), Some(now - 9)),
    ];
    for (claims, expected) in cases {
        assert_eq!(connection(&claims).expires, expected.map(UnixTime), "{claims}");
        let subscription = subscription(&merged(&claims, &json!({ "channel": "news" })));
        assert_eq!(subscription.expires, expected.map(UnixTime), "{claims}");
    }
}

#[test]
fn info_is_passed_on_as_it_stands() {
    let cases = [
        (json!({}), None),
        (json!({ "info": null }), None),
        (json!({ "info": { "b": 1.50, "a": "é" } }), Some(r#"{"a":"é","b":1.5}"#)),
        (json!({ "info": 1, "b64info": STANDARD.encode(r#"{"x":1}"#) }), Some(r#"{"x":1}"#)),
        (json!({ "info": 1, "b64info": "" }), Some("1")),
        (json!({ "b64info": STANDARD.encode(" [1,\r\n2]\n") }), Some("[1,2]")),
    ];
    for (claims, expected) in cases {
        assert_eq!(text(connection(&claims).info.as_deref()), expected, "{claims}");
    }
    let wrapped = raw_token(br#"{"alg":"HS256"}"#, b"{\"info\": {\"n\":1.50,\r\n \"s\":\"a\\nb\"}}");
    let grant = verifier(|_| {}).verify_connection(&wrapped, NOW).granted();
    let info = grant.and_then(|grant| grant.info);
    assert_eq!(text(info.as_deref()), Some(r#"{"n":1.50, "s":"a\nb"}"#));
}

#[test]
fn server_side_subscriptions_come_from_subs_or_else_from_channels() {
    let cases = [
        (json!({}), vec![]),
        (json!({ "channels": ["b", "a", "b"] }), vec![("a", None, None), ("b", None, None)]),
        (json!({ "channels": ["a"], "subs": null }), vec![("a", None, None)]),
        (json!({ "channels": ["a"], "subs": {} }), vec![]),
        (
            json!({ "channels": ["a"], "subs": { "c": { "info": 1, "data": [2] }, "b": null } }),
            vec![("b", None, None), ("c", Some("1"), Some("[2]"))],
        ),
        (
            json!({ "subs": { "d": { "b64info": "MQ==", "b64data": "Mg==", "override": { "presence": 1 } } } }),
            vec![("d", Some("1"), Some("2"))],
        ),
    ];
    for (claims, expected) in cases {
        let grant = connection(&claims);
        let granted: Vec<_> = grant
            .subscriptions
            .iter()
            .map(|grant| (grant.channel.as_str(), text(grant.info.as_deref()), text(grant.data.as_deref())))
            .collect();
        assert_eq!(granted, expected, "{claims}");
    }
}

#[test]
fn a_user_is_the_subject_and_may_be_nobody() {
    for claims in [json!({}), json!({ "sub": "" }), json!({ "sub": null })] {
        assert_eq!(&*connection(&claims).user, "", "{claims}");
    }
    assert_eq!(&*connection(&json!({ "sub": "al\n\"ice" })).user, "al\n\"ice");
}

#[test]
fn a_subscription_token_names_channel_user_and_maybe_the_client() {
    let grant = subscription(&json!({
        "sub": "alice", "channel": "$chat:one", "client": "c1", "info": { "a": 1 }, "data": "hello",
    }));
    assert_eq!(grant.channel.as_str(), "$chat:one");
    assert_eq!(&*grant.user, "alice");
    assert_eq!(grant.client.as_deref(), Some("c1"));
    assert_eq!(text(grant.info.as_deref()), Some(r#"{"a":1}"#));
    assert_eq!(text(grant.data.as_deref()), Some(r#""hello""#));
    let grant = subscription(&json!({ "channel": "news", "client": "" }));
    assert_eq!((&*grant.user, grant.client), ("", None));
}

fn connection(claims: &Value) -> ConnectionGrant {
    let verdict = verifier(|_| {}).verify_connection(&token(claims), NOW);
    verdict.granted().expect("a connection token")
}

fn subscription(claims: &Value) -> SubscriptionGrant {
    let verdict = verifier(|_| {}).verify_subscription(&token(claims), NOW);
    verdict.granted().expect("a subscription token")
}

fn text(value: Option<&RawJson>) -> Option<&str> {
    value.map(RawJson::get)
}

fn merged(one: &Value, other: &Value) -> Value {
    let members = |value: &Value| value.as_object().cloned().expect("an object");
    members(one).into_iter().chain(members(other)).collect()
}
