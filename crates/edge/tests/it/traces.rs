//! Traces of one node: which are begun, what their spans say, and that nobody waits for a collector.

use std::net::TcpListener;
use std::time::Duration;

use model::{Ratio, Secret};
use serde_json::json;
use testkit::http;

use crate::collector::Collector;
use crate::edge::{API_KEY, Running, Setup, edge};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const FAILED: &str = "fanfare_spans_total{outcome=\"failed\"}";

#[test]
fn a_traced_request_and_its_delivery_are_told_of_and_nothing_that_is_secret() {
    let collector = Collector::start(200);
    let authorize =
        |setup: Setup| setup.with(|config| config.tracing.authorization = Secret::new("Bearer x"));
    let edge = authorize(traced(&collector.url(), "0")).start();
    let mut users = [edge.client("alice"), edge.client("bob")];
    users.iter_mut().for_each(|user| user.subscribe("chat:secret-room"));
    publish(&edge, "chat:secret-room", "01");
    assert!(users.iter_mut().all(|user| user.publication().1 == "\"secret-payload\""));
    edge.settles("fanfare_spans_total{outcome=\"sent\"}", 2.0);
    let [request, delivery] = &collector.spans(2)[..] else { panic!("two spans") };
    assert_eq!((request.span.name.as_str(), request.span.kind), ("POST /api/publish", 2));
    assert_eq!(hex(&request.span.trace_id), TRACE);
    assert_eq!(hex(&request.span.parent_span_id), "b7ad6b7169203331");
    assert_eq!(request.span.trace_state, "a=1");
    assert_eq!(
        (request.says("fanfare.code"), request.says("fanfare.namespace")),
        ("0".into(), "chat".into())
    );
    assert_eq!(request.says("http.response.status_code"), "200");
    assert_eq!((delivery.span.name.as_str(), delivery.span.kind), ("deliver", 5));
    assert_eq!(delivery.span.trace_id, request.span.trace_id);
    assert_eq!(delivery.span.parent_span_id, request.span.span_id);
    assert_eq!(delivery.span.trace_state, "a=1");
    for key in ["fanfare.subscribers", "fanfare.deliveries"] {
        assert_eq!(delivery.says(key), "2");
    }
    assert!(delivery.span.end_time_unix_nano > delivery.span.start_time_unix_nano);
    assert_eq!(
        (request.node("service.name"), request.node("service.version")),
        ("fanfare".into(), "test".into())
    );
    let (heads, bodies) = collector.requests();
    assert!(heads.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{heads}");
    assert!(heads.contains("authorization: Bearer x\r\n"), "{heads}");
    for secret in ["secret", "alice", "bob", API_KEY, "Bearer"] {
        assert!(!bodies.contains(secret), "{secret}");
    }
}

#[test]
fn what_is_not_sampled_is_not_told_of() {
    let collector = Collector::start(200);
    let edge = traced(&collector.url(), "1").start();
    let mut alice = edge.client("alice");
    alice.subscribe("chat:a");
    publish(&edge, "chat:a", "00");
    alice.publication();
    // Without a caller's trace, the node begins one.
    edge.publish("chat:a", "1");
    alice.publication();
    let [request, delivery] = &collector.spans(2)[..] else { panic!("two spans") };
    assert_ne!(hex(&request.span.trace_id), TRACE);
    assert!(request.span.parent_span_id.is_empty());
    assert_eq!(delivery.span.parent_span_id, request.span.span_id);
}

#[test]
fn a_client_that_publishes_begins_a_trace() {
    let collector = Collector::start(200);
    let edge = traced(&collector.url(), "1").start();
    let mut alice = edge.client("alice");
    alice.subscribe("chat:a");
    alice.publish("chat:a", "1");
    alice.publication();
    let [publish, delivery] = &collector.spans(2)[..] else { panic!("two spans") };
    let (publish, delivery) = match publish.span.name.as_str() {
        "publish" => (publish, delivery),
        _ => (delivery, publish),
    };
    assert_eq!(
        (publish.says("fanfare.code"), publish.says("fanfare.namespace")),
        ("0".into(), "chat".into())
    );
    assert_eq!(delivery.span.parent_span_id, publish.span.span_id);
    let none = traced(&collector.url(), "0").start();
    none.client("bob").publish("chat:a", "1");
    none.stop();
    assert!(none.ends_within(testkit::PATIENCE));
    collector.spans(2);
}

#[test]
fn a_collector_that_refuses_or_is_silent_costs_spans_and_nothing_else() {
    let refuses = Collector::start(400);
    let edge = traced(&refuses.url(), "1").start();
    edge.publish("news", "1");
    edge.settles(FAILED, 1.0);
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    let edge = traced(&url, "1").start();
    let mut alice = edge.client("alice");
    alice.subscribe("news");
    for number in 0..100 {
        edge.publish("news", &number.to_string());
        assert_eq!(alice.publication().1, number.to_string());
    }
    edge.stop();
    assert!(edge.ends_within(testkit::PATIENCE + Duration::from_secs(2)));
}

#[test]
fn spans_that_have_ended_are_sent_before_the_node_ends() {
    let collector = Collector::start(200);
    let edge = traced(&collector.url(), "1").start();
    edge.publish("news", "1");
    edge.stop();
    assert!(edge.ends_within(testkit::PATIENCE));
    collector.spans(1);
}

/// Publishes beneath a span of somebody's trace.
fn publish(edge: &Running, channel: &str, flags: &str) {
    let headers = format!(
        "X-API-Key: {API_KEY}\r\ntraceparent: 00-{TRACE}-b7ad6b7169203331-{flags}\r\ntracestate: a=1\r\n"
    );
    let body = json!({"channel": channel, "data": "secret-payload"}).to_string();
    let answer = http::post(edge.internal(), "/api/publish", &headers, &body).expect("an answer");
    assert_eq!((answer.status, answer.body.as_str()), (200, "{\"result\":{}}"));
}

fn traced(url: &str, ratio: &str) -> Setup {
    let ratio: Ratio = ratio.parse().expect("a ratio");
    edge().with(|config| {
        config.tracing.url = url.to_owned();
        config.tracing.sample_ratio = ratio;
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
