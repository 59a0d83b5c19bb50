//! The one sequencer of a node: which workers want which channel, and what was handed on last. Hands on only
//! what follows; what the broker repeats is dropped, what it loses is read from the history.

mod adopt;
mod channel;
mod history;
mod presence;
mod recovery;
mod repair;
mod rounds;
mod visits;
mod worker;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use broker::{Broker, BrokerEvent, Presence, Ticket};
use channel::{Channel, Joined};
use hashbrown::HashTable;
use history::Question;
use model::{ChannelName, Moment, Movement, Now, Position, Publication, Refusal, TraceParent, WorkerId};
use protocol::Encoders;
use tokio::sync::oneshot;
use worker::Worker;

use crate::channels::ChannelKey;
use crate::counters::NodeCounters;
use crate::delivery::Delivery;
use crate::mail::{InquiryKind, NodeRequest, PublishRequest, Publisher, WorkerMail};
use crate::mailbox::Mailbox;
use crate::policy::Policy;
use crate::rules::NamespaceId;
use crate::slab::Slab;
use crate::trace::{Span, SpanKind, Tracer};

/// The state of the broker thread.
pub struct Node {
    broker: Box<dyn Broker>,
    presence: Box<dyn Presence>,
    visits: visits::Visits,
    policy: Arc<Policy>,
    encoders: Encoders,
    workers: Vec<Worker>,
    channels: Slab<Channel>,
    index: HashTable<u32>,
    hasher: RandomState,
    /// What the broker is yet to answer.
    awaited: Slab<Awaited>,
    batch: Batch,
    repairs: repair::Repairs,
    counters: NodeCounters,
    tracer: Option<Arc<Tracer>>,
    now: Now,
}

/// What waited in the mailbox together, and what is to be answered with it.
#[derive(Default)]
struct Batch {
    requests: Vec<NodeRequest>,
    answers: Vec<Answer>,
}

/// What the sequencer awaits of the broker.
enum Awaited {
    Publish(Publisher, NamespaceId, Option<Box<Publishing>>),
    Read(Asked, Question),
    History(Box<history::Reader>),
    Removal(oneshot::Sender<Result<(), Refusal>>),
    /// A call to the presence, by its place.
    Visit(u32),
    Inquiry(InquiryKind),
}

/// A client's publication that is part of a trace. A backend's request is told of by whoever answers it.
struct Publishing {
    place: Arc<TraceParent>,
    began: Moment,
}

/// A channel that something was asked about, named so that it cannot be mistaken for a later one in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked {
    index: u32,
    generation: u32,
}

/// A backend to be told once this batch's mail is handed over: the orders that it gives next must not overtake
/// what it published.
enum Answer {
    Published(oneshot::Sender<PublishOutcome>, PublishOutcome),
    Removed(oneshot::Sender<Result<(), Refusal>>, Result<(), Refusal>),
}

type PublishOutcome = Result<Option<Position>, Refusal>;

#[cfg(test)]
pub(crate) const CHANNEL_BYTES: usize = crate::slab::place_bytes::<Channel>();

impl Node {
    /// A sequencer in front of a broker and a presence, handing on to `workers`, whose order is that of their ids.
    pub fn new(
        (broker, presence): (Box<dyn Broker>, Box<dyn Presence>),
        policy: Arc<Policy>,
        encoders: Encoders,
        workers: Vec<Arc<Mailbox<WorkerMail>>>,
        hasher: RandomState,
    ) -> Self {
        let counters =
            NodeCounters { publications: vec![[0; 2]; policy.rules.count()], ..Default::default() };
        Self {
            broker,
            presence,
            visits: visits::Visits::default(),
            policy,
            encoders,
            workers: workers.into_iter().map(Worker::new).collect(),
            channels: Slab::new(),
            index: HashTable::new(),
            hasher,
            awaited: Slab::new(),
            batch: Batch::default(),
            repairs: repair::Repairs::default(),
            counters,
            tracer: None,
            now: Now::default(),
        }
    }

    /// Tells of what is part of a trace.
    #[must_use]
    pub fn traced(self, tracer: Option<Arc<Tracer>>) -> Self {
        Self { tracer, ..self }
    }

    /// Carries out everything that waits in `mailbox`, and what is due. To be called once a second at least.
    pub fn on_requests(&mut self, mailbox: &Mailbox<NodeRequest>, now: Now) {
        self.now = now;
        let mut requests = std::mem::take(&mut self.batch.requests);
        mailbox.take(&mut requests);
        self.poll_broker();
        for request in requests.drain(..) {
            match request {
                NodeRequest::Join { worker, channel, key } => self.join(worker, channel, key),
                NodeRequest::Release { worker, channel, key } => self.release(worker, &channel, key),
                NodeRequest::Publish(request) => self.publish(*request),
                NodeRequest::Recover(request) => self.recover(*request),
                NodeRequest::History(request) => self.read_history(*request),
                NodeRequest::Enter(entry) => self.moved(Movement::Join, *entry),
                NodeRequest::Exit(entry) => self.moved(Movement::Leave, *entry),
                NodeRequest::Vouch(entries) => self.vouch(entries),
                NodeRequest::Inquire(inquiry) => self.inquire(*inquiry),
                NodeRequest::RemoveHistory { channel, reply } => self.remove_history(&channel, reply),
                NodeRequest::Count(reply) => self.count(reply),
                NodeRequest::Adopt(policy) => self.adopt(policy),
            }
            self.poll_broker();
        }
        self.batch.requests = requests;
        self.keep_up();
        self.poll_broker();
        self.hand_over();
        for answer in self.batch.answers.drain(..) {
            // The caller may have given up waiting.
            match answer {
                Answer::Published(reply, outcome) => drop(reply.send(outcome)),
                Answer::Removed(reply, outcome) => drop(reply.send(outcome)),
            }
        }
    }

    /// What is allowed at present.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Whether nothing is awaited of the broker, or stands in line for it.
    pub fn is_quiet(&self) -> bool {
        self.awaited.count() == 0 && self.visits.is_idle()
    }

    fn join(&mut self, worker: WorkerId, name: ChannelName, key: ChannelKey) {
        if let Some((_, channel)) = self.wanted(&name) {
            channel.joined.add(worker, key);
            if channel.is_live() {
                let mail =
                    WorkerMail::Joined { channel: key, name: channel.name.clone(), last: channel.last };
                self.mail(worker, mail, None);
            } else {
                channel.owes_joined = true;
            }
            return;
        }
        let namespace = self.policy.rules.known(&name).unwrap_or_default();
        let keeps_history = self.policy.rules.history(namespace).is_some();
        let hash = self.hasher.hash_one(name.as_str());
        self.broker.join(&name);
        self.counters.channels += u64::from(!name.is_internal());
        let channel = Channel::new(name, namespace, keeps_history, Joined::One(worker, key));
        let index = self.channels.insert(channel);
        let (channels, hasher) = (&self.channels, &self.hasher);
        let rehash =
            |other: &u32| channels.get(*other).map_or(0, |other| hasher.hash_one(other.name.as_str()));
        self.index.insert_unique(hash, index, rehash);
    }

    fn release(&mut self, worker: WorkerId, name: &ChannelName, key: ChannelKey) {
        if let Some(worker) = self.workers.get_mut(usize::from(worker.0)) {
            worker.forget(key);
        }
        let Some((index, channel)) = self.wanted(name) else {
            return;
        };
        if !channel.joined.remove(worker, key) {
            return;
        }
        self.repairs.forget(self.channels.remove(index));
        if let Ok(found) = self.index.find_entry(self.hasher.hash_one(name.as_str()), |known| *known == index)
        {
            found.remove();
        }
        self.broker.leave(name);
        self.counters.channels -= u64::from(!name.is_internal());
    }

    fn publish(&mut self, request: PublishRequest) {
        let PublishRequest { channel, namespace, publication, terms, publisher } = request;
        let place = publication.trace.clone().filter(|_| matches!(publisher, Publisher::Connection { .. }));
        let publishing = place.map(|place| Box::new(Publishing { place, began: publication.accepted }));
        let ticket = self.await_broker(Awaited::Publish(publisher, namespace, publishing));
        self.broker.publish(ticket, &channel, publication, terms);
    }

    fn count(&mut self, reply: oneshot::Sender<NodeCounters>) {
        self.counters.repairing = self.repairs.count();
        self.counters.awaited = u64::from(self.awaited.count());
        self.counters.visits = u64::from(self.visits.count());
        self.counters.visits_refused = [self.visits.counts.repeated, self.visits.counts.dropped];
        // A scrape that gave up no longer listens.
        drop(reply.send(self.counters.clone()));
    }

    fn poll_broker(&mut self) {
        self.poll_presence();
        while let Some(event) = self.broker.poll(self.now) {
            match event {
                BrokerEvent::Joined { channel } => self.on_joined(&channel),
                BrokerEvent::Severed { channel } => self.on_severed(&channel),
                BrokerEvent::Published { ticket, outcome } => self.on_published(ticket, outcome),
                BrokerEvent::Publication { channel, position, marks, is_plain, publication } => {
                    self.on_publication(&channel, (position, marks), is_plain, publication);
                }
                BrokerEvent::Announced { channel, movement, member } => {
                    self.on_announced(&channel, movement, member);
                }
                BrokerEvent::Read { ticket, outcome } => match self.answered(ticket) {
                    Some(Awaited::Read(asked, question)) => self.on_answer(asked, question, outcome),
                    Some(Awaited::History(reader)) => self.on_history(*reader, outcome),
                    Some(_) | None => {}
                },
                BrokerEvent::Removed { ticket, outcome } => {
                    if let Some(Awaited::Removal(reply)) = self.answered(ticket) {
                        self.batch.answers.push(Answer::Removed(reply, outcome));
                    }
                }
            }
        }
    }

    fn on_published(&mut self, ticket: Ticket, outcome: PublishOutcome) {
        let Some(Awaited::Publish(publisher, namespace, publishing)) = self.answered(ticket) else {
            return;
        };
        if let (Some(publishing), Some(tracer)) = (publishing, &self.tracer) {
            let Publishing { place, began } = *publishing;
            let kind = SpanKind::Command { code: outcome.as_ref().err().map_or(0, |refusal| refusal.code()) };
            let (namespace, ended) = (Some(namespace), self.now.moment);
            tracer.end(Span { kind, place, parent: 0, namespace, began, ended });
        }
        let from_api = usize::from(matches!(publisher, Publisher::Api(_)));
        self.counters.publications[namespace.index()][from_api] += u64::from(outcome.is_ok());
        match publisher {
            Publisher::Connection { connection, request } => {
                let outcome = outcome.map(|_| ());
                self.mail(connection.worker, WorkerMail::Published { connection, request, outcome }, None);
            }
            Publisher::Api(reply) => self.batch.answers.push(Answer::Published(reply, outcome)),
        }
    }

    /// Hands a publication to the channel's workers.
    fn deliver(&mut self, index: u32, position: Option<Position>, publication: Publication) {
        let Some(channel) = self.channels.get(index) else {
            return;
        };
        let size = publication.size();
        let (name, namespace) = (channel.name.clone(), channel.namespace);
        let delivery = Delivery::new(name, namespace, position, publication, &self.encoders);
        let delivery = Arc::new(delivery.traced(self.tracer.as_ref()));
        match &channel.joined {
            Joined::One(worker, key) => {
                let (worker, channel) = (*worker, *key);
                self.mail(worker, WorkerMail::Publication { channel, delivery }, Some(size));
            }
            Joined::Many(list) => {
                for (worker, channel) in (**list).clone() {
                    let delivery = Arc::clone(&delivery);
                    self.mail(worker, WorkerMail::Publication { channel, delivery }, Some(size));
                }
            }
        }
    }

    /// Tells every worker that wants a channel.
    fn mail_all(
        &mut self,
        index: u32,
        bytes: Option<usize>,
        mail: impl Fn(&Channel, ChannelKey) -> WorkerMail,
    ) {
        let Some(channel) = self.channels.get(index) else {
            return;
        };
        let list = channel.joined.list();
        let mails: Vec<_> = list.into_iter().map(|(worker, key)| (worker, mail(channel, key))).collect();
        for (worker, mail) in mails {
            self.mail(worker, mail, bytes);
        }
    }

    fn mail(&mut self, worker: WorkerId, mail: WorkerMail, bytes: Option<usize>) {
        let Some(worker) = self.workers.get_mut(usize::from(worker.0)) else {
            return;
        };
        self.counters.lost += worker.add(mail, bytes);
    }

    fn hand_over(&mut self) {
        for worker in &mut self.workers {
            self.counters.lost += worker.hand_over();
            worker.tell_what_is_behind();
        }
    }

    fn find(&self, name: &ChannelName) -> Option<u32> {
        let hash = self.hasher.hash_one(name.as_str());
        self.index
            .find(hash, |index| self.channels.get(*index).is_some_and(|channel| channel.name == *name))
            .copied()
    }

    /// A channel that a worker wants, and its place.
    fn wanted(&mut self, name: &ChannelName) -> Option<(u32, &mut Channel)> {
        let index = self.find(name)?;
        Some((index, self.channels.get_mut(index)?))
    }

    fn asked(&self, index: u32) -> Asked {
        Asked { index, generation: self.channels.generation(index) }
    }

    /// The channel that was asked about, if it is still wanted.
    fn channel_of(&mut self, asked: Asked) -> Option<&mut Channel> {
        if self.channels.generation(asked.index) != asked.generation {
            return None;
        }
        self.channels.get_mut(asked.index)
    }

    /// Remembers what the broker is asked, and names it.
    fn await_broker(&mut self, what: Awaited) -> Ticket {
        let index = self.awaited.insert(what);
        ticket(index, self.awaited.generation(index))
    }

    /// What the broker answers; nothing when it answers twice, for that must not reach the next asker in its
    /// place.
    fn answered(&mut self, answered: Ticket) -> Option<Awaited> {
        let index = answered.0 as u32;
        if ticket(index, self.awaited.generation(index)) != answered {
            return None;
        }
        self.awaited.remove(index)
    }

    fn moment(&self) -> Moment {
        self.now.moment
    }
}

/// A question's place and how often it was used before.
fn ticket(index: u32, generation: u32) -> Ticket {
    Ticket((u64::from(generation) << 32) | u64::from(index))
}
