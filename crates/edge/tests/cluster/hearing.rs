//! Whoever publishes, every node's subscribers hear it.

use serde_json::{Value, json};
use testkit::redis::{Options, Server};

use crate::follower::{Follower, Heard};
use crate::nodes::{pair, publish};

#[test]
fn what_anybody_publishes_is_heard_on_both_nodes_in_order_and_once() {
    const ROUNDS: u64 = 25;
    let server = Server::start(&Options::new());
    for workers in [1, 4] {
        let [a, b] = pair(&server.url(), workers);
        let followers: Vec<Follower> =
            [&a, &b].iter().flat_map(|node| [(); 4].map(|()| Follower::start(node, "news"))).collect();
        let mut user = a.client("alice");
        let mut backend = server.connection().expect("a connection");
        for round in 0..ROUNDS {
            // Each is answered before the next begins, so that there is one order.
            user.publish("news", &format!("{{\"client\":{round}}}"));
            publish(&b, "news", &json!({"api": round}));
            let payload = format!("{{\"plain\": {round}}}");
            backend.command(&["PUBLISH", "fanfare:ch:news", &payload]).expect("Redis answers");
        }
        let expected: Vec<(u64, Value)> = (0..ROUNDS)
            .flat_map(|round| [json!({"client": round}), json!({"api": round}), json!({"plain": round})])
            .map(|payload| (0, payload))
            .collect();
        for follower in &followers {
            assert_eq!(follower.hears(expected.len()).publications, expected);
        }
    }
}

#[test]
fn with_history_positions_are_the_same_on_both_nodes_whoever_publishes() {
    const ROUNDS: u64 = 25;
    let server = Server::start(&Options::new());
    for workers in [1, 4] {
        let channel = format!("kept:{workers}");
        let [a, b] = pair(&server.url(), workers);
        let followers: Vec<Follower> =
            [&a, &b].iter().flat_map(|node| [(); 4].map(|()| Follower::start(node, &channel))).collect();
        let mut user = a.client("alice");
        let mut backend = server.connection().expect("a connection");
        for round in 0..ROUNDS {
            user.publish(&channel, &(3 * round + 1).to_string());
            let position = publish(&b, &channel, &json!(3 * round + 2));
            assert_eq!(position["offset"], 3 * round + 2, "{position}");
            let key = format!("fanfare:ch:{channel}");
            let payload = (3 * round + 3).to_string();
            let reply = backend.command(&["FCALL", "fanfare_publish", "1", &key, &payload]);
            let reply = reply.expect("Redis answers").to_string();
            assert!(!reply.starts_with('-'), "{reply}");
        }
        let expected: Vec<(u64, Value)> = (1..=3 * ROUNDS).map(|number| (number, json!(number))).collect();
        let heard: Vec<Heard> = followers.iter().map(|follower| follower.hears(expected.len())).collect();
        for one in &heard {
            assert_eq!(one.publications, expected);
            assert_eq!((&one.epochs, one.lapses), (&heard[0].epochs, 0));
        }
        for node in [&a, &b] {
            assert_eq!(node.metrics().sum("fanfare_publications_lost_total"), 0.0);
        }
    }
}

#[test]
fn nodes_with_other_prefixes_hear_nothing_of_each_other() {
    let server = Server::start(&Options::new());
    let [a, _b] = pair(&server.url(), 1);
    let other = crate::nodes::node(&server.url()).with(|config| config.redis.prefix = "stage".to_owned());
    let other = other.start();
    crate::nodes::becomes_up(&other);
    let (here, there) = (Follower::start(&a, "kept:a"), Follower::start(&other, "kept:a"));
    publish(&a, "kept:a", &json!("here"));
    publish(&other, "kept:a", &json!("there"));
    assert_eq!(here.hears(1).publications, [(1, json!("here"))]);
    assert_eq!(there.hears(1).publications, [(1, json!("there"))]);
}
