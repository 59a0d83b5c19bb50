//! Outboxes are bounded: who does not read is closed, never waited for, and never holds more than its bound.

use crate::world::{Setup, World};

const BOUND: usize = 4000;
/// What a frame costs beside its bytes.
const FRAME: usize = 128;
/// `closed 3008` and its line break: it alone may exceed the bound.
const CLOSE_FRAME: usize = 12 + FRAME;

#[test]
fn a_slow_consumer_holds_at_most_its_bound() {
    let mut world = world(2);
    world.stall(0, true);
    let payload = format!("\"{}\"", "p".repeat(80));
    for _ in 0..30 {
        world.publish("news", &payload);
        world.settle();
        let held = world.count().outbox_bytes as usize;
        assert!(held <= BOUND + CLOSE_FRAME, "{held} bytes");
    }
    world.stall(0, false);
    world.settle();
    assert_eq!(world.heard(0).last().map(String::as_str), Some("closed 3008"));
    assert_eq!(world.heard(1).iter().filter(|line| line.starts_with("news says")).count(), 30);
    assert_eq!((world.count().overflows, world.count().connections), (1, 1));
    world.end();
}

#[test]
fn what_was_partly_written_is_finished_before_the_close() {
    let mut world = world(1);
    let payload = format!("\"{}\"", "p".repeat(2500));
    world.publish("news", &payload);
    world.serve_node();
    world.serve_worker(0);
    world.flush(0, 10);
    world.publish("news", &payload);
    world.settle();
    assert_eq!(world.heard(0), [format!("news says {payload}"), "closed 3008".to_owned()]);
    world.end();
}

#[test]
fn a_reply_without_room_closes_its_connection_though_others_are_answered_too() {
    let mut world = world(3);
    for client in [0, 1] {
        world.stall(client, true);
    }
    // Leaves room for less than `9 subscribed` and its line break.
    world.publish("news", &format!("\"{}\"", "p".repeat(BOUND - FRAME - 20)));
    world.settle();
    (0..3).for_each(|client| world.send(client, "9 subscribe more"));
    world.settle();
    for client in [0, 1] {
        world.stall(client, false);
    }
    world.settle();
    for client in [0, 1] {
        assert_eq!(world.heard(client).last().map(String::as_str), Some("closed 3008"));
        assert!(world.is_gone(client));
    }
    assert_eq!(world.heard(2).last().map(String::as_str), Some("9 subscribed"));
    world.end();
}

#[test]
fn replies_before_a_close_count_against_the_bound() {
    let mut world = world(1);
    world.stall(0, true);
    world.send(0, &"8 rpc\n".repeat(160));
    world.send(0, &("8 rpc\n".repeat(240) + "nonsense"));
    let held = world.count().outbox_bytes as usize;
    assert!(held > 0 && held <= BOUND + CLOSE_FRAME, "{held} bytes");
    world.stall(0, false);
    world.settle();
    assert_eq!(world.heard(0).last().map(String::as_str), Some("closed 3501"));
    world.end();
}

#[test]
fn beyond_the_bound_of_all_the_largest_is_closed_first() {
    let mut world = World::new(Setup { outbox_bytes_total: 2000, ..Setup::default() });
    for (client, channels) in [(0, "a"), (1, "abc"), (2, "ab")] {
        world.connect(0);
        for channel in channels.chars() {
            world.send(client, &format!("2 subscribe {channel}"));
            world.settle();
        }
        world.stall(client, true);
    }
    for channel in ["a", "b", "c"] {
        world.publish(channel, &format!("\"{}\"", "p".repeat(300)));
    }
    // A worker that holds much flushes before it takes on more.
    world.settle();
    world.shed(0);
    assert_eq!(world.count().overflows_total, 0, "{} bytes", world.count().outbox_bytes);
    world.publish("a", &format!("\"{}\"", "p".repeat(500)));
    world.settle();
    world.shed(0);
    assert_eq!(world.count().overflows_total, 1);
    (0..3).for_each(|client| world.stall(client, false));
    world.settle();
    assert_eq!([0, 1, 2].map(|client| world.is_gone(client)), [false, true, false]);
    world.end();
}

#[test]
fn many_readers_of_one_large_publication_are_no_burden() {
    let mut world = World::new(Setup { outbox_bytes_total: 4000, ..Setup::default() });
    for client in 0..20 {
        world.connect(0);
        world.send(client, "2 subscribe news");
    }
    world.settle();
    world.publish("news", &format!("\"{}\"", "p".repeat(2000)));
    world.serve_node();
    world.serve_worker(0);
    world.shed(0);
    assert_eq!(world.count().overflows_total, 0, "{} bytes", world.count().outbox_bytes);
    world.settle();
    world.shed(0);
    assert_eq!(world.count().overflows_total, 0);
    (0..20).for_each(|client| assert!(world.heard(client).iter().any(|line| line.starts_with("news says"))));
    world.end();
}

/// Connected clients, all subscribed to `news`.
fn world(clients: usize) -> World {
    let mut world = World::new(Setup { outbox_bytes: BOUND, ..Setup::default() });
    for client in 0..clients {
        world.connect(0);
        world.send(client, "2 subscribe news");
    }
    world.settle();
    (0..clients).for_each(|client| assert_eq!(world.heard(client)[1..], ["2 subscribed"]));
    world
}
