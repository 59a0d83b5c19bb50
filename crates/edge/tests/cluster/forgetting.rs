//! Redis lost its data, or has no room for more.

use serde_json::{Value, json};
use testkit::eventually;
use testkit::redis::{Options, Server};

use crate::follower::Follower;
use crate::nodes::{ask, becomes_up, pair, publish};

#[test]
fn after_a_loss_of_data_each_positioned_subscriber_is_told_once_and_goes_on() {
    let server = Server::start(&Options::new());
    let nodes = pair(&server.url(), 1);
    let followers = nodes.each_ref().map(|node| Follower::start(node, "kept:a"));
    let bystander = Follower::start(&nodes[0], "news");
    for number in 1..=3 {
        publish(&nodes[0], "kept:a", &json!(number));
    }
    followers.iter().for_each(|follower| drop(follower.hears(3)));
    server.restart();
    nodes.iter().for_each(becomes_up);
    for follower in &followers {
        eventually("the subscriber is told and comes back", || follower.heard().epochs.len() == 2);
    }
    for number in 4..=6 {
        publish(&nodes[1], "kept:a", &json!(number));
    }
    for follower in &followers {
        let heard = follower.hears(6);
        assert_eq!((heard.lapses, heard.epochs.len()), (1, 2), "{heard:?}");
        assert_ne!(heard.epochs[0], heard.epochs[1]);
        assert_eq!(heard.publications[3..], [4, 5, 6].map(|number| (number - 3, json!(number))));
    }
    let quiet = bystander.heard();
    assert_eq!((quiet.lapses, quiet.epochs.len()), (0, 1), "{quiet:?}");
}

#[test]
fn without_memory_publishing_is_refused_and_nothing_is_written_by_half() {
    let server = Server::start(&Options::new());
    let nodes = pair(&server.url(), 1);
    let followers = nodes.each_ref().map(|node| Follower::start(node, "kept:a"));
    publish(&nodes[0], "kept:a", &json!(1));
    let history = |node| ask(node, "history", &json!({"channel": "kept:a", "limit": 10}))["result"].clone();
    let before: Value = history(&nodes[1]);
    assert_eq!(server.command(&["CONFIG", "SET", "maxmemory", "1"]), "OK");
    for node in &nodes {
        let answer = ask(node, "publish", &json!({"channel": "kept:a", "data": "lost"}));
        assert_eq!(answer["error"]["code"], 100, "{answer}");
        let reply = node.client("alice").ask("\"publish\":{\"channel\":\"kept:a\",\"data\":\"lost\"}");
        assert_eq!(reply["error"]["code"], 100, "{reply}");
        assert_eq!(history(node), before);
        node.settles("fanfare_redis_failures_total{reason=\"memory\"}", 2.0);
    }
    assert_eq!(server.command(&["CONFIG", "SET", "maxmemory", "0"]), "OK");
    for number in 2..=3 {
        assert_eq!(publish(&nodes[1], "kept:a", &json!(number))["offset"], number);
    }
    for follower in &followers {
        let heard = follower.hears(3);
        assert_eq!(heard.publications, [1, 2, 3].map(|number| (number, json!(number))));
        assert_eq!(heard.lapses, 0);
    }
}

#[test]
fn offsets_that_would_be_given_twice_begin_a_new_epoch() {
    let server = Server::start(&Options::new());
    let nodes = pair(&server.url(), 1);
    let followers = nodes.each_ref().map(|node| Follower::start(node, "kept:a"));
    for number in 1..=3 {
        publish(&nodes[0], "kept:a", &json!(number));
        // What comes later is not there after the restart.
        if number == 1 {
            assert_eq!(server.command(&["SAVE"]), "OK");
        }
    }
    followers.iter().for_each(|follower| drop(follower.hears(3)));
    server.restart();
    nodes.iter().for_each(becomes_up);
    for follower in &followers {
        eventually("the subscriber is told and comes back", || follower.heard().epochs.len() == 2);
    }
    let position = publish(&nodes[1], "kept:a", &json!("after"));
    for follower in &followers {
        let heard = follower.hears(4);
        assert_eq!((heard.lapses, heard.epochs.len()), (1, 2), "{heard:?}");
        assert_ne!(heard.epochs[0], heard.epochs[1]);
        assert_eq!(heard.epochs[1], position["epoch"]);
        assert_eq!(heard.publications[3].1, "after");
    }
}

#[test]
fn offsets_that_were_given_twice_while_no_node_listened_begin_a_new_epoch() {
    let server = Server::start(&Options::new());
    let nodes = pair(&server.url(), 1);
    let followers = nodes.each_ref().map(|node| Follower::start(node, "kept:a"));
    publish(&nodes[0], "kept:a", &json!(1));
    let copy = |from: &str, to: &str| {
        for kind in ["ch", "meta"] {
            let [from, to] = [from, to].map(|name| format!("fanfare:{kind}:{name}"));
            assert_eq!(server.command(&["COPY", &from, &to, "REPLACE"]), "1");
        }
    };
    // As a replica that lacks the last ones, and what others publish there once it has taken over.
    copy("kept:a", "kept:b");
    for number in [2, 3] {
        publish(&nodes[0], "kept:a", &json!(number));
        publish(&nodes[1], "kept:b", &json!("another"));
    }
    followers.iter().for_each(|follower| drop(follower.hears(3)));
    copy("kept:b", "kept:a");
    server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    for follower in &followers {
        eventually("the subscriber is told and comes back", || follower.heard().epochs.len() == 2);
    }
    publish(&nodes[1], "kept:a", &json!("after"));
    for follower in &followers {
        let heard = follower.hears(4);
        assert_eq!((heard.lapses, heard.epochs.len()), (1, 2), "{heard:?}");
        assert_eq!(heard.publications[3], (1, json!("after")));
    }
}
