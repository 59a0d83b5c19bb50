//! Brokers of several nodes over one memory broker, which report late, as brokers over a network do.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use broker::{Broker, BrokerEvent, MemoryBroker, PublishTerms, Ticket};
use model::{
    ChannelName, ClientInfo, HistoryRange, HistoryRules, Mark, Movement, Now, Position, Publication,
};
use testkit::Backend;

/// One cluster, whose nodes hear each other.
pub(crate) struct Cluster(Arc<Mutex<Hub>>);

struct Hub {
    broker: MemoryBroker,
    nodes: Vec<Mailbox>,
    askers: HashMap<Ticket, (usize, Ticket)>,
    last_ticket: u64,
}

#[derive(Default)]
struct Mailbox {
    joined: HashSet<ChannelName>,
    events: VecDeque<BrokerEvent>,
    polls: u32,
}

struct Node {
    hub: Arc<Mutex<Hub>>,
    index: usize,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let (broker, nodes, askers) = (MemoryBroker::new(1), Vec::new(), HashMap::new());
        Self(Arc::new(Mutex::new(Hub { broker, nodes, askers, last_ticket: 0 })))
    }
}

impl Backend for Cluster {
    fn broker(&mut self) -> Box<dyn Broker> {
        let mut hub = lock(&self.0);
        hub.nodes.push(Mailbox::default());
        Box::new(Node { hub: Arc::clone(&self.0), index: hub.nodes.len() - 1 })
    }

    fn is_shared(&self) -> bool {
        true
    }

    #[expect(clippy::disallowed_methods, reason = "the suite waits against the clock")]
    fn wait(&mut self) {
        thread::sleep(Duration::from_micros(100));
    }
}

impl Node {
    fn ask(&mut self, ticket: Ticket, ask: impl FnOnce(&mut MemoryBroker, Ticket)) {
        let mut hub = lock(&self.hub);
        hub.last_ticket += 1;
        let asked = Ticket(hub.last_ticket);
        hub.askers.insert(asked, (self.index, ticket));
        ask(&mut hub.broker, asked);
    }
}

impl Broker for Node {
    fn join(&mut self, channel: &ChannelName) {
        let mut hub = lock(&self.hub);
        hub.broker.join(channel);
        hub.nodes[self.index].joined.insert(channel.clone());
        hub.nodes[self.index].events.push_back(BrokerEvent::Joined { channel: channel.clone() });
    }

    fn leave(&mut self, channel: &ChannelName) {
        let mut hub = lock(&self.hub);
        hub.nodes[self.index].joined.remove(channel);
    }

    fn publish(
        &mut self,
        ticket: Ticket,
        channel: &ChannelName,
        publication: Publication,
        terms: PublishTerms,
    ) {
        self.ask(ticket, |broker, ticket| broker.publish(ticket, channel, publication, terms));
    }

    fn read(&mut self, ticket: Ticket, channel: &ChannelName, rules: HistoryRules, range: HistoryRange) {
        self.ask(ticket, |broker, ticket| broker.read(ticket, channel, rules, range));
    }

    fn remove_history(&mut self, ticket: Ticket, channel: &ChannelName) {
        self.ask(ticket, |broker, ticket| broker.remove_history(ticket, channel));
    }

    fn renew_epoch(
        &mut self,
        ticket: Ticket,
        channel: &ChannelName,
        rules: HistoryRules,
        last: Position,
        mark: Option<Mark>,
    ) {
        self.ask(ticket, |broker, ticket| broker.renew_epoch(ticket, channel, rules, last, mark));
    }

    fn announce(&mut self, channel: &ChannelName, movement: Movement, member: &Arc<ClientInfo>) {
        lock(&self.hub).broker.announce(channel, movement, member);
    }

    fn poll(&mut self, now: Now) -> Option<BrokerEvent> {
        let mut hub = lock(&self.hub);
        while let Some(event) = hub.broker.poll(now) {
            hub.route(event);
        }
        let mailbox = &mut hub.nodes[self.index];
        mailbox.polls += 1;
        if mailbox.polls.is_multiple_of(3) { mailbox.events.pop_front() } else { None }
    }
}

impl Hub {
    fn route(&mut self, event: BrokerEvent) {
        let asker = |ticket| *self.askers.get(&ticket).expect("only what was asked is answered");
        let (node, event) = match event {
            BrokerEvent::Joined { .. } | BrokerEvent::Severed { .. } => return,
            BrokerEvent::Publication { channel, position, marks, is_plain, publication } => {
                for node in self.nodes.iter_mut().filter(|node| node.joined.contains(&channel)) {
                    let (channel, publication) = (channel.clone(), publication.clone());
                    let event = BrokerEvent::Publication { channel, position, marks, is_plain, publication };
                    node.events.push_back(event);
                }
                return;
            }
            BrokerEvent::Announced { channel, movement, member } => {
                for node in self.nodes.iter_mut().filter(|node| node.joined.contains(&channel)) {
                    let (channel, member) = (channel.clone(), Arc::clone(&member));
                    node.events.push_back(BrokerEvent::Announced { channel, movement, member });
                }
                return;
            }
            BrokerEvent::Published { ticket, outcome } => {
                let (node, ticket) = asker(ticket);
                (node, BrokerEvent::Published { ticket, outcome })
            }
            BrokerEvent::Read { ticket, outcome } => {
                let (node, ticket) = asker(ticket);
                (node, BrokerEvent::Read { ticket, outcome })
            }
            BrokerEvent::Removed { ticket, outcome } => {
                let (node, ticket) = asker(ticket);
                (node, BrokerEvent::Removed { ticket, outcome })
            }
        };
        self.nodes[node].events.push_back(event);
    }
}

fn lock(hub: &Mutex<Hub>) -> MutexGuard<'_, Hub> {
    hub.lock().unwrap_or_else(PoisonError::into_inner)
}
