//! `token` and `token --explain`.

use crate::process::{Run, SECRET, fanfare};

#[test]
fn a_token_is_explained_as_it_was_asked_for() {
    let token =
        with_secret("token alice --channels news,#alice --expires 10m --info").arg(r#"{"name":"Alice"}"#);
    let token = token.finish().succeeded();
    let text = with_secret("token --explain -").finish_with(&token).succeeded();
    for line in ["algorithm HS256", "kind      connection token", "user      alice"] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(text.contains("Z, in 10 min\n") || text.contains("Z, in 9 min\n"), "{text}");
    assert!(text.ends_with("verdict   accepted by a node with these settings\n"), "{text}");
}

#[test]
fn a_subscription_token_names_its_channel() {
    let token = with_secret("token alice --channel $news --expires 0").finish().succeeded();
    let text = with_secret("token --explain").arg(token.trim()).finish().succeeded();
    for line in ["kind      subscription token", "channel   $news", "expires   never"] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[test]
fn a_token_has_what_the_settings_demand() {
    let demands = "--set token.audience=us --set token.issuer=them --set token.algorithms=HS512";
    let token = with_secret(&format!("token alice {demands}")).finish().succeeded();
    let text = with_secret(&format!("token {demands} --explain -")).finish_with(&token).succeeded();
    assert!(text.contains("algorithm HS512\n") && text.contains("issuer    them\naudience  us\n"), "{text}");
}

#[test]
fn a_secret_can_stand_in_a_file() {
    let file = std::env::temp_dir().join(format!("fanfare-cli-secret-{}", std::process::id()));
    std::fs::write(&file, format!("{SECRET}\n")).expect("a file");
    let token = fanfare("token alice --secret-file").arg(&file.display().to_string()).finish();
    std::fs::remove_file(&file).expect("it was written");
    let token = token.succeeded();
    with_secret("token --explain -").finish_with(&token).succeeded();
}

#[test]
fn a_refused_token_fails_with_the_setting_to_change() {
    let token = with_secret("token alice").finish().succeeded();
    let other =
        fanfare("token --explain -").env("FANFARE__TOKEN__HMAC_SECRET", "another").finish_with(&token);
    assert_eq!((other.code, other.err.as_str()), (Some(1), ""), "{}", other.out);
    assert!(
        other.out.contains("verdict   refused: ") && other.out.contains("token.hmac_secret"),
        "{}",
        other.out
    );
    let none = fanfare("token --explain -").finish_with(&token);
    assert_eq!(none.code, Some(1), "{}", none.err);
    assert!(none.out.contains("no key fits"), "{}", none.out);
}

#[test]
fn what_would_be_refused_is_not_signed() {
    fanfare("token alice").finish().failed(2, &["FANFARE__TOKEN__HMAC_SECRET", "--secret-file"]);
    with_secret("token alice --expires 0 --set token.require_exp=true")
        .finish()
        .failed(2, &["token.require_exp"]);
    for arguments in
        ["token alice --channel {a}", "token alice --info nonsense", "token alice --expires soon"]
    {
        assert_eq!(with_secret(arguments).finish().code, Some(2), "{arguments}");
    }
}

fn with_secret(arguments: &str) -> Run {
    fanfare(arguments).env("FANFARE__TOKEN__HMAC_SECRET", SECRET)
}
