//! The primary is replaced by Sentinel: nodes go on with the new one.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::redis::{Sentinels, Server};
use testkit::{eventually, holds_within};

use crate::follower::Follower;
use crate::load::Load;
use crate::nodes::{ask, becomes_up, pair, publish};
use crate::replaced::was_heard_or_told;

/// How long nodes may take to go on, from the fault on.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn both_nodes_go_on_with_the_new_primary_when_the_old_one_stands_still() {
    goes_on(|group| {
        let old = group.primary();
        old.pause();
        group.wait_for_new_primary(PATIENCE);
        old
    });
}

#[test]
fn a_former_primary_that_still_answers_is_left() {
    goes_on(|group| {
        let old = group.primary();
        group.failover();
        group.wait_for_new_primary(PATIENCE);
        old
    });
}

#[test]
fn what_a_replica_lost_is_told_once_and_no_number_stands_for_two() {
    let group = Sentinels::start();
    let nodes = pair(&group.url(), 1);
    let followers = nodes.each_ref().map(|node| Follower::start(node, "kept:a"));
    let before: Vec<Value> = (1..=3).map(|number| publish(&nodes[0], "kept:a", &json!(number))).collect();
    group.primary().wait_for_replication();
    group.cut_off_replicas();
    for number in 4..=6 {
        publish(&nodes[1], "kept:a", &json!(number));
    }
    followers.iter().for_each(|follower| drop(follower.hears(6)));
    group.kill_primary();
    group.wait_for_new_primary(PATIENCE);
    nodes.iter().for_each(becomes_up);
    for follower in &followers {
        eventually("the subscriber is told and comes back", || follower.heard().epochs.len() == 2);
    }
    let after = publish(&nodes[0], "kept:a", &json!("after"));
    assert_ne!(after["epoch"], before[0]["epoch"]);
    for follower in &followers {
        let heard = follower.hears(7);
        assert_eq!((heard.lapses, heard.epochs.len()), (1, 2), "{heard:?}");
        assert_eq!(heard.epochs[1], after["epoch"]);
        let numbers: Vec<u64> = heard.publications[..6].iter().map(|(offset, _)| *offset).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
        assert_eq!(heard.publications[6], (after["offset"].as_u64().expect("a number"), json!("after")));
    }
}

/// Publishes from one node to both while the primary is replaced.
fn goes_on(replace: impl FnOnce(&Sentinels) -> &Server) {
    let group = Sentinels::start();
    let nodes = pair(&group.url(), 1);
    let followers = nodes.each_ref().map(|node| Follower::start(node, "kept:a"));
    let bystanders = nodes.each_ref().map(|node| Follower::start(node, "news"));
    let load = Load::start(&nodes[0], "kept:a");
    load.goes_on_for(50);
    let old = replace(&group);
    assert!(holds_within(PATIENCE, || nodes.iter().all(crate::nodes::is_up)), "both nodes find the new one");
    load.goes_on_for(50);
    // Answers again, as the primary that it was: nobody may listen to it.
    old.resume();
    nodes.iter().for_each(becomes_up);
    load.goes_on_for(100);
    was_heard_or_told(&load.end(), &followers);
    for node in &nodes {
        let told = json!({"from": node.address().port()});
        let is_heard = || {
            let answer = ask(node, "publish", &json!({"channel": "news", "data": told}));
            let is_it =
                |follower: &Follower| follower.heard().publications.iter().any(|(_, data)| *data == told);
            answer["result"].is_object() && bystanders.iter().all(is_it)
        };
        eventually("both nodes hear both", is_heard);
    }
}
