//! Channels with history: what subscribers are told of positions, and what they get when they come back.

use engine::{NamespaceConfig, RecoveryMode};
use model::Period;

use crate::faulty_broker::{Faults, FaultyBroker};
use crate::kept::{connect, heard, publish, world};
use crate::world::{Setup, World};

#[test]
fn a_subscriber_is_told_where_it_begins() {
    let (mut world, _) = world(2);
    world.send(0, "2 subscribe kept:news");
    world.settle();
    assert_eq!(heard(&mut world, 0), ["2 subscribed at 0"]);
    publish(&mut world, ["1", "2"]);
    world.send(1, "2 subscribe kept:news");
    world.settle();
    assert_eq!(heard(&mut world, 1), ["2 subscribed at 2"]);
    world.end();
}

#[test]
fn who_comes_back_gets_what_it_missed_and_then_what_comes() {
    let (mut world, _) = world(3);
    publish(&mut world, ["1", "2", "3"]);
    for (client, since, told) in [
        (0, "1", "2 subscribed at 1 whole [2 3]"),
        (1, "0", "2 subscribed at 0 whole [1 2 3]"),
        (2, "3", "2 subscribed at 3 whole []"),
    ] {
        world.send(client, &format!("2 recover kept:news {since}"));
        world.settle();
        assert_eq!(heard(&mut world, client), [told]);
    }
    publish(&mut world, ["4"]);
    for client in 0..3 {
        assert_eq!(heard(&mut world, client), ["kept:news says 4"]);
    }
    world.end();
}

#[test]
fn who_was_away_for_too_long_is_told_so_and_gets_nothing() {
    let (mut world, _) = world(4);
    let payloads: Vec<String> = (1..=12).map(|number| number.to_string()).collect();
    publish(&mut world, payloads.iter().map(String::as_str));
    for (client, wish, told) in [
        (0, "recover kept:news 1", "2 subscribed at 12 failed"),
        (1, "recover kept:news 13", "2 subscribed at 12 failed"),
        (2, "recover kept:news 12@0000abcd", "2 subscribed at 12 failed"),
        (3, "recover! kept:news 1", "2 refused 112"),
    ] {
        world.send(client, &format!("2 {wish}"));
        world.settle();
        assert_eq!(heard(&mut world, client), [told]);
    }
    publish(&mut world, ["13"]);
    assert_eq!(heard(&mut world, 0), ["kept:news says 13"]);
    assert!(heard(&mut world, 3).is_empty());
    world.end();
}

#[test]
fn more_than_half_an_outbox_is_not_repeated() {
    let broker = Box::new(FaultyBroker::new(Faults::default()));
    let mut world = World::new(Setup { broker, outbox_bytes: 16 << 10, ..Setup::default() });
    connect(&mut world, 2);
    let large = format!("\"{}\"", "x".repeat(3000));
    publish(&mut world, [&*large; 4]);
    world.send(0, "2 recover kept:news 2");
    world.send(1, "2 recover kept:news 0");
    world.settle();
    assert_eq!(heard(&mut world, 0)[0].len(), "2 subscribed at 2 whole [ ]".len() + 2 * large.len());
    assert_eq!(heard(&mut world, 1), ["2 subscribed at 4 failed"]);
    world.end();
}

#[test]
fn the_latest_alone_is_repeated_where_that_is_the_rule() {
    let kept = NamespaceConfig {
        history_size: 10,
        history_ttl: Period::seconds(60),
        recovery: RecoveryMode::Latest,
        ..NamespaceConfig::default()
    };
    let mut world = World::new(Setup { kept, ..Setup::default() });
    connect(&mut world, 4);
    world.send(0, "2 recover kept:news 0");
    world.settle();
    assert_eq!(heard(&mut world, 0), ["2 subscribed at 0 failed"], "there is none");
    publish(&mut world, ["1", "2"]);
    for (client, since, told) in [
        (1, "0", "2 subscribed at 2 last [2]"),
        (2, "2", "2 subscribed at 2 last []"),
        (3, "9@0000abcd", "2 subscribed at 2 last [2]"),
    ] {
        world.send(client, &format!("2 recover kept:news {since}"));
        world.settle();
        assert_eq!(heard(&mut world, client), [told]);
    }
    world.end();
}

#[test]
fn without_recovery_nobody_has_a_position() {
    let kept = NamespaceConfig {
        history_size: 10,
        history_ttl: Period::seconds(60),
        recovery: RecoveryMode::Off,
        ..NamespaceConfig::default()
    };
    let mut world = World::new(Setup { kept, ..Setup::default() });
    connect(&mut world, 1);
    publish(&mut world, ["1"]);
    world.send(0, "2 recover kept:news 0");
    world.settle();
    assert_eq!(heard(&mut world, 0), ["2 subscribed"]);
    world.end();
}

#[test]
fn many_who_come_back_at_once_are_served_by_one_question() {
    let (mut world, faults) = world(3);
    publish(&mut world, ["1", "2", "3"]);
    world.send(0, "2 subscribe kept:news");
    world.settle();
    assert_eq!(heard(&mut world, 0), ["2 subscribed at 3"]);
    faults.read_late(true);
    world.send(1, "2 recover kept:news 1");
    world.settle();
    world.send(2, "2 recover kept:news 2");
    publish(&mut world, ["4", "5"]);
    faults.read_late(false);
    world.settle();
    assert_eq!(heard(&mut world, 0), ["kept:news says 4", "kept:news says 5"]);
    assert_eq!(heard(&mut world, 1), ["2 subscribed at 1 whole [2 3 4 5]"]);
    assert_eq!(heard(&mut world, 2), ["2 subscribed at 2 whole [3 4 5]"]);
    publish(&mut world, ["6"]);
    for client in 0..3 {
        assert_eq!(heard(&mut world, client), ["kept:news says 6"]);
    }
    world.end();
}
