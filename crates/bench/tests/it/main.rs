//! Every workload against a small node in this process, and what the bench says of a node that misbehaves.
#![expect(clippy::disallowed_methods, reason = "bounds of real time are what is tested")]

mod node;

use std::time::{Duration, Instant};

use bench::{Options, PublisherKind, Report, Traffic, Workload};
use node::{Behaviour, Node};

fn options(node: &Node, workload: Workload) -> Options {
    let mut options = Options::new(std::process::id(), node.clients, node.api, "secret");
    options.workloads = vec![workload];
    options.pace.window = 4;
    options.pace.repeats = 2;
    options.pace.pairs = 2;
    options.connections.held = 6;
    options.connections.warm_up = 3;
    options.connections.messages = 5;
    options.connections.settle = Duration::from_millis(50);
    options.connections.established = 8;
    options.deliveries.receivers = 5;
    options.deliveries.outstanding = vec![1, 4];
    options.deliveries.fanout_phase = Duration::from_millis(100);
    options.deliveries.rate_phase = Duration::from_millis(200);
    options.publishes.publishers = 3;
    options.publishes.subscribers = 7;
    options.publishes.phase = Duration::from_millis(100);
    options.publishes.unicast_rate = 100;
    options.pace.patience = Duration::from_secs(5);
    options
}

fn run(options: Options) -> Result<(Report, String), String> {
    let mut table = Vec::new();
    let report = bench::run(options, &|user| format!("token-{user}"), &mut table)
        .map_err(|error| error.to_string())?;
    Ok((report, String::from_utf8(table).expect("a table is text")))
}

fn failure(behaviour: Behaviour, workload: Workload) -> String {
    let node = Node::start(behaviour);
    let mut options = options(&node, workload);
    options.pace.patience = Duration::from_millis(300);
    let begun = Instant::now();
    let error = run(options).map(|(_, table)| table).expect_err("the node misbehaves");
    assert!(begun.elapsed() < Duration::from_secs(10), "{error}");
    error
}

#[test]
fn memory_is_measured_with_either_traffic() {
    for traffic in [Traffic::Rpc, Traffic::Publish] {
        let node = Node::start(Behaviour::Good);
        let mut options = options(&node, Workload::Memory);
        options.connections.traffic = traffic;
        let (report, table) = run(options).unwrap();
        assert!(report.rows[0].what.contains("6 connections, after 5 messages"), "{table}");
        assert_eq!(report.rows.len(), 4, "{table}");
    }
}

#[test]
fn connections_are_established_and_counted() {
    let node = Node::start(Behaviour::Good);
    let (report, table) = run(options(&node, Workload::Connect)).unwrap();
    assert_eq!(report.rows[0].node.samples, 2, "{table}");
    assert!(report.rows[0].node.median > 0.0 && report.rows[0].target.is_some(), "{table}");
}

#[test]
fn fanout_stands_beside_its_floor_with_either_publisher() {
    for publisher in [PublisherKind::Http, PublisherKind::Ws] {
        let node = Node::start(Behaviour::Good);
        let mut options = options(&node, Workload::Fanout);
        options.deliveries.publisher = publisher;
        let (report, table) = run(options).unwrap();
        for outstanding in [1, 4] {
            let cpu = format!("{outstanding} outstanding");
            let row = report.rows.iter().find(|row| row.what.starts_with("CPU") && row.what.ends_with(&cpu));
            let row = row.unwrap_or_else(|| panic!("{table}"));
            assert_eq!(row.ratio.map(|ratio| ratio.samples), Some(2), "{table}");
            assert!(row.floor.is_some_and(|floor| floor.median > 0.0), "{table}");
            assert!(row.target.is_none(), "the target was agreed for another shape: {table}");
        }
        // The node's counters stand still, so frames per write are unknown, and the report says so.
        assert!(table.contains("no frames per write"), "{table}");
    }
}

#[test]
fn latency_at_a_rate_stands_beside_its_floor() {
    let node = Node::start(Behaviour::Good);
    let (report, table) = run(options(&node, Workload::Rate)).unwrap();
    assert!(report.rows[0].what.contains("p99, 50/s to 5 receivers"), "{table}");
    assert!(report.rows[0].ratio.is_some(), "{table}");
}

#[test]
fn publishes_arrive_and_are_counted_at_either_pace() {
    let node = Node::start(Behaviour::Good);
    let (_, table) = run(options(&node, Workload::Publish)).unwrap();
    assert!(table.contains("CPU per publish over HTTP"), "{table}");
    let mut options = options(&node, Workload::Unicast);
    options.node.channel_prefix = "unicast-".to_owned();
    options.publishes.phase = Duration::from_millis(500);
    let (report, table) = run(options).unwrap();
    let rate = report.rows[0].node.median;
    assert!((80.0..=105.0).contains(&rate), "{table}");
}

#[test]
fn the_json_report_is_written() {
    let node = Node::start(Behaviour::Good);
    let mut options = options(&node, Workload::Connect);
    let path = std::env::temp_dir().join(format!("fanfare-bench-{}.json", std::process::id()));
    options.json = Some(path.clone());
    run(options).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["rows"][0]["workload"], "connect");
}

#[test]
fn a_refusal_names_its_stage_and_its_code() {
    let full = failure(Behaviour::Full, Workload::Connect);
    assert!(full.contains("connect, repeat 1") && full.contains("503") && full.contains("full"), "{full}");
    let forbidding = failure(Behaviour::Forbidding, Workload::Memory);
    assert!(forbidding.contains("warm-up") && forbidding.contains("103"), "{forbidding}");
    let closing = failure(Behaviour::Closing, Workload::Fanout);
    assert!(closing.contains("fanout, connecting") && closing.contains("3500"), "{closing}");
}

#[test]
fn a_node_that_hangs_is_an_error_and_not_a_hang() {
    let silent = failure(Behaviour::Silent, Workload::Publish);
    assert!(silent.contains("publish, connecting: stalled") && silent.contains("0 of 7"), "{silent}");
}

#[test]
fn a_delivery_too_many_is_an_error() {
    let twice = failure(Behaviour::Stuttering, Workload::Publish);
    assert!(twice.contains("did not get exactly"), "{twice}");
}

#[test]
fn what_is_not_there_is_refused() {
    let node = Node::start(Behaviour::Good);
    let mut options = options(&node, Workload::Connect);
    options.node.pids = vec![u32::MAX];
    assert!(run(options).unwrap_err().contains("measured process"));
    let mut options = self::options(&node, Workload::Connect);
    options.node.servers = vec!["127.0.0.1:1".parse().unwrap()];
    assert!(run(options).unwrap_err().contains("refused"));
}
