//! Workers, the sequencer and clients, each of which does something only when told.

use std::collections::{BTreeMap, VecDeque};
use std::hash::RandomState;
use std::sync::Arc;
use std::time::Duration;

use auth::ServerGrant;
use broker::{Broker, MemoryBroker, MemoryPresence, Presence, PublishTerms};
use bytes::Bytes;
use engine::{
    Flush, Mailbox, NamespaceConfig, Node, NodeCounters, NodeRequest, Order, Place, Policy, Progress,
    PublishRequest, Publisher, Rules, Shard, ShardCounters, Target, WorkerMail, Written,
};
use model::{
    ChannelName, ClientId, CloseReason, Moment, Now, Payload, Period, Position, Publication, Refusal,
    UnixTime, WorkerId, limits,
};
use protocol::{Encoders, Frame, FrameKind, Variant};
use tokio::sync::oneshot::{self, Receiver};

use crate::protocol::{Lines, Words};
use crate::reload::policy;

/// What a test chooses about its world.
pub(crate) struct Setup {
    pub(crate) workers: u16,
    pub(crate) broker: Box<dyn Broker>,
    pub(crate) presence: Box<dyn Presence>,
    pub(crate) node_entries: usize,
    pub(crate) outbox_bytes: usize,
    pub(crate) outbox_bytes_total: usize,
    /// The rules of the channels `kept:…`; those without a namespace keep nothing.
    pub(crate) kept: NamespaceConfig,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            workers: 1,
            broker: Box::new(MemoryBroker::new(1)),
            presence: Box::new(MemoryPresence::new()),
            node_entries: limits::NODE_MAILBOX_ENTRIES_MAX,
            outbox_bytes: 1 << 20,
            outbox_bytes_total: 1 << 30,
            kept: NamespaceConfig {
                history_size: 10,
                history_ttl: Period::seconds(60),
                ..NamespaceConfig::default()
            },
        }
    }
}

pub(crate) struct World {
    node: Node,
    node_mail: Arc<Mailbox<NodeRequest>>,
    policy: Arc<Policy>,
    namespaces: BTreeMap<String, NamespaceConfig>,
    variant: Variant,
    workers: Vec<Worker>,
    clients: Vec<Client>,
    passed: Duration,
}

struct Worker {
    shard: Shard,
    mailbox: Arc<Mailbox<WorkerMail>>,
}

struct Client {
    worker: usize,
    slot: u32,
    /// Frames, or rests of frames, not taken yet.
    unread: VecDeque<Vec<u8>>,
    received: Vec<u8>,
    is_stalled: bool,
    is_gone: bool,
}

impl World {
    pub(crate) fn new(setup: Setup) -> Self {
        let namespaces = BTreeMap::from([("kept".to_owned(), setup.kept)]);
        let rules = Rules::new(&NamespaceConfig::default(), &namespaces, true);
        let Setup { outbox_bytes, outbox_bytes_total, .. } = setup;
        let policy = Arc::new(Policy { outbox_bytes, outbox_bytes_total, ..policy(Arc::new(rules)) });
        let dice = RandomState::new();
        let mut encoders = Encoders::default();
        let variant = encoders.add(Arc::new(Words), &Lines);
        let node_mail = mailbox(setup.node_entries);
        let mailboxes: Vec<_> =
            (0..setup.workers).map(|_| mailbox(limits::WORKER_MAILBOX_ENTRIES_MAX)).collect();
        let node = Node::new(
            (setup.broker, setup.presence),
            Arc::clone(&policy),
            encoders.clone(),
            mailboxes.clone(),
            dice.clone(),
        );
        let workers = mailboxes.into_iter().enumerate().map(|(index, mailbox)| {
            let place = Place {
                worker: WorkerId(index as u16),
                mailbox: Arc::clone(&mailbox),
                node: Arc::clone(&node_mail),
                encoders: encoders.clone(),
                dice: dice.clone(),
                tracer: None,
            };
            Worker { shard: Shard::new(place, Arc::clone(&policy), now(Duration::ZERO)), mailbox }
        });
        let (workers, clients, passed) = (workers.collect(), Vec::new(), Duration::ZERO);
        Self { node, node_mail, policy, namespaces, variant, workers, clients, passed }
    }

    /// Changes the settings, as far as they are about namespaces: all threads have their order, none took it yet.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut BTreeMap<String, NamespaceConfig>)) {
        change(&mut self.namespaces);
        let rules = self.policy.rules.changed(&NamespaceConfig::default(), &self.namespaces);
        self.adopt(policy(Arc::new(rules.expect("few namespaces"))));
    }

    /// Changes the age at which connections begin anew, likewise.
    pub(crate) fn change_age(&mut self, connection_age: Period) {
        let mut policy = policy(Arc::clone(&self.policy.rules));
        policy.client.connection_age = connection_age;
        self.adopt(policy);
    }

    fn adopt(&mut self, policy: Policy) {
        let (outbox_bytes, outbox_bytes_total) = (self.policy.outbox_bytes, self.policy.outbox_bytes_total);
        self.policy = Arc::new(Policy { outbox_bytes, outbox_bytes_total, ..policy });
        self.node_mail.answer(NodeRequest::Adopt(Arc::clone(&self.policy)));
        for worker in &self.workers {
            let order = Order::Adopt { policy: Arc::clone(&self.policy), reply: oneshot::channel().0 };
            worker.mailbox.answer(WorkerMail::Order(Box::new(order)));
        }
    }

    /// Opens and connects a client, and returns its number.
    pub(crate) fn connect(&mut self, worker: usize) -> usize {
        let slot = self.workers[worker].shard.open(self.variant, Bytes::new(), now(self.passed));
        let (unread, received) = (VecDeque::new(), Vec::new());
        self.clients.push(Client { worker, slot, unread, received, is_stalled: false, is_gone: false });
        let client = self.clients.len() - 1;
        self.send(client, "1 connect");
        client
    }

    /// A client sends a frame; it is taken when the commands before it are answered.
    pub(crate) fn send(&mut self, client: usize, frame: &str) {
        self.clients[client].unread.push_back(frame.as_bytes().to_vec());
        self.feed(client);
    }

    /// A client's socket vanishes.
    pub(crate) fn leave(&mut self, client: usize) {
        let client = &mut self.clients[client];
        if !std::mem::replace(&mut client.is_gone, true) {
            self.workers[client.worker].shard.gone(client.slot, now(self.passed));
        }
    }

    /// Whether a client's socket takes bytes from now on.
    pub(crate) fn stall(&mut self, client: usize, is_stalled: bool) {
        self.clients[client].is_stalled = is_stalled;
    }

    /// Lets time pass, for the workers alone.
    pub(crate) fn pass(&mut self, span: Duration) {
        let until = self.passed + span;
        while self.passed < until {
            self.passed += Moment::TICK;
            for worker in 0..self.workers.len() {
                let mut resets = Vec::new();
                self.workers[worker].shard.on_tick(now(self.passed), &mut resets);
                for client in 0..self.clients.len() {
                    if self.clients[client].worker == worker && resets.contains(&self.clients[client].slot) {
                        self.leave(client);
                    }
                }
                self.serve_worker(worker);
            }
        }
    }

    /// Lets time pass that no worker notices.
    pub(crate) fn stand_still(&mut self, span: Duration) {
        self.passed += span;
    }

    /// Lets time pass for the sequencer too, which acts at every tick.
    pub(crate) fn pass_for_all(&mut self, span: Duration) {
        for _ in 0..span.as_millis() / Moment::TICK.as_millis() {
            self.pass(Moment::TICK);
            self.settle();
        }
    }

    /// Fills a worker's mailbox with publications of a channel that nobody has.
    pub(crate) fn fill_mailbox(&self, worker: usize) {
        let mailbox = &self.workers[worker].mailbox;
        let (reply, _) = oneshot::channel();
        let mut orders = vec![(WorkerMail::Order(Box::new(Order::Count(reply))), Some(1 << 30))];
        assert!(mailbox.deliver(&mut orders).is_empty(), "there was room");
    }

    /// The sequencer takes its mail.
    pub(crate) fn serve_node(&mut self) {
        self.node.on_requests(&self.node_mail, now(self.passed));
    }

    /// A worker takes its mail and reads on where commands were answered. Nothing is written.
    /// True when more mail waits until something is written.
    pub(crate) fn serve_worker(&mut self, worker: usize) -> bool {
        let shard = &mut self.workers[worker].shard;
        let has_more = shard.on_mail(now(self.passed));
        shard.take_resumed(&mut Vec::new());
        for client in 0..self.clients.len() {
            if self.clients[client].worker == worker {
                self.feed(client);
            }
        }
        self.workers[worker].shard.flush_requests();
        has_more
    }

    /// A worker writes, at most so many bytes to each client.
    pub(crate) fn flush(&mut self, worker: usize, bytes_max: usize) {
        let now = now(self.passed);
        let shard = &mut self.workers[worker].shard;
        for client in self.clients.iter().filter(|client| client.worker == worker && !client.is_gone) {
            shard.writable(client.slot);
        }
        while let Some(slot) = shard.next_dirty() {
            let mine =
                |client: &&mut Client| client.worker == worker && client.slot == slot && !client.is_gone;
            let Some(client) = self.clients.iter_mut().find(mine) else {
                continue;
            };
            let mut room = if client.is_stalled { 0 } else { bytes_max };
            let outcome = shard.flush(slot, |slices| {
                let waiting: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
                let taken = waiting.len().min(room);
                room -= taken;
                client.received.extend_from_slice(&waiting[..taken]);
                if taken == 0 { Written::Blocked } else { Written::Bytes(taken, now.moment) }
            });
            if outcome == Flush::Finished {
                client.is_gone = true;
                shard.linger(slot, now);
                shard.gone(slot, now);
            }
        }
    }

    /// Everybody does what there is to do, until nothing is.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut has_more = self.node_mail.waiting().entries > 0;
            self.serve_node();
            for worker in 0..self.workers.len() {
                has_more |= self.serve_worker(worker);
                self.flush(worker, usize::MAX);
                has_more |= self.workers[worker].mailbox.waiting().entries > 0;
            }
            if !has_more && self.node_mail.waiting().entries == 0 {
                return;
            }
        }
    }

    /// Closes whoever holds most, as a worker does once a turn.
    pub(crate) fn shed(&mut self, worker: usize) {
        self.workers[worker].shard.shed(0, |_| 0, &mut Vec::new(), now(self.passed));
    }

    /// What a client received since it was last asked, in whole lines.
    pub(crate) fn heard(&mut self, client: usize) -> Vec<String> {
        let received = &mut self.clients[client].received;
        let end = received.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines = String::from_utf8(received.drain(..end).collect()).expect("text");
        lines.lines().map(str::to_owned).collect()
    }

    pub(crate) fn is_gone(&self, client: usize) -> bool {
        self.clients[client].is_gone
    }

    /// Which worker and slot a client has.
    pub(crate) fn place(&self, client: usize) -> (usize, u32) {
        (self.clients[client].worker, self.clients[client].slot)
    }

    /// A backend publishes.
    pub(crate) fn publish(
        &self,
        channel_name: &str,
        payload: &str,
    ) -> Receiver<Result<Option<Position>, Refusal>> {
        let channel = channel(channel_name);
        let namespace = self.policy.rules.of(&channel).expect("the channel has no namespace");
        let (reply, outcome) = oneshot::channel();
        let payload = Payload::parse_json(payload.as_bytes()).expect("a payload");
        let accepted = now(self.passed).moment;
        let publication = Publication::new(payload, accepted);
        let terms = PublishTerms { history: self.policy.rules.history(namespace), ..PublishTerms::default() };
        let publisher = Publisher::Api(reply);
        let request = PublishRequest { channel, namespace, publication, terms, publisher };
        self.node_mail.answer(NodeRequest::Publish(Box::new(request)));
        outcome
    }

    /// A backend subscribes a connection.
    pub(crate) fn grant(&self, worker: usize, client: ClientId, channel_name: &str) {
        let grant = Arc::new(ServerGrant { channel: channel(channel_name), info: None, data: None });
        let (reply, _) = oneshot::channel();
        self.order(worker, Order::Subscribe { target: target(client), grant, expires: None, reply });
    }

    /// A backend unsubscribes a connection.
    pub(crate) fn revoke(&self, worker: usize, client: ClientId, channel_name: &str) {
        let (reply, _) = oneshot::channel();
        self.order(
            worker,
            Order::Unsubscribe { target: target(client), channel: channel(channel_name), reply },
        );
    }

    /// A backend closes a connection.
    pub(crate) fn disconnect(&self, worker: usize, client: ClientId) {
        let (reply, _) = oneshot::channel();
        let (target, reason, spared) = (target(client), CloseReason::Disconnected, Arc::new([]));
        self.order(worker, Order::Disconnect { target, reason, spared, reply });
    }

    /// The control thread orders something.
    pub(crate) fn order(&self, worker: usize, order: Order) {
        self.workers[worker].mailbox.answer(WorkerMail::Order(Box::new(order)));
    }

    /// The workers' counters, added up.
    pub(crate) fn count(&self) -> ShardCounters {
        let mut total = ShardCounters::default();
        self.workers.iter().for_each(|worker| total.merge(&worker.shard.count()));
        total
    }

    /// The sequencer's counters. It takes its mail for that.
    pub(crate) fn count_node(&mut self) -> NodeCounters {
        let (reply, mut answer) = oneshot::channel();
        self.node_mail.answer(NodeRequest::Count(reply));
        self.serve_node();
        answer.try_recv().expect("the node counts at once")
    }

    /// Everybody leaves, and nothing may be left of them.
    pub(crate) fn end(&mut self) {
        (0..self.clients.len()).for_each(|client| self.leave(client));
        self.settle();
        let left = self.count();
        let gauges = [left.connections, left.users, left.subscriptions, left.channels, left.outbox_bytes];
        assert_eq!(gauges, [0; 5], "connections, users, subscriptions, channels, bytes in outboxes");
        assert_eq!(self.count_node().channels, 0, "channels of the node");
    }

    fn feed(&mut self, client: usize) {
        let client = &mut self.clients[client];
        let shard = &mut self.workers[client.worker].shard;
        while !client.is_gone && shard.is_ready(client.slot) {
            let Some(payload) = client.unread.pop_front() else {
                return;
            };
            let frame = Frame { kind: FrameKind::Text, payload: &payload };
            match shard.on_frame(client.slot, frame, now(self.passed)) {
                Progress::Taken | Progress::Waits { rest: 0 } => {}
                Progress::Waits { rest } => {
                    client.unread.push_front(payload[payload.len() - rest..].to_vec())
                }
                Progress::Closed => client.unread.clear(),
            }
        }
    }
}

fn target(client: ClientId) -> Target {
    Target { user: Box::from(""), client: Some(client) }
}

fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).expect("a channel name")
}

fn mailbox<T>(entries_max: usize) -> Arc<Mailbox<T>> {
    Arc::new(Mailbox::new(entries_max, 1 << 30, Box::new(|| ())))
}

fn now(passed: Duration) -> Now {
    let moment = Moment::after_start(passed);
    Now { moment, unix: UnixTime(1_700_000_000 + passed.as_secs() as i64) }
}
