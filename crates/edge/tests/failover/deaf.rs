//! A node that goes deaf alone, for longer than a rebuilt connection may take to bring its probe back.

use std::time::Duration;

use testkit::holds_within;
use testkit::redis::{Muffle, Options, Server};

use crate::nodes::{becomes_up, node, readiness};

/// Misses, a rebuild, and the time after it, many times over.
const PATIENCE: Duration = Duration::from_secs(90);

#[test]
fn a_node_that_alone_is_deaf_loses_its_traffic_and_gets_it_back() {
    let server = Server::start(&Options::new());
    let muffle = Muffle::start(server.port());
    let (near, deaf) = (node(&server.url()).start(), node(&muffle.url()).start());
    [&near, &deaf].into_iter().for_each(becomes_up);
    muffle.set(true);
    assert!(holds_within(PATIENCE, || readiness(&deaf).status == 503), "it is never red");
    let found = readiness(&deaf).broker;
    assert!(found.starts_with("redis: down ") && found.ends_with("the node's own probe"), "{found}");
    assert_eq!(readiness(&near).status, 200);
    let value = |series: &str| deaf.metrics().value(&format!("fanfare_redis_{series}"));
    assert!(value("probe_age_seconds") > 10.0 && value("probes_missed_total") >= 3.0);
    assert!(value("rebuilds_total") >= 1.0);
    muffle.set(false);
    becomes_up(&deaf);
}
