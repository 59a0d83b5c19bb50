//! Events and publications in, frames out.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{
    ChannelName, ClientId, ClientInfo, CloseReason, Epoch, HistoryEntry, HistoryPage, Marks, Moment, Payload,
    Position, Publication, RawJson, Refusal, RequestId, Tags,
};
use protocol::{
    Event, FrameKind, Protocol as _, Recovered, ServerSubscription, SubscriptionTerms, UnsubscribeReason,
};
use protocol_centrifugal::CentrifugalJson;

use crate::record::told;

const CLIENT: &str = "00000000-0000-4000-8000-000000000000";

#[test]
fn connecting_is_answered_with_what_the_client_must_keep_up() {
    let connected = |ttl, ping, subscriptions: &[ServerSubscription<'_>]| {
        told(&Event::Connected { request: RequestId(1), client: client(), ttl, ping, subscriptions })
    };
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        connected(None, None, &[]),
        format!("{{\"id\":1,\"connect\":{{\"client\":\"{CLIENT}\",\"version\":\"{version}\"}}}}\n")
    );
    let (news, alice) = (name("news"), name("\"#alice"));
    let data = raw("{\"a\":\r\n 1}");
    let entries = [entry(5, "[]")];
    let subscriptions = [
        ServerSubscription { channel: &news, terms: SubscriptionTerms::default() },
        ServerSubscription {
            channel: &alice,
            terms: SubscriptionTerms {
                ttl: Some(60),
                data: Some(&data),
                position: Some(position(4)),
                recovery: Some(Recovered::Whole(&entries)),
            },
        },
    ];
    assert_eq!(
        connected(Some(3600), Some(25), &subscriptions),
        format!(
            "{{\"id\":1,\"connect\":{{\"client\":\"{CLIENT}\",\"version\":\"{version}\",\"expires\":true,\
             \"ttl\":3600,\"ping\":25,\"pong\":true,\"subs\":{{\"news\":{{}},\
             \"\\\"#alice\":{{\"expires\":true,\"ttl\":60,\"recoverable\":true,\"epoch\":\"00000007\",\
             \"publications\":[{{\"data\":[],\"offset\":5}}],\"recovered\":true,\"offset\":4,\
             \"positioned\":true,\"data\":{{\"a\": 1}},\"was_recovering\":true}}}}}}}}\n"
        )
    );
}

#[test]
fn replies_name_their_command_even_when_they_say_nothing_else() {
    let request = RequestId(u32::MAX);
    let data = raw("[1]");
    let terms = SubscriptionTerms { ttl: Some(60), data: Some(&data), ..SubscriptionTerms::default() };
    let cases = [
        (Event::Subscribed { request, terms: SubscriptionTerms::default() }, r#""subscribe":{}"#),
        (Event::Subscribed { request, terms }, r#""subscribe":{"expires":true,"ttl":60,"data":[1]}"#),
        (Event::Unsubscribed { request }, r#""unsubscribe":{}"#),
        (Event::Published { request }, r#""publish":{}"#),
        (Event::Refreshed { request, ttl: None }, r#""refresh":{}"#),
        (Event::Refreshed { request, ttl: Some(9) }, r#""refresh":{"expires":true,"ttl":9}"#),
        (Event::SubscriptionRefreshed { request, ttl: None }, r#""sub_refresh":{}"#),
        (Event::SubscriptionRefreshed { request, ttl: Some(9) }, r#""sub_refresh":{"expires":true,"ttl":9}"#),
        (
            Event::Refused { request, refusal: Refusal::Internal },
            r#""error":{"code":100,"message":"internal server error","temporary":true}"#,
        ),
        (
            Event::Refused { request, refusal: Refusal::NotAvailable },
            r#""error":{"code":108,"message":"not available"}"#,
        ),
        (
            Event::Refused { request, refusal: Refusal::UnrecoverablePosition },
            r#""error":{"code":112,"message":"unrecoverable position"}"#,
        ),
    ];
    for (event, reply) in cases {
        assert_eq!(told(&event), format!("{{\"id\":4294967295,{reply}}}\n"));
    }
}

#[test]
fn a_subscriber_is_told_its_position_and_what_became_of_its_recovery() {
    let entries = [entry(5, "{\"a\":1}"), entry(6, "2")];
    let cases = [
        (0, None, r#""positioned":true"#),
        (4, None, r#""offset":4,"positioned":true"#),
        (u64::MAX, None, r#""offset":18446744073709551615,"positioned":true"#),
        (
            4,
            Some(Recovered::Whole(&entries)),
            concat!(
                r#""publications":[{"data":{"a":1},"offset":5},{"data":2,"offset":6}],"#,
                r#""recovered":true,"offset":4,"positioned":true,"was_recovering":true"#,
            ),
        ),
        (
            6,
            Some(Recovered::Whole(&[])),
            r#""recovered":true,"offset":6,"positioned":true,"was_recovering":true"#,
        ),
        (
            0,
            Some(Recovered::Last(Some(&entries[1]))),
            concat!(
                r#""publications":[{"data":2,"offset":6}],"#,
                r#""recovered":true,"positioned":true,"was_recovering":true"#,
            ),
        ),
        (
            6,
            Some(Recovered::Last(None)),
            r#""recovered":true,"offset":6,"positioned":true,"was_recovering":true"#,
        ),
        (6, Some(Recovered::Failed), r#""offset":6,"positioned":true,"was_recovering":true"#),
    ];
    for (offset, recovery, members) in cases {
        let position = Some(position(offset));
        let terms = SubscriptionTerms { position, recovery, ..SubscriptionTerms::default() };
        assert_eq!(
            told(&Event::Subscribed { request: RequestId(2), terms }),
            format!("{{\"id\":2,\"subscribe\":{{\"recoverable\":true,\"epoch\":\"00000007\",{members}}}}}\n")
        );
    }
}

#[test]
fn without_a_position_the_wish_to_recover_is_echoed_all_the_same() {
    let terms = SubscriptionTerms { recovery: Some(Recovered::Failed), ..SubscriptionTerms::default() };
    assert_eq!(
        told(&Event::Subscribed { request: RequestId(2), terms }),
        "{\"id\":2,\"subscribe\":{\"was_recovering\":true}}\n"
    );
}

#[test]
fn a_history_names_its_publications_epoch_and_offset_even_when_it_is_empty() {
    let history = |top, entries| {
        let page = HistoryPage { top: position(top), mark: None, entries };
        told(&Event::History { request: RequestId(4), page: &page })
    };
    assert_eq!(
        history(0, Vec::new()),
        "{\"id\":4,\"history\":{\"publications\":[],\"epoch\":\"00000007\",\"offset\":0}}\n"
    );
    let mut tagged = entry(9, "{\"a\": [1,\n2]}");
    tagged.publication.tags = BTreeMap::from([("k".to_owned(), "v".to_owned())]).into();
    tagged.publication.publisher = Some(Arc::new(ClientInfo {
        user: "42".into(),
        client: client(),
        connection: Some(raw("[\n1]")),
        subscription: None,
    }));
    assert_eq!(
        history(10, vec![entry(10, "null"), tagged]),
        format!(
            "{{\"id\":4,\"history\":{{\"publications\":[{{\"data\":null,\"offset\":10}},\
             {{\"data\":{{\"a\": [1,2]}},\"info\":{{\"user\":\"42\",\"client\":\"{CLIENT}\",\
             \"conn_info\":[1]}},\"offset\":9,\"tags\":{{\"k\":\"v\"}}}}],\
             \"epoch\":\"00000007\",\"offset\":10}}}}\n"
        )
    );
}

#[test]
fn pushes_and_pings_have_no_number() {
    let channel = &name("news");
    let data = raw("\"x\"");
    let added = |data, position| {
        let recovery = Some(Recovered::Failed);
        let terms = SubscriptionTerms { ttl: Some(60), data, position, recovery };
        Event::SubscriptionAdded(ServerSubscription { channel, terms })
    };
    let ended = |reason| Event::SubscriptionEnded { channel, reason };
    let cases = [
        (Event::Ping, "{}"),
        (added(None, None), r#"{"push":{"channel":"news","subscribe":{}}}"#),
        (added(Some(&data), None), r#"{"push":{"channel":"news","subscribe":{"data":"x"}}}"#),
        (
            added(Some(&data), Some(position(4))),
            concat!(
                r#"{"push":{"channel":"news","subscribe":{"recoverable":true,"epoch":"00000007","#,
                r#""offset":4,"positioned":true,"data":"x"}}}"#,
            ),
        ),
        (
            added(None, Some(position(0))),
            concat!(
                r#"{"push":{"channel":"news","subscribe":{"recoverable":true,"epoch":"00000007","#,
                r#""positioned":true}}}"#,
            ),
        ),
        (
            ended(UnsubscribeReason::Requested),
            r#"{"push":{"channel":"news","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}"#,
        ),
        (
            ended(UnsubscribeReason::InsufficientState),
            r#"{"push":{"channel":"news","unsubscribe":{"code":2500,"reason":"insufficient state"}}}"#,
        ),
        (
            ended(UnsubscribeReason::Expired),
            r#"{"push":{"channel":"news","unsubscribe":{"code":2501,"reason":"subscription expired"}}}"#,
        ),
        (Event::ExpiryChanged { ttl: Some(9) }, r#"{"push":{"refresh":{"expires":true,"ttl":9}}}"#),
        (Event::ExpiryChanged { ttl: None }, r#"{"push":{"refresh":{}}}"#),
    ];
    for (event, frame) in cases {
        assert_eq!(told(&event), format!("{frame}\n"));
    }
}

#[test]
fn a_close_is_told_by_the_transport_and_a_vanished_peer_nothing() {
    assert_eq!(told(&Event::Closed(&CloseReason::Gone)), "");
    assert_eq!(told(&Event::Closed(&CloseReason::NoPong)), "close 3012 no pong\n");
    let requested = CloseReason::Requested { code: 4500, text: "moved".into() };
    assert_eq!(told(&Event::Closed(&requested)), "close 4500 moved\n");
}

#[test]
fn a_publication_is_one_push_with_its_payload_as_it_is() {
    let mut publication = publication("{\"a\": 1e400}");
    let position = Some(position(5));
    assert_eq!(
        encoded("news", &publication, None),
        r#"{"push":{"channel":"news","pub":{"data":{"a": 1e400}}}}"#
    );
    publication.tags = BTreeMap::from([("k\"".to_owned(), "v\n".to_owned())]).into();
    publication.publisher = Some(Arc::new(ClientInfo {
        user: "".into(),
        client: client(),
        connection: None,
        subscription: None,
    }));
    assert_eq!(
        encoded("a\"b", &publication, position),
        format!(
            "{{\"push\":{{\"channel\":\"a\\\"b\",\"pub\":{{\"data\":{{\"a\": 1e400}},\
             \"info\":{{\"user\":\"\",\"client\":\"{CLIENT}\"}},\"offset\":5,\
             \"tags\":{{\"k\\\"\":\"v\\n\"}}}}}}}}"
        )
    );
    publication.tags = Tags::default();
    publication.publisher = Some(Arc::new(ClientInfo {
        user: "42".into(),
        client: client(),
        connection: Some(raw("{\n\"name\":\"Alice\"\n}")),
        subscription: Some(raw("2")),
    }));
    assert_eq!(
        encoded("news", &publication, None),
        format!(
            "{{\"push\":{{\"channel\":\"news\",\"pub\":{{\"data\":{{\"a\": 1e400}},\
             \"info\":{{\"user\":\"42\",\"client\":\"{CLIENT}\",\"conn_info\":{{\"name\":\"Alice\"}},\
             \"chan_info\":2}}}}}}}}"
        )
    );
}

#[test]
fn an_adapter_needs_no_memory() {
    assert_eq!(size_of_val(&*CentrifugalJson.open()), 0);
    assert_eq!(CentrifugalJson.label(), "centrifugal_json");
    assert_eq!(CentrifugalJson.kind(), FrameKind::Text);
}

fn encoded(channel: &str, publication: &Publication, position: Option<Position>) -> String {
    let mut out = Vec::new();
    CentrifugalJson.encode(&name(channel), publication, position, &mut out);
    String::from_utf8(out).expect("frames are text")
}

fn entry(offset: u64, payload: &str) -> HistoryEntry {
    HistoryEntry { offset, marks: Marks::default(), publication: publication(payload) }
}

fn publication(payload: &str) -> Publication {
    Publication::new(Payload::parse_json(payload.as_bytes()).expect("a payload"), Moment::default())
}

fn position(offset: u64) -> Position {
    Position { epoch: Epoch::new(7), offset }
}

fn client() -> ClientId {
    ClientId::new(0)
}

fn name(raw: &str) -> ChannelName {
    ChannelName::parse(raw).expect("a channel name")
}

fn raw(json: &str) -> Box<RawJson> {
    RawJson::from_string(json.to_owned()).expect("a JSON value")
}
