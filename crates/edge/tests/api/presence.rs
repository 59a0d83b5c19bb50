//! Who is subscribed, as backends ask.

use serde_json::{Value, json};

use crate::node::Node;

#[test]
fn members_are_listed_and_counted() {
    for workers in [1, 4] {
        let node = Node::start(workers);
        assert_eq!(node.done("presence", json!({"channel": "room:1"})), json!({"presence": {}}));
        let _alice = node.subscriber("alice", "room:1");
        let also = node.subscriber("alice", "room:1");
        assert_eq!(stats(&node), json!({"num_clients": 2, "num_users": 1}));
        let listed = node.done("presence", json!({"channel": "room:1"}));
        let members = listed["presence"].as_object().expect("members by connection");
        assert_eq!(members.len(), 2);
        for (client, member) in members {
            assert_eq!(member, &json!({"user": "alice", "client": client}));
        }
        let _bob = node.subscriber("bob", "room:1");
        assert_eq!(stats(&node), json!({"num_clients": 3, "num_users": 2}));
        let refused = node.call("presence", json!({"channel": "room:1"}));
        assert_eq!(refused["error"]["code"], 106, "there are more than two");
        drop(also);
        assert!(testkit::holds_within(testkit::PATIENCE, || stats(&node)["num_clients"] == 2));
        assert_eq!(stats(&node), json!({"num_clients": 2, "num_users": 2}));
    }
}

#[test]
fn who_is_subscribed_is_known_where_it_is_kept() {
    let node = Node::start(1);
    for method in ["presence", "presence_stats"] {
        assert_eq!(node.call(method, json!({"channel": "news"}))["error"]["code"], 108, "{method}");
    }
}

fn stats(node: &Node) -> Value {
    node.done("presence_stats", json!({"channel": "room:1"}))
}
