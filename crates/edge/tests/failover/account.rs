//! Published = delivered: none lost, none twice.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::eventually;
use testkit::redis::{Options, Server};

use crate::edge::Running;
use crate::nodes::{becomes_up, node, publish};
use crate::user::User;

const CONNECTIONS: usize = 2000;
const UNICASTS: usize = 2000;

#[test]
fn what_is_published_is_delivered_none_lost_and_none_twice() {
    /// 200 a second.
    const PACE: Duration = Duration::from_millis(5);
    let server = Server::start(&Options::new());
    let nodes = [(); 2].map(|()| {
        let node = node(&server.url()).with(|config| {
            config.namespaces.insert("only".to_owned(), config.channels.clone());
        });
        node.start()
    });
    nodes.iter().for_each(becomes_up);
    let mut users: Vec<User> = thread::scope(|scope| {
        let halves = nodes.each_ref().map(|node| {
            let offset = if std::ptr::eq(node, &raw const nodes[0]) { 0 } else { 1 };
            scope.spawn(move || connected(node, offset))
        });
        halves.into_iter().flat_map(|half| half.join().expect("users")).collect()
    });
    publish(&nodes[0], "news", &json!("to all"));
    let began = Instant::now();
    for number in 0..UNICASTS {
        publish(&nodes[number % 3 % 2], &format!("only:{}", number % CONNECTIONS), &json!(number));
        thread::sleep((began + PACE * number as u32).saturating_duration_since(Instant::now()));
    }
    let delivered = || nodes.iter().map(|node| node.metrics().sum("fanfare_deliveries_total")).sum::<f64>();
    eventually("everything is delivered", || delivered() >= (CONNECTIONS + UNICASTS) as f64);
    for (index, user) in users.iter_mut().enumerate() {
        let own = index % 1000 * 2 + index / 1000;
        assert_eq!(user.publication(), ("news".to_owned(), "\"to all\"".to_owned()));
        assert_eq!(user.publication(), (format!("only:{own}"), own.to_string()));
        assert!(user.has_nothing());
    }
    assert_eq!(delivered(), (CONNECTIONS + UNICASTS) as f64);
    for node in &nodes {
        assert_eq!(node.metrics().sum("fanfare_publications_lost_total"), 0.0);
    }
}

/// Every second user, each with a channel of its own beside the one of all.
fn connected(node: &Running, offset: usize) -> Vec<User> {
    let one = |number: usize| {
        let mut user = node.client(&number.to_string());
        user.subscribe("news");
        user.subscribe(&format!("only:{number}"));
        user
    };
    (offset..CONNECTIONS).step_by(2).map(one).collect()
}
