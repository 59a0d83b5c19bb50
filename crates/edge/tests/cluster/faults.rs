//! Redis falters under a steady load on a channel with history: what was acknowledged arrives, and nobody is
//! disturbed.

use std::thread;
use std::time::Duration;

use serde_json::json;
use testkit::eventually;
use testkit::redis::{Options, Proxy, Server};

use crate::edge::Running;
use crate::follower::Follower;
use crate::load::{Account, Load};
use crate::nodes::{becomes_down, becomes_up, node, pair, publish};

#[test]
fn killed_subscription_connections_cost_nobody_anything() {
    const KILLS: u64 = 7;
    let server = Server::start(&Options::new());
    let account = under_load(&server, 2, |load, nodes| {
        for kill in 1..=KILLS {
            let losses = "fanfare_redis_losses_total{purpose=\"subscriptions\"}";
            let killed = server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
            assert_ne!(killed, "0", "there was something to kill");
            for node in nodes {
                eventually("the node notices", || node.metrics().value(losses) >= kill as f64);
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

/// Publishes to one of two nodes while something happens; subscribers of both must have everything.
fn under_load(server: &Server, workers: u16, happens: impl FnOnce(&Load, &[Running; 2])) -> Account {
    let nodes = pair(&server.url(), workers);
    let followers = [Follower::start(&nodes[0], "kept:a"), Follower::start(&nodes[1], "kept:a")];
    let load = Load::start(&nodes[0], "kept:a");
    load.goes_on_for(50);
    happens(&load, &nodes);
    let account = load.end();
    account.was_heard_by(&followers);
    account
}
