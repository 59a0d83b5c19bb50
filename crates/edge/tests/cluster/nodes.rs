//! Nodes over a Redis: how they are set up, and what they say of it.

use engine::NamespaceConfig;
use model::Period;
use serde_json::{Value, json};
use testkit::{PATIENCE, eventually, holds_within, http};

use crate::edge::{API_KEY, Running, Setup, edge};

/// A node to be, over the Redis at a URL; channels in namespace `kept` have a history.
pub(crate) fn node(url: &str) -> Setup {
    edge().with(|config| {
        url.clone_into(&mut config.redis.url);
        // Users of tests do not read all the time, so they would not answer.
        config.client.ping_interval = Period::seconds(600);
        let kept = NamespaceConfig {
            history_size: 100_000,
            history_ttl: Period::seconds(300),
            ..config.channels.clone()
        };
        config.namespaces.insert("kept".to_owned(), kept);
    })
}

/// Two nodes that are ready.
pub(crate) fn pair(url: &str, workers: u16) -> [Running; 2] {
    let nodes = [(); 2].map(|()| node(url).workers(workers).start());
    for node in &nodes {
        becomes_up(node);
    }
    nodes
}

/// Waits until a node has its Redis, for commands and subscriptions alike.
pub(crate) fn becomes_up(node: &Running) {
    eventually("the node has its Redis", || is_up(node) && readiness(node).status == 200);
}

/// Waits until a node knows that its Redis is away.
pub(crate) fn becomes_down(node: &Running) {
    eventually("the node misses its Redis", || !is_up(node));
}

/// Whether a node says that it has its Redis.
pub(crate) fn is_up(node: &Running) -> bool {
    node.metrics().value("fanfare_broker_up{broker=\"redis\"}") == 1.0
}

/// What a node says about getting traffic.
pub(crate) struct Readiness {
    pub(crate) status: u16,
    /// The words on its broker.
    pub(crate) broker: String,
}

/// What a node says about getting traffic.
pub(crate) fn readiness(node: &Running) -> Readiness {
    let answer = http::get(node.internal(), "/readyz").expect("an answer");
    let report: Value = serde_json::from_str(&answer.body).expect("JSON");
    let mut checks = report["checks"].as_array().expect("checks").iter();
    let broker = checks.find(|check| check["name"] == "broker").expect("a check of the broker");
    Readiness { status: answer.status, broker: broker["detail"].as_str().expect("words").to_owned() }
}

/// Waits until a node's words on its broker contain these.
pub(crate) fn says(node: &Running, words: &str) {
    let said = holds_within(PATIENCE, || readiness(node).broker.contains(words));
    assert!(said, "`{words}` is not in `{}`", readiness(node).broker);
}

/// Waits until a family of metrics adds up to a value: a node counts what its broker does now and then.
pub(crate) fn adds_up(node: &Running, family: &str, value: f64) {
    let settled = holds_within(PATIENCE, || node.metrics().sum(family) == value);
    assert!(settled, "{family} is {}, not {value}", node.metrics().sum(family));
}

/// Calls the server API: the answer, which may be an error.
pub(crate) fn ask(node: &Running, method: &str, body: &Value) -> Value {
    let key = format!("X-API-Key: {API_KEY}\r\n");
    let answer = http::post(node.internal(), &format!("/api/{method}"), &key, &body.to_string());
    serde_json::from_str(&answer.expect("an answer").body).expect("JSON")
}

/// Publishes through the server API, which must succeed: the position, where there is one.
pub(crate) fn publish(node: &Running, channel: &str, payload: &Value) -> Value {
    let answer = ask(node, "publish", &json!({"channel": channel, "data": payload}));
    assert!(answer["result"].is_object(), "{answer}");
    answer["result"].clone()
}
