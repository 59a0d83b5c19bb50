//! channels and info.

use serde_json::json;

use crate::node::{KEY, LIMITED_KEY, Node};

#[test]
fn channels_are_listed_with_their_subscribers() {
    for workers in [1, 4] {
        let node = Node::start(workers);
        assert_eq!(node.done("channels", json!({})), json!({"channels": {}}));
        let _subscribers: Vec<_> = ["news", "news", "news", "news", "chat:1", "chat:2", "invoices:1"]
            .map(|channel| node.subscriber("alice", channel))
            .into();
        let listed = |pattern: &str| node.done("channels", json!({"pattern": pattern}));
        let all = json!({
            "chat:1": {"num_clients": 1},
            "chat:2": {"num_clients": 1},
            "invoices:1": {"num_clients": 1},
            "news": {"num_clients": 4},
        });
        assert_eq!(listed(""), json!({"channels": all}));
        assert_eq!(listed("*"), json!({"channels": all}));
        assert_eq!(listed("*ew*"), json!({"channels": {"news": {"num_clients": 4}}}));
        assert_eq!(listed("chat"), json!({"channels": {}}));
        let limited = node.post("/api/channels", &[("X-API-Key", LIMITED_KEY)], b"{}");
        assert_eq!(limited.body, r#"{"result":{"channels":{"invoices:1":{"num_clients":1}}}}"#);
    }
}

#[test]
fn more_channels_than_may_be_listed_are_cut_off_which_is_said() {
    const LISTED: usize = 10_000;
    const PER_USER: usize = 128;
    let node = Node::start(2);
    let _users: Vec<_> =
        (0..=LISTED / PER_USER).map(|number| node.client(&format!("user{number}"))).collect();
    let subscribe = |range: std::ops::Range<usize>| {
        let command = |number: usize| {
            let (user, channel) = (format!("user{}", number / PER_USER), format!("c{number:05}"));
            json!({"subscribe": {"user": user, "channel": channel}})
        };
        let body = json!({"commands": range.map(command).collect::<Vec<_>>()}).to_string();
        let answer = node.post("/api/batch", &[("X-API-Key", KEY)], body.as_bytes());
        assert!(answer.status == 200 && !answer.body.contains("error"), "{}", answer.status);
    };
    let listed = |pattern: &str| {
        let answer = node.done("channels", json!({"pattern": pattern}));
        (answer["channels"].as_object().map(|channels| channels.len()), answer["truncated"] == true)
    };
    let holds = |count: usize| {
        let subscribed = || node.done("info", json!({}))["nodes"][0]["num_subs"] == count;
        testkit::eventually("everybody is subscribed", subscribed);
    };
    subscribe(0..LISTED);
    holds(LISTED);
    assert_eq!(listed(""), (Some(LISTED), false));
    subscribe(LISTED..LISTED + 1);
    holds(LISTED + 1);
    assert_eq!(listed(""), (Some(LISTED), true));
    assert_eq!(listed("c0*"), (Some(LISTED), false));
    assert_eq!(listed("c0001*"), (Some(10), false));
    let long = node.call("channels", json!({"pattern": "x".repeat(1025)}));
    assert_eq!(long["error"]["code"], 107);
}

#[test]
fn a_node_tells_what_it_holds() {
    for workers in [1, 4] {
        let node = Node::start(workers);
        let _subscribers: Vec<_> =
            [("alice", "news"), ("alice", "news"), ("alice", "chat:1"), ("bob", "news"), ("", "chat:1")]
                .map(|(user, channel)| {
                    let mut client = node.client(user);
                    // Anonymous clients may not subscribe by themselves.
                    if user.is_empty() {
                        node.done("subscribe", json!({"user": "", "channel": channel}));
                        client.hear();
                    } else {
                        client.ask(json!({"id": 2, "subscribe": {"channel": channel}}));
                    }
                    client
                })
                .into();
        let result = node.done("info", json!({}));
        let nodes = result["nodes"].as_array().expect("nodes");
        let [stats] = nodes.as_slice() else {
            panic!("one node: {result}");
        };
        assert_eq!(stats["num_clients"], 5);
        assert_eq!(stats["num_users"], 3);
        assert_eq!(stats["num_channels"], 2);
        assert_eq!(stats["num_subs"], 5);
        assert_eq!(stats["version"], "1.2.3");
        assert!(stats["uptime"].as_u64().is_some_and(|seconds| seconds < 60), "{stats}");
        assert!(stats["process"]["rss"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{stats}");
        assert_eq!(stats["uid"].as_str().map(str::len), Some(36));
        assert!(stats["name"].as_str().is_some_and(|name| name.contains(':')), "{stats}");
        assert_eq!(node.done("info", json!({}))["nodes"][0]["uid"], stats["uid"]);
    }
}
