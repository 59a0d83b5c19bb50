//! What holds for every input: decoding never panics, commands survive the wire, publications are one line.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{
    ChannelName, ClaimedEpoch, ClientId, ClientInfo, Epoch, HistoryEntry, HistoryPage, Marks, Moment,
    Payload, Position, Publication, RawJson, RequestId, Since,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use protocol::{
    Command, CommandKind, Event, Protocol as _, Recovered, Recovery, ServerSubscription, SubscriptionTerms,
};
use protocol_centrifugal::CentrifugalJson;
use serde_json::{Value, json};

use crate::record::{commands, told};

proptest! {
    #[test]
    fn decoding_never_panics(payload in vec(any::<u8>(), 0..512)) {
        let _ = commands(&payload);
    }

    #[test]
    fn decoding_damaged_frames_never_panics(
        batch in vec(asked(), 1..4),
        damages in vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..6),
    ) {
        let mut payload = frame_of(&batch).into_bytes();
        for (place, byte, kind) in damages {
            let at = place.index(payload.len() + 1);
            match kind {
                0 => payload.insert(at, byte),
                1 => payload.truncate(at),
                _ => payload.iter_mut().skip(at).take(1).for_each(|old| *old = byte),
            }
        }
        let _ = commands(&payload);
    }

    #[test]
    fn commands_survive_the_wire(batch in vec(asked(), 1..8), ends_with_a_break in any::<bool>()) {
        let mut payload = frame_of(&batch);
        if ends_with_a_break {
            payload.push('\n');
        }
        let (taken, end) = commands(payload.as_bytes());
        let expected: Vec<_> = batch.iter().map(|(request, command)| (*request, command.clone())).collect();
        prop_assert_eq!(taken, expected);
        prop_assert_eq!(end, Ok(()));
    }

    #[test]
    fn a_publication_is_one_line_of_json(
        channel in "[ -z|~]{1,255}",
        payload in json_value(),
        tags in btree_map(any::<String>(), any::<String>(), 0..4),
        user in any::<String>(),
        info in json_value(),
        offset in proptest::option::of(1..u64::MAX),
    ) {
        let publication = publication(&payload, &user, &info, &tags);
        let position = offset.map(position);
        let mut out = Vec::new();
        CentrifugalJson.encode(&name(&channel), &publication, position, &mut out);
        prop_assert!(!out.iter().any(|byte| matches!(byte, b'\n' | b'\r')));

        let mut expected = json!({
            "data": payload,
            "info": {"user": user, "client": client().to_string(), "conn_info": info},
        });
        if let Some(offset) = offset {
            expected["offset"] = json!(offset);
        }
        if !tags.is_empty() {
            expected["tags"] = json!(tags);
        }
        let frame: Value = serde_json::from_slice(&out).expect("a frame is JSON");
        prop_assert_eq!(frame, json!({"push": {"channel": channel, "pub": expected}}));
    }

    #[test]
    fn a_reply_is_one_line_of_json(channel in "[ -z|~]{1,255}", data in json_value(), ttl in 1..u32::MAX) {
        let (name, raw) = (name(&channel), pretty(&data));
        let terms = SubscriptionTerms { ttl: Some(ttl), data: Some(&raw), ..SubscriptionTerms::default() };
        let line = told(&Event::Connected {
            request: RequestId(1),
            client: client(),
            ttl: None,
            ping: None,
            subscriptions: &[ServerSubscription { channel: &name, terms }],
        });
        prop_assert_eq!(line.matches(['\n', '\r']).count(), 1);
        let reply: Value = serde_json::from_str(&line).expect("a reply is JSON");
        let expected = json!({"expires": true, "ttl": ttl, "data": data});
        prop_assert_eq!(&reply["connect"]["subs"][&channel], &expected);
    }

    #[test]
    fn a_list_tells_of_each_publication_what_its_push_does(
        entries in vec(entry(), 0..4),
        top in any::<u64>(),
    ) {
        let news = name("news");
        let pushed: Vec<Value> = entries.iter().map(|entry| pushed(&news, entry)).collect();
        let request = RequestId(1);

        let terms = SubscriptionTerms {
            position: Some(position(top)),
            recovery: Some(Recovered::Whole(&entries)),
            ..SubscriptionTerms::default()
        };
        let mut expected = json!({
            "recoverable": true, "epoch": "00000001", "positioned": true,
            "recovered": true, "was_recovering": true,
        });
        if top > 0 {
            expected["offset"] = json!(top);
        }
        if !pushed.is_empty() {
            expected["publications"] = json!(pushed);
        }
        let line = told(&Event::Subscribed { request, terms });
        prop_assert_eq!(line.matches(['\n', '\r']).count(), 1);
        let reply: Value = serde_json::from_str(&line).expect("a reply is JSON");
        prop_assert_eq!(reply, json!({"id": 1, "subscribe": expected}));

        let page = HistoryPage { top: position(top), mark: None, entries };
        let line = told(&Event::History { request, page: &page });
        prop_assert_eq!(line.matches(['\n', '\r']).count(), 1);
        let reply: Value = serde_json::from_str(&line).expect("a reply is JSON");
        let expected = json!({"publications": pushed, "epoch": "00000001", "offset": top});
        prop_assert_eq!(reply, json!({"id": 1, "history": expected}));
    }
}

/// What the push of a publication tells of it.
fn pushed(channel: &ChannelName, entry: &HistoryEntry) -> Value {
    let mut out = Vec::new();
    CentrifugalJson.encode(channel, &entry.publication, Some(position(entry.offset)), &mut out);
    let mut frame: Value = serde_json::from_slice(&out).expect("a frame is JSON");
    frame["push"]["pub"].take()
}

/// A command and its number.
fn asked() -> impl Strategy<Value = (u32, Command<'static>)> {
    let text = || "\\PC{1,12}|[a-z:#$]{1,12}|[\\x00-\\x7f]{1,12}";
    let token = || proptest::option::of(text().prop_map(Into::into));
    let channel = || text().prop_map(Into::into);
    let kind = prop::sample::select(vec![CommandKind::Presence, CommandKind::PresenceStats]);
    // By name, because that is the order in which they are written below.
    let recoveries = btree_map(text(), since(), 0..4)
        .prop_map(|by_name| by_name.into_iter().map(|(name, since)| (name.into(), since)).collect());
    let recovery = proptest::option::of(
        (since(), any::<bool>()).prop_map(|(since, is_strict)| Recovery { since, is_strict }),
    );
    let limit = proptest::option::of(prop_oneof![Just(0), 0..=i32::MAX.cast_unsigned()]);
    let payload = proptest::option::of(
        json_value()
            .prop_filter("null is nothing", |value| !value.is_null())
            .prop_map(|value| Payload::parse_json(value.to_string().as_bytes()).expect("a payload")),
    );
    let numbered = prop_oneof![
        (token(), recoveries).prop_map(|(token, recoveries)| Command::Connect { token, recoveries }),
        (channel(), token(), recovery, any::<bool>()).prop_map(
            |(channel, token, recovery, wants_movements)| Command::Subscribe {
                channel,
                token,
                recovery,
                wants_movements
            }
        ),
        channel().prop_map(|channel| Command::Unsubscribe { channel }),
        (channel(), payload).prop_map(|(channel, payload)| Command::Publish { channel, payload }),
        text().prop_map(|token| Command::Refresh { token: token.into() }),
        (channel(), token()).prop_map(|(channel, token)| Command::RefreshSubscription {
            channel,
            token: token.unwrap_or_default(),
        }),
        Just(Command::Rpc),
        (channel(), proptest::option::of(since()), limit, any::<bool>())
            .prop_map(|(channel, since, limit, reverse)| Command::History { channel, since, limit, reverse }),
        (kind, channel()).prop_map(|(kind, channel)| Command::Inquire { kind, channel }),
    ];
    prop_oneof![
        8 => (1..=u32::MAX, numbered),
        1 => Just((0, Command::Send)),
        1 => Just((0, Command::Pong)),
    ]
}

fn frame_of(batch: &[(u32, Command<'_>)]) -> String {
    let lines: Vec<String> =
        batch.iter().map(|(request, command)| as_written(*request, command).to_string()).collect();
    lines.join("\n")
}

fn as_written(request: u32, command: &Command<'_>) -> Value {
    let body = match command {
        Command::Connect { token, recoveries } => {
            let subs: BTreeMap<_, _> = recoveries
                .iter()
                .map(|(channel, since)| (channel, since_as_written(*since, json!({"recover": true}))))
                .collect();
            json!({"token": token, "subs": subs})
        }
        Command::Subscribe { channel, token, recovery, wants_movements } => {
            let mut body = json!({"channel": channel, "token": token, "flag": 1});
            body["recover"] = json!(recovery.is_some());
            body["join_leave"] = json!(wants_movements);
            match recovery {
                Some(Recovery { since, is_strict }) => {
                    let mut body = since_as_written(*since, body);
                    body["flag"] = json!(if *is_strict { 3 } else { 1 });
                    body
                }
                None => body,
            }
        }
        Command::Unsubscribe { channel } => json!({"channel": channel}),
        Command::Publish { channel, payload } => {
            let payload = payload.as_ref().map(Payload::as_bytes);
            let data: Option<Value> =
                payload.map(|json| serde_json::from_slice(json).expect("a payload is JSON"));
            json!({"channel": channel, "data": data})
        }
        Command::Refresh { token } => json!({"token": token}),
        Command::RefreshSubscription { channel, token } => json!({"channel": channel, "token": token}),
        Command::Rpc => json!({"method": "x"}),
        Command::Send => return json!({"send": {"data": 1}}),
        Command::History { channel, since, limit, reverse } => {
            let since = since.map(|since| since_as_written(since, json!({})));
            let limit = limit.map_or(-1, i64::from);
            json!({"channel": channel, "since": since, "limit": limit, "reverse": reverse})
        }
        Command::Inquire { channel, .. } => json!({"channel": channel, "limit": 1}),
        Command::Pong => return json!({}),
    };
    let word = CommandKind::LABELS[command.kind().index()];
    json!({"id": request, word: body})
}

fn since() -> impl Strategy<Value = Since> {
    let epoch = prop_oneof![
        Just(ClaimedEpoch::Any),
        any::<u32>().prop_map(|number| ClaimedEpoch::Of(Epoch::new(number))),
        Just(ClaimedEpoch::Foreign),
    ];
    let offset = prop_oneof![any::<u64>(), Just(0), Just(u64::MAX)];
    (offset, epoch).prop_map(|(offset, epoch)| Since { offset, epoch })
}

/// The object with offset and epoch in it.
fn since_as_written(since: Since, mut body: Value) -> Value {
    body["offset"] = json!(since.offset);
    body["epoch"] = match since.epoch {
        ClaimedEpoch::Any => Value::Null,
        ClaimedEpoch::Of(epoch) => json!(epoch.to_string()),
        ClaimedEpoch::Foreign => json!("elsewhere"),
    };
    body
}

fn entry() -> impl Strategy<Value = HistoryEntry> {
    let tags = btree_map(any::<String>(), any::<String>(), 0..4);
    (1..=u64::MAX, json_value(), any::<String>(), json_value(), tags).prop_map(
        |(offset, payload, user, info, tags)| HistoryEntry {
            offset,
            marks: Marks::default(),
            publication: publication(&payload, &user, &info, &tags),
        },
    )
}

fn position(offset: u64) -> Position {
    Position { epoch: Epoch::new(1), offset }
}

fn publication(payload: &Value, user: &str, info: &Value, tags: &BTreeMap<String, String>) -> Publication {
    let payload = Payload::parse_json(pretty(payload).get().as_bytes()).expect("a payload");
    Publication {
        publisher: Some(Arc::new(ClientInfo {
            user: user.into(),
            client: client(),
            connection: Some(pretty(info)),
            subscription: None,
        })),
        tags: tags.clone().into(),
        ..Publication::new(payload, Moment::default())
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn pretty(value: &Value) -> Box<RawJson> {
    let text = serde_json::to_string_pretty(value).expect("a value is JSON");
    RawJson::from_string(text).expect("a JSON value")
}

fn client() -> ClientId {
    ClientId::new(3)
}

fn name(raw: &str) -> ChannelName {
    ChannelName::parse(raw).expect("a channel name")
}
