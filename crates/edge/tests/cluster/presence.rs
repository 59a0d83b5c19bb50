//! Who is subscribed is known over all nodes.

use engine::NamespaceConfig;
use serde_json::{Value, json};
use testkit::holds_within;
use testkit::redis::{Options, Server};

use crate::edge::Running;
use crate::nodes::{ask, becomes_up, node};

#[test]
fn members_of_both_nodes_are_listed_counted_and_told() {
    let server = Server::start(&Options::new());
    let nodes = [(); 2].map(|()| {
        let room = |config: &mut edge::config::Config| {
            let room = NamespaceConfig {
                presence: true,
                join_leave: true,
                push_join_leave: true,
                ..config.channels.clone()
            };
            config.namespaces.insert("room".to_owned(), room);
        };
        node(&server.url()).with(room).start()
    });
    nodes.iter().for_each(becomes_up);
    let [a, b] = &nodes;
    let mut alice = a.client("alice");
    alice.subscribe("room:1");
    assert_eq!(movement(&alice.push()), ("join", "alice".to_owned()));
    let mut bob = b.client("bob");
    bob.subscribe("room:1");
    for user in [&mut alice, &mut bob] {
        assert_eq!(movement(&user.push()), ("join", "bob".to_owned()));
    }
    for node in &nodes {
        assert_eq!(stats(node), json!({"num_clients": 2, "num_users": 2}));
        let listed = ask(node, "presence", &json!({"channel": "room:1"}));
        assert_eq!(listed["result"]["presence"].as_object().map(serde_json::Map::len), Some(2), "{listed}");
    }
    drop(bob);
    assert_eq!(movement(&alice.push()), ("leave", "bob".to_owned()));
    assert!(holds_within(testkit::PATIENCE, || stats(b)["num_clients"] == 1));
}

fn stats(node: &Running) -> Value {
    ask(node, "presence_stats", &json!({"channel": "room:1"}))["result"].clone()
}

fn movement(push: &Value) -> (&'static str, String) {
    let push = &push["push"];
    let word = if push["join"].is_object() { "join" } else { "leave" };
    (word, push[word]["info"]["user"].as_str().unwrap_or_else(|| panic!("{push}")).to_owned())
}
