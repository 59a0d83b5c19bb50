//! Events and publications in, frames out.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{
    ChannelName, ClientId, ClientInfo, CloseReason, Moment, Payload, Position, Publication, RawJson, Refusal,
    RequestId, Tags,
};
use protocol::{Event, FrameKind, Protocol as _, ServerSubscription, SubscriptionTerms, UnsubscribeReason};
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
    let subscriptions = [
        ServerSubscription { channel: &news, terms: SubscriptionTerms::default() },
        ServerSubscription { channel: &alice, terms: SubscriptionTerms { ttl: Some(60), data: Some(&data) } },
    ];
    assert_eq!(
        connected(Some(3600), Some(25), &subscriptions),
        format!(
            "{{\"id\":1,\"connect\":{{\"client\":\"{CLIENT}\",\"version\":\"{version}\",\"expires\":true,\
             \"ttl\":3600,\"ping\":25,\"pong\":true,\"subs\":{{\"news\":{{}},\
             \"\\\"#alice\":{{\"expires\":true,\"ttl\":60,\"data\":{{\"a\": 1}}}}}}}}}}\n"
        )
    );
}

#[test]
fn replies_name_their_command_even_when_they_say_nothing_else() {
    let request = RequestId(u32::MAX);
    let data = raw("[1]");
    let terms = SubscriptionTerms { ttl: Some(60), data: Some(&data) };
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
    ];
    for (event, reply) in cases {
        assert_eq!(told(&event), format!("{{\"id\":4294967295,{reply}}}\n"));
    }
}

#[test]
fn pushes_and_pings_have_no_number() {
    let channel = &name("news");
    let data = raw("\"x\"");
    let added = |data| {
        Event::SubscriptionAdded(ServerSubscription {
            channel,
            terms: SubscriptionTerms { ttl: Some(60), data },
        })
    };
    let ended = |reason| Event::SubscriptionEnded { channel, reason };
    let cases = [
        (Event::Ping, "{}"),
        (added(None), r#"{"push":{"channel":"news","subscribe":{}}}"#),
        (added(Some(&data)), r#"{"push":{"channel":"news","subscribe":{"data":"x"}}}"#),
        (
            ended(UnsubscribeReason::Requested),
            r#"{"push":{"channel":"news","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}"#,
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
    let mut publication = Publication {
        payload: Payload::parse_json(b"{\"a\": 1e400}").expect("a payload"),
        publisher: None,
        tags: Tags::default(),
        accepted: Moment::default(),
    };
    let position = Some(Position { epoch: 7, offset: 5 });
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

fn client() -> ClientId {
    ClientId::new(0)
}

fn name(raw: &str) -> ChannelName {
    ChannelName::parse(raw).expect("a channel name")
}

fn raw(json: &str) -> Box<RawJson> {
    RawJson::from_string(json.to_owned()).expect("a JSON value")
}
