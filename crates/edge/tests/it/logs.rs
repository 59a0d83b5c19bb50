//! The log of a node at its most talkative: it says what happened and to whom, and keeps every secret.

use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use testkit::{Client, Process, http};

use crate::edge::{API_KEY, faulty, forged_token, subscription_token, token};
use crate::user::User;

#[test]
fn tokens_keys_and_payloads_never_reach_the_log() {
    for format in ["text", "json"] {
        let mut node = talkative(format);
        let (public, internal) = addresses(&node, format);
        let mut alice = User::connect(public, edge::NATIVE_PATH, "alice");
        alice.subscribe("news");
        alice.publish("news", "\"payload-of-alice\"");
        let body = "{\"channel\":\"news\",\"data\":\"payload-of-backend\"}";
        for key in [API_KEY, "key-of-a-stranger"] {
            http::post(internal, "/api/publish", &format!("X-API-Key: {key}\r\n"), body).expect("an answer");
        }
        http::post(internal, "/api/publish", &format!("X-API-Key: {API_KEY}\r\n"), "payload-of-nonsense")
            .expect("an answer");
        for token in [forged_token("mallory").as_str(), "token-of-nobody"] {
            let mut stranger = Client::connect(public, edge::NATIVE_PATH);
            stranger.send(&format!("{{\"id\":1,\"connect\":{{\"token\":\"{token}\"}}}}"));
            assert_eq!(stranger.closed().0, 3500);
        }
        alice.ask(&format!("\"subscribe\":{{\"channel\":\"$a\",\"token\":\"{}\"}}", token("alice")));
        alice.send("payload-of-bad-request");
        assert_eq!(alice.into_client().closed().0, 3501);
        let (_, head) = Client::request(
            public,
            edge::NATIVE_PATH,
            &format!(
                "Origin: https://evil.example\r\nX-Forwarded-For: 203.0.113.9, 198.51.100.7, 127.0.0.5\r\n\
             Authorization: Bearer {}\r\n",
                token("alice")
            ),
        )
        .expect("an answer");
        assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
        assert_proxy_is_believed(&node.line("evil.example"));
        node.line("3501");
        node.signal("TERM");
        assert!(node.ended_within(testkit::PATIENCE).is_some());
        let log = node.log();
        // A signature that no key made names the setting with the keys.
        assert!(log.contains("bad_signature") && log.contains("token.hmac_secret"), "{log}");
        for secret in ["payload-of", "key-of", "secret of thirty", "token-of-nobody", "eyJ"] {
            assert!(!log.contains(secret), "`{secret}` is in the log:\n{log}");
        }
        if format == "json" {
            log.lines().for_each(assert_line_is_an_object);
        }
    }
}

#[test]
fn nobody_is_believed_about_addresses_unless_trusted() {
    let node = Process::start(&mut command("text")).expect("a process");
    let public = node.address("public");
    let headers = "Origin: https://evil.example\r\nX-Forwarded-For: 198.51.100.7\r\n";
    Client::request(public, edge::NATIVE_PATH, headers).expect("an answer");
    let line = node.line("evil.example");
    assert!(line.contains("127.0.0.1") && !line.contains("198.51.100.7"), "{line}");
    assert!(line.contains("allowed_origins"), "{line}");
}

#[test]
fn each_refusal_is_told_with_the_setting_that_would_change_it() {
    for (audience, connect, reason, code, told) in [
        ("", String::new(), "no_token", 3501, "setting=\"client.insecure\""),
        ("fanfare", with_token(&token("alice")), "wrong_audience", 3500, "setting=\"token.audience\""),
        (
            "",
            with_token(&subscription_token("alice", "news")),
            "subscription_token_used_to_connect",
            3500,
            "a connection token has no claim `channel`",
        ),
    ] {
        let node =
            Process::start(command("text").env("FANFARE__TOKEN__AUDIENCE", audience)).expect("a process");
        assert_eq!(refused(node.address("public"), &connect), code, "{reason}");
        let line = node.line("token refused");
        assert!(line.contains(" WARN ") && line.contains(&format!("reason=\"{reason}\"")), "{line}");
        assert!(line.contains(told) && line.contains("unsaid=0"), "{line}");
    }
}

#[test]
fn the_connection_limit_is_named_when_it_is_reached() {
    let node = Process::start(command("text").env("FANFARE__CONNECTION_LIMIT", "1")).expect("a process");
    let _present = Client::connect(node.address("public"), edge::NATIVE_PATH);
    let (_, head) = Client::request(node.address("public"), edge::NATIVE_PATH, "").expect("an answer");
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    let line = node.line("connection refused");
    assert!(line.contains(" WARN ") && line.contains("reason=\"connection_limit\""), "{line}");
    assert!(line.contains("setting=\"connection_limit\"") && line.contains("unsaid=0"), "{line}");
}

/// Part of the tests of what takes ten seconds.
pub(crate) fn a_refusal_that_repeats_is_logged_again_later_with_a_count() {
    const PAUSE: Duration = Duration::from_secs(10);
    let node = Process::start(&mut command("text")).expect("a process");
    let public = node.address("public");
    let told = || node.log().lines().filter(|line| line.contains("\"no_token\"")).count();
    let begun = Instant::now();
    for _ in 0..5 {
        assert_eq!(refused(public, ""), 3501);
    }
    // A refusal of another kind is told at once, and after those before it.
    assert_eq!(refused(public, &with_token("nonsense")), 3500);
    node.line("\"malformed\"");
    assert_eq!(told(), 1, "{}", node.log());
    thread::sleep((PAUSE + Duration::from_millis(200)).saturating_sub(begun.elapsed()));
    assert_eq!(refused(public, ""), 3501);
    let line = node.line("unsaid=4");
    assert!(line.contains("\"no_token\"") && told() == 2, "{}", node.log());
}

/// The code with which a connection is closed that was refused.
fn refused(public: SocketAddr, connect: &str) -> u16 {
    let mut stranger = Client::connect(public, edge::NATIVE_PATH);
    stranger.send(&format!("{{\"id\":1,\"connect\":{{{connect}}}}}"));
    stranger.closed().0
}

fn with_token(token: &str) -> String {
    format!("\"token\":\"{token}\"")
}

/// Programs that read logs count on these.
fn assert_line_is_an_object(line: &str) {
    let object: serde_json::Value = serde_json::from_str(line).expect("JSON");
    for member in ["timestamp", "level", "message"] {
        assert!(object[member].is_string(), "no {member}: {line}");
    }
}

fn assert_proxy_is_believed(line: &str) {
    // 127.0.0.1 and 127.0.0.5 are trusted; who stands before them is the client, whatever it claims.
    assert!(line.contains("198.51.100.7") && !line.contains("203.0.113.9"), "{line}");
}

fn talkative(format: &str) -> Process {
    let mut command = command(format);
    command.env("FANFARE__LOG__LEVEL", "trace").env("FANFARE__TRUSTED_PROXIES", "127.0.0.0/8");
    Process::start(&mut command).expect("a process")
}

fn command(format: &str) -> Command {
    let mut command = faulty();
    command.env("FANFARE__LOG__FORMAT", format);
    command
}

fn addresses(node: &Process, format: &str) -> (SocketAddr, SocketAddr) {
    if format == "text" {
        return (node.address("public"), node.address("internal"));
    }
    let line: serde_json::Value = serde_json::from_str(&node.line("\"ready\"")).expect("JSON");
    let address = |name: &str| line[name].as_str().and_then(|text| text.parse().ok()).expect("an address");
    (address("public"), address("internal"))
}
