//! A trace that begins at one node goes on at every other.

use std::collections::BTreeSet;

use serde_json::json;
use testkit::http;
use testkit::redis::{Options, Server};

use crate::collector::{Collected, Collector};
use crate::edge::API_KEY;
use crate::follower::Follower;
use crate::nodes::{becomes_up, node};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn a_request_to_one_node_has_a_delivery_beneath_it_on_each() {
    let server = Server::start(&Options::new());
    let collector = Collector::start(200);
    let start = || node(&server.url()).with(|config| config.tracing.url = collector.url()).start();
    let nodes = [start(), start()];
    nodes.iter().for_each(becomes_up);
    let followers = [Follower::start(&nodes[0], "chat:a"), Follower::start(&nodes[1], "chat:a")];
    let headers = format!("X-API-Key: {API_KEY}\r\ntraceparent: {PARENT}\r\ntracestate: a=1\r\n");
    let body = json!({"channel": "chat:a", "data": 1}).to_string();
    let answer = http::post(nodes[0].internal(), "/api/publish", &headers, &body).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.body);
    followers.iter().for_each(|follower| drop(follower.hears(1)));

    let spans = collector.spans(3);
    let (requests, deliveries): (Vec<&Collected>, _) =
        spans.iter().partition(|collected| collected.span.name == "POST /api/publish");
    let request = requests[0];
    assert_eq!(request.span.parent_span_id, 0xb7ad_6b71_6920_3331_u64.to_be_bytes());
    let mut of = BTreeSet::new();
    for delivery in &deliveries {
        assert_eq!(delivery.span.trace_id, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes());
        assert_eq!(delivery.span.parent_span_id, request.span.span_id);
        assert_eq!(
            (delivery.span.trace_state.as_str(), delivery.says("fanfare.deliveries")),
            ("a=1", "1".into())
        );
        of.insert(delivery.node("service.instance.id"));
    }
    assert_eq!(of.len(), 2, "one of each node");
    assert!(of.contains(&request.node("service.instance.id")));
}
