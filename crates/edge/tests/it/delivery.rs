//! Publications reach every subscriber, on whatever worker: once, in one order, encoded once per variant.

use std::sync::Arc;
use std::thread;

use model::{ChannelName, ClientInfo, Movement, Position, Publication};
use protocol::{Adapter, FrameKind, Protocol};
use protocol_centrifugal::CentrifugalJson;

use crate::edge::edge;
use crate::user::User;

const PUBLISHERS: usize = 6;
const EACH: usize = 40;

#[test]
fn what_anybody_publishes_reaches_everybody_once_and_in_one_order() {
    for workers in [1, 4] {
        let edge = edge().workers(workers).start();
        let mut subscribers = edge.crowd();
        subscribers.iter_mut().for_each(|subscriber| subscriber.subscribe("news"));
        let mut publishers = edge.crowd();
        publishers.truncate(PUBLISHERS);
        let from_clients = publishers.len() * EACH;
        let edge = &edge;
        thread::scope(|scope| {
            for (name, mut publisher) in publishers.into_iter().enumerate() {
                scope.spawn(move || {
                    for number in 0..EACH {
                        publisher.publish("news", &format!("[{name},{number}]"));
                    }
                });
            }
            scope.spawn(|| (0..EACH).for_each(|number| edge.publish("news", &format!("[99,{number}]"))));
        });
        let total = from_clients + EACH;
        let orders: Vec<Vec<String>> = subscribers.iter_mut().map(|one| take(one, "news", total)).collect();
        for order in &orders {
            assert_eq!(*order, orders[0], "with {workers} workers subscribers disagree");
        }
        assert_each_publisher_is_in_order(&orders[0]);
        assert!(subscribers.iter_mut().all(User::has_nothing), "more came than was published");
        let metrics = edge.metrics();
        let published = |source: &str| {
            metrics
                .value(&format!("fanfare_publications_total{{channel_namespace=\"\",source=\"{source}\"}}"))
        };
        assert_eq!(published("client") as usize, from_clients);
        assert_eq!(published("api") as usize, EACH);
        assert_eq!(metrics.sum("fanfare_deliveries_total") as usize, total * subscribers.len());
        assert_eq!(metrics.sum("fanfare_encodes_total") as usize, total, "there is one variant");
        assert_eq!(metrics.sum("fanfare_publications_lost_total"), 0.0);
    }
}

#[test]
fn a_publication_is_encoded_once_for_every_variant_that_is_present() {
    for workers in [1, 4] {
        let edge = edge()
            .workers(workers)
            .composed(|parts| parts.with_protocol("/dialect", Arc::new(Dialect)))
            .start();
        let mut native = edge.crowd();
        native.iter_mut().for_each(|user| user.subscribe("both"));
        native[0].subscribe("native");
        let mut dialect: Vec<User> =
            (0..8).map(|_| User::connect(edge.address(), "/dialect", "other")).collect();
        dialect.iter_mut().for_each(|user| user.subscribe("both"));

        edge.publish("native", "1");
        native[0].publication();
        assert_eq!(encodes(&edge.metrics()), [1, 0]);
        edge.publish("both", "2");
        edge.publish("both", "3");
        for user in native.iter_mut().chain(&mut dialect) {
            assert_eq!(take(user, "both", 2), ["2", "3"]);
        }
        assert_eq!(encodes(&edge.metrics()), [3, 2]);
        edge.publish("nobody", "4");
        assert_eq!(encodes(&edge.metrics()), [3, 2]);
    }
}

#[test]
fn who_publishes_hears_itself_and_who_unsubscribes_hears_no_more() {
    for workers in [1, 4] {
        let edge = edge().workers(workers).start();
        let (mut alice, mut bob) = (edge.client("alice"), edge.client("bob"));
        alice.subscribe("news");
        bob.subscribe("news");
        alice.publish("news", "{\"n\":1}");
        assert_eq!(alice.publication(), ("news".to_owned(), "{\"n\":1}".to_owned()));
        assert_eq!(bob.publication(), ("news".to_owned(), "{\"n\":1}".to_owned()));
        bob.unsubscribe("news");
        alice.publish("news", "{\"n\":2}");
        edge.publish("news", "{\"n\":3}");
        assert_eq!(take(&mut alice, "news", 2), ["{\"n\":2}", "{\"n\":3}"]);
        assert!(bob.has_nothing());
        bob.subscribe("news");
        edge.publish("news", "4");
        assert_eq!(bob.publication().1, "4");
    }
}

#[test]
fn channels_are_told_apart() {
    let edge = edge().workers(4).start();
    let mut users = edge.crowd();
    for (number, user) in users.iter_mut().enumerate() {
        user.subscribe(&format!("own{number}"));
        user.subscribe("chat:all");
    }
    for number in 0..users.len() {
        edge.publish(&format!("own{number}"), &number.to_string());
    }
    edge.publish("chat:all", "\"all\"");
    for (number, user) in users.iter_mut().enumerate() {
        assert_eq!(user.publication(), (format!("own{number}"), number.to_string()));
        assert_eq!(user.publication(), ("chat:all".to_owned(), "\"all\"".to_owned()));
    }
    assert_eq!(edge.metrics().value("fanfare_channels") as usize, users.len() + 1);
    assert_eq!(edge.metrics().value("fanfare_subscriptions") as usize, 2 * users.len());
    drop(users);
    edge.settles("fanfare_channels", 0.0);
}

fn take(user: &mut User, channel: &str, count: usize) -> Vec<String> {
    let next = |_| {
        let (from, payload) = user.publication();
        assert_eq!(from, channel);
        payload
    };
    (0..count).map(next).collect()
}

fn assert_each_publisher_is_in_order(payloads: &[String]) {
    let mut next = [0; 100];
    for payload in payloads {
        let (name, number): (usize, usize) = serde_json::from_str(payload).expect("a pair");
        assert_eq!(number, next[name], "publisher {name}");
        next[name] += 1;
    }
}

fn encodes(metrics: &testkit::Metrics) -> [usize; 2] {
    ["centrifugal_json_websocket", "dialect_websocket"]
        .map(|variant| metrics.value(&format!("fanfare_encodes_total{{variant=\"{variant}\"}}")) as usize)
}

/// The native protocol under another name, so that it is another variant.
struct Dialect;

impl Protocol for Dialect {
    fn label(&self) -> &'static str {
        "dialect"
    }

    fn kind(&self) -> FrameKind {
        CentrifugalJson.kind()
    }

    fn open(&self) -> Box<dyn Adapter> {
        CentrifugalJson.open()
    }

    fn encode(&self, channel: &ChannelName, what: &Publication, at: Option<Position>, out: &mut Vec<u8>) {
        CentrifugalJson.encode(channel, what, at, out);
    }

    fn encode_movement(&self, channel: &ChannelName, what: Movement, who: &ClientInfo, out: &mut Vec<u8>) {
        CentrifugalJson.encode_movement(channel, what, who, out);
    }
}
