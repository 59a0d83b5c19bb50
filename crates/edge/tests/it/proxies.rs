//! Proxies that pass on bytes say first whose they are; nobody else is let in where they do.

use std::net::SocketAddr;

use testkit::{Client, Process, Received, http};

use crate::edge::{Running, edge, faulty, token};
use crate::user::User;

const REQUEST: &str = "GET /connection/websocket HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const LINE: &[u8] = b"PROXY TCP4 198.51.100.7 192.0.2.1 56324 443\r\n";
/// The same in binary, with an extension.
const BINARY: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f\xc6\x33\x64\x07\xc0\0\x02\x01\xdc\x04\x01\xbb\x04\0\0";
/// The proxy's own connection.
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

#[test]
fn what_follows_a_proxys_header_is_served_however_it_is_cut() {
    for workers in [1, 4] {
        let edge = behind_proxies(workers);
        for header in [LINE, BINARY, LOCAL] {
            for piece in [1, 7, usize::MAX] {
                let connect = format!("{{\"id\":1,\"connect\":{{\"token\":\"{}\"}}}}", token("alice"));
                let request = format!("{REQUEST}\r\n");
                let bytes = [header, request.as_bytes(), &Client::frame(0x81, connect.as_bytes())].concat();
                let mut client = Client::open(edge.address()).expect("a socket");
                for piece in bytes.chunks(piece) {
                    client.send_raw(piece).expect("the server reads");
                }
                assert!(client.head().expect("an answer").starts_with("HTTP/1.1 101 "));
                assert!(client.text().contains("\"client\""), "the early command is answered");
                let mut user = User::new(client);
                user.subscribe("news");
                edge.publish("news", "1");
                assert_eq!(user.publication().1, "1");
            }
        }
        assert_eq!(refused(&edge), 0.0);
    }
}

#[test]
fn who_sends_no_header_is_left() {
    let edge = behind_proxies(1);
    let request = format!("{REQUEST}\r\n");
    let half = &BINARY[..20];
    let wrong = [&BINARY[..12], b"\x21\x12\0\x0c"].concat();
    for bytes in [request.as_bytes(), b"PROXY TCP4 nowhere\r\n", &wrong] {
        assert!(is_left(edge.address(), bytes), "{bytes:?}");
    }
    // Nobody sends anything who only wants to know whether somebody listens.
    drop(Client::open(edge.address()).expect("a socket"));
    let mut gone = Client::open(edge.address()).expect("a socket");
    gone.send_raw(half).expect("the server reads");
    drop(gone);
    edge.settles("fanfare_connections_refused_total{reason=\"proxy_header\"}", 4.0);
    let answer = http::get(edge.internal(), "/readyz").expect("the internal listener wants no header");
    assert_eq!(answer.status, 200);
}

#[test]
fn nobody_but_trusted_proxies_may_connect_where_they_are_named() {
    let trusting = |network: &str| {
        let network = network.parse().expect("a network");
        let edge = edge().with(|config| {
            config.public.proxy_protocol = true;
            config.trusted_proxies = vec![network];
        });
        edge.start()
    };
    let edge = trusting("192.0.2.0/24");
    assert!(is_left(edge.address(), LINE));
    assert_eq!(refused(&edge), 1.0);
    assert!(!is_left(trusting("127.0.0.0/8").address(), LINE));
}

#[test]
fn log_lines_have_the_address_that_the_proxys_header_names() {
    let mut command = faulty();
    command.env("FANFARE__PUBLIC__PROXY_PROTOCOL", "true");
    let node = Process::start(&mut command).expect("a process");
    let mut client = Client::open(node.address("public")).expect("a socket");
    let request = format!("{REQUEST}Origin: https://evil.example\r\n\r\n");
    client.send_raw(&[BINARY, request.as_bytes()].concat()).expect("the server reads");
    assert!(client.head().expect("an answer").starts_with("HTTP/1.1 403 "));
    let line = node.line("evil.example");
    assert!(line.contains("client=198.51.100.7"), "{line}");
    assert!(is_left(node.address("public"), b"GET / HTTP/1.1\r\n\r\n"));
    let line = node.line("proxy_header");
    assert!(line.contains("public.proxy_protocol") && line.contains("client=127.0.0.1"), "{line}");
}

fn behind_proxies(workers: u16) -> Running {
    edge().workers(workers).with(|config| config.public.proxy_protocol = true).start()
}

/// Whether whoever sends these bytes is left without an answer.
fn is_left(address: SocketAddr, bytes: &[u8]) -> bool {
    let mut client = Client::open(address).expect("a socket");
    let request = format!("{REQUEST}\r\n");
    let is_sent = client.send_raw(bytes).is_ok() && client.send_raw(request.as_bytes()).is_ok();
    if is_sent && client.head().is_ok() {
        return false;
    }
    matches!(client.receive(), Received::End | Received::Reset)
}

fn refused(edge: &Running) -> f64 {
    edge.metrics().value("fanfare_connections_refused_total{reason=\"proxy_header\"}")
}
