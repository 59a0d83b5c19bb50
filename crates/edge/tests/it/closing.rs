//! How connections end: the close handshake from either side, and sockets that are half closed, reset or left.

use std::sync::Arc;

use testkit::{Client, Echo, Received};

use crate::edge::{Running, edge};

#[test]
fn a_client_that_closes_gets_its_own_code_back() {
    for workers in [1, 4] {
        let edge = edge().workers(workers).start();
        for code in [1000, 1001, 3000, 4321] {
            let mut alice = edge.client("alice").into_client();
            alice.close(code, "bye");
            assert_eq!(alice.receive(), Received::Close(code, String::new()));
            assert_eq!(alice.receive(), Received::End);
        }
        let mut bob = edge.client("bob").into_client();
        bob.send_raw(&Client::frame(0x88, b"")).expect("the server reads");
        assert_eq!(bob.receive(), Received::Close(0, String::new()));
        assert_eq!(bob.receive(), Received::End);
        edge.settles("fanfare_connections", 0.0);
        assert_eq!(closed_as_gone(&edge), 5.0);
    }
}

#[test]
fn nothing_follows_a_close_and_what_comes_behind_it_is_not_obeyed() {
    let edge = edge().start();
    let mut alice = edge.client("alice");
    alice.subscribe("news");
    let mut alice = alice.into_client();
    let publish = Client::frame(0x81, b"{\"id\":9,\"publish\":{\"channel\":\"news\",\"data\":1}}");
    let close = Client::frame(0x88, &1000_u16.to_be_bytes());
    alice.send_raw(&[close, publish].concat()).expect("the server reads");
    assert_eq!(alice.receive(), Received::Close(1000, String::new()));
    assert_eq!(alice.receive(), Received::End);
    assert_eq!(edge.metrics().sum("fanfare_publications_total"), 0.0);
}

#[test]
fn a_half_closed_connection_is_answered_and_freed() {
    for workers in [1, 4] {
        let edge = edge().workers(workers).start();
        let mut alice = edge.client("alice").into_client();
        alice.send("{\"id\":9,\"rpc\":{}}");
        alice.shut();
        assert!(alice.text().starts_with("{\"id\":9,\"error\":"), "the reply comes before the end");
        assert_eq!(alice.receive(), Received::End);

        let mut bob = edge.client("bob").into_client();
        bob.close(1000, "");
        bob.shut();
        assert_eq!(bob.receive(), Received::Close(1000, String::new()));
        assert_eq!(bob.receive(), Received::End);

        let mut carol = edge.client("carol").into_client();
        carol.send_raw(&Client::frame(0x81, b"{\"id\":9,\"rpc\":{}}")[..9]).expect("the server reads");
        carol.shut();
        assert_eq!(carol.receive(), Received::End);
        edge.settles("fanfare_connections", 0.0);
        assert_eq!(closed_as_gone(&edge), 3.0);
    }
}

#[test]
fn a_reset_frees_a_connection_wherever_it_was() {
    for workers in [1, 4] {
        let edge = edge().workers(workers).start();
        let mut witness = edge.client("witness");
        witness.subscribe("news");
        let unfinished = Client::frame(0x81, &[b'x'; 2000]);
        let publish = Client::frame(0x81, b"{\"id\":9,\"publish\":{\"channel\":\"news\",\"data\":1}}");
        for left_behind in [&b""[..], &unfinished[..1], &unfinished[..7], &unfinished[..1000], &publish] {
            let mut mallory = edge.client("mallory");
            mallory.subscribe("news");
            mallory.into_client().reset_after(left_behind);
        }
        edge.settles("fanfare_connections", 1.0);
        edge.settles("fanfare_subscriptions", 1.0);
        edge.publish("news", "\"still here\"");
        while witness.publication().1 != "\"still here\"" {}
        assert!(witness.has_nothing());
        assert_eq!(closed_as_gone(&edge), 5.0);
        assert_eq!(edge.metrics().value("fanfare_outbox_bytes"), 0.0);
    }
}

#[test]
fn what_was_sent_before_a_close_arrives_before_it() {
    let edge = edge().composed(|parts| parts.with_protocol("/echo", Arc::new(Echo))).start();
    let mut client = Client::connect(edge.address(), "/echo");
    let large = "x".repeat(60 * 1024);
    let mut bytes: Vec<u8> = (0..8).flat_map(|_| Client::frame(0x81, large.as_bytes())).collect();
    bytes.extend(Client::frame(0x88, &4000_u16.to_be_bytes()));
    client.send_raw(&bytes).expect("the server reads");
    for _ in 0..8 {
        assert_eq!(client.text(), large);
    }
    assert_eq!(client.receive(), Received::Close(4000, String::new()));
}

fn closed_as_gone(edge: &Running) -> f64 {
    edge.metrics().value("fanfare_connections_closed_total{code=\"3000\"}")
}
