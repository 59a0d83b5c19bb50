//! A Redis that stands still for longer than any repair waits.

use std::thread;
use std::time::Duration;

use testkit::redis::{Options, Server};

use crate::follower::Follower;
use crate::load::Load;
use crate::nodes::{becomes_up, pair};

#[test]
fn a_redis_that_stands_still_for_a_minute_costs_nobody_anything() {
    let server = Server::start(&Options::new());
    let nodes = pair(&server.url(), 1);
    let followers = nodes.each_ref().map(|node| Follower::start(node, "kept:a"));
    let load = Load::start(&nodes[0], "kept:a");
    load.goes_on_for(50);
    server.pause();
    thread::sleep(Duration::from_secs(60));
    server.resume();
    load.goes_on_for(100);
    nodes.iter().for_each(becomes_up);
    load.end().was_heard_by(&followers);
}
