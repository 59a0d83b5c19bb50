//! Health: what probes are told of a node that works.

use serde_json::Value;
use testkit::http;

use crate::edge::edge;

#[test]
fn every_thread_is_named_and_alive() {
    for workers in [1, 4] {
        let edge = edge().workers(workers).start();
        let threads = (0..workers).map(|index| format!("worker-{index}"));
        let threads: Vec<String> =
            threads.chain(["broker-thread".to_owned(), "control".to_owned()]).collect();
        let live = report(&edge, "/livez");
        assert_eq!(live["status"], "ok");
        assert_eq!(names(&live), threads);
        let ready = report(&edge, "/readyz");
        assert_eq!(ready["status"], "ok");
        let others = ["draining", "broker"].map(str::to_owned);
        assert_eq!(names(&ready), threads.into_iter().chain(others).collect::<Vec<_>>());
        assert_eq!(report(&edge, "/startupz")["status"], "ok");
        assert_eq!(report(&edge, "/health"), serde_json::json!({}));
    }
}

fn report(edge: &crate::edge::Running, path: &str) -> Value {
    let answer = http::get(edge.internal(), path).expect("an answer");
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
    serde_json::from_str(&answer.body).expect("JSON")
}

fn names(report: &Value) -> Vec<String> {
    let checks = report["checks"].as_array().expect("checks");
    assert!(checks.iter().all(|check| check["ok"] == true), "{report}");
    checks.iter().filter_map(|check| check["name"].as_str()).map(str::to_owned).collect()
}
