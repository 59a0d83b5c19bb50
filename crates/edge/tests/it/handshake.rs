//! Upgrade requests: those that are accepted, and the status that answers the others.

use std::collections::BTreeSet;
use std::io::Read;
use std::time::{Duration, Instant};

use testkit::{Client, http};

use crate::edge::{Running, edge, token};
use crate::user::User;

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n";

#[test]
fn every_connection_has_an_id_of_its_own() {
    let edge = edge().workers(4).start();
    let mut ids = BTreeSet::new();
    for number in 0..100 {
        let mut user = User::new(edge.stranger());
        let reply = user.ask(&format!("\"connect\":{{\"token\":\"{}\"}}", token("alice")));
        let id = reply["connect"]["client"].as_str().expect("an id").to_owned();
        assert!(model::ClientId::parse(&id).is_some() && id.as_bytes()[14] == b'4', "{id}");
        assert!(ids.insert(id), "connection {number} has the id of another");
    }
}

#[test]
fn what_is_no_handshake_is_answered_with_what_is_wrong() {
    let edge = edge().workers(4).start();
    let path = edge::NATIVE_PATH;
    let ask = |line: &str, headers: &[&str]| {
        let request = format!("{line}\r\nHost: test\r\n{}\r\n", headers.concat());
        http::exchange(edge.address(), &request).expect(line)
    };
    let get = format!("GET {path} HTTP/1.1");
    let plain = ask(&get, &[]);
    assert_eq!((plain.status, plain.header("upgrade")), (426, Some("websocket")));
    assert_eq!(ask(&get, &["Connection: Upgrade\r\n", KEY, VERSION]).status, 426);
    assert_eq!(ask(&get, &["Connection: Upgrade\r\nUpgrade: h2c\r\n", KEY, VERSION]).status, 426);
    let old = ask(&get, &[UPGRADE, KEY, "Sec-WebSocket-Version: 8\r\n"]);
    assert_eq!((old.status, old.header("sec-websocket-version")), (426, Some("13")));
    assert_eq!(ask(&get, &[UPGRADE, VERSION]).status, 400, "no key");
    assert_eq!(ask(&format!("POST {path} HTTP/1.1"), &[UPGRADE, KEY, VERSION]).status, 400);
    assert_eq!(ask(&format!("GET {path} HTTP/1.0"), &[UPGRADE, KEY, VERSION]).status, 400);
    assert_eq!(ask("nonsense", &[]).status, 400);
    let elsewhere = ask("GET /elsewhere HTTP/1.1", &[UPGRADE, KEY, VERSION, "Connection: close\r\n"]);
    assert_eq!(elsewhere.status, 404);
    assert!(elsewhere.body.contains(path), "{}", elsewhere.body);
    let refused = edge.metrics().value("fanfare_connections_refused_total{reason=\"handshake\"}");
    assert_eq!(refused, 7.0);
    edge.settles("fanfare_connections", 0.0);
    assert_eq!(edge.metrics().value("fanfare_connections_opened_total"), 0.0);
}

#[test]
fn an_accepted_handshake_proves_that_the_key_was_read() {
    let edge = edge().start();
    let head = upgrade(&edge, "").expect("an answer");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    // The example of RFC 6455, section 1.3.
    assert!(has_line(&head, "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    assert!(has_line(&head, "upgrade: websocket") && has_line(&head, "connection: upgrade"), "{head}");
    assert!(!head.contains("sec-websocket-protocol") && !head.contains("sec-websocket-extensions"), "{head}");
}

#[test]
fn a_known_subprotocol_is_echoed_and_others_are_passed_over() {
    let edge = edge().start();
    let chosen = |offer: &str| {
        let head = upgrade(&edge, &format!("Sec-WebSocket-Protocol: {offer}\r\n")).expect("an answer");
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let line = head.lines().find_map(|line| line.strip_prefix("sec-websocket-protocol: "));
        line.map(str::to_owned)
    };
    assert_eq!(chosen("centrifuge-json").as_deref(), Some("centrifuge-json"));
    assert_eq!(chosen("graphql-ws, centrifuge-json").as_deref(), Some("centrifuge-json"));
    assert_eq!(chosen("graphql-ws"), None);
}

#[test]
fn pages_of_origins_that_are_not_allowed_are_refused() {
    let allowed = ["https://example.com", "https://*.example.org", "http://localhost:*"];
    let edge = edge()
        .with(|config| {
            config.allowed_origins = allowed.iter().map(|text| text.parse().expect("a pattern")).collect();
        })
        .start();
    let status = |origin: &str| status(&edge, origin);
    for origin in [
        "https://example.com",
        "HTTPS://Example.COM",
        "https://a.example.org",
        "https://a.b.example.org",
        "http://localhost:3000",
    ] {
        assert_eq!(status(origin), "101", "{origin}");
    }
    let refused = [
        "http://example.com",
        "https://example.com.evil.net",
        "https://evil.net?https://example.com",
        "https://example.org",
        "https://example.com:8443",
        "null",
        "",
    ];
    for origin in refused {
        assert_eq!(status(origin), "403", "{origin:?}");
    }
    assert!(upgrade(&edge, "").expect("an answer").starts_with("HTTP/1.1 101 "), "no origin at all");
    let counted = edge.metrics().value("fanfare_connections_refused_total{reason=\"origin\"}");
    assert_eq!(counted as usize, refused.len());
}

#[test]
fn without_allowed_origins_no_page_may_connect_and_with_a_star_every_page_may() {
    let none = edge().start();
    assert_eq!(status(&none, "https://example.com"), "403");
    assert_eq!(status(&none, "http://localhost"), "403");
    let every = edge().with(|config| config.allowed_origins = vec!["*".parse().expect("a pattern")]).start();
    assert_eq!(status(&every, "https://anything.example"), "101");
    assert_eq!(status(&every, "null"), "101");
}

#[test]
fn endless_headers_are_refused_and_their_sender_is_left() {
    let edge = edge().start();
    // Lines are counted when the head is whole; until then its bytes and its time are bounded.
    let many = "X-More: and more\r\n".repeat(200) + "\r\n";
    for flood in [many, format!("X-Long: {}\r\n", "x".repeat(200 * 1024))] {
        let mut client = Client::open(edge.address()).expect("a socket");
        let start = format!("GET {} HTTP/1.1\r\nHost: test\r\n", edge::NATIVE_PATH);
        // The server may stop reading at any byte.
        drop(client.send_raw(start.as_bytes()));
        drop(client.send_raw(flood.as_bytes()));
        let mut answer = Vec::new();
        let begun = Instant::now();
        let end = client.stream().read_to_end(&mut answer);
        let (answer, took) = (String::from_utf8_lossy(&answer), begun.elapsed());
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer:?}, {end:?} after {took:?}");
    }
    assert!(edge.client("alice").has_nothing());
}

#[test]
fn who_is_refused_is_also_left() {
    let edge = edge().start();
    let (client, head) =
        Client::request(edge.address(), edge::NATIVE_PATH, "Origin: https://evil.net\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    assert!(head.contains("connection: close\r\n"), "{head}");
    let begun = Instant::now();
    client.stream().read_to_end(&mut Vec::new()).expect("an end, not a reset");
    assert!(begun.elapsed() < Duration::from_secs(5), "kept for {:?}", begun.elapsed());
}

fn status(edge: &Running, origin: &str) -> String {
    let head = upgrade(edge, &format!("Origin: {origin}\r\n")).expect("an answer");
    head.split(' ').nth(1).unwrap_or_default().to_owned()
}

fn upgrade(edge: &Running, headers: &str) -> std::io::Result<String> {
    Client::request(edge.address(), edge::NATIVE_PATH, headers).map(|(_, head)| head)
}

fn has_line(head: &str, line: &str) -> bool {
    head.lines().any(|found| found.eq_ignore_ascii_case(line) || found == line)
}
