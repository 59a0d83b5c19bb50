//! A slot is used again: nothing that was meant for its last connection reaches the next.

use crate::world::{Setup, World};

#[test]
fn a_publish_outlives_its_publisher() {
    let (mut world, first) = connected();
    world.send(first, "2 publish news 1");
    world.serve_worker(0);
    world.serve_node();
    let second = replaced(&mut world, first);
    world.send(second, "2 publish other 2");
    world.serve_worker(0);
    world.flush(0, usize::MAX);
    assert!(!published(&world.heard(second)), "the answer is its predecessor's");
    world.settle();
    assert!(published(&world.heard(second)));
    world.end();
}

#[test]
fn a_join_outlives_who_waited_for_it() {
    let (mut world, first) = connected();
    world.send(first, "2 subscribe news");
    let second = replaced(&mut world, first);
    world.send(second, "2 subscribe other");
    world.settle();
    world.publish("news", "1");
    world.publish("other", "2");
    world.settle();
    let heard = world.heard(second);
    assert_eq!(heard[1..], ["2 subscribed", "other says 2"]);
    world.end();
}

#[test]
fn an_order_that_waits_ends_with_its_connection() {
    let (mut world, first) = connected();
    let id = id(&world.heard(first));
    world.grant(0, id, "news");
    world.serve_worker(0);
    let second = replaced(&mut world, first);
    world.send(second, "2 subscribe other");
    world.settle();
    world.publish("news", "1");
    world.settle();
    let heard = world.heard(second);
    assert_eq!(heard[1..], ["2 subscribed"]);
    assert_eq!(world.count().channels, 1);
    world.end();
}

#[test]
fn who_comes_back_to_a_channel_that_is_still_being_joined_waits_anew() {
    let (mut world, first) = connected();
    world.send(first, "2 subscribe news");
    let second = replaced(&mut world, first);
    world.send(second, "2 subscribe news");
    let third = world.connect(0);
    world.send(third, "2 subscribe news");
    world.settle();
    world.publish("news", "1");
    world.settle();
    for client in [second, third] {
        assert_eq!(world.heard(client)[1..], ["2 subscribed", "news says 1"]);
    }
    world.end();
}

fn connected() -> (World, usize) {
    let mut world = World::new(Setup::default());
    let client = world.connect(0);
    world.settle();
    (world, client)
}

/// Another client in the slot of one that leaves.
fn replaced(world: &mut World, client: usize) -> usize {
    let place = world.place(client);
    world.leave(client);
    let next = world.connect(0);
    assert_eq!(world.place(next), place);
    next
}

fn published(heard: &[String]) -> bool {
    heard.iter().any(|line| line == "2 published")
}

fn id(heard: &[String]) -> model::ClientId {
    let id = heard[0].strip_prefix("1 connected ").expect("the client is connected");
    model::ClientId::parse(id).expect("an id")
}
