//! Redis is away, or does not answer: connections stay, answers come in time, and everything heals.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::redis::{Options, Proxy, Server};
use testkit::{eventually, http};

use crate::edge::Running;
use crate::follower::Follower;
use crate::nodes::{ask, becomes_down, becomes_up, node, pair, publish, readiness, says};

/// What an answer may come later than its deadline on a busy machine.
const LATE_MAX: Duration = Duration::from_secs(2);

#[test]
fn nodes_outlive_a_redis_that_is_gone() {
    let server = Server::start(&Options::new());
    let proxy = Proxy::start(server.port());
    outlives(&proxy, || proxy.refuse());
}

#[test]
fn a_redis_that_accepts_and_never_answers_is_as_good_as_gone() {
    let server = Server::start(&Options::new());
    let proxy = Proxy::start(server.port());
    outlives(&proxy, || proxy.stall());
}

#[test]
fn a_node_that_starts_without_redis_gets_no_traffic_until_it_is_there() {
    let server = Server::start(&Options::new());
    let proxies = [Proxy::start(server.port()), Proxy::start(server.port())];
    proxies[0].refuse();
    proxies[1].stall();
    for proxy in &proxies {
        let node = node(&proxy.url()).start();
        says(&node, "redis: down");
        let found = readiness(&node);
        assert_eq!(found.status, 503, "{}", found.broker);
        assert!(found.broker.len() > "redis: down ".len(), "the reason is told: {}", found.broker);
        assert_eq!(http::get(node.internal(), "/livez").expect("an answer").status, 200);
        let mut early = node.client("early");
        assert_eq!(early.ask("\"subscribe\":{\"channel\":\"news\"}")["error"]["code"], 100);
        proxy.pass();
        becomes_up(&node);
        early.subscribe("news");
        publish(&node, "news", &json!(1));
        assert_eq!(early.publication().1, "1");
    }
}

fn outlives(proxy: &Proxy, goes_away: impl FnOnce()) {
    let nodes = pair(&proxy.url(), 1);
    let followers = nodes.each_ref().map(|node| Follower::start(node, "news"));
    let mut users = nodes.each_ref().map(|node| node.client("here"));
    publish(&nodes[0], "news", &json!("before"));
    followers.iter().for_each(|follower| drop(follower.hears(1)));
    goes_away();
    for (node, user) in nodes.iter().zip(&mut users) {
        becomes_down(node);
        let found = readiness(node);
        assert_eq!(found.status, 200, "{}", found.broker);
        assert!(found.broker.starts_with("redis: down "), "{}", found.broker);
        is_refused_in_time(user, "\"subscribe\":{\"channel\":\"other\"}", Duration::from_secs(3));
        let kept = "\"publish\":{\"channel\":\"kept:a\",\"data\":\"lost\"}";
        is_refused_in_time(user, kept, Duration::from_secs(2));
        let mut late = node.client("late");
        is_refused_in_time(&mut late, "\"subscribe\":{\"channel\":\"news\"}", Duration::from_secs(3));
        let answer = ask(node, "publish", &json!({"channel": "news", "data": "lost"}));
        assert_eq!(answer["error"]["code"], 100, "{answer}");
    }
    proxy.pass();
    nodes.iter().for_each(becomes_up);
    heals(&nodes, &followers);
    for user in &mut users {
        user.subscribe("other");
    }
    publish(&nodes[0], "other", &json!("after"));
    for user in &mut users {
        assert_eq!(user.publication(), ("other".to_owned(), "\"after\"".to_owned()));
    }
}

/// Publications are heard again by those who stayed.
fn heals(nodes: &[Running; 2], followers: &[Follower; 2]) {
    let hears = |what: &str| {
        let is_it = |(_, data): &(u64, Value)| data == what;
        followers.iter().all(|follower| follower.heard().publications.iter().any(is_it))
    };
    eventually("what is published is heard again", || {
        publish(&nodes[1], "news", &json!("again"));
        hears("again")
    });
    publish(&nodes[0], "news", &json!("last"));
    eventually("what is published is heard again", || hears("last"));
    for follower in followers {
        let heard = follower.heard();
        assert!(heard.oddities.is_empty(), "{heard:?}");
        assert!(heard.publications.iter().all(|(_, data)| data != "lost"), "never a false refusal");
    }
}

fn is_refused_in_time(user: &mut crate::user::User, command: &str, deadline: Duration) {
    let asked = Instant::now();
    let reply = user.ask(command);
    assert_eq!(reply["error"]["code"], 100, "{reply}");
    assert!(asked.elapsed() < deadline + LATE_MAX, "{command}: {:?}", asked.elapsed());
}
