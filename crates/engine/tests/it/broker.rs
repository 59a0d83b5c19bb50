//! The sequencer in front of a broker that delays and answers twice.

use std::time::Duration;

use model::Refusal;

use crate::faulty_broker::{Faults, FaultyBroker};
use crate::world::{Setup, World};

#[test]
fn a_late_join_is_answered_late_and_nothing_comes_before_it() {
    let mut world = world(2);
    world.send(0, "2 subscribe late");
    world.settle();
    // Already counted by the broker, but nobody is promised it.
    world.publish("late", "1");
    world.send(1, "2 subscribe late");
    world.settle();
    assert_eq!((world.heard(0).len(), world.heard(1).len()), (1, 1), "nobody is answered early");
    world.publish("release", "0");
    world.publish("late", "2");
    world.settle();
    for client in [0, 1] {
        assert_eq!(world.heard(client), ["2 subscribed", "late says 2"]);
    }
    world.end();
}

#[test]
fn a_join_that_comes_too_late_finds_nobody() {
    let mut world = world(1);
    world.send(0, "2 subscribe late");
    world.settle();
    world.pass(Duration::from_millis(3200));
    world.settle();
    assert_eq!(world.heard(0)[1..], ["2 refused 100"]);
    assert_eq!(world.count_node().channels, 0);
    world.publish("release", "0");
    world.settle();
    assert!(world.heard(0).is_empty());
    world.end();
}

#[test]
fn an_answer_given_twice_reaches_its_publisher_alone() {
    let mut world = world(1);
    let mut first = world.publish("news", "\"answered again\"");
    world.settle();
    let mut second = world.publish("news", "\"refused\"");
    world.settle();
    assert_eq!(first.try_recv(), Ok(Ok(None)));
    assert_eq!(second.try_recv(), Ok(Err(Refusal::Internal)));
    world.end();
}

#[test]
fn a_broker_is_heard_without_being_asked() {
    let mut world = world(1);
    world.send(0, "2 subscribe overdue");
    world.serve_worker(0);
    world.serve_node();
    world.serve_worker(0);
    assert_eq!(world.count().subscriptions, 0);
    // The sequencer is woken without a request.
    world.serve_node();
    world.serve_worker(0);
    assert_eq!(world.count().subscriptions, 1);
    world.end();
}

fn world(clients: usize) -> World {
    let workers = clients as u16;
    let mut world = World::new(Setup {
        workers,
        broker: Box::new(FaultyBroker::new(Faults::default())),
        ..Setup::default()
    });
    for client in 0..clients {
        world.connect(client);
    }
    world.settle();
    world
}
