//! Who is subscribed is known over all nodes.

use std::collections::HashSet;

use engine::NamespaceConfig;
use serde_json::{Value, json};
use testkit::holds_within;
use testkit::redis::{Options, Server};

use crate::edge::Running;
use crate::nodes::{ask, becomes_up, node};

#[test]
fn members_of_both_nodes_are_listed_counted_and_told() {
    let server = Server::start(&Options::new());
    let nodes = two(&server);
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

#[test]
fn who_comes_while_redis_refuses_the_presence_is_told_and_counted_afterwards() {
    const CROWD: usize = 200;
    let server = Server::start(&Options::new());
    let nodes = two(&server);
    let mut alice = nodes[0].client("alice");
    alice.subscribe("room:1");
    assert_eq!(movement(&alice.push()), ("join", "alice".to_owned()));
    server.command(&["ACL", "SETUSER", "default", "-zadd"]);
    let crowd: Vec<_> = (0..CROWD)
        .map(|number| {
            let mut client = nodes[number % 2].client(&format!("user {number}"));
            client.subscribe("room:1");
            client
        })
        .collect();
    assert_eq!(stats(&nodes[1])["num_clients"], 1);
    server.command(&["ACL", "SETUSER", "default", "+zadd"]);
    let users: HashSet<String> = (0..CROWD).map(|_| movement(&alice.push()).1).collect();
    assert_eq!(users.len(), CROWD, "being vouched for later would tell of nobody");
    assert_eq!(stats(&nodes[1])["num_clients"], CROWD + 1);
    drop(crowd);
}

fn two(server: &Server) -> [Running; 2] {
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
    nodes
}

fn stats(node: &Running) -> Value {
    ask(node, "presence_stats", &json!({"channel": "room:1"}))["result"].clone()
}

fn movement(push: &Value) -> (&'static str, String) {
    let push = &push["push"];
    let word = if push["join"].is_object() { "join" } else { "leave" };
    (word, push[word]["info"]["user"].as_str().unwrap_or_else(|| panic!("{push}")).to_owned())
}
