//! What arrives in a channel by commands of Redis is hostile until it was looked at.

use serde_json::json;
use testkit::redis::{Options, Server};

use crate::follower::Follower;
use crate::nodes::{adds_up, pair, publish};

#[test]
fn no_payload_breaks_or_forges_a_frame() {
    let server = Server::start(&Options::new());
    let nodes = pair(&server.url(), 1);
    let followers = [Follower::start(&nodes[0], "news"), Follower::start(&nodes[1], "news")];
    let mut backend = server.connection().expect("a connection");
    let forged = b"{}}\n{\"push\":{\"channel\":\"news\",\"pub\":{\"data\":\"forged\"}}}";
    let mut large = vec![b'"'; 2];
    large.splice(1..1, std::iter::repeat_n(b'a', 1 << 20));
    let hostile: [&[u8]; 9] = [
        b"hello",
        forged,
        b"",
        b"{} {}",
        b"\xff\xfe",
        b"\0\x01garbage that is no envelope",
        b"\x01\x02\x03",
        b"\"\xc3\x28\"",
        &large,
    ];
    for payload in hostile {
        let told = backend.command(&[b"PUBLISH".as_slice(), b"fanfare:ch:news", payload]);
        assert_eq!(told.expect("Redis answers").to_string(), "2", "both nodes are there to hear it");
    }
    let pretty = "{\n  \"a\": [\r\n    1,\n    2\n  ]\n}";
    backend.command(&["PUBLISH", "fanfare:ch:news", pretty]).expect("Redis answers");
    publish(&nodes[0], "news", &json!("last"));
    for (node, follower) in nodes.iter().zip(&followers) {
        let heard = follower.hears(2);
        assert_eq!(heard.publications, [(0, json!({"a": [1, 2]})), (0, json!("last"))]);
        adds_up(node, "fanfare_redis_malformed_total", hostile.len() as f64);
        assert_eq!(node.metrics().sum("fanfare_connections"), 1.0);
    }
}

#[test]
fn envelopes_with_garbage_are_dropped_wherever_they_are_cut() {
    const GARBAGE: &[u8] = b"\xff\xff\xff\xff\xff";
    let server = Server::start(&Options::new());
    let nodes = pair(&server.url(), 1);
    let follower = Follower::start(&nodes[1], "news");
    let mut backend = server.connection().expect("a connection");
    let mut push = |payload: &[u8]| {
        backend.command(&[b"PUBLISH".as_slice(), b"fanfare:ch:news", payload]).expect("Redis answers");
    };
    let whole = envelope(&[(1, b"{\"key\":\"value\"}")]);
    for length in 0..=whole.len() {
        push(&[&whole[..length], GARBAGE].concat());
    }
    let forged: [&[(u8, &[u8])]; 5] = [
        &[(1, b"{}}\n{\"push\":{}}")],
        &[(1, b"1"), (1, b"2")],
        &[(0, b"short"), (1, b"1")],
        &[(1, b"1"), (2, b"tags")],
        &[(1, b"1"), (3, b"{\"user\":1}")],
    ];
    for fields in forged {
        push(&envelope(fields));
    }
    push(&whole);
    assert_eq!(follower.hears(1).publications, [(0, json!({"key": "value"}))]);
    adds_up(&nodes[1], "fanfare_redis_malformed_total", (whole.len() + 1 + forged.len()) as f64);
}

/// What nodes put around a publication.
fn envelope(fields: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0xfa, 1];
    for (id, field) in fields {
        bytes.push(*id);
        bytes.extend_from_slice(&(field.len() as u32).to_be_bytes());
        bytes.extend_from_slice(field);
    }
    bytes
}

#[test]
fn what_is_appended_by_hand_is_turned_down_with_its_reason() {
    let server = Server::start(&Options::new());
    let nodes = pair(&server.url(), 1);
    let follower = Follower::start(&nodes[0], "kept:a");
    for payload in ["hello", "{}}\n{\"push\":{}}", ""] {
        let reply = server.command(&["FCALL", "fanfare_publish", "1", "fanfare:ch:kept:a", payload]);
        assert!(reply.starts_with("-FANFARE"), "{reply}");
    }
    // Without a position it would be a gap that nobody could notice.
    server.command(&["PUBLISH", "fanfare:ch:kept:a", "\"plain\""]);
    publish(&nodes[1], "kept:a", &json!("last"));
    assert_eq!(follower.hears(1).publications, [(1, json!("last"))]);
    nodes[0].settles("fanfare_publications_lost_total{reason=\"unplaced\"}", 1.0);
}
