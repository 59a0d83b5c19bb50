//! The sequencer's mailbox is full: subscribes wait, are answered or refused in time, and releases are kept.

use std::time::Duration;

use crate::world::{Setup, World};

const CLIENTS: usize = 20;

#[test]
fn subscribes_wait_until_there_is_room() {
    let mut world = waiting();
    world.settle();
    for client in 0..CLIENTS {
        assert_eq!(world.heard(client)[1..], ["2 subscribed"]);
    }
    assert_eq!((world.count().channels, world.count_node().channels), (CLIENTS as u64, CLIENTS as u64));
    world.end();
}

#[test]
fn subscribes_that_wait_too_long_are_refused_and_leave_nothing() {
    let mut world = waiting();
    world.pass(Duration::from_millis(2900));
    world.flush(0, usize::MAX);
    assert!((0..CLIENTS).all(|client| world.heard(client).len() == 1), "nobody is answered early");
    world.pass(Duration::from_millis(300));
    world.flush(0, usize::MAX);
    for client in 0..CLIENTS {
        assert_eq!(world.heard(client), ["2 refused 100"]);
    }
    assert_eq!(world.count().channels, 0);
    world.settle();
    assert_eq!(world.count_node().channels, 0);
    world.end();
}

#[test]
fn who_leaves_while_it_waits_leaves_nothing() {
    let mut world = waiting();
    (0..CLIENTS).for_each(|client| world.leave(client));
    assert_eq!(world.count().channels, 0);
    world.end();
}

#[test]
fn releases_wait_for_room_too() {
    let mut world = waiting();
    world.settle();
    (0..CLIENTS).for_each(|client| world.send(client, &format!("3 unsubscribe c{client}")));
    world.flush(0, usize::MAX);
    for client in 0..CLIENTS {
        assert_eq!(world.heard(client)[1..], ["2 subscribed", "3 unsubscribed"]);
    }
    world.settle();
    assert_eq!(world.count_node().channels, 0);
    world.end();
}

#[test]
fn a_client_that_keeps_trying_is_answered_once() {
    let mut world = World::new(Setup { node_entries: 1, ..Setup::default() });
    let client = world.connect(0);
    for request in 2..40 {
        world.send(client, &format!("{request} subscribe news"));
        world.pass(Duration::from_millis(3200));
    }
    world.send(client, "40 subscribe news");
    world.settle();
    let heard = world.heard(client);
    assert_eq!(heard.iter().filter(|line| line.ends_with("refused 100")).count(), 38);
    assert_eq!(heard.last().map(String::as_str), Some("40 subscribed"));
    world.publish("news", "1");
    world.settle();
    assert_eq!(world.heard(client), ["news says 1"]);
    world.end();
}

/// Clients that each wait for a channel of their own, behind a mailbox with room for two requests.
fn waiting() -> World {
    let mut world = World::new(Setup { node_entries: 2, ..Setup::default() });
    for client in 0..CLIENTS {
        world.connect(0);
        world.send(client, &format!("2 subscribe c{client}"));
    }
    world.flush(0, usize::MAX);
    world
}
