//! Settings that change under way: nobody leaves, nothing is lost, and no channel follows another's rules.

use std::sync::Arc;
use std::time::Duration;

use auth::{Config, Verifier};
use engine::{ClientConfig, NamespaceConfig, Policy, Rules};
use model::{Epoch, Mark, Marks, Period, Position};

use crate::kept::{NEWS, heard, name, publication, publish, publish_only, said, subscribed, world};
use crate::world::World;

#[test]
fn a_history_that_begins_loses_nothing_and_gives_positions_to_those_who_come() {
    let (mut world, _) = world(3);
    keep(&mut world, false);
    world.send(0, "2 subscribe kept:news");
    world.settle();
    assert_eq!(heard(&mut world, 0), ["2 subscribed"]);
    publish(&mut world, ["1"]);
    keep(&mut world, true);
    publish(&mut world, ["2"]);
    wait_for_the_history(&mut world);
    publish(&mut world, ["3"]);
    assert_eq!(said(&mut world, 0), ["1", "2", "3"]);
    world.send(1, "2 subscribe kept:news");
    world.send(2, "2 recover kept:news 1");
    world.settle();
    assert_eq!(heard(&mut world, 1), ["2 subscribed at 2"]);
    assert_eq!(heard(&mut world, 2), ["2 subscribed at 1 whole [3]"]);
    world.end();
}

#[test]
fn what_was_on_its_way_when_a_history_began_is_delivered_once() {
    let (mut world, faults) = world(1);
    let epoch = epoch(&mut world);
    publish(&mut world, ["2"]);
    keep(&mut world, false);
    world.send(0, "2 subscribe kept:news");
    world.settle();
    keep(&mut world, true);
    world.settle();
    for offset in 1..=2 {
        let position = Some(Position { epoch, offset });
        faults.forge(&name(NEWS), position, Marks::default(), publication(&offset.to_string()));
    }
    publish(&mut world, ["3"]);
    assert_eq!(said(&mut world, 0), Vec::<String>::new(), "held until it is clear what comes first");
    wait_for_the_history(&mut world);
    publish(&mut world, ["4"]);
    assert_eq!(said(&mut world, 0), ["1", "2", "3", "4"]);
    world.end();
}

#[test]
fn a_history_that_ends_takes_no_subscriber_with_it() {
    let (mut world, _) = subscribed();
    publish(&mut world, ["1"]);
    keep(&mut world, false);
    publish(&mut world, ["2"]);
    assert_eq!(said(&mut world, 0), ["1", "2"]);
    // And begins again where it stood, though a publication had no place in it.
    keep(&mut world, true);
    wait_for_the_history(&mut world);
    publish(&mut world, ["3", "4"]);
    assert_eq!(said(&mut world, 0), ["3", "4"]);
    let late = world.connect(0);
    world.send(late, "2 subscribe kept:news");
    world.settle();
    assert_eq!(heard(&mut world, late), ["2 subscribed at 3"]);
    world.end();
}

#[test]
fn a_history_that_ends_while_it_is_read_lets_go_what_was_held() {
    let (mut world, faults) = subscribed();
    let late = world.connect(0);
    publish(&mut world, ["1", "\"lost\""]);
    faults.read_late(true);
    publish(&mut world, ["3"]);
    world.send(late, "2 recover kept:news 1");
    world.settle();
    assert_eq!(said(&mut world, 0), ["1"]);
    keep(&mut world, false);
    world.settle();
    assert_eq!(said(&mut world, 0), ["3"]);
    assert_eq!(heard(&mut world, late), ["2 refused 100"], "it may ask again");
    assert_eq!(world.count_node().repairing, 0);
    // The answer that is late now means nothing.
    faults.read_late(false);
    publish(&mut world, ["4"]);
    assert_eq!(said(&mut world, 0), ["4"]);
    world.end();
}

#[test]
fn who_is_in_a_namespace_that_is_removed_stays_and_nobody_else_gets_in() {
    let (mut world, faults) = subscribed();
    let epoch = epoch(&mut world);
    publish_only(&mut world, "2");
    world.change(|namespaces| namespaces.retain(|name, _| name != "kept"));
    world.settle();
    let late = world.connect(0);
    world.send(late, "2 subscribe kept:news");
    world.send(0, "3 publish kept:news 1");
    world.settle();
    assert_eq!(heard(&mut world, late), ["2 refused 102"]);
    assert_eq!(heard(&mut world, 0), ["kept:news says 1", "kept:news says 2", "3 refused 102"]);
    // Another node that knows the namespace still.
    let position = Some(Position { epoch, offset: 3 });
    faults.forge(
        &name(NEWS),
        position,
        Marks { own: Mark::new(7), previous: faults.mark() },
        publication("3"),
    );
    world.settle();
    assert_eq!(said(&mut world, 0), ["3"]);
    keep(&mut world, true);
    world.settle();
    world.send(late, "3 subscribe kept:news");
    world.settle();
    assert_eq!(heard(&mut world, late), ["3 subscribed at 3"], "as if nothing had been");
    world.end();
}

#[test]
fn a_namespace_that_comes_takes_nobodys_place() {
    let (mut world, _) = subscribed();
    world.change(|namespaces| {
        namespaces.insert("first".to_owned(), NamespaceConfig::default());
        namespaces.insert("zeroth".to_owned(), kept());
    });
    // The worker knows of it before the broker thread does its part.
    world.serve_worker(0);
    let other = world.connect(0);
    world.send(0, "3 subscribe zeroth:a");
    world.send(other, "2 subscribe first:a");
    world.settle();
    assert_eq!(heard(&mut world, 0), ["3 subscribed at 0"]);
    assert_eq!(heard(&mut world, other), ["2 subscribed"]);
    publish(&mut world, ["1"]);
    drop(world.publish("first:a", "2"));
    world.settle();
    let late = world.connect(0);
    world.send(late, "2 subscribe kept:news");
    world.settle();
    assert_eq!(heard(&mut world, late), ["2 subscribed at 1"]);
    assert_eq!(world.count().deliveries_by_namespace[3..], [1, 1, 0], "kept, first, zeroth");
    world.end();
}

#[test]
fn those_who_are_there_become_members_when_that_is_asked_for() {
    let (mut world, _) = subscribed();
    world.change(|namespaces| {
        namespaces.insert("kept".to_owned(), NamespaceConfig { presence: true, ..kept() });
    });
    world.settle();
    world.send(0, "3 count kept:news");
    world.settle();
    assert_eq!(heard(&mut world, 0), ["3 counted 0 0"]);
    world.pass_for_all(model::limits::PRESENCE_REFRESH_PERIOD);
    world.send(0, "4 count kept:news");
    world.settle();
    assert_eq!(heard(&mut world, 0), ["4 counted 1 1"]);
    world.end();
}

/// Publishes 1, and says in which epoch.
fn epoch(world: &mut World) -> Epoch {
    let mut outcome = world.publish(NEWS, "1");
    world.settle();
    let position = outcome.try_recv().expect("an answer").expect("accepted");
    position.expect("a history").epoch
}

/// Changes whether channels of the namespace `kept` have a history.
fn keep(world: &mut World, keeps: bool) {
    world.change(|namespaces| {
        let rules = if keeps { kept() } else { NamespaceConfig::default() };
        namespaces.insert("kept".to_owned(), rules);
    });
}

fn kept() -> NamespaceConfig {
    NamespaceConfig { history_size: 10, history_ttl: Period::seconds(60), ..NamespaceConfig::default() }
}

fn wait_for_the_history(world: &mut World) {
    world.pass_for_all(2 * model::limits::REPAIR_PAUSE + Duration::from_millis(200));
}

/// What everybody may do by these rules.
pub(crate) fn policy(rules: Arc<Rules>) -> Policy {
    let client = ClientConfig {
        insecure: true,
        ping_interval: Period::seconds(0),
        command_rate: 1_000_000,
        command_burst: 1_000_000,
        ..ClientConfig::default()
    };
    Policy {
        client,
        rules,
        verifier: Verifier::new(&Config::default()).expect("no key is no fault"),
        publication_bytes_max: 1 << 16,
        outbox_bytes: 1 << 20,
        outbox_bytes_total: 1 << 30,
        lapses_per_tick: 2,
    }
}
