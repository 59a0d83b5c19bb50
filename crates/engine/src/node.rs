//! The one sequencer of a node: which workers want which channel, and what was handed on last.
//! Hands on only what follows; what the broker repeats is dropped, what it loses is counted.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use broker::{Broker, BrokerEvent, Ticket};
use hashbrown::HashTable;
use model::{ChannelName, Position, Publication, Refusal, WorkerId};
use protocol::Encoders;
use tokio::sync::oneshot;

use crate::channels::ChannelKey;
use crate::counters::NodeCounters;
use crate::delivery::Delivery;
use crate::mail::{NodeRequest, PublishRequest, Publisher, WorkerMail};
use crate::mailbox::Mailbox;
use crate::rules::{NamespaceId, Rules};
use crate::slab::Slab;

/// Mail gathered for a worker before it is handed over within one batch of requests.
const MAIL_BATCH: usize = 256;

/// The state of the broker thread.
pub struct Node {
    broker: Box<dyn Broker>,
    rules: Rules,
    encoders: Encoders,
    workers: Vec<Worker>,
    channels: Slab<Channel>,
    index: HashTable<u32>,
    hasher: RandomState,
    publishers: Slab<(Publisher, NamespaceId)>,
    requests: Vec<NodeRequest>,
    /// Backends to be told once this batch's mail is handed over: the orders that they give next must not
    /// overtake what they published.
    answers: Vec<(oneshot::Sender<Outcome>, Outcome)>,
    counters: NodeCounters,
}

type Outcome = Result<(), Refusal>;

struct Worker {
    mailbox: Arc<Mailbox<WorkerMail>>,
    /// Mail of this batch; offers carry their bytes.
    outgoing: Vec<(WorkerMail, Option<usize>)>,
}

struct Channel {
    name: ChannelName,
    namespace: NamespaceId,
    last: Option<Position>,
    joined: Joined,
}

/// The workers that want a channel; mostly one.
enum Joined {
    One(WorkerId, ChannelKey),
    Many(Vec<(WorkerId, ChannelKey)>),
}

#[cfg(test)]
pub(crate) const CHANNEL_BYTES: usize = crate::slab::place_bytes::<Channel>();

impl Node {
    /// A sequencer in front of `broker`, handing on to `workers`, whose order is that of their ids.
    pub fn new(
        broker: Box<dyn Broker>,
        rules: Rules,
        encoders: Encoders,
        workers: Vec<Arc<Mailbox<WorkerMail>>>,
        hasher: RandomState,
    ) -> Self {
        let counters = NodeCounters { publications: vec![[0; 2]; rules.names().len()], ..Default::default() };
        let workers = workers.into_iter().map(|mailbox| Worker { mailbox, outgoing: Vec::new() }).collect();
        let (channels, publishers) = (Slab::new(), Slab::new());
        let (index, requests, answers) = (HashTable::new(), Vec::new(), Vec::new());
        Self {
            broker,
            rules,
            encoders,
            workers,
            channels,
            index,
            hasher,
            publishers,
            requests,
            answers,
            counters,
        }
    }

    /// Carries out everything that waits in `mailbox`.
    pub fn on_requests(&mut self, mailbox: &Mailbox<NodeRequest>) {
        let mut requests = std::mem::take(&mut self.requests);
        mailbox.take(&mut requests);
        self.poll_broker();
        for request in requests.drain(..) {
            match request {
                NodeRequest::Join { worker, channel, key } => self.join(worker, channel, key),
                NodeRequest::Release { worker, channel, key } => self.release(worker, &channel, key),
                NodeRequest::Publish(request) => self.publish(*request),
                NodeRequest::Count(reply) => self.count(reply, mailbox.depth()),
            }
            self.poll_broker();
        }
        self.requests = requests;
        self.hand_over();
        for (reply, outcome) in self.answers.drain(..) {
            // The caller may have given up waiting.
            reply.send(outcome).ok();
        }
    }

    fn join(&mut self, worker: WorkerId, name: ChannelName, key: ChannelKey) {
        if let Some(index) = self.find(&name) {
            let Some(channel) = self.channels.get_mut(index) else {
                return;
            };
            channel.joined.add(worker, key);
            if channel.last.is_some() {
                let name = channel.name.clone();
                self.mail(worker, WorkerMail::Joined { channel: key, name }, None);
            }
            return;
        }
        let namespace = self.rules.of(&name).unwrap_or_default();
        let hash = self.hasher.hash_one(name.as_str());
        self.broker.join(&name);
        let joined = Joined::One(worker, key);
        let index = self.channels.insert(Channel { name, namespace, last: None, joined });
        let (channels, hasher) = (&self.channels, &self.hasher);
        let rehash =
            |other: &u32| channels.get(*other).map_or(0, |other| hasher.hash_one(other.name.as_str()));
        self.index.insert_unique(hash, index, rehash);
    }

    fn release(&mut self, worker: WorkerId, name: &ChannelName, key: ChannelKey) {
        let Some(index) = self.find(name) else {
            return;
        };
        let is_last = self.channels.get_mut(index).is_some_and(|channel| channel.joined.remove(worker, key));
        if !is_last {
            return;
        }
        self.channels.remove(index);
        if let Ok(found) = self.index.find_entry(self.hasher.hash_one(name.as_str()), |known| *known == index)
        {
            found.remove();
        }
        self.broker.leave(name);
    }

    fn publish(&mut self, request: PublishRequest) {
        let index = self.publishers.insert((request.publisher, request.namespace));
        let ticket = ticket(index, self.publishers.generation(index));
        self.broker.publish(ticket, &request.channel, request.publication);
    }

    fn count(&mut self, reply: oneshot::Sender<NodeCounters>, mailbox_depth: usize) {
        self.counters.channels = u64::from(self.channels.count());
        self.counters.mailbox_depth = mailbox_depth as u64;
        // A scrape that gave up no longer listens.
        drop(reply.send(self.counters.clone()));
    }

    fn poll_broker(&mut self) {
        while let Some(event) = self.broker.poll() {
            match event {
                BrokerEvent::Joined { channel, last } => self.on_joined(&channel, last),
                BrokerEvent::Published { ticket, outcome } => self.on_published(ticket, outcome),
                BrokerEvent::Publication { channel, position, publication } => {
                    self.on_publication(&channel, position, publication);
                }
            }
        }
    }

    fn on_joined(&mut self, name: &ChannelName, last: Position) {
        let Some(channel) = self.find(name).and_then(|index| self.channels.get_mut(index)) else {
            return;
        };
        let passed = channel.last.filter(|passed| passed.epoch == last.epoch);
        // A broker that joins anew may have lost some, but unsays nothing.
        let lost = passed.map_or(Some(0), |passed| last.offset.checked_sub(passed.offset));
        if let Some(lost) = lost {
            self.counters.holes += lost;
            channel.last = Some(last);
        }
        let name = channel.name.clone();
        for (worker, key) in channel.joined.list() {
            self.mail(worker, WorkerMail::Joined { channel: key, name: name.clone() }, None);
        }
    }

    fn on_published(&mut self, answered: Ticket, outcome: Outcome) {
        let index = answered.0 as u32;
        // An answer given twice must not reach the next publisher in its place.
        if ticket(index, self.publishers.generation(index)) != answered {
            return;
        }
        let Some((publisher, namespace)) = self.publishers.remove(index) else {
            return;
        };
        let from_api = usize::from(matches!(publisher, Publisher::Api(_)));
        self.counters.publications[namespace.index()][from_api] += u64::from(outcome.is_ok());
        match publisher {
            Publisher::Connection { connection, request } => {
                self.mail(connection.worker, WorkerMail::Published { connection, request, outcome }, None);
            }
            Publisher::Api(reply) => self.answers.push((reply, outcome)),
        }
    }

    fn on_publication(&mut self, name: &ChannelName, position: Position, publication: Publication) {
        let Some(channel) = self.find(name).and_then(|index| self.channels.get_mut(index)) else {
            return;
        };
        // What comes before the join is in effect nobody is promised.
        let Some(last) = channel.last else {
            return;
        };
        if last.epoch == position.epoch {
            if position.offset <= last.offset {
                self.counters.duplicates += 1;
                return;
            }
            self.counters.holes += position.offset - last.offset - 1;
        }
        channel.last = Some(position);
        let size = publication.size();
        // A namespace without history tells nobody its positions.
        let delivery = Arc::new(Delivery::new(
            channel.name.clone(),
            channel.namespace,
            None,
            publication,
            &self.encoders,
        ));
        match &channel.joined {
            Joined::One(worker, key) => {
                let (worker, channel) = (*worker, *key);
                self.mail(worker, WorkerMail::Publication { channel, delivery }, Some(size));
            }
            Joined::Many(list) => {
                for (worker, channel) in list.clone() {
                    let delivery = Arc::clone(&delivery);
                    self.mail(worker, WorkerMail::Publication { channel, delivery }, Some(size));
                }
            }
        }
    }

    fn mail(&mut self, worker: WorkerId, mail: WorkerMail, bytes: Option<usize>) {
        let Some(worker) = self.workers.get_mut(usize::from(worker.0)) else {
            return;
        };
        worker.outgoing.push((mail, bytes));
        if worker.outgoing.len() >= MAIL_BATCH {
            self.counters.lost += worker.mailbox.deliver(&mut worker.outgoing) as u64;
        }
    }

    fn hand_over(&mut self) {
        for worker in &mut self.workers {
            self.counters.lost += worker.mailbox.deliver(&mut worker.outgoing) as u64;
        }
    }

    fn find(&self, name: &ChannelName) -> Option<u32> {
        let hash = self.hasher.hash_one(name.as_str());
        self.index
            .find(hash, |index| self.channels.get(*index).is_some_and(|channel| channel.name == *name))
            .copied()
    }
}

/// A publisher's place and how often it was used before.
fn ticket(index: u32, generation: u32) -> Ticket {
    Ticket((u64::from(generation) << 32) | u64::from(index))
}

impl Joined {
    fn add(&mut self, worker: WorkerId, key: ChannelKey) {
        match self {
            Self::One(first, first_key) => *self = Self::Many(vec![(*first, *first_key), (worker, key)]),
            Self::Many(list) => list.push((worker, key)),
        }
    }

    /// Removes a worker; true when none is left.
    fn remove(&mut self, worker: WorkerId, key: ChannelKey) -> bool {
        match self {
            Self::One(first, first_key) => *first == worker && *first_key == key,
            Self::Many(list) => {
                list.retain(|entry| *entry != (worker, key));
                if let [(worker, key)] = list[..] {
                    *self = Self::One(worker, key);
                }
                false
            }
        }
    }

    fn list(&self) -> Vec<(WorkerId, ChannelKey)> {
        match self {
            Self::One(worker, key) => vec![(*worker, *key)],
            Self::Many(list) => list.clone(),
        }
    }
}
