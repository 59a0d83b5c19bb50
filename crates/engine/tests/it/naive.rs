//! Chance against the engine: clients, backends and threads in any order, compared with what a table of
//! channels and their subscribers says.

use std::collections::{BTreeMap, BTreeSet};

use model::ClientId;
use proptest::prelude::*;

use crate::world::{Setup, World};

const WORKERS: usize = 3;
const CLIENTS: usize = 6;
const CHANNELS: [&str; 3] = ["a", "b", "c"];

/// Something that somebody does.
#[derive(Debug, Clone)]
enum Step {
    Subscribe(usize, usize),
    Unsubscribe(usize, usize),
    Publish(usize, usize),
    PublishByBackend(usize),
    Grant(usize, usize),
    Revoke(usize, usize),
    Disconnect(usize),
    /// The socket vanishes, and the client connects anew.
    Reconnect(usize),
    ServeNode,
    ServeWorker(usize),
    Flush(usize, usize),
    Settle,
}

proptest! {
    /// One after the other, the engine is a table of channels and subscribers.
    #[test]
    fn steps_in_turn_do_what_a_table_would(steps in prop::collection::vec(step(), 1..60)) {
        let mut story = Story::new();
        let mut table: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for step in &steps {
            story.take(step);
            story.settle();
            match *step {
                Step::Subscribe(client, channel) | Step::Grant(client, channel) => {
                    table.entry(channel).or_default().insert(client);
                }
                Step::Unsubscribe(client, channel) | Step::Revoke(client, channel) => {
                    table.entry(channel).or_default().remove(&client);
                }
                Step::Disconnect(client) | Step::Reconnect(client) => {
                    table.values_mut().for_each(|clients| {
                        clients.remove(&client);
                    });
                }
                Step::Publish(..) | Step::PublishByBackend(_) | Step::ServeNode | Step::ServeWorker(_)
                | Step::Flush(..) | Step::Settle => {}
            }
            let subscribers = |channel| table.get(&channel).cloned().unwrap_or_default();
            for (channel, name) in CHANNELS.iter().enumerate() {
                prop_assert_eq!(story.subscribers(channel), subscribers(channel), "of {}", name);
            }
        }
        story.end();
    }

    /// In any interleaving of threads and sockets, each subscriber hears an unbroken run of its channel,
    /// beginning after its reply, and once all is quiet it has heard the last.
    #[test]
    fn every_interleaving_delivers_once_and_in_order(steps in prop::collection::vec(step(), 1..150)) {
        let mut story = Story::new();
        for step in &steps {
            story.take(step);
        }
        story.end();
    }
}

fn step() -> impl Strategy<Value = Step> {
    let (client, channel, worker) = (0..CLIENTS, 0..CHANNELS.len(), 0..WORKERS);
    prop_oneof![
        4 => (client.clone(), channel.clone()).prop_map(|(client, channel)| Step::Subscribe(client, channel)),
        2 => (client.clone(), channel.clone()).prop_map(|(client, channel)| Step::Unsubscribe(client, channel)),
        2 => (client.clone(), channel.clone()).prop_map(|(client, channel)| Step::Publish(client, channel)),
        3 => channel.clone().prop_map(Step::PublishByBackend),
        1 => (client.clone(), channel.clone()).prop_map(|(client, channel)| Step::Grant(client, channel)),
        1 => (client.clone(), channel).prop_map(|(client, channel)| Step::Revoke(client, channel)),
        1 => client.clone().prop_map(Step::Disconnect),
        1 => client.prop_map(Step::Reconnect),
        4 => Just(Step::ServeNode),
        4 => worker.clone().prop_map(Step::ServeWorker),
        3 => (worker, 1_usize..60).prop_map(|(worker, bytes)| Step::Flush(worker, bytes)),
        1 => Just(Step::Settle),
    ]
}

/// A world and what its clients believe.
struct Story {
    world: World,
    listeners: Vec<Listener>,
    /// Subscribed to every channel from the start to the end: what it hears is the channels' order.
    witness: Listener,
    /// Publications so far; each carries its number.
    published: u32,
    by_backend: BTreeSet<u32>,
    /// What was heard between a subscribe and its end.
    runs: Vec<(usize, Vec<u32>)>,
}

/// A client with what it was told.
struct Listener {
    number: usize,
    id: Option<ClientId>,
    requests: u32,
    /// The channel each subscribe or unsubscribe was about.
    asked: BTreeMap<u32, usize>,
    /// What was heard of each channel since it was subscribed.
    open: BTreeMap<usize, Vec<u32>>,
    is_closed: bool,
}

impl Story {
    fn new() -> Self {
        let mut world = World::new(Setup { workers: WORKERS as u16, ..Setup::default() });
        let mut witness = Listener::new(world.connect(0));
        (0..CHANNELS.len()).for_each(|channel| witness.ask(&mut world, "subscribe", channel));
        let listeners = (0..CLIENTS).map(|client| Listener::new(world.connect(client % WORKERS))).collect();
        let (by_backend, runs) = (BTreeSet::new(), Vec::new());
        let mut story = Self { world, listeners, witness, published: 0, by_backend, runs };
        story.settle();
        story
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Subscribe(client, channel) => {
                self.listeners[client].ask(&mut self.world, "subscribe", channel)
            }
            Step::Unsubscribe(client, channel) => {
                self.listeners[client].ask(&mut self.world, "unsubscribe", channel);
            }
            Step::Publish(client, channel) => {
                self.published += 1;
                let listener = &mut self.listeners[client];
                listener.requests += 1;
                let frame = format!("{} publish {} {}", listener.requests, CHANNELS[channel], self.published);
                self.world.send(listener.number, &frame);
            }
            Step::PublishByBackend(channel) => {
                self.published += 1;
                self.by_backend.insert(self.published);
                drop(self.world.publish(CHANNELS[channel], &self.published.to_string()));
            }
            Step::Grant(client, channel) => {
                self.order(client, |world, worker, id| world.grant(worker, id, CHANNELS[channel]));
            }
            Step::Revoke(client, channel) => {
                self.order(client, |world, worker, id| world.revoke(worker, id, CHANNELS[channel]));
            }
            Step::Disconnect(client) => self.order(client, World::disconnect),
            Step::Reconnect(client) => self.reconnect(client),
            Step::ServeNode => self.world.serve_node(),
            Step::ServeWorker(worker) => drop(self.world.serve_worker(worker)),
            Step::Flush(worker, bytes_max) => self.world.flush(worker, bytes_max),
            Step::Settle => self.settle(),
        }
        self.listen();
    }

    fn order(&mut self, client: usize, order: impl Fn(&World, usize, ClientId)) {
        if let Some(id) = self.listeners[client].id {
            order(&self.world, client % WORKERS, id);
        }
    }

    fn reconnect(&mut self, client: usize) {
        self.world.leave(self.listeners[client].number);
        self.listeners[client].end(&mut self.runs);
        self.listeners[client] = Listener::new(self.world.connect(client % WORKERS));
    }

    /// Everybody hears what reached them; who was closed connects anew. True when somebody did.
    fn listen(&mut self) -> bool {
        self.witness.listen(&mut self.world, &mut self.runs);
        let mut has_closed = false;
        for client in 0..CLIENTS {
            self.listeners[client].listen(&mut self.world, &mut self.runs);
            if self.listeners[client].is_closed {
                has_closed = true;
                self.reconnect(client);
            }
        }
        has_closed
    }

    fn settle(&mut self) {
        self.world.settle();
        while self.listen() {
            self.world.settle();
        }
        let believed: usize =
            self.listeners.iter().chain([&self.witness]).map(|listener| listener.open.len()).sum();
        assert_eq!(self.world.count().subscriptions, believed as u64, "subscriptions");
    }

    /// Who believes to be subscribed.
    fn subscribers(&self, channel: usize) -> BTreeSet<usize> {
        (0..CLIENTS).filter(|client| self.listeners[*client].open.contains_key(&channel)).collect()
    }

    fn end(mut self) {
        self.settle();
        (0..CHANNELS.len()).for_each(|channel| self.take(&Step::PublishByBackend(channel)));
        self.settle();
        let heard: Vec<u32> = self.witness.open.values().flatten().copied().collect();
        let once: BTreeSet<u32> = heard.iter().copied().collect();
        assert_eq!(heard.len(), once.len(), "the witness heard something twice: {heard:?}");
        assert!(once.is_superset(&self.by_backend), "the witness missed some of {:?}", self.by_backend);
        for listener in &self.listeners {
            for (channel, run) in &listener.open {
                let order = &self.witness.open[channel];
                assert!(!run.is_empty() && order.ends_with(run), "{run:?} does not end {order:?}");
            }
        }
        for (channel, run) in &self.runs {
            let order = &self.witness.open[channel];
            let is_part = run.is_empty() || order.windows(run.len()).any(|part| part == run);
            assert!(is_part, "{run:?} is no part of {order:?}");
        }
        let node = self.world.count_node();
        assert_eq!((node.duplicates, node.lost), (0, 0));
        self.world.end();
    }
}

impl Listener {
    fn new(number: usize) -> Self {
        let (asked, open) = (BTreeMap::new(), BTreeMap::new());
        Self { number, id: None, requests: 1, asked, open, is_closed: false }
    }

    fn ask(&mut self, world: &mut World, word: &str, channel: usize) {
        self.requests += 1;
        self.asked.insert(self.requests, channel);
        world.send(self.number, &format!("{} {word} {}", self.requests, CHANNELS[channel]));
    }

    fn listen(&mut self, world: &mut World, runs: &mut Vec<(usize, Vec<u32>)>) {
        for line in world.heard(self.number) {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["1", "connected", id] => self.id = ClientId::parse(id),
                [request, "subscribed"] => self.begin(self.asked[&request.parse().expect("a number")]),
                [request, "unsubscribed"] => {
                    let channel = self.asked[&request.parse().expect("a number")];
                    runs.extend(self.open.remove(&channel).map(|run| (channel, run)));
                }
                [channel, "added"] => self.begin(index(channel)),
                [channel, "ended"] => {
                    let channel = index(channel);
                    let run = self.open.remove(&channel).expect("only what was subscribed ends");
                    runs.push((channel, run));
                }
                [channel, "says", payload] => {
                    let run =
                        self.open.get_mut(&index(channel)).expect("only subscribers hear a publication");
                    run.push(payload.parse().expect("a number"));
                }
                [_, "published"] | [_, "refused", "105"] => {}
                ["closed", "3503"] => {
                    self.is_closed = true;
                    self.end(runs);
                }
                _ => panic!("{line} was not expected"),
            }
        }
    }

    fn begin(&mut self, channel: usize) {
        assert!(self.open.insert(channel, Vec::new()).is_none(), "subscribed twice");
    }

    fn end(&mut self, runs: &mut Vec<(usize, Vec<u32>)>) {
        runs.extend(std::mem::take(&mut self.open));
    }
}

fn index(channel: &str) -> usize {
    CHANNELS.iter().position(|known| *known == channel).expect("a known channel")
}
