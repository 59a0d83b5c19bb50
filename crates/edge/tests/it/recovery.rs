//! Channels with history: subscribers have positions, who comes back gets what it missed, clients and backends
//! read what is kept.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use edge::config::Config;
use engine::{NamespaceConfig, RecoveryMode};
use model::Period;
use serde_json::{Value, json};

use crate::edge::{Running, Setup, edge, token_with_channels};
use crate::user::User;

/// What a subscriber knows of a channel.
#[derive(Debug, Clone, PartialEq)]
struct Place {
    epoch: Value,
    offset: u64,
}

#[test]
fn a_subscriber_is_told_where_it_begins_and_each_publication_has_its_number() {
    for workers in [1, 4] {
        let edge = with_history(|_| {}).workers(workers).start();
        let mut early = edge.client("early");
        let reply = subscribe(&mut early, "kept:a", "");
        let epoch = reply["epoch"].clone();
        assert_eq!(reply, json!({"recoverable": true, "epoch": epoch, "positioned": true}));
        for number in 1..=3 {
            assert_eq!(publish(&edge, "kept:a", number), Place { epoch: epoch.clone(), offset: number });
        }
        early.publish("kept:a", "4");
        for number in 1..=4 {
            let push = early.push();
            assert_eq!(push["push"]["pub"]["offset"], number, "{push}");
            assert_eq!(push["push"]["pub"]["data"], number, "{push}");
        }
        let reply = subscribe(&mut edge.client("late"), "kept:a", "");
        assert_eq!(reply, json!({"recoverable": true, "epoch": epoch, "offset": 4, "positioned": true}));
        edge.call("publish", r#"{"channel":"kept:a","data":"passing","skip_history":true}"#);
        assert_eq!(early.push()["push"]["pub"], json!({"data": "passing"}));
        let reply = subscribe(&mut edge.client("bare"), "bare", "");
        assert_eq!(reply, json!({}));
    }
}

#[test]
fn who_comes_back_gets_what_it_missed_once_and_in_order() {
    const BEFORE: u64 = 20;
    const ALL: u64 = 220;
    for workers in [1, 4] {
        let edge = with_history(|_| {}).workers(workers).start();
        let mut users = edge.crowd();
        let epoch = {
            let replies = users.iter_mut().map(|user| subscribe(user, "kept:a", "")["epoch"].clone());
            let epochs: Vec<Value> = replies.collect();
            assert!(epochs.iter().all(|epoch| *epoch == epochs[0]), "{epochs:?}");
            epochs[0].clone()
        };
        (1..=BEFORE).for_each(|number| drop(publish(&edge, "kept:a", number)));
        let count = users.len();
        for user in &mut users {
            assert_eq!(offsets_until(user, 0, BEFORE), BEFORE);
        }
        drop(users);
        let place = |offset: u64| Place { epoch: epoch.clone(), offset };
        let edge = &edge;
        thread::scope(|scope| {
            scope.spawn(|| (BEFORE + 1..=ALL).for_each(|number| drop(publish(edge, "kept:a", number))));
            for index in 0..count {
                let place = place(BEFORE - index as u64 % 10);
                scope.spawn(move || {
                    let mut user = edge.client("back");
                    let reply = recover(&mut user, "kept:a", &place);
                    assert_eq!(reply["recovered"], true, "{reply}");
                    assert_eq!(reply["was_recovering"], true, "{reply}");
                    let missed = publications(&reply);
                    let expected: Vec<u64> = (place.offset + 1..).take(missed.len()).collect();
                    assert_eq!(missed, expected, "{reply}");
                    // Client libraries count on from what they said they had seen.
                    assert_eq!(reply["offset"], place.offset, "{reply}");
                    let reached = place.offset + missed.len() as u64;
                    offsets_until(&mut user, reached, ALL);
                    assert!(user.has_nothing());
                });
            }
        });
        assert_eq!(edge.metrics().sum("fanfare_publications_lost_total"), 0.0);
        assert_eq!(edge.metrics().sum("fanfare_publications_duplicate_total"), 0.0);
    }
}

#[test]
fn who_was_away_for_too_long_is_told_so() {
    let edge = with_history(|namespace| namespace.history_size = 3).start();
    let first = publish(&edge, "kept:a", 1);
    (2..=6).for_each(|number| drop(publish(&edge, "kept:a", number)));
    let mut user = edge.client("late");
    let expected = json!({
        "recoverable": true, "epoch": first.epoch, "offset": 6, "positioned": true, "was_recovering": true,
    });
    assert_eq!(recover(&mut user, "kept:a", &first), expected);
    publish(&edge, "kept:a", 7);
    assert_eq!(user.push()["push"]["pub"]["offset"], 7);
    // What is still kept is still there to be had.
    let within = Place { offset: 4, ..first.clone() };
    assert_eq!(publications(&recover(&mut edge.client("early"), "kept:a", &within)), [5, 6, 7]);
    let foreign = Place { epoch: json!("another"), offset: 7 };
    let reply = recover(&mut edge.client("lost"), "kept:a", &foreign);
    assert_eq!((&reply["recovered"], &reply["was_recovering"]), (&Value::Null, &json!(true)), "{reply}");
    let strict = format!(",\"recover\":true,\"offset\":1,\"epoch\":{},\"flag\":2", first.epoch);
    let reply = edge.client("strict").ask(&format!("\"subscribe\":{{\"channel\":\"kept:a\"{strict}}}"));
    assert_eq!(reply["error"]["code"], 112, "{reply}");
}

#[test]
fn who_is_sent_away_for_its_age_comes_back_without_loss() {
    const FOLLOWERS: usize = 8;
    let age = Period::seconds(2);
    let edge = with_history(|_| {}).workers(2).with(|config| config.client.connection_age = age).start();
    let (aged, edge) = (AtomicUsize::new(0), &edge);
    let last = AtomicU64::new(u64::MAX);
    thread::scope(|scope| {
        for _ in 0..FOLLOWERS {
            scope.spawn(|| {
                follow(edge, &last, || {
                    aged.fetch_add(1, Ordering::Relaxed);
                })
            });
        }
        let mut number = 0;
        while aged.load(Ordering::Relaxed) < 2 * FOLLOWERS {
            number += 1;
            publish(edge, "kept:a", number);
            // One recovery brings back so many at most.
            thread::sleep(Duration::from_millis(5));
        }
        last.store(number + 1, Ordering::Relaxed);
        publish(edge, "kept:a", number + 1);
    });
    let metrics = edge.metrics();
    let closed = metrics.value("fanfare_connections_closed_total{code=\"3011\"}");
    assert!(closed >= 2.0 * FOLLOWERS as f64, "{closed}");
    assert_eq!(metrics.sum("fanfare_publications_lost_total"), 0.0);
}

/// Hears everything of a channel up to the last, over as many connections as it takes.
fn follow(edge: &Running, last: &AtomicU64, on_aged: impl Fn()) {
    let mut user = edge.client("follower");
    let mut place = Place { epoch: subscribe(&mut user, "kept:a", "")["epoch"].clone(), offset: 0 };
    // Whoever subscribed late begins there.
    let mut is_first = true;
    while place.offset < last.load(Ordering::Relaxed) {
        match user.push_or_close() {
            Ok(push) => {
                let offset = push["push"]["pub"]["offset"].as_u64().expect("an offset");
                assert!(offset == place.offset + 1 || is_first, "{offset} after {}", place.offset);
                (place.offset, is_first) = (offset, false);
            }
            Err(close) => {
                assert_eq!(close, (3011, "force reconnect".to_owned()));
                on_aged();
                user = edge.client("follower");
                let reply = recover(&mut user, "kept:a", &place);
                assert_eq!(reply["recovered"], true, "{reply}");
                let missed = publications(&reply);
                let expected: Vec<u64> = (place.offset + 1..).take(missed.len()).collect();
                assert_eq!(missed, expected, "{reply}");
                place.offset += missed.len() as u64;
            }
        }
    }
}

#[test]
fn a_removed_history_keeps_its_position() {
    let edge = with_history(|_| {}).start();
    let first = publish(&edge, "kept:a", 1);
    let second = publish(&edge, "kept:a", 2);
    let mut user = edge.client("here");
    subscribe(&mut user, "kept:a", "");
    assert_eq!(edge.call("history_remove", r#"{"channel":"kept:a"}"#), json!({"result": {}}));
    let reply = recover(&mut edge.client("behind"), "kept:a", &first);
    assert_eq!((&reply["recovered"], &reply["offset"]), (&Value::Null, &json!(2)), "{reply}");
    let reply = recover(&mut edge.client("up to date"), "kept:a", &second);
    assert_eq!((&reply["recovered"], &reply["publications"]), (&json!(true), &Value::Null), "{reply}");
    assert_eq!(publish(&edge, "kept:a", 3), Place { offset: 3, ..first });
    assert_eq!(user.push()["push"]["pub"]["offset"], 3);
    let reply = recover(&mut edge.client("back"), "kept:a", &second);
    assert_eq!(publications(&reply), [3]);
}

#[test]
fn a_token_subscribes_and_what_was_missed_comes_with_the_connect() {
    for workers in [1, 4] {
        let edge = with_history(|_| {}).workers(workers).start();
        let token = token_with_channels("alice", &["kept:a", "kept:b", "bare"]);
        let connect = |subs: &str| {
            let mut user = User::new(edge.stranger());
            let reply = user.ask(&format!("\"connect\":{{\"token\":\"{token}\",\"subs\":{{{subs}}}}}"));
            (user, reply["connect"]["subs"].clone())
        };
        let (user, subs) = connect("");
        let (a, b) = (subs["kept:a"]["epoch"].clone(), subs["kept:b"]["epoch"].clone());
        assert_eq!(subs["kept:a"], json!({"recoverable": true, "epoch": a, "positioned": true}));
        assert_eq!(subs["bare"], json!({}));
        drop(user);
        (1..=3).for_each(|number| drop(publish(&edge, "kept:a", number)));
        let (mut user, subs) = connect(&format!(
            "\"kept:a\":{{\"recover\":true,\"offset\":1,\"epoch\":{a}}},\
             \"kept:b\":{{\"recover\":true,\"offset\":0,\"epoch\":{b}}},\
             \"kept:other\":{{\"recover\":true,\"offset\":0,\"epoch\":{b}}}"
        ));
        assert_eq!(publications(&subs["kept:a"]), [2, 3]);
        assert_eq!(subs["kept:a"]["recovered"], true);
        assert_eq!(subs["kept:b"]["recovered"], true);
        assert_eq!(subs["kept:b"]["publications"], Value::Null);
        assert_eq!(subs.as_object().map(serde_json::Map::len), Some(3), "{subs}");
        publish(&edge, "kept:a", 4);
        assert_eq!(user.push()["push"]["pub"]["offset"], 4);
    }
}

#[test]
fn the_latest_alone_is_repeated_where_that_is_the_rule() {
    let edge = with_history(|namespace| namespace.recovery = RecoveryMode::Latest).start();
    let first = publish(&edge, "kept:a", 1);
    (2..=4).for_each(|number| drop(publish(&edge, "kept:a", number)));
    let reply = recover(&mut edge.client("back"), "kept:a", &first);
    assert_eq!((publications(&reply), &reply["recovered"]), (vec![4], &json!(true)), "{reply}");
}

#[test]
fn a_client_reads_what_it_may() {
    let edge = with_history(|namespace| namespace.subscriber_history = true).start();
    let mut user = edge.client("alice");
    user.publish("kept:a", "1");
    let epoch = publish(&edge, "kept:a", 2).epoch;
    let ask = |user: &mut User, members: &str| user.ask(&format!("\"history\":{{{members}}}"));
    let refused = ask(&mut user, "\"channel\":\"kept:a\",\"limit\":10");
    assert_eq!(refused["error"]["code"], 103, "{refused}");
    subscribe(&mut user, "kept:a", "");
    let reply = ask(&mut user, "\"channel\":\"kept:a\",\"limit\":10");
    assert_eq!(publications(&reply["history"]), [1, 2]);
    assert_eq!(reply["history"]["publications"][0]["info"]["user"], "alice");
    assert_eq!((&reply["history"]["epoch"], &reply["history"]["offset"]), (&epoch, &json!(2)));
    let reply = ask(&mut user, "\"channel\":\"kept:a\",\"limit\":1,\"reverse\":true");
    assert_eq!(publications(&reply["history"]), [2]);
    let reply = ask(&mut user, "\"channel\":\"kept:a\"");
    assert_eq!(reply["history"], json!({"publications": [], "epoch": epoch, "offset": 2}));
    let reply = ask(&mut user, "\"channel\":\"bare\"");
    assert_eq!(reply["error"]["code"], 108, "{reply}");
    let reply = ask(&mut user, "\"channel\":\"kept:a\",\"since\":{\"offset\":1,\"epoch\":\"another\"}");
    assert_eq!(reply["error"]["code"], 112, "{reply}");
}

fn with_history(change: impl FnOnce(&mut NamespaceConfig)) -> Setup {
    let mut namespace = NamespaceConfig {
        client_subscribe: true,
        client_publish: true,
        history_size: 1000,
        history_ttl: Period::seconds(60),
        ..NamespaceConfig::default()
    };
    change(&mut namespace);
    edge().with(|config: &mut Config| {
        config.namespaces.insert("kept".to_owned(), namespace);
    })
}

/// Publishes a number through the server API.
fn publish(edge: &Running, channel: &str, number: u64) -> Place {
    let answer = edge.call("publish", &format!("{{\"channel\":\"{channel}\",\"data\":{number}}}"));
    let result = &answer["result"];
    Place { epoch: result["epoch"].clone(), offset: result["offset"].as_u64().expect("a position") }
}

fn subscribe(user: &mut User, channel: &str, more: &str) -> Value {
    let mut reply = user.ask(&format!("\"subscribe\":{{\"channel\":\"{channel}\"{more}}}"));
    assert!(reply["subscribe"].is_object(), "{reply}");
    reply["subscribe"].take()
}

fn recover(user: &mut User, channel: &str, place: &Place) -> Value {
    let Place { epoch, offset } = place;
    subscribe(user, channel, &format!(",\"recover\":true,\"offset\":{offset},\"epoch\":{epoch}"))
}

/// The offsets in a result, each of which is the payload too.
fn publications(result: &Value) -> Vec<u64> {
    let publications = result["publications"].as_array().map(Vec::as_slice).unwrap_or_default();
    let offset = |one: &Value| {
        assert_eq!(one["data"], one["offset"], "{result}");
        one["offset"].as_u64().expect("an offset")
    };
    publications.iter().map(offset).collect()
}

/// Takes the live publications that follow `reached`, up to `last`.
fn offsets_until(user: &mut User, mut reached: u64, last: u64) -> u64 {
    while reached < last {
        let push = user.push();
        assert_eq!(push["push"]["pub"]["offset"], reached + 1, "{push}");
        assert_eq!(push["push"]["pub"]["data"], reached + 1, "{push}");
        reached += 1;
    }
    reached
}
