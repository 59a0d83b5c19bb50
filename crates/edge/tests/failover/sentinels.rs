//! The primary is replaced by Sentinel: nodes go on with the new one.

use std::time::Duration;

use serde_json::json;
use testkit::redis::{Sentinels, Server};
use testkit::{eventually, holds_within};

use crate::follower::Follower;
use crate::load::Load;
use crate::nodes::{ask, becomes_up, pair};

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

/// Publishes from one node to both while the primary is replaced.
fn goes_on(replace: impl FnOnce(&Sentinels) -> &Server) {
    let group = Sentinels::start();
    let url = format!("redis+sentinel://{}/{}", group.addresses().join(","), group.master_name());
    let nodes = pair(&url, 1);
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
    let account = load.end();
    let &(_, last) = account.acknowledged.last().expect("something was acknowledged");
    for follower in &followers {
        eventually("the last one is heard", || {
            follower.heard().publications.last().is_some_and(|&(offset, _)| offset >= last)
        });
        let heard = follower.heard();
        assert!(heard.oddities.is_empty(), "{:?}", heard.oddities);
        // What a replica had not got yet when it took over is lost, and then that is told; else nothing is.
        if heard.lapses == 0 {
            account.is_within(&heard);
        }
        assert!(heard.lapses <= 1, "{} lapses", heard.lapses);
    }
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
