//! What clients send that breaks the rules of WebSocket or of the protocol: each ends with its own code, even
//! when more was sent than anybody will read, and what was held is freed.

use testkit::{Client, Received};

use crate::edge::{Running, edge, forged_token, subscription_token, token};
use crate::user::User;

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const PING: u8 = 0x89;
const FINAL: u8 = 0x80;

#[test]
fn broken_frames_end_the_connection_with_the_code_that_says_why() {
    let protocol = (1002, "protocol error");
    let text = (1007, "text is not UTF-8");
    let size = (1009, "message size limit");
    let cases: Vec<(&str, Vec<u8>, (u16, &str))> = vec![
        ("an unmasked frame", Client::unmasked_frame(TEXT, b"{}"), protocol),
        ("a reserved bit", frame(TEXT | 0x40, b"{}"), protocol),
        ("the second reserved bit", frame(TEXT | 0x20, b"{}"), protocol),
        ("the third reserved bit", frame(TEXT | 0x10, b"{}"), protocol),
        ("an opcode of no meaning", frame(0x83, b""), protocol),
        ("a control opcode of no meaning", frame(0x8b, b""), protocol),
        ("a ping in fragments", frame(PING & !FINAL, b""), protocol),
        ("a ping of 126 bytes", frame(PING, &[b'p'; 126]), protocol),
        ("a continuation of nothing", frame(FINAL, b"{}"), protocol),
        ("two beginnings", [frame(0x01, b"{"), frame(TEXT, b"}")].concat(), protocol),
        ("a length of too many bytes", vec![TEXT, 0xfe, 0, 2, 0, 0, 0, 0, b'{', b'}'], protocol),
        ("a length with the top bit", [vec![TEXT, 0xff, 0x80], vec![0; 11]].concat(), protocol),
        ("a close of one byte", frame(0x88, b"x"), protocol),
        ("a close code that nobody may send", frame(0x88, &1006_u16.to_be_bytes()), protocol),
        ("text that is not UTF-8", frame(TEXT, b"\"\xff\""), text),
        ("a fragment that is not UTF-8", frame(0x01, b"\"\xc0\xaf"), text),
        ("text that ends inside a character", frame(TEXT, b"\xe2\x82"), text),
        ("a close text that is not UTF-8", frame(0x88, b"\x03\xe8\xff"), text),
        ("a large message", frame(BINARY, &[b'x'; 81 * 1024]), size),
        ("the announcement of a huge one", [vec![BINARY, 0xff, 0, 0, 1], vec![0; 9]].concat(), size),
        ("many large fragments", fragments(3, &[b'x'; 30 * 1024]), size),
        ("very many small fragments", fragments(1025, b"x"), size),
        ("very many empty fragments", fragments(1025, b""), size),
    ];
    for workers in [1, 4] {
        let edge = edge().workers(workers).start();
        let mut witness = edge.client("witness");
        for (what, bytes, expected) in &cases {
            assert_ends(&edge, what, bytes, *expected);
        }
        edge.settles("fanfare_connections", 1.0);
        assert!(witness.has_nothing());
        let metrics = edge.metrics();
        let closed = |code: &str| {
            metrics.value(&format!("fanfare_connections_closed_total{{code=\"{code}\"}}")) as usize
        };
        for (code, reason) in [("1002", protocol), ("1007", text), ("1009", size)] {
            assert_eq!(closed(code), cases.iter().filter(|(_, _, expected)| *expected == reason).count());
        }
        assert_eq!(metrics.value("fanfare_connections_unannounced_total"), 0.0);
        assert_eq!(metrics.value("fanfare_outbox_bytes"), 0.0);
    }
}

#[test]
fn commands_out_of_place_end_the_connection() {
    let connect = with_token(&token("alice"));
    let bad_request = (3501, "bad request");
    let invalid_token = (3500, "invalid token");
    let unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhbGljZSJ9.";
    let after_connect = |command: &str| format!("{connect}\n{command}");
    let cases: Vec<(&str, String, (u16, &str))> = vec![
        ("subscribe before connect", "{\"id\":1,\"subscribe\":{\"channel\":\"news\"}}".into(), bad_request),
        ("a pong before connect", "{}".into(), bad_request),
        ("no token", "{\"id\":1,\"connect\":{}}".into(), bad_request),
        ("a token of nobody", with_token("a.b.c"), invalid_token),
        ("a token without a signature", with_token(unsigned), invalid_token),
        ("a token that somebody else signed", with_token(&forged_token("alice")), invalid_token),
        ("a token of another kind", with_token(&subscription_token("alice", "news")), invalid_token),
        ("a second connect", after_connect(&connect), bad_request),
        ("a pong without a ping", after_connect("{}"), bad_request),
        ("an unknown command", after_connect("{\"id\":2,\"dance\":{}}"), bad_request),
        ("a command without a number", after_connect("{\"subscribe\":{\"channel\":\"a\"}}"), bad_request),
        ("a send", after_connect("{\"send\":{\"data\":1}}"), (3508, "not available")),
        ("no channel", after_connect("{\"id\":2,\"subscribe\":{}}"), bad_request),
        ("no JSON", after_connect("hello"), bad_request),
        ("half a JSON", after_connect("{\"id\":2"), bad_request),
        ("an empty line", after_connect("\n{\"id\":2,\"rpc\":{}}"), bad_request),
        ("an empty frame", String::new(), bad_request),
    ];
    for workers in [1, 4] {
        let edge = edge().workers(workers).start();
        for (what, commands, expected) in &cases {
            let mut client = edge.stranger();
            client.send(commands);
            assert_eq!(closed(&mut client), (expected.0, expected.1.to_owned(), Received::End), "{what}");
        }
        edge.settles("fanfare_connections", 0.0);
        assert_eq!(edge.metrics().value("fanfare_subscriptions"), 0.0);
    }
}

#[test]
fn ten_thousand_commands_in_one_frame_are_too_many() {
    const COMMANDS: usize = 10_000;
    let commands: Vec<String> = (1..=COMMANDS).map(|id| format!("{{\"id\":{id},\"rpc\":{{}}}}")).collect();
    let commands = commands.join("\n");

    let edge = edge().start();
    let mut client = edge.client("alice").into_client();
    client.send(&commands);
    assert_eq!(client.closed(), (1009, "message size limit".to_owned()));

    let edge =
        crate::edge::edge().with(|config| config.client.publication_size = model::ByteSize::kib(256)).start();
    let mut client = edge.client("alice").into_client();
    client.send(&commands);
    let (mut answered, mut refused) = (0, 0);
    let mut next = client.receive();
    while let Received::Text(reply) = next {
        answered += usize::from(reply.contains("\"code\":108"));
        refused += usize::from(reply.contains("\"code\":111"));
        next = client.receive();
    }
    assert_eq!(next, Received::Close(3013, "too many requests".to_owned()));
    // The burst, less the connect, and whatever the rate gave back meanwhile.
    assert!((1999..COMMANDS / 2).contains(&answered), "{answered}");
    assert!((200..COMMANDS / 2).contains(&refused), "{refused}");
}

#[test]
fn pings_are_answered_with_what_they_carry() {
    let edge = edge().start();
    let mut alice = edge.client("alice");
    for payload in [vec![], b"hello".to_vec(), vec![0xff; 125]] {
        alice.send_raw(&frame(PING, &payload)).expect("the server reads");
        assert_eq!(alice.receive(), Received::Pong(payload));
    }
    alice.send_raw(&frame(0x8a, b"nobody asked")).expect("the server reads");
    alice.send_raw(&frame(0x01, b"{\"id\":7,")).expect("the server reads");
    alice.send_raw(&frame(PING, b"between")).expect("the server reads");
    assert_eq!(alice.receive(), Received::Pong(b"between".to_vec()));
    alice.send_raw(&frame(0x80, b"\"rpc\":{}}")).expect("the server reads");
    assert!(alice.text().starts_with("{\"id\":7,\"error\":"));
    assert!(alice.has_nothing());
}

#[test]
fn a_binary_frame_means_what_a_text_frame_means() {
    let edge = edge().start();
    let mut alice = edge.client("alice");
    let command = b"{\"id\":5,\"subscribe\":{\"channel\":\"news\"}}";
    alice.send_raw(&frame(BINARY, command)).expect("the server reads");
    assert_eq!(alice.text(), "{\"id\":5,\"subscribe\":{}}");
}

fn assert_ends(edge: &Running, what: &str, bytes: &[u8], (code, text): (u16, &str)) {
    let mut user: User = edge.client("mallory");
    user.subscribe("news");
    let mut client = user.into_client();
    // What follows stays unread by any session; it must not cost the client the code.
    let unread = Client::frame(BINARY, &[b'x'; 300 * 1024]);
    client.send_raw(&[bytes, &unread].concat()).expect("the server reads");
    assert_eq!(closed(&mut client), (code, text.to_owned(), Received::End), "{what}");
}

/// The close frame, and how the stream ends behind it.
fn closed(client: &mut Client) -> (u16, String, Received) {
    let (code, text) = client.closed();
    (code, text, client.receive())
}

fn with_token(token: &str) -> String {
    format!("{{\"id\":1,\"connect\":{{\"token\":\"{token}\"}}}}")
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    Client::frame(first, payload)
}

fn fragments(count: usize, payload: &[u8]) -> Vec<u8> {
    [frame(0x02, payload), frame(0x00, payload).repeat(count - 1)].concat()
}
