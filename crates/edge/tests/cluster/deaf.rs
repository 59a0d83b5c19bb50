//! A node that its Redis answers and does not hand anything on to.

use std::time::{Duration, Instant};

use model::limits;
use serde_json::json;
use testkit::eventually;
use testkit::redis::{Muffle, Options, Server};

use crate::follower::Follower;
use crate::nodes::{ask, becomes_up, is_up, node, publish, readiness, says};

/// What an answer may come later than its deadline on a busy machine.
const LATE_MAX: Duration = Duration::from_secs(2);

#[test]
fn a_node_gets_no_traffic_before_its_own_probe_came_back() {
    let server = Server::start(&Options::new());
    let muffle = Muffle::start(server.port());
    muffle.set(true);
    let node = node(&muffle.url()).start();
    says(&node, " does not hand on the node's own probe");
    // Commands are answered all the while.
    publish(&node, "kept:a", &json!(1));
    assert_eq!((readiness(&node).status, is_up(&node)), (503, false));
    let value = |series: &str| node.metrics().value(&format!("fanfare_redis_{series}"));
    eventually("a probe is missed", || value("probes_missed_total") >= 1.0);
    let age = value("probe_age_seconds");
    assert!(age >= 1.0 && value("probe_duration_seconds_count") == 0.0, "{age}");
    muffle.set(false);
    becomes_up(&node);
    eventually("the probe is fresh", || value("probe_age_seconds") < age);
    assert!(value("probe_duration_seconds_count") >= 1.0);
}

#[test]
fn who_subscribes_while_nothing_is_handed_on_gets_everything_from_its_position_on() {
    let server = Server::start(&Options::new());
    let muffle = Muffle::start(server.port());
    let (near, deaf) = (node(&server.url()).start(), node(&muffle.url()).start());
    [&near, &deaf].into_iter().for_each(becomes_up);
    let early = Follower::start(&deaf, "kept:a");
    publish(&near, "kept:a", &json!(1));
    early.hears(1);
    // A node compares its channels one after the other, these within its first second and then not for 40.
    eventually("the node has looked", || {
        ask(&deaf, "info", &json!({}))["result"]["nodes"][0]["uptime"].as_u64() >= Some(1)
    });
    muffle.set(true);
    for number in 2..=3 {
        publish(&near, "kept:a", &json!(number));
    }
    // The channel is live on that node, which does not know yet that it misses something.
    let told = deaf.client("told").ask("\"subscribe\":{\"channel\":\"kept:a\"}");
    assert_eq!(told["subscribe"]["offset"], 1, "{told}");
    let late = Follower::start(&deaf, "kept:a");
    muffle.set(false);
    // The hole shows by what follows it.
    publish(&near, "kept:a", &json!(4));
    let expected = |first: u64| (first..=4).map(|number| (number, json!(number))).collect::<Vec<_>>();
    assert_eq!(late.hears(3).publications, expected(2));
    assert_eq!(early.hears(4).publications, expected(1));
    assert_eq!(early.heard().lapses + late.heard().lapses, 0);
    let filled = "fanfare_channel_repairs_total{outcome=\"filled\"}";
    assert_eq!((near.metrics().value(filled), deaf.metrics().value(filled)), (0.0, 1.0));
    assert_eq!(deaf.metrics().value("fanfare_channels_repairing"), 0.0);
}

#[test]
fn who_recovers_while_redis_stands_still_is_refused_in_time() {
    let server = Server::start(&Options::new());
    let node = node(&server.url()).start();
    becomes_up(&node);
    let follower = Follower::start(&node, "kept:a");
    publish(&node, "kept:a", &json!(1));
    let epoch = follower.hears(1).epochs[0].clone();
    let mut late = node.client("late");
    server.pause();
    let asked = Instant::now();
    let recover = json!({"channel": "kept:a", "recover": true, "offset": 0, "epoch": epoch});
    let reply = late.ask(&format!("\"subscribe\":{recover}"));
    assert_eq!(reply["error"]["code"], 100, "{reply}");
    assert!(asked.elapsed() < limits::SUBSCRIBE_DEADLINE + LATE_MAX, "{:?}", asked.elapsed());
    server.resume();
    eventually("what was missed is recovered", || {
        late.ask(&format!("\"subscribe\":{recover}"))["subscribe"]["recovered"] == true
    });
}
