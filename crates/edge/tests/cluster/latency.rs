//! What a delivery took, stage by stage, on the node that made it.

use std::time::Duration;

use serde_json::json;
use testkit::redis::{Options, Proxy, Server};
use testkit::{eventually, holds_within};

use crate::edge::Running;
use crate::follower::Follower;
use crate::nodes::{becomes_up, node, pair, publish};

const SKEWS: &str = "fanfare_redis_clock_skews_total";

#[test]
fn a_delivery_is_measured_from_the_node_that_took_the_publication_on() {
    const COUNT: u32 = 5;
    const DELAY: Duration = Duration::from_millis(30);
    let server = Server::start(&Options::new());
    let proxy = Proxy::start(server.port());
    let (near, far) = (node(&server.url()).start(), node(&proxy.url()).start());
    [&near, &far].into_iter().for_each(becomes_up);
    let followers = [(); 2].map(|()| Follower::start(&far, "news"));
    proxy.delay(DELAY);
    for number in 0..COUNT {
        publish(&near, "news", &json!(number));
    }
    followers.iter().for_each(|follower| drop(follower.hears(COUNT as usize)));
    is_counted(&far, [COUNT, 2 * COUNT, 2 * COUNT]);
    let [broker, here, total] = sums(&far);
    let least = (COUNT * DELAY).as_secs_f64();
    assert!(broker >= least, "{broker} s for {COUNT} publications");
    // A delivery has its publication's whole way behind it.
    let whole = 2.0 * broker + here;
    assert!((total - whole).abs() < 0.001, "{total} s in all: {broker} s, {here} s");
    is_counted(&near, [0, 0, 0]);
    let taken_in = [&near, &far].map(|node| node.metrics().value("fanfare_redis_publications_total"));
    assert_eq!(taken_in, [0.0, f64::from(COUNT)]);
    assert_eq!(far.metrics().value(SKEWS), 0.0);
}

#[test]
fn what_says_not_when_it_was_taken_on_is_measured_from_its_arrival() {
    let server = Server::start(&Options::new());
    let [node, _other] = pair(&server.url(), 1);
    let follower = Follower::start(&node, "news");
    let mut backend = server.connection().expect("a connection");
    for payload in ["1", "2", "3"] {
        backend.command(&["PUBLISH", "fanfare:ch:news", payload]).expect("Redis answers");
    }
    follower.hears(3);
    is_counted(&node, [0, 3, 3]);
    let [_, here, total] = sums(&node);
    assert_eq!(here, total);
}

#[test]
fn a_publication_from_the_future_took_no_time_and_is_counted() {
    let server = Server::start(&Options::new());
    let [node, _other] = pair(&server.url(), 1);
    let follower = Follower::start(&node, "news");
    let mut backend = server.connection().expect("a connection");
    let field = |id: u8, bytes: &[u8]| [&[id, 0, 0, 0, bytes.len() as u8], bytes].concat();
    let future = [&[0xfa, 1][..], &field(1, b"1"), &field(4, &u64::MAX.to_be_bytes())].concat();
    backend.command(&[b"PUBLISH".as_slice(), b"fanfare:ch:news", &future]).expect("Redis answers");
    follower.hears(1);
    eventually("the skew is counted", || node.metrics().value(SKEWS) == 1.0);
    is_counted(&node, [1, 1, 1]);
    let [broker, here, total] = sums(&node);
    assert_eq!((broker, here), (0.0, total));
}

/// Waits until a node has counted so much in each stage: what the broker counts is shown now and then.
fn is_counted(node: &Running, expected: [u32; 3]) {
    let counts = || stages(node, "count").map(|count| count as u32);
    holds_within(testkit::PATIENCE, || counts() == expected);
    assert_eq!(counts(), expected);
}

/// Seconds in each stage.
fn sums(node: &Running) -> [f64; 3] {
    stages(node, "sum")
}

fn stages(node: &Running, what: &str) -> [f64; 3] {
    let metrics = node.metrics();
    ["broker", "node", "total"]
        .map(|stage| metrics.value(&format!("fanfare_delivery_latency_seconds_{what}{{stage=\"{stage}\"}}")))
}
