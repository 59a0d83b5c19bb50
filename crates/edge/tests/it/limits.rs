//! How many may connect, and how fast: the next get 503 and are told when to come back.

use testkit::{Client, eventually};

use crate::edge::{Running, edge};
use crate::user::User;

#[test]
fn beyond_the_connection_limit_clients_are_told_to_come_back() {
    const LIMIT: usize = 30;
    for workers in [1, 4] {
        let edge = edge().workers(workers).with(|config| config.connection_limit = LIMIT as u32).start();
        assert_eq!(edge.metrics().value("fanfare_connections_limit"), LIMIT as f64);
        let mut users: Vec<User> = (0..LIMIT).map(|number| edge.client(&format!("user{number}"))).collect();
        for _ in 0..3 {
            assert_refused(&edge);
        }
        assert!(users.iter_mut().all(User::has_nothing), "those who are there stay");
        users.pop();
        eventually("another may come", || head(&edge).0.starts_with("HTTP/1.1 101 "));
        let metrics = edge.metrics();
        assert!(metrics.value("fanfare_connections_refused_total{reason=\"connection_limit\"}") >= 3.0);
        drop(users);
        edge.settles("fanfare_connections", 0.0);
        let again: Vec<User> = (0..LIMIT).map(|number| edge.client(&format!("user{number}"))).collect();
        assert_eq!(edge.metrics().value("fanfare_connections"), again.len() as f64);
    }
}

#[test]
fn a_storm_does_not_get_past_the_connection_limit() {
    const LIMIT: usize = 20;
    let edge = edge().workers(4).with(|config| config.connection_limit = LIMIT as u32).start();
    let edge = &edge;
    let heads: Vec<(String, Option<Client>)> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..100).map(|_| scope.spawn(move || head(edge))).collect();
        clients.into_iter().map(|client| client.join().expect("a client")).collect()
    });
    let accepted = heads.iter().filter(|(head, _)| head.starts_with("HTTP/1.1 101 ")).count();
    assert!(accepted <= LIMIT, "{accepted}");
    // Those that are refused meanwhile count until they have left.
    assert!(accepted > 0);
    assert!(edge.metrics().value("fanfare_connections") <= LIMIT as f64);
}

#[test]
fn beyond_the_connect_rate_clients_are_told_to_come_back() {
    for workers in [1, 4] {
        let edge = edge().workers(workers).with(|config| config.connect_rate_limit = 5).start();
        let clients: Vec<(String, Option<Client>)> = (0..20).map(|_| head(&edge)).collect();
        let refused: Vec<&String> =
            clients.iter().map(|(head, _)| head).filter(|head| head.starts_with("HTTP/1.1 503 ")).collect();
        assert!((1..=15).contains(&refused.len()), "{}", refused.len());
        refused.iter().for_each(|head| assert_comes_back(head));
        let counted = edge.metrics().value("fanfare_connections_refused_total{reason=\"connect_rate\"}");
        assert_eq!(counted as usize, refused.len());
        eventually("others may come later", || head(&edge).0.starts_with("HTTP/1.1 101 "));
    }
}

#[test]
fn a_limit_that_descriptors_do_not_allow_is_found_at_the_start() {
    let refused = edge().with(|config| config.connection_limit = u32::MAX).try_start();
    let error = refused.err().expect("too many").to_string();
    assert!(error.starts_with("connection_limit: 4294967295 "), "{error}");
    assert!(error.contains("lower it to ") && !error.contains('\n'), "{error}");
}

fn assert_refused(edge: &Running) {
    let (head, _) = head(edge);
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert_comes_back(&head);
}

fn assert_comes_back(head: &str) {
    let seconds = head.lines().find_map(|line| line.strip_prefix("retry-after: "));
    let seconds: u64 = seconds.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{head}"));
    assert!((1..=10).contains(&seconds), "{head}");
}

fn head(edge: &Running) -> (String, Option<Client>) {
    let (client, head) = Client::request(edge.address(), edge::NATIVE_PATH, "").expect("an answer");
    (head, Some(client))
}
