//! Frames in, commands out.

use std::borrow::Cow;

use model::{CloseReason, Payload};
use protocol::{Command, CommandKind};

use crate::record::commands;

#[test]
fn each_word_is_a_command() {
    check(r#"{"id":1,"connect":{}}"#, 1, connect(None));
    check(
        r#"{"id":1,"connect":{"token":"t","name":"js","version":"5","data":[1],"subs":{"a":{}},"flag":1}}"#,
        1,
        connect(Some("t")),
    );
    check(
        r#"{"id":2,"subscribe":{"channel":"news","recover":true,"epoch":"x","offset":4,"flag":1}}"#,
        2,
        subscribe("news", None),
    );
    check(
        r#"{"subscribe":{"token":"t","channel":"$news"},"id":4294967295}"#,
        u32::MAX,
        subscribe("$news", Some("t")),
    );
    let channel = "news".into();
    check(r#"{"id":3,"unsubscribe":{"channel":"news"}}"#, 3, Command::Unsubscribe { channel });
    let token = "t".into();
    check(r#"{"id":5,"refresh":{"token":"t"}}"#, 5, Command::Refresh { token });
    check(r#"{"id":6,"sub_refresh":{"channel":"news","token":"t"}}"#, 6, refresh_subscription("t"));
    check(r#"{"id":6,"sub_refresh":{"channel":"news"}}"#, 6, refresh_subscription(""));
    check(r#"{"id":8,"rpc":{"method":"x","data":{}}}"#, 8, Command::Rpc);
    check(r#"{"send":{"data":{}}}"#, 0, Command::Send);
    check(r#"{"id":9,"send":{}}"#, 0, Command::Send);
    check("{}", 0, Command::Pong);
    check(r#"{"id":0}"#, 0, Command::Pong);
}

#[test]
fn what_is_published_is_taken_as_it_is() {
    check(
        r#"{"id":4,"publish":{"channel":"news","data":{"a": [1, "\n"]}}}"#,
        4,
        publish("news", Some(r#"{"a": [1, "\n"]}"#)),
    );
    check(r#"{"id":4,"publish":{"channel":"news","data":""}}"#, 4, publish("news", Some(r#""""#)));
    check(r#"{"id":4,"publish":{"channel":"news"}}"#, 4, publish("news", None));
    check(r#"{"id":4,"publish":{"channel":"news","data":null}}"#, 4, publish("news", None));
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    check(
        &format!("{{\"id\":4,\"publish\":{{\"channel\":\"news\",\"data\":{deep}}}}}"),
        4,
        publish("news", Some(&deep)),
    );
}

#[test]
fn questions_about_a_channel_keep_their_kind() {
    let asked = |kind| Command::Inquire { kind, channel: "news".into() };
    check(r#"{"id":7,"presence":{"channel":"news"}}"#, 7, asked(CommandKind::Presence));
    check(r#"{"id":7,"presence_stats":{"channel":"news"}}"#, 7, asked(CommandKind::PresenceStats));
    check(
        r#"{"id":7,"history":{"channel":"news","limit":-1,"since":{"offset":4}}}"#,
        7,
        asked(CommandKind::History),
    );
}

#[test]
fn an_object_is_read_leniently_where_its_meaning_is_plain() {
    check(
        r#" { "id" : 1 , "subscribe" : { "channel" : "a\"\u00e9\n" , "token" : null } } "#,
        1,
        subscribe("a\"é\n", None),
    );
    // An empty token is none, and `null` is absent.
    check(r#"{"id":1,"connect":{"token":""}}"#, 1, connect(None));
    check(r#"{"id":1,"connect":null,"rpc":{},"nonsense":[[{}]]}"#, 1, Command::Rpc);
    check(r#"{"id":null}"#, 0, Command::Pong);
    // Of several words the first in the protocol's order counts, wherever it stands.
    check(r#"{"id":1,"rpc":{},"connect":{}}"#, 1, connect(None));
    // Without a number only a send is more than a pong.
    check(r#"{"connect":{"token":"t"}}"#, 0, Command::Pong);
}

#[test]
fn commands_of_one_frame_come_in_order() {
    let payload = "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"rpc\":{}}\r\n{}\n";
    let expected = vec![(1, Command::Connect { token: None }), (2, Command::Rpc), (0, Command::Pong)];
    assert_eq!(commands(payload.as_bytes()), (expected, Ok(())));
}

#[test]
fn a_frame_is_decoded_no_further_than_the_command_taken() {
    let payload = b"{\"id\":1,\"rpc\":{}}\nnonsense";
    assert_eq!(commands(payload), (vec![(1, Command::Rpc)], Err(CloseReason::BadRequest)));
    let many = "{\"id\":1,\"rpc\":{}}\n".repeat(10_000);
    let (taken, end) = commands(many.as_bytes());
    assert_eq!((taken.len(), end), (10_000, Ok(())));
}

#[test]
fn plain_texts_are_borrowed_from_the_frame() {
    let (taken, _) = commands(br#"{"id":1,"subscribe":{"channel":"news","token":"t"}}"#);
    assert!(matches!(
        taken[..],
        [(1, Command::Subscribe { channel: Cow::Borrowed("news"), token: Some(Cow::Borrowed("t")) })]
    ));
}

const BAD_REQUESTS: &[&[u8]] = &[
    b"",
    b"\n",
    b" ",
    b"\n{}",
    b"nonsense",
    b"null",
    b"1",
    b"[]",
    b"[1,{\"token\":\"t\"}]",
    b"{",
    b"{} {}",
    b"{}{}",
    "\u{feff}{}".as_bytes(),
    b"{\"id\":1}",
    br#"{"id":1,"ping":{}}"#,
    br#"{"id":1,"nonsense":{}}"#,
    br#"{"id":-1}"#,
    br#"{"id":1.5,"rpc":{}}"#,
    br#"{"id":"1","rpc":{}}"#,
    br#"{"id":4294967296,"rpc":{}}"#,
    br#"{"id":1e400,"rpc":{}}"#,
    br#"{"id":1,"id":2,"rpc":{}}"#,
    br#"{"id":1,"rpc":1}"#,
    br#"{"id":1,"rpc":[]}"#,
    br#"{"id":1,"connect":["t"]}"#,
    br#"{"id":1,"connect":{"token":1}}"#,
    br#"{"id":1,"connect":{"token":"a","token":"b"}}"#,
    br#"{"id":1,"connect":{"token":"\ud800"}}"#,
    br#"{"id":1,"subscribe":{}}"#,
    br#"{"id":1,"subscribe":{"channel":""}}"#,
    br#"{"id":1,"subscribe":{"channel":null}}"#,
    br#"{"id":1,"unsubscribe":{"channel":""}}"#,
    br#"{"id":1,"publish":{"data":{}}}"#,
    br#"{"id":1,"publish":{"channel":"news","data":}}"#,
    br#"{"id":1,"publish":{"channel":"news","data":{"a":01}}}"#,
    br#"{"id":1,"presence":{}}"#,
    br#"{"id":1,"presence_stats":{}}"#,
    br#"{"id":1,"history":{"channel":""}}"#,
    br#"{"id":1,"refresh":{}}"#,
    br#"{"id":1,"refresh":{"token":""}}"#,
    br#"{"id":1,"sub_refresh":{"token":"t"}}"#,
    b"{\"id\":1,\"rpc\":{\"data\":\n1}}",
    b"{\"id\":1,\"connect\":{\"token\":\"\xff\"}}",
    b"{\"id\":1,\"connect\":{\"name\":\"\xff\"}}",
];

#[test]
fn what_breaks_the_protocol_is_a_bad_request() {
    for payload in BAD_REQUESTS {
        check_bad(payload);
    }
}

#[test]
fn endless_nesting_is_a_bad_request() {
    let nested = "[".repeat(60 * 1024);
    check_bad(nested.as_bytes());
    check_bad(format!("{{\"id\":1,\"nonsense\":{nested}").as_bytes());
    check_bad(format!("{{\"id\":1,\"publish\":{{\"channel\":\"news\",\"data\":{nested}").as_bytes());
    check_bad("{\"connect\":".repeat(6_000).as_bytes());
}

#[test]
fn an_empty_line_after_a_command_is_a_bad_request() {
    for payload in ["{}\n\n", "{}\n\n{}", "{}\n \n{}"] {
        assert_eq!(
            commands(payload.as_bytes()),
            (vec![(0, Command::Pong)], Err(CloseReason::BadRequest)),
            "{payload:?}"
        );
    }
}

fn check(payload: &str, request: u32, command: Command<'_>) {
    assert_eq!(commands(payload.as_bytes()), (vec![(request, command)], Ok(())), "{payload}");
}

fn check_bad(payload: &[u8]) {
    assert_eq!(
        commands(payload),
        (Vec::new(), Err(CloseReason::BadRequest)),
        "{}",
        String::from_utf8_lossy(&payload[..payload.len().min(80)])
    );
}

fn connect(token: Option<&str>) -> Command<'_> {
    Command::Connect { token: token.map(Into::into) }
}

fn subscribe<'f>(channel: &'f str, token: Option<&'f str>) -> Command<'f> {
    Command::Subscribe { channel: channel.into(), token: token.map(Into::into) }
}

fn publish<'f>(channel: &'f str, payload: Option<&str>) -> Command<'f> {
    Command::Publish {
        channel: channel.into(),
        payload: payload.map(|json| Payload::parse_json(json.as_bytes()).expect("a payload")),
    }
}

fn refresh_subscription(token: &str) -> Command<'_> {
    Command::RefreshSubscription { channel: "news".into(), token: token.into() }
}
