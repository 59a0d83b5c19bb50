//! Floods end where they began: with their sender, and with nobody else.

use model::ByteSize;
use testkit::{Client, http};

use crate::edge::{API_KEY, edge};

const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

#[test]
fn whoever_floods_with_pings_or_pongs_is_closed_before_they_cost_much() {
    for first in [PING, PONG] {
        let edge = edge().start();
        let mut flooder = edge.stranger();
        let flood = Client::frame(first, b"").repeat(20_000);
        // The node stops reading before all of it has left.
        drop(flooder.send_raw(&flood));
        assert_eq!(flooder.closed(), (3013, "too many requests".to_owned()));
        assert_eq!(edge.metrics().value("fanfare_outbox_overflows_total{bound=\"connection\"}"), 0.0);
        edge.settles("fanfare_outbox_bytes", 0.0);
    }
}

#[test]
fn a_ping_now_and_then_is_answered_whoever_sends_it() {
    let edge = edge().start();
    let mut stranger = edge.stranger();
    for _ in 0..100 {
        stranger.send_raw(&Client::frame(PING, b"there?")).expect("the node reads");
        assert_eq!(stranger.receive(), testkit::Received::Pong(b"there?".to_vec()));
    }
}

#[test]
fn requests_that_are_no_handshake_do_not_use_up_the_connect_rate() {
    let edge = edge().with(|config| config.connect_rate_limit = 3).start();
    for _ in 0..20 {
        let answer = http::get(edge.address(), edge::NATIVE_PATH).expect("an answer");
        assert_eq!(answer.status, 426);
    }
    let foreign = "Origin: https://elsewhere.example\r\n";
    for _ in 0..20 {
        let (_, head) = Client::request(edge.address(), edge::NATIVE_PATH, foreign).expect("an answer");
        assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    }
    edge.client("alice");
}

#[test]
fn an_upgrade_with_a_body_is_refused() {
    let edge = edge().start();
    for header in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        let (_, head) = Client::request(edge.address(), edge::NATIVE_PATH, header).expect("an answer");
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    }
}

#[test]
fn a_broadcast_larger_than_a_mailbox_is_accepted_whole() {
    const CHANNELS: usize = 2000;
    let edge = edge().start();
    let mut last = edge.client("alice");
    last.subscribe(&format!("c{}", CHANNELS - 1));
    let channels: Vec<String> = (0..CHANNELS).map(|number| format!("\"c{number}\"")).collect();
    let payload = "x".repeat(64 * 1024);
    let body = format!("{{\"channels\":[{}],\"data\":\"{payload}\"}}", channels.join(","));
    let key = format!("X-API-Key: {API_KEY}\r\n");
    let answer = http::post(edge.internal(), "/api/broadcast", &key, &body).expect("an answer");
    assert_eq!(answer.body.matches("{\"result\":{}}").count(), CHANNELS, "{:.200}", answer.body);
    assert!(last.publication().1.contains(&payload));
}

#[test]
fn one_large_publication_to_many_readers_closes_none_of_them() {
    let edge = edge().with(|config| config.client.outbox_total = ByteSize::kib(1024)).start();
    let mut readers: Vec<_> = (0..64).map(|number| edge.client(&format!("reader{number}"))).collect();
    readers.iter_mut().for_each(|reader| reader.subscribe("news"));
    let payload = format!("\"{}\"", "x".repeat(200 * 1024));
    edge.publish("news", &payload);
    for reader in &mut readers {
        assert!(reader.publication().1.contains(&payload));
    }
    assert_eq!(edge.metrics().sum("fanfare_outbox_overflows_total"), 0.0);
}
