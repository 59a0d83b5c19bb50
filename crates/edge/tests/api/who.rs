//! connections.

use std::collections::BTreeMap;

use edge::config::{AllowConfig, ApiKeyConfig, ApiMethod};
use model::Secret;
use serde_json::{Value, json};

use crate::node::Node;

#[test]
fn connections_are_told_with_user_node_and_channels() {
    for workers in [1, 4] {
        let node = Node::start(workers);
        assert_eq!(node.done("connections", json!({})), json!({"connections": {}}));
        let alice = node.subscriber("alice", "news");
        node.done("subscribe", json!({"user": "alice", "channel": "chat:1"}));
        let [also, bob, nobody] = [node.client("alice"), node.subscriber("bob", "news"), node.client("")];
        let uid = node.done("info", json!({}))["nodes"][0]["uid"].clone();

        let told = node.done("connections", json!({"user": "alice", "channel": "news"}));
        let mut told = only(told, &alice.id);
        let since = told["connected_at"].take().as_i64().expect("a time");
        assert!((0..60).contains(&(transport::Clock::start().now().unix.0 - since)), "{since}");
        let channels = json!({"news": {}, "chat:1": {"source": 10}});
        let expected = json!({"user": "alice", "transport": "websocket", "protocol": "json", "node": uid,
            "connected_at": null, "state": {"channels": channels}});
        assert_eq!(told, expected);

        let ids = |request: Value| ids(&node.done("connections", request));
        assert_eq!(ids(json!({})), sorted([&alice.id, &also.id, &bob.id, &nobody.id]));
        assert_eq!(ids(json!({"user": "alice"})), sorted([&alice.id, &also.id]));
        assert_eq!(ids(json!({"user": ""})), sorted([&nobody.id]));
        assert_eq!(ids(json!({"channel": "news", "user": null})), sorted([&alice.id, &bob.id]));
        assert_eq!(ids(json!({"client": also.id})), sorted([&also.id]));
        for none in [json!({"user": "carol"}), json!({"client": "nobody"}), json!({"channel": "chat:2"})] {
            assert_eq!(ids(none), sorted([]));
        }
    }
}

#[test]
fn pages_follow_each_other_until_all_were_told() {
    for workers in [1, 4] {
        let node = Node::start(workers);
        let clients: Vec<_> = (0..25).map(|_| node.client("alice")).collect();
        for request in [json!({"limit": 10}), json!({"limit": 10, "user": "alice"})] {
            let (mut found, mut pages, mut request) = (Vec::new(), 0, request);
            loop {
                let page = node.done("connections", request.clone());
                assert!(ids(&page).len() <= 10, "{page}");
                found.extend(ids(&page));
                pages += 1;
                let Some(cursor) = page.get("cursor") else { break };
                request["cursor"] = cursor.clone();
            }
            found.sort();
            assert_eq!(found, sorted(clients.iter().map(|client| &client.id)));
            assert!((3..=4).contains(&pages), "{pages}");
        }
        assert_eq!(ids(&node.done("connections", json!({"limit": 1_000_000}))).len(), 25);
        let after = |place: &str| format!("{}.{place}", clients[0].id);
        for cursor in ["x", "1.2.3", &after("0"), &after("0.-1"), &after("+0.0")] {
            let refused = node.call("connections", json!({"cursor": cursor}));
            assert_eq!(refused["error"]["code"], 107, "{refused}");
        }
    }
}

#[test]
fn connections_are_listed_in_batches_and_by_old_libraries() {
    let node = Node::start(1);
    let alice = node.client("alice");
    let batch = node.call_freely("batch", json!({"commands": [{"connections": {"user": "alice"}}]}));
    assert_eq!(ids(&batch["replies"][0]["connections"]), [&*alice.id]);
    let line = br#"{"method":"connections","params":{"user":"alice"},"id":1}"#;
    let answer = node.post("/api", &[("X-API-Key", crate::node::KEY)], line);
    assert_eq!(ids(&answer.json()["result"]), [&*alice.id]);
}

#[test]
fn a_key_of_some_namespaces_asks_by_channel_and_sees_no_other() {
    const OWN: &str = "a key that lists";
    let node = Node::start_with(1, |config| {
        let allow =
            AllowConfig { methods: vec![ApiMethod::Connections], namespaces: vec!["invoices".to_owned()] };
        config.api.keys.insert("lister".to_owned(), ApiKeyConfig { key: Secret::new(OWN), allow });
    });
    let alice = node.subscriber("alice", "invoices:1");
    node.done("subscribe", json!({"user": "alice", "channel": "chat:1"}));
    let ask =
        |request: Value| node.post("/api/connections", &[("X-API-Key", OWN)], request.to_string().as_bytes());
    let told = only(ask(json!({"channel": "invoices:1"})).json()["result"].take(), &alice.id);
    assert_eq!(told["state"]["channels"], json!({"invoices:1": {}}));
    for request in [json!({}), json!({"user": "alice"}), json!({"channel": "chat:1"})] {
        let refused = ask(request);
        assert_eq!(refused.status, 403);
        assert!(refused.body.contains("api.keys.lister.allow.namespaces"), "{}", refused.body);
    }
    let other = node.post("/api/connections", &[("X-API-Key", crate::node::LIMITED_KEY)], b"{}");
    assert_eq!(other.status, 403);
    assert!(other.body.contains("api.keys.billing.allow.methods"), "{}", other.body);
}

fn only(mut told: Value, client: &str) -> Value {
    assert_eq!(ids(&told), [client]);
    told["connections"][client].take()
}

fn ids(told: &Value) -> Vec<String> {
    let all: BTreeMap<String, Value> =
        serde_json::from_value(told["connections"].clone()).unwrap_or_else(|error| panic!("{error}: {told}"));
    all.into_keys().collect()
}

fn sorted<'a>(ids: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let mut ids: Vec<String> = ids.into_iter().cloned().collect();
    ids.sort();
    ids
}
