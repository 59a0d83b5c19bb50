//! Nodes of two versions side by side, as while a cluster is brought up to date node by node.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::eventually;
use testkit::redis::{Options, Server};

use crate::edge::Running;
use crate::follower::Follower;
use crate::nodes::{adds_up, ask, becomes_up, node, publish};

const PERIOD: Duration = Duration::from_millis(100);

/// A node that knows this version of all formats best.
fn start(server: &Server, version: u8) -> Running {
    let compose = move |parts: edge::Composition| parts.with_formats(version, version, PERIOD);
    let node = node(&server.url()).composed(compose).start();
    becomes_up(&node);
    node
}

/// The version in which the last publication is kept.
fn kept_version(server: &Server) -> String {
    let last = "local found = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
                return 'version ' .. found[1][2][2]:byte(2)";
    server.command(&["EVAL", last, "1", "fanfare:ch:kept:a"])
}

fn disconnected(by: &Running, at: &Running, user: &str) {
    let connected = at.client(user);
    assert!(ask(by, "disconnect", &json!({"user": user}))["result"].is_object());
    let mut client = connected.into_client();
    eventually("the connection is closed", || matches!(client.receive(), testkit::Received::Close(3503, _)));
}

#[test]
fn nodes_of_two_versions_miss_nothing_of_each_other_and_the_newer_is_written_once_all_read_it() {
    const ROUNDS: usize = 50;
    let server = Server::start(&Options::new());
    let old = start(&server, 1);
    let new = start(&server, 2);
    let follow = |channel: &'static str| [&old, &new].map(|node| Follower::start(node, channel));
    let (news, kept) = (follow("news"), follow("kept:a"));
    let mut published = Vec::new();
    for round in 0..ROUNDS {
        for (node, name) in [(&old, "old"), (&new, "new")] {
            let payload = json!({ name: round });
            publish(node, "news", &payload);
            publish(node, "kept:a", &payload);
            published.push(payload);
        }
    }
    disconnected(&new, &old, "alice");
    disconnected(&old, &new, "bob");
    for node in [&old, &new] {
        eventually("they know each other", || node.metrics().value("fanfare_nodes") == 2.0);
        assert!(ask(node, "channels", &json!({}))["result"]["channels"]["news"]["num_clients"] == 2);
    }
    assert!(kept_version(&server).contains("version 1"), "{}", kept_version(&server));
    for follower in news.iter().chain(&kept) {
        let heard: Vec<Value> =
            follower.hears(published.len()).publications.into_iter().map(|(_, data)| data).collect();
        assert_eq!(heard, published);
    }
    for node in [&old, &new] {
        adds_up(node, "fanfare_redis_malformed_total", 0.0);
        assert_eq!(node.metrics().value("fanfare_directives_total{outcome=\"malformed\"}"), 0.0);
    }
    let [_, news] = news;
    let [_, kept] = kept;
    drop(old);
    let mut count = published.len();
    eventually("the newer version is written", || {
        publish(&new, "kept:a", &json!("later"));
        count += 1;
        kept_version(&server).contains("version 2")
    });
    assert_eq!(kept.hears(count).lapses, 0);
    assert_eq!(news.hears(published.len()).lapses, 0);
    // A node of that version reads what both wrote, and hears what is written now.
    let newest = start(&server, 2);
    let request = json!({"channel": "kept:a", "limit": 300});
    let page = ask(&newest, "history", &request)["result"]["publications"].clone();
    assert_eq!(page.as_array().map(Vec::len), Some(count.min(300)));
    disconnected(&newest, &new, "carol");
    adds_up(&newest, "fanfare_redis_malformed_total", 0.0);
}
