//! Redis falters under a steady load on a channel with history: what was acknowledged arrives, and nobody is
//! disturbed.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use edge::config::Config;
use model::ByteSize;
use protocol_centrifugal::CentrifugalJson;
use serde_json::json;
use testkit::redis::{Options, Proxy, Server};
use testkit::{FaultyProtocol, eventually};

use crate::edge::Running;
use crate::follower::Follower;
use crate::load::{Account, Load};
use crate::nodes::{becomes_down, becomes_up, node, pair, publish};
use crate::user::User;

const SUBSCRIPTIONS_LOST: &str = "fanfare_redis_losses_total{purpose=\"subscriptions\"}";

#[test]
fn killed_subscription_connections_cost_nobody_anything() {
    const KILLS: u64 = 7;
    let server = Server::start(&Options::new());
    let account = under_load(&server, 2, |load, nodes| {
        for kill in 1..=KILLS {
            let killed = server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
            assert_ne!(killed, "0", "there was something to kill");
            for node in nodes {
                eventually("the node notices", || node.metrics().value(SUBSCRIPTIONS_LOST) >= kill as f64);
                eventually("the node subscribes again", || {
                    let made = "fanfare_redis_connects_total{purpose=\"subscriptions\"}";
                    node.metrics().value(made) > kill as f64
                });
            }
            load.goes_on_for(20);
        }
    });
    assert_eq!(account.refused, 0);
}

#[test]
fn a_killed_redis_that_comes_back_with_its_data_costs_nobody_anything() {
    let server = Server::start(&Options::new().append_only());
    under_load(&server, 1, |load, _| {
        for _ in 0..2 {
            server.restart();
            load.goes_on_for(100);
        }
    });
}

#[test]
fn a_redis_that_stands_still_costs_nobody_anything() {
    let server = Server::start(&Options::new());
    let account = under_load(&server, 1, |load, _| {
        server.pause();
        thread::sleep(Duration::from_secs(5));
        server.resume();
        load.goes_on_for(100);
    });
    assert!(account.refused > 0, "nothing is acknowledged while Redis stands still");
}

#[test]
fn a_long_gap_of_large_publications_is_filled_without_closing_who_reads() {
    const COUNT: u64 = 300;
    let server = Server::start(&Options::new());
    let proxy = Proxy::start(server.port());
    let (a, b) = (node(&server.url()).start(), node(&proxy.url()).start());
    [&a, &b].into_iter().for_each(becomes_up);
    let follower = Follower::start(&b, "kept:a");
    proxy.refuse();
    becomes_down(&b);
    let large = "a".repeat(60_000);
    for _ in 0..COUNT {
        publish(&a, "kept:a", &json!(large));
    }
    proxy.pass();
    becomes_up(&b);
    let heard = follower.hears(COUNT as usize);
    assert!(heard.publications.iter().map(|(offset, _)| *offset).eq(1..=COUNT));
    assert_eq!(heard.lapses, 0);
}

#[test]
fn a_node_that_reads_too_slowly_for_redis_misses_nothing_that_is_kept() {
    /// More than any kernel takes in between.
    const PUSHES_MAX: usize = 4000;
    let server = Server::start(&Options::new().set("client-output-buffer-limit", "pubsub 1mb 0 0"));
    let proxy = Proxy::start(server.port());
    // What comes when the proxy lets go may be much at once.
    let roomy = |config: &mut Config| config.client.outbox_size = ByteSize::kib(16 << 10);
    let nodes = [node(&server.url()).start(), node(&proxy.url()).with(roomy).start()];
    nodes.iter().for_each(becomes_up);
    let bystander = Follower::start(&nodes[1], "bulk");
    let account = account_of(&nodes, |load| {
        let mut backend = server.connection().expect("a connection");
        let large = format!("\"{}\"", "a".repeat(60_000));
        proxy.mute();
        for pushes in 1.. {
            assert!(pushes < PUSHES_MAX, "Redis cuts nobody off");
            backend.command(&["PUBLISH", "fanfare:ch:bulk", &large]).expect("an answer");
            if pushes % 50 == 0 && server.log().contains("overcoming of output buffer limits") {
                break;
            }
        }
        load.goes_on_for(20);
        proxy.pass();
        eventually("the node notices", || nodes[1].metrics().value(SUBSCRIPTIONS_LOST) >= 1.0);
        nodes.iter().for_each(becomes_up);
        load.goes_on_for(50);
    });
    assert_eq!(account.refused, 0);
    publish(&nodes[0], "bulk", &json!("last"));
    let has_last = || bystander.heard().publications.last().is_some_and(|(_, data)| data == "last");
    eventually("whoever listened to the large ones is there", has_last);
    assert!(bystander.heard().oddities.is_empty() && bystander.heard().lapses == 0);
}

#[test]
fn a_worker_that_stands_still_catches_up_and_holds_up_no_other() {
    let server = Server::start(&Options::new());
    let gate = Arc::new(Mutex::new(()));
    let held = Arc::new(FaultyProtocol::held(CentrifugalJson, Arc::clone(&gate)));
    let one = node(&server.url()).workers(2).composed(|parts| parts.with_protocol("/held", held)).start();
    let nodes = [one, node(&server.url()).start()];
    nodes.iter().for_each(becomes_up);
    let mut stopper = User::connect(nodes[0].address(), "/held", "stopper");
    stopper.subscribe("stop");
    let mut followers = vec![Follower::start(&nodes[1], "kept:a")];
    while followers.len() < 9 || nodes[0].counters().iter().any(|worker| worker.connections < 2) {
        followers.push(Follower::start(&nodes[0], "kept:a"));
    }
    let load = Load::start(&nodes[0], "kept:a");
    load.goes_on_for(20);
    let shut = gate.lock().expect("no test panicked with it");
    publish(&nodes[0], "stop", &json!(1));
    load.goes_on_for(50);
    let before = followers[0].heard().publications.len();
    let far = |follower: &&Follower| follower.heard().publications.len() > before + 100;
    load.goes_on_for(150);
    eventually("some hear what some do not", || {
        let others = followers[1..].iter().filter(far).count();
        far(&&followers[0]) && others > 0 && others < followers.len() - 1
    });
    drop(shut);
    load.goes_on_for(50);
    load.end().was_heard_by(&followers);
    assert_eq!(stopper.publication().0, "stop");
}

/// Publishes to one of two nodes while something happens; subscribers of both must have everything.
fn under_load(server: &Server, workers: u16, happens: impl FnOnce(&Load, &[Running; 2])) -> Account {
    let nodes = pair(&server.url(), workers);
    account_of(&nodes, |load| happens(load, &nodes))
}

/// Publishes to the first node while something happens; subscribers of both must have everything.
fn account_of(nodes: &[Running; 2], happens: impl FnOnce(&Load)) -> Account {
    let followers = nodes.each_ref().map(|node| Follower::start(node, "kept:a"));
    let load = Load::start(&nodes[0], "kept:a");
    load.goes_on_for(50);
    happens(&load);
    let account = load.end();
    account.was_heard_by(&followers);
    account
}
