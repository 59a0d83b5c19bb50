//! Redis Cluster with sharded pub/sub: channels of all primaries, slots that move, primaries that die.

use serde_json::{Value, json};
use testkit::eventually;
use testkit::redis::{Cluster, Options};

use crate::edge::Running;
use crate::follower::Follower;
use crate::load::Load;
use crate::nodes::{ask, pair, publish};
use crate::replaced::was_heard_or_told;

#[test]
fn channels_of_every_primary_are_heard_on_both_nodes_whoever_publishes() {
    let cluster = Cluster::start();
    let nodes = pair(&cluster.url(), 1);
    for channel in channels(&cluster, "news") {
        let followers = nodes.each_ref().map(|node| Follower::start(node, &channel));
        publish(&nodes[0], &channel, &json!("a"));
        publish(&nodes[1], &channel, &json!("b"));
        let key = format!("fanfare:ch:{{{channel}}}");
        let server = cluster.server(cluster.primary_of_slot(cluster.slot_of(&key)));
        assert_eq!(server.command(&["SPUBLISH", &key, "\"plain\""]), "2");
        for follower in &followers {
            let heard: Vec<Value> =
                follower.hears(3).publications.into_iter().map(|(_, data)| data).collect();
            assert_eq!(heard, [json!("a"), json!("b"), json!("plain")]);
        }
    }
    for channel in channels(&cluster, "kept:") {
        let followers = nodes.each_ref().map(|node| Follower::start(node, &channel));
        publish(&nodes[0], &channel, &json!(1));
        let key = format!("fanfare:ch:{{{channel}}}");
        let server = cluster.server(cluster.primary_of_slot(cluster.slot_of(&key)));
        let reply = server.command(&["FCALL", "fanfare_publish", "1", &key, "2"]);
        assert!(!reply.starts_with('-'), "{reply}");
        for follower in &followers {
            assert_eq!(follower.hears(2).publications, [(1, json!(1)), (2, json!(2))]);
        }
    }
}

#[test]
fn nodes_know_each_other_and_list_the_channels_of_all() {
    let cluster = Cluster::start();
    let nodes = pair(&cluster.url(), 1);
    let _followers = nodes.each_ref().map(|node| Follower::start(node, "news"));
    for node in &nodes {
        eventually("they know each other", || node.metrics().value("fanfare_nodes") == 2.0);
        let answer = ask(node, "channels", &json!({}));
        assert_eq!(answer["result"], json!({"channels": {"news": {"num_clients": 2}}}));
        assert!(
            ask(node, "unsubscribe", &json!({"user": "nobody", "channel": "news"}))["result"].is_object()
        );
    }
    for node in &nodes {
        eventually("each carried out what the other was asked", || {
            node.metrics().value("fanfare_directives_total{outcome=\"done\"}") == 1.0
        });
    }
}

#[test]
fn a_slot_that_moves_under_load_costs_nobody_anything() {
    let cluster = Cluster::start();
    let nodes = pair(&cluster.url(), 1);
    let (followers, load) = loaded(&nodes, "kept:a");
    let slot = cluster.slot_of("kept:a");
    for _ in 0..3 {
        let from = cluster.primary_of_slot(slot);
        let to = cluster.primaries().into_iter().find(|&index| index != from).expect("another primary");
        cluster.migrate_slot(slot, to);
        load.goes_on_for(50);
    }
    load.end().was_heard_by(&followers);
}

#[test]
fn a_primary_that_dies_is_replaced_and_nodes_heal() {
    let cluster = Cluster::start_with(&Options::new().append_only());
    let nodes = pair(&cluster.url(), 1);
    let (followers, load) = loaded(&nodes, "kept:a");
    let others = nodes.each_ref().map(|node| Follower::start(node, "news"));
    cluster.kill_primary(cluster.primary_of_slot(cluster.slot_of("kept:a")));
    load.goes_on_for(100);
    nodes.iter().for_each(crate::nodes::becomes_up);
    was_heard_or_told(&load.end(), &followers);
    publish(&nodes[0], "news", &json!("after"));
    others.iter().for_each(|other| drop(other.hears(1)));
}

fn loaded(nodes: &[Running; 2], channel: &str) -> ([Follower; 2], Load) {
    let followers = nodes.each_ref().map(|node| Follower::start(node, channel));
    let load = Load::start(&nodes[0], channel);
    load.goes_on_for(50);
    (followers, load)
}

/// One channel for each primary.
fn channels(cluster: &Cluster, stem: &str) -> Vec<String> {
    let at = |primary: usize| {
        let names = (0..).map(|number| format!("{stem}{number}"));
        let mut names = names.skip_while(|name| cluster.primary_of_slot(cluster.slot_of(name)) != primary);
        names.next().expect("every primary has slots")
    };
    cluster.primaries().into_iter().map(at).collect()
}
