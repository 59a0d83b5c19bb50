//! Signing and explaining, as the command line does.

use auth::{Algorithm, Claims, Signer, TokenKind, TokenRefusal, Verdict, Verifier, explain};
use model::{ChannelName, RawJson, Secret, UnixTime};
use serde_json::json;

use crate::fixture::*;

#[test]
fn what_is_signed_is_granted() {
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let strict = strict_verifier(algorithm);
        let signer = Signer::hmac(&Secret::new(SECRET), algorithm).expect("a signer");
        let claims = Claims::connection("alice")
            .expires(UnixTime(NOW.0 + 60))
            .info(RawJson::from_string(r#"{"name":"Alice"}"#.to_owned()).expect("JSON"))
            .channels(&[channel("news"), channel("#alice")])
            .issuer("us")
            .audience("push");
        let verdict = strict.verify_connection(&signer.sign(&claims), NOW);
        let grant = verdict.granted().expect("a grant");
        assert_eq!(&*grant.user, "alice");
        assert_eq!(grant.expires, Some(UnixTime(NOW.0 + 60)));
        assert_eq!(grant.info.as_deref().map(RawJson::get), Some(r#"{"name":"Alice"}"#));
        let channels: Vec<_> = grant.subscriptions.iter().map(|grant| grant.channel.as_str()).collect();
        assert_eq!(channels, ["#alice", "news"]);

        let claims = Claims::subscription("", &channel("news")).issuer("us").audience("push");
        let verdict = strict.verify_subscription(&signer.sign(&claims), NOW);
        assert_eq!(verdict.granted().expect("a grant").channel, channel("news"));
    }
}

#[test]
fn an_explanation_shows_what_a_token_says_and_why_it_fails() {
    let claims = json!({
        "sub": "alice", "channel": "news", "exp": NOW.0 - 60, "nbf": 1, "expire_at": 0, "iss": "us", "aud": ["a", "b"],
    });
    let explanation = explain(&token(&claims), &verifier(|_| {}), NOW);
    assert_eq!(explanation.algorithm.as_deref(), Some("HS256"));
    assert_eq!(explanation.kid, None);
    assert_eq!(explanation.verdict, Verdict::Refused(TokenRefusal::Expired));
    let said = explanation.claims.expect("claims");
    assert_eq!(
        (said.kind, &*said.user, said.channel.as_deref()),
        (TokenKind::Subscription, "alice", Some("news"))
    );
    assert_eq!(
        (said.token_expires, said.expires, said.begins),
        (Some(UnixTime(NOW.0 - 60)), None, Some(UnixTime(1)))
    );
    assert_eq!((said.issuer.as_deref(), said.audiences), (Some("us"), vec!["a".into(), "b".into()]));
}

#[test]
fn an_explanation_goes_as_far_as_the_token_can_be_read() {
    let verifier = verifier(|_| {});
    let malformed = Verdict::Refused(TokenRefusal::Malformed);
    let none = explain(&raw_token(br#"{"alg":"none","kid":"k"}"#, br#"{"sub":"root"}"#), &verifier, NOW);
    assert_eq!((none.algorithm.as_deref(), none.kid.as_deref()), (Some("none"), Some("k")));
    assert_eq!(none.claims.expect("claims").user.as_ref(), "root");
    assert_eq!(none.verdict, malformed);
    let nothing = explain("nothing", &verifier, NOW);
    assert_eq!((nothing.algorithm, nothing.claims, nothing.verdict), (None, None, malformed));
    let wrong = explain(&token(&json!({ "sub": 7 })), &verifier, NOW);
    assert_eq!(wrong.claims, None);
    assert_eq!(wrong.verdict, Verdict::Refused(TokenRefusal::WrongClaims));
    assert_eq!(explain(&token(&json!({})), &verifier, NOW).verdict, Verdict::Granted(()));
}

fn strict_verifier(algorithm: Algorithm) -> Verifier {
    verifier(|config| {
        config.algorithms = vec![algorithm.name().to_owned()];
        config.issuer = "us".to_owned();
        config.audience = "push".to_owned();
    })
}

fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).expect("a channel name")
}
