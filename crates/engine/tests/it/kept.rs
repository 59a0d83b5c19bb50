//! Worlds with a channel that is kept, and what is heard there.

use model::{ChannelName, Moment, Payload, Publication};

use crate::faulty_broker::{Faults, FaultyBroker};
use crate::world::{Setup, World};

pub(crate) const NEWS: &str = "kept:news";

/// A world with so many clients, all of one worker.
pub(crate) fn world(clients: usize) -> (World, Faults) {
    let faults = Faults::default();
    let broker = Box::new(FaultyBroker::new(faults.clone()));
    let mut world = World::new(Setup { broker, ..Setup::default() });
    connect(&mut world, clients);
    (world, faults)
}

/// A world with one client, which is subscribed.
pub(crate) fn subscribed() -> (World, Faults) {
    let (mut world, faults) = world(1);
    world.send(0, "2 subscribe kept:news");
    world.settle();
    assert_eq!(heard(&mut world, 0), ["2 subscribed at 0"]);
    (world, faults)
}

pub(crate) fn connect(world: &mut World, clients: usize) {
    for client in 0..clients {
        assert_eq!(world.connect(0), client);
    }
    world.settle();
    for client in 0..clients {
        assert_eq!(world.heard(client).len(), 1);
    }
}

pub(crate) fn publish<'a>(world: &mut World, payloads: impl IntoIterator<Item = &'a str>) {
    for payload in payloads {
        publish_only(world, payload);
    }
    world.settle();
}

pub(crate) fn publish_only(world: &mut World, payload: &str) {
    drop(world.publish(NEWS, payload));
}

pub(crate) fn heard(world: &mut World, client: usize) -> Vec<String> {
    let mut lines = world.heard(client);
    lines.retain(|line| !line.contains(" connected "));
    lines
}

pub(crate) fn said(world: &mut World, client: usize) -> Vec<String> {
    let lines = heard(world, client);
    lines.iter().filter_map(|line| line.split_once(" says ")).map(|(_, payload)| payload.to_owned()).collect()
}

pub(crate) fn ended(world: &mut World, client: usize) -> usize {
    heard(world, client).iter().filter(|line| *line == "kept:news ended 2500").count()
}

pub(crate) fn repairs(world: &mut World) -> [u64; 4] {
    world.count_node().repairs
}

pub(crate) fn name(text: &str) -> ChannelName {
    ChannelName::parse(text).expect("a channel name")
}

pub(crate) fn publication(payload: &str) -> Publication {
    let payload = Payload::parse_json(payload.as_bytes()).expect("a payload");
    Publication::new(payload, Moment::default())
}
