//! However a client cuts its bytes into segments and frames, its commands mean the same.

use std::net::SocketAddr;

use testkit::Client;

use crate::edge::{edge, token};
use crate::user::User;

#[test]
fn what_is_sent_together_with_the_upgrade_request_is_not_lost() {
    for workers in [1, 4] {
        let edge = edge().workers(workers).start();
        for _ in 0..20 {
            let mut client = Client::open(edge.address()).expect("a socket");
            let request = [upgrade_request(edge.address()), Client::frame(0x81, commands().as_bytes())];
            client.send_raw(&request.concat()).expect("the server reads");
            assert!(client.head().expect("a response").starts_with("HTTP/1.1 101 "));
            assert_answers(&mut client);
        }
    }
}

#[test]
fn bytes_may_come_one_by_one() {
    let edge = edge().start();
    let mut client = Client::open(edge.address()).expect("a socket");
    let request = [upgrade_request(edge.address()), Client::frame(0x81, commands().as_bytes())].concat();
    for byte in request {
        client.send_raw(&[byte]).expect("the server reads");
    }
    assert!(client.head().expect("a response").starts_with("HTTP/1.1 101 "));
    assert_answers(&mut client);
}

#[test]
fn several_frames_may_come_in_one_segment() {
    for workers in [1, 4] {
        let edge = edge().workers(workers).start();
        let mut client = edge.stranger();
        let frames: Vec<u8> =
            commands().split('\n').flat_map(|command| Client::frame(0x81, command.as_bytes())).collect();
        client.send_raw(&frames).expect("the server reads");
        assert_answers(&mut client);
    }
}

#[test]
fn one_message_may_come_in_many_fragments() {
    let edge = edge().start();
    let mut client = edge.stranger();
    let commands = commands();
    let last = commands.len() - 1;
    for (at, byte) in commands.bytes().enumerate() {
        let first = (if at == 0 { 0x01 } else { 0x00 }) | (if at == last { 0x80 } else { 0x00 });
        client.send_raw(&Client::frame(first, &[byte])).expect("the server reads");
    }
    assert_answers(&mut client);
}

#[test]
fn commands_behind_one_that_waits_keep_their_order() {
    for workers in [1, 4] {
        let edge = edge().workers(workers).start();
        let mut alice = edge.client("alice");
        // Each subscribe and each publish waits for the broker thread; nothing may overtake it.
        let subscribes =
            (10..30).map(|id| format!("{{\"id\":{id},\"subscribe\":{{\"channel\":\"c{id}\"}}}}"));
        let publishes =
            (30..90).map(|id| format!("{{\"id\":{id},\"publish\":{{\"channel\":\"c10\",\"data\":{id}}}}}"));
        let commands: Vec<String> = subscribes.chain(publishes).collect();
        for part in commands.chunks(9) {
            let frames: Vec<u8> = part
                .chunks(4)
                .flat_map(|commands| Client::frame(0x81, commands.join("\n").as_bytes()))
                .collect();
            alice.send_raw(&frames).expect("the server reads");
        }
        let (mut replies, mut heard) = (Vec::new(), Vec::new());
        while replies.len() + heard.len() < 80 + 60 {
            let line = alice.text();
            let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            match value["id"].as_u64() {
                Some(id) => replies.push(id),
                None => heard.push(value["push"]["pub"]["data"].as_u64().expect("a number")),
            }
            assert!(value.get("error").is_none(), "{line}");
        }
        assert!(replies.into_iter().eq(10..90));
        assert!(heard.into_iter().eq(30..90));
    }
}

#[test]
fn a_large_publication_arrives_whole() {
    let edge = edge().workers(4).start();
    let mut users = edge.crowd();
    users.iter_mut().for_each(|user| user.subscribe("news"));
    let payload = format!("\"{}\"", "x".repeat(63 * 1024));
    users[0].publish("news", &payload);
    let api_payload = format!("\"{}\"", "y".repeat(255 * 1024));
    edge.publish("news", &api_payload);
    for user in &mut users {
        assert_eq!(user.publication().1, payload);
        assert_eq!(user.publication().1, api_payload);
    }
    assert!(users.iter_mut().all(User::has_nothing));
}

fn upgrade_request(address: SocketAddr) -> Vec<u8> {
    format!(
        "GET {} HTTP/1.1\r\nHost: {address}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        edge::NATIVE_PATH
    )
    .into_bytes()
}

fn commands() -> String {
    format!(
        "{{\"id\":1,\"connect\":{{\"token\":\"{}\"}}}}\n{{\"id\":2,\"subscribe\":{{\"channel\":\"news\"}}}}\n\
         {{\"id\":3,\"rpc\":{{}}}}",
        token("alice")
    )
}

fn assert_answers(client: &mut Client) {
    assert!(client.text().starts_with("{\"id\":1,\"connect\":{\"client\":"));
    assert_eq!(client.text(), "{\"id\":2,\"subscribe\":{}}");
    assert!(client.text().starts_with("{\"id\":3,\"error\":{\"code\":108"));
}
