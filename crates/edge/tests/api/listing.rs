//! channels and info.

use serde_json::json;

use crate::node::{LIMITED_KEY, Node};

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
        assert_eq!(stats["uid"].as_str().map(str::len), Some(32));
        assert!(stats["name"].as_str().is_some_and(|name| name.contains(':')), "{stats}");
        assert_eq!(node.done("info", json!({}))["nodes"][0]["uid"], stats["uid"]);
    }
}
