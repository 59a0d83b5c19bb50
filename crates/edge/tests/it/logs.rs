//! The log of a node at its most talkative: it says what happened and to whom, and keeps every secret.

use std::process::Command;

use testkit::{Client, Process, example, http};

use crate::edge::{API_KEY, forged_token, token};
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
    let mut command = Command::new(example("faulty"));
    command.envs([
        ("FANFARE__PUBLIC__ADDRESS", "127.0.0.1:0"),
        ("FANFARE__INTERNAL__ADDRESS", "127.0.0.2:0"),
        ("FANFARE__TOKEN__HMAC_SECRET", "a secret of thirty-two bytes or more"),
        ("FANFARE__API__KEY", API_KEY),
        ("FANFARE__CHANNELS__CLIENT_SUBSCRIBE", "true"),
        ("FANFARE__CHANNELS__CLIENT_PUBLISH", "true"),
        ("FANFARE__DRAIN__DELAY", "0s"),
        ("FANFARE__DRAIN__WINDOW", "0s"),
        ("FANFARE__LOG__FORMAT", format),
    ]);
    command
}

fn addresses(node: &Process, format: &str) -> (std::net::SocketAddr, std::net::SocketAddr) {
    if format == "text" {
        return (node.address("public"), node.address("internal"));
    }
    let line: serde_json::Value = serde_json::from_str(&node.line("\"ready\"")).expect("JSON");
    let address = |name: &str| line[name].as_str().and_then(|text| text.parse().ok()).expect("an address");
    (address("public"), address("internal"))
}
