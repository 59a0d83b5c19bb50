//! The sequencer in front of a broker that repeats, loses and delays.

use std::collections::VecDeque;
use std::time::Duration;

use broker::{Broker, BrokerEvent, MemoryBroker, Ticket};
use model::{ChannelName, Publication, Refusal};

use crate::world::{Setup, World};

#[test]
fn what_the_broker_repeats_is_dropped_and_counted() {
    let mut world = world(1);
    subscribe(&mut world, 0, "news");
    for payload in ["1", "\"twice\"", "3", "\"twice\"", "5"] {
        world.publish("news", payload);
    }
    world.settle();
    assert_eq!(said(&mut world, 0), ["1", "\"twice\"", "3", "\"twice\"", "5"]);
    let counters = world.count_node();
    assert_eq!((counters.duplicates, counters.holes), (2, 0));
    world.end();
}

#[test]
fn what_the_broker_loses_is_counted_once_the_next_one_comes() {
    let mut world = world(1);
    subscribe(&mut world, 0, "news");
    for payload in ["1", "\"lost\"", "\"lost\""] {
        world.publish("news", payload);
    }
    world.settle();
    assert_eq!(world.count_node().holes, 0);
    world.publish("news", "4");
    world.publish("news", "5");
    world.settle();
    assert_eq!(said(&mut world, 0), ["1", "4", "5"]);
    let counters = world.count_node();
    assert_eq!((counters.duplicates, counters.holes), (0, 2));
    world.end();
}

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
    // The broker said that it hands on what follows 0.
    let counters = world.count_node();
    assert_eq!((counters.duplicates, counters.holes), (0, 1));
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
    assert_eq!(first.try_recv(), Ok(Ok(())));
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
    let mut world =
        World::new(Setup { workers, broker: Box::new(FaultyBroker::default()), ..Setup::default() });
    for client in 0..clients {
        world.connect(client);
    }
    world.settle();
    world
}

fn subscribe(world: &mut World, client: usize, channel: &str) {
    world.send(client, &format!("2 subscribe {channel}"));
    world.settle();
    assert_eq!(world.heard(client)[1..], ["2 subscribed"]);
}

fn said(world: &mut World, client: usize) -> Vec<String> {
    let heard = world.heard(client);
    heard.iter().filter_map(|line| line.split_once(" says ")).map(|(_, payload)| payload.to_owned()).collect()
}

/// The memory broker with faults. By channel: `late` is joined once something is published to `release`,
/// `overdue` at the second poll that finds nothing else. By payload: `twice` is handed on twice, `lost` not at
/// all, `refused` is not accepted, `answered again` is answered a second time at the next publish.
struct FaultyBroker {
    inner: MemoryBroker,
    events: VecDeque<BrokerEvent>,
    late: VecDeque<BrokerEvent>,
    overdue: Option<BrokerEvent>,
    again: Option<Ticket>,
    idle_polls: u32,
}

impl Default for FaultyBroker {
    fn default() -> Self {
        let (events, late) = (VecDeque::new(), VecDeque::new());
        Self { inner: MemoryBroker::new(1), events, late, overdue: None, again: None, idle_polls: 0 }
    }
}

impl FaultyBroker {
    /// Takes on what the memory broker reports, `faults` applied.
    fn take_over(&mut self, fault: &str) {
        while let Some(event) = self.inner.poll() {
            match event {
                BrokerEvent::Joined { ref channel, .. } if channel.as_str() == "late" => {
                    self.late.push_back(event)
                }
                BrokerEvent::Joined { ref channel, .. } if channel.as_str() == "overdue" => {
                    self.overdue = Some(event);
                }
                BrokerEvent::Publication { channel, position, publication } => {
                    let count = match fault {
                        "\"twice\"" => 2,
                        "\"lost\"" => 0,
                        _ => 1,
                    };
                    for _ in 0..count {
                        let (channel, publication) = (channel.clone(), publication.clone());
                        self.events.push_back(BrokerEvent::Publication { channel, position, publication });
                    }
                }
                BrokerEvent::Published { ticket, .. } if fault == "\"refused\"" => {
                    self.events.push_back(BrokerEvent::Published { ticket, outcome: Err(Refusal::Internal) });
                }
                event @ (BrokerEvent::Joined { .. } | BrokerEvent::Published { .. }) => {
                    self.events.push_back(event)
                }
            }
        }
    }
}

impl Broker for FaultyBroker {
    fn join(&mut self, channel: &ChannelName) {
        self.inner.join(channel);
        self.take_over("");
    }

    fn leave(&mut self, channel: &ChannelName) {
        self.inner.leave(channel);
    }

    fn publish(&mut self, ticket: Ticket, channel: &ChannelName, publication: Publication) {
        if let Some(ticket) = self.again.take() {
            self.events.push_back(BrokerEvent::Published { ticket, outcome: Ok(()) });
        }
        let fault = String::from_utf8_lossy(publication.payload.as_bytes()).into_owned();
        if channel.as_str() == "release" {
            self.events.append(&mut self.late);
        }
        if fault == "\"answered again\"" {
            self.again = Some(ticket);
        }
        self.inner.publish(ticket, channel, publication);
        self.take_over(&fault);
    }

    fn poll(&mut self) -> Option<BrokerEvent> {
        let event = self.events.pop_front();
        if event.is_none() && self.overdue.is_some() {
            self.idle_polls += 1;
        }
        event.or_else(|| self.overdue.take_if(|_| self.idle_polls > 1))
    }
}
