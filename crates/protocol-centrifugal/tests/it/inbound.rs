//! Frames in, commands out.

use std::borrow::Cow;

use model::limits::CHANNELS_PER_CONNECTION_MAX;
use model::{ClaimedEpoch, CloseReason, Epoch, Payload, Since};
use protocol::{Command, CommandKind, Recovery};

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
        r#"{"id":2,"subscribe":{"channel":"news","recoverable":true,"delta":"fossil","flag":1}}"#,
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
}

#[test]
fn a_history_is_asked_for_in_part_or_for_its_top_alone() {
    let asked = |since, limit, reverse| Command::History { channel: "news".into(), since, limit, reverse };
    let cases = [
        ("", asked(None, Some(0), false)),
        (r#","limit":null,"since":null,"reverse":null"#, asked(None, Some(0), false)),
        (r#","limit":0"#, asked(None, Some(0), false)),
        (r#","limit":10,"reverse":true"#, asked(None, Some(10), true)),
        (r#","limit":2147483647"#, asked(None, Some(2_147_483_647), false)),
        (r#","limit":-1,"since":{}"#, asked(Some(since(0, ClaimedEpoch::Any)), None, false)),
        (r#","limit":-2147483648"#, asked(None, None, false)),
        (
            r#","since":{"offset":18446744073709551615,"epoch":"00000007"}"#,
            asked(Some(since(u64::MAX, ours(7))), Some(0), false),
        ),
        (
            r#","since":{"offset":null,"epoch":"x"}"#,
            asked(Some(since(0, ClaimedEpoch::Foreign)), Some(0), false),
        ),
    ];
    for (members, command) in cases {
        check(&format!("{{\"id\":7,\"history\":{{\"channel\":\"news\"{members}}}}}"), 7, command);
    }
}

#[test]
fn a_subscriber_says_what_it_last_saw_if_it_wants_the_rest() {
    let cases = [
        (r#""offset":4,"epoch":"00000007","flag":2"#, None),
        (r#""recover":false,"offset":4,"epoch":"00000007","flag":2"#, None),
        (r#""recover":null"#, None),
        (r#""recover":true"#, Some((since(0, ClaimedEpoch::Any), false))),
        (
            r#""recover":true,"offset":null,"epoch":"","flag":null"#,
            Some((since(0, ClaimedEpoch::Any), false)),
        ),
        (r#""recover":true,"offset":4,"epoch":"00000007""#, Some((since(4, ours(7)), false))),
        (
            r#""offset":18446744073709551615,"recover":true"#,
            Some((since(u64::MAX, ClaimedEpoch::Any), false)),
        ),
        (r#""recover":true,"offset":4,"epoch":"xyAB""#, Some((since(4, ClaimedEpoch::Foreign), false))),
        (r#""recover":true,"epoch":"\u00300000007""#, Some((since(0, ours(7)), false))),
        // The first bit offers something else; those that nobody has named yet change nothing.
        (r#""recover":true,"flag":1"#, Some((since(0, ClaimedEpoch::Any), false))),
        (r#""recover":true,"flag":2"#, Some((since(0, ClaimedEpoch::Any), true))),
        (r#""recover":true,"flag":3"#, Some((since(0, ClaimedEpoch::Any), true))),
        (r#""recover":true,"flag":-3"#, Some((since(0, ClaimedEpoch::Any), false))),
        (r#""recover":true,"flag":9223372036854775807"#, Some((since(0, ClaimedEpoch::Any), true))),
    ];
    for (members, recovery) in cases {
        let recovery = recovery.map(|(since, is_strict)| Recovery { since, is_strict });
        check(
            &format!("{{\"id\":2,\"subscribe\":{{\"channel\":\"news\",{members}}}}}"),
            2,
            Command::Subscribe { channel: "news".into(), token: None, recovery, wants_movements: false },
        );
    }
}

#[test]
fn a_client_that_connects_again_says_what_it_last_saw_of_each_channel() {
    let cases = [
        ("null", Vec::new()),
        ("{}", Vec::new()),
        (r#"{"a":{},"b":null,"c":{"recover":false,"offset":4},"d":{"offset":4,"epoch":"x"}}"#, Vec::new()),
        (
            r#"{"b":{"recover":true,"offset":4,"epoch":"00000007","flag":2},"a\n":{"recover":true}}"#,
            vec![("b".into(), since(4, ours(7))), ("a\n".into(), since(0, ClaimedEpoch::Any))],
        ),
    ];
    for (subs, recoveries) in cases {
        check(
            &format!("{{\"id\":1,\"connect\":{{\"subs\":{subs}}}}}"),
            1,
            Command::Connect { token: None, recoveries },
        );
    }
}

#[test]
fn no_more_recoveries_are_kept_than_a_connection_may_have_channels() {
    let subs: Vec<String> = (0..3 * CHANNELS_PER_CONNECTION_MAX)
        .map(|number| format!("\"{number}\":{{\"recover\":{},\"offset\":{number}}}", number % 2 == 0))
        .collect();
    let payload = format!("{{\"id\":1,\"connect\":{{\"subs\":{{{}}}}}}}", subs.join(","));
    let even = (0..).step_by(2).take(CHANNELS_PER_CONNECTION_MAX);
    let recoveries = even.map(|number| (number.to_string().into(), since(number, ClaimedEpoch::Any)));
    check(&payload, 1, Command::Connect { token: None, recoveries: recoveries.collect() });
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
    let expected = vec![(1, connect(None)), (2, Command::Rpc), (0, Command::Pong)];
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
        [(1, Command::Subscribe { channel: Cow::Borrowed("news"), token: Some(Cow::Borrowed("t")), .. })]
    ));
    let (taken, _) = commands(br#"{"id":1,"connect":{"subs":{"news":{"recover":true}}}}"#);
    let [(1, Command::Connect { recoveries, .. })] = &taken[..] else { panic!("{taken:?}") };
    assert!(matches!(recoveries[..], [(Cow::Borrowed("news"), _)]));
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
    br#"{"id":1,"connect":{"subs":[]}}"#,
    br#"{"id":1,"connect":{"subs":{"news":[true]}}}"#,
    br#"{"id":1,"connect":{"subs":{"news":{"recover":1}}}}"#,
    br#"{"id":1,"connect":{"subs":{"news":{"offset":-1}}}}"#,
    br#"{"id":1,"subscribe":{}}"#,
    br#"{"id":1,"subscribe":{"channel":""}}"#,
    br#"{"id":1,"subscribe":{"channel":null}}"#,
    br#"{"id":1,"subscribe":{"channel":"news","recover":"true"}}"#,
    br#"{"id":1,"subscribe":{"channel":"news","offset":"4"}}"#,
    br#"{"id":1,"subscribe":{"channel":"news","offset":4.5}}"#,
    br#"{"id":1,"subscribe":{"channel":"news","offset":-1}}"#,
    br#"{"id":1,"subscribe":{"channel":"news","offset":18446744073709551616}}"#,
    br#"{"id":1,"subscribe":{"channel":"news","offset":4,"offset":4}}"#,
    br#"{"id":1,"subscribe":{"channel":"news","epoch":7}}"#,
    br#"{"id":1,"subscribe":{"channel":"news","flag":9223372036854775808}}"#,
    br#"{"id":1,"unsubscribe":{"channel":""}}"#,
    br#"{"id":1,"publish":{"data":{}}}"#,
    br#"{"id":1,"publish":{"channel":"news","data":}}"#,
    br#"{"id":1,"publish":{"channel":"news","data":{"a":01}}}"#,
    br#"{"id":1,"presence":{}}"#,
    br#"{"id":1,"presence_stats":{}}"#,
    br#"{"id":1,"history":{"channel":""}}"#,
    br#"{"id":1,"history":{"limit":1}}"#,
    br#"{"id":1,"history":{"channel":"news","limit":2147483648}}"#,
    br#"{"id":1,"history":{"channel":"news","limit":1.5}}"#,
    br#"{"id":1,"history":{"channel":"news","since":4}}"#,
    br#"{"id":1,"history":{"channel":"news","since":[4,"x"]}}"#,
    br#"{"id":1,"history":{"channel":"news","since":{"offset":-4}}}"#,
    br#"{"id":1,"history":{"channel":"news","reverse":1}}"#,
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
    Command::Connect { token: token.map(Into::into), recoveries: Vec::new() }
}

fn subscribe<'f>(channel: &'f str, token: Option<&'f str>) -> Command<'f> {
    let token = token.map(Into::into);
    Command::Subscribe { channel: channel.into(), token, recovery: None, wants_movements: false }
}

fn since(offset: u64, epoch: ClaimedEpoch) -> Since {
    Since { offset, epoch }
}

fn ours(number: u32) -> ClaimedEpoch {
    ClaimedEpoch::Of(Epoch::new(number))
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
