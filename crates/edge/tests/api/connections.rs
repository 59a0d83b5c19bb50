//! subscribe, unsubscribe, disconnect and refresh.

use serde_json::{Value, json};

use crate::node::Node;

#[test]
fn a_backend_subscribes_and_unsubscribes_a_user_everywhere() {
    for workers in [1, 4] {
        let node = Node::start(workers);
        let mut connections: Vec<_> = (0..8).map(|_| node.client("alice")).collect();
        let mut bob = node.client("bob");
        let request = json!({"user": "alice", "channel": "chat:1", "data": {"a": 1}, "info": {"b": 2}});
        assert_eq!(node.done("subscribe", request), json!({}));
        for connection in &mut connections {
            let push = connection.hear();
            assert_eq!(push, json!({"push": {"channel": "chat:1", "subscribe": {"data": {"a": 1}}}}));
        }
        node.done("publish", json!({"channel": "chat:1", "data": 1}));
        for connection in &mut connections {
            assert_eq!(connection.publication(), json!(1));
        }
        assert_eq!(node.done("unsubscribe", json!({"user": "alice", "channel": "chat:1"})), json!({}));
        node.done("publish", json!({"channel": "chat:1", "data": 2}));
        for connection in &mut connections {
            let push = connection.hear();
            let reason = json!({"code": 2000, "reason": "server unsubscribe"});
            assert_eq!(push, json!({"push": {"channel": "chat:1", "unsubscribe": reason}}));
        }
        connections[0].hears_nothing();
        bob.hears_nothing();
    }
}

#[test]
fn a_call_may_be_about_one_connection() {
    let node = Node::start(4);
    let (mut one, mut other) = (node.client("alice"), node.client("alice"));
    let subscribe = |client: &str, session: &str| {
        let request = json!({"user": "alice", "channel": "news", "client": client, "session": session});
        assert_eq!(node.done("subscribe", request), json!({}));
    };
    subscribe("nobody", "");
    subscribe("123e4567-e89b-42d3-a456-426614174000", "");
    subscribe("", "any");
    subscribe(&one.id, "any");
    node.done("subscribe", json!({"user": "bob", "channel": "news", "client": one.id}));
    one.hears_nothing();
    subscribe(&one.id, "");
    assert_eq!(one.hear(), json!({"push": {"channel": "news", "subscribe": {}}}));
    other.hears_nothing();
}

#[test]
fn an_anonymous_user_is_addressed_by_an_empty_name() {
    let node = Node::start_with(1, |config| config.channels.anonymous_subscribe = true);
    let (mut anonymous, mut alice) = (node.client(""), node.client("alice"));
    node.done("subscribe", json!({"user": "", "channel": "news"}));
    assert_eq!(anonymous.hear(), json!({"push": {"channel": "news", "subscribe": {}}}));
    alice.hears_nothing();
}

#[test]
fn a_disconnected_user_hears_code_and_text() {
    for (request, code, text) in [
        (json!({}), 3503, "force disconnect"),
        (json!({"disconnect": {"code": 4100, "reason": "bye"}}), 4100, "bye"),
        (json!({"disconnect": {"code": 3000}}), 3000, "force disconnect"),
    ] {
        let node = Node::start(4);
        let (alice, mut bob) = (node.client("alice"), node.client("bob"));
        let mut request = request.clone();
        request["user"] = json!("alice");
        assert_eq!(node.done("disconnect", request), json!({}));
        assert_eq!(alice.closed(), (code, text.to_owned()));
        bob.hears_nothing();
    }
}

#[test]
fn a_disconnect_spares_connections() {
    let node = Node::start(4);
    let (mut spared, one, other) = (node.client("alice"), node.client("alice"), node.client("alice"));
    node.done("disconnect", json!({"user": "alice", "whitelist": [spared.id, "nobody"]}));
    assert_eq!(one.closed().0, 3503);
    assert_eq!(other.closed().0, 3503);
    spared.hears_nothing();
    node.done("disconnect", json!({"user": "alice", "client": spared.id}));
    assert_eq!(spared.closed().0, 3503);
}

#[test]
fn a_refresh_ends_or_prolongs_a_connection() {
    let node = Node::start(4);
    let (one, other, mut third) = (node.client("alice"), node.client("bob"), node.client("carol"));
    node.done("refresh", json!({"user": "alice", "expired": true}));
    assert_eq!(one.closed(), (3005, "connection expired".to_owned()));
    node.done("refresh", json!({"user": "bob", "expire_at": 1}));
    assert_eq!(other.closed(), (3005, "connection expired".to_owned()));
    node.done("refresh", json!({"user": "carol", "expire_at": unix_seconds() + 3600}));
    let refreshed = third.hear();
    let ttl = refreshed["push"]["refresh"]["ttl"].as_u64().expect("a time to live");
    assert!((3590..=3600).contains(&ttl), "{refreshed}");
    node.done("refresh", json!({"user": "carol"}));
    assert_eq!(third.hear()["push"]["refresh"], json!({}));
}

#[test]
fn a_refresh_changes_what_others_see() {
    let node = Node::start(4);
    let (mut alice, mut bob) = (node.subscriber("alice", "news"), node.subscriber("bob", "news"));
    let mut seen = |request: Value| {
        node.done("refresh", request);
        let _refreshed = alice.hear();
        alice.ask(json!({"id": 3, "publish": {"channel": "news", "data": 1}}));
        let _own = alice.hear();
        bob.hear()["push"]["pub"]["info"]["conn_info"].take()
    };
    assert_eq!(seen(json!({"user": "alice", "info": {"a": 1}})), json!({"a": 1}));
    assert_eq!(seen(json!({"user": "alice"})), json!({"a": 1}));
}

#[test]
fn a_subscription_may_have_an_end() {
    let node = Node::start(1);
    let mut alice = node.client("alice");
    let subscribe = |expire_at: i64| {
        node.call_freely("subscribe", json!({"user": "alice", "channel": "news", "expire_at": expire_at}))
    };
    assert_eq!(subscribe(1), json!({"error": {"code": 110, "message": "expired"}}));
    assert_eq!(subscribe(-1)["error"]["code"], 107);
    assert_eq!(subscribe(unix_seconds() + 3600), json!({"result": {}}));
    assert_eq!(alice.hear()["push"]["channel"], "news");
}

fn unix_seconds() -> i64 {
    transport::Clock::start().now().unix.0
}
