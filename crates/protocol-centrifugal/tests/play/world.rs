//! A node on one thread: one shard, the sequencer, the memory broker, clients in place of sockets, and a clock
//! that moves when told.

use std::collections::VecDeque;
use std::hash::RandomState;
use std::sync::Arc;
use std::time::Duration;

use broker::{MemoryBroker, MemoryPresence};
use bytes::Bytes;
use engine::{Flush, Mailbox, Node, NodeRequest, Place, Policy, Progress, Shard, WorkerMail, Written};
use model::{Moment, Now, UnixTime, WorkerId, limits};
use protocol::{Encoders, Frame, FrameKind, Variant};
use protocol_centrifugal::CentrifugalJson;

use crate::framing::Lines;
use crate::script::{Event, TIMES};
use crate::settings::Settings;
use crate::tokens;

/// The wall clock when a transcript begins.
const BEGIN: i64 = 1_700_000_000;

/// The node of one transcript.
pub(crate) struct World {
    pub(crate) policy: Arc<Policy>,
    pub(crate) node_mail: Arc<Mailbox<NodeRequest>>,
    pub(crate) worker_mail: Arc<Mailbox<WorkerMail>>,
    shard: Shard,
    node: Node,
    variant: Variant,
    clients: Vec<Client>,
    passed: Duration,
    is_node_paused: bool,
}

/// A client, with what a transport would keep about it.
struct Client {
    name: String,
    slot: u32,
    id: Option<String>,
    /// Frames, or rests of frames, that were not taken yet.
    unread: VecDeque<Vec<u8>>,
    received: Vec<u8>,
    is_stalled: bool,
    is_gone: bool,
}

impl World {
    pub(crate) fn new(settings: &Settings) -> Self {
        let policy = settings.policy();
        let node_mail = Arc::new(Mailbox::new(
            limits::NODE_MAILBOX_ENTRIES_MAX,
            limits::NODE_MAILBOX_BYTES_MAX,
            Box::new(|| ()),
        ));
        let worker_mail = Arc::new(Mailbox::new(
            limits::WORKER_MAILBOX_ENTRIES_MAX,
            limits::WORKER_MAILBOX_BYTES_MAX,
            Box::new(|| ()),
        ));
        let mut encoders = Encoders::default();
        let variant = encoders.add(Arc::new(CentrifugalJson), &Lines);
        let dice = RandomState::new();
        let node = Node::new(
            (Box::new(MemoryBroker::new(1)), Box::new(MemoryPresence::new())),
            Arc::clone(&policy),
            encoders.clone(),
            vec![Arc::clone(&worker_mail)],
            dice.clone(),
        );
        let place = Place {
            worker: WorkerId(0),
            mailbox: Arc::clone(&worker_mail),
            node: Arc::clone(&node_mail),
            encoders,
            dice,
            tracer: None,
        };
        let shard = Shard::new(place, Arc::clone(&policy), now(Duration::ZERO));
        let (clients, passed) = (Vec::new(), Duration::ZERO);
        Self { policy, node_mail, worker_mail, shard, node, variant, clients, passed, is_node_paused: false }
    }

    pub(crate) fn now(&self) -> Now {
        now(self.passed)
    }

    /// Lets something happen and returns what is heard of it.
    pub(crate) fn happen(&mut self, event: &Event<'_>) -> Vec<String> {
        match event {
            Event::Frame { client, lines } => self.send(client, lines),
            Event::Socket { client, what } => self.touch_socket(client, what),
            Event::Node { what } => self.is_node_paused = *what == "pauses",
            Event::Api { words } => {
                let answer = self.order(words);
                self.settle();
                return answer.said(self).into_iter().chain(self.heard()).collect();
            }
            Event::Time(span) => self.pass(*span, |_| false),
            Event::TimeUntilHeard(span) => {
                self.pass(*span, |world| world.clients.iter().any(|client| !client.received.is_empty()));
            }
        }
        self.settle();
        self.heard()
    }

    /// Ends the story: everybody leaves, and nothing may be left of them.
    pub(crate) fn end(&mut self) {
        self.is_node_paused = false;
        for index in 0..self.clients.len() {
            self.leave(index);
        }
        self.settle();
        let left = self.gauges();
        assert_eq!(
            left, [0; 6],
            "connections, users, subscriptions, channels, bytes and channels of the node"
        );
    }

    /// The gauges that are 0 when nobody is there.
    pub(crate) fn gauges(&mut self) -> [u64; 6] {
        let shard = self.shard.count();
        let (reply, mut answer) = tokio::sync::oneshot::channel();
        self.node_mail.answer(NodeRequest::Count(reply));
        self.node.on_requests(&self.node_mail, now(self.passed));
        let node = answer.try_recv().expect("the node counts at once");
        [
            shard.connections,
            shard.users,
            shard.subscriptions,
            shard.channels,
            shard.outbox_bytes,
            node.channels,
        ]
    }

    fn send(&mut self, name: &str, lines: &[&str]) {
        let index = self.client(name);
        let id = |other: &str| {
            let name = if other.is_empty() { name } else { other };
            let known = self.clients.iter().find(|client| client.name == name);
            known.and_then(|client| client.id.clone()).unwrap_or_else(|| panic!("{name} has no id yet"))
        };
        let frame: Vec<String> = lines
            .iter()
            .map(|line| {
                let (count, line) = line.split_once(TIMES).unwrap_or(("1", line));
                let line = tokens::fill(line, self.now().unix, &id);
                vec![line; count.parse().expect("a count")].join("\n")
            })
            .collect();
        self.clients[index].unread.push_back(frame.join("\n").into_bytes());
    }

    /// The client of this name, which opens a connection when it has none.
    fn client(&mut self, name: &str) -> usize {
        let known = self.clients.iter().position(|client| client.name == name && !client.is_gone);
        known.unwrap_or_else(|| {
            let slot = self.shard.open(self.variant, Bytes::new(), self.now());
            self.clients.retain(|client| client.name != name);
            self.clients.push(Client {
                name: name.to_owned(),
                slot,
                id: None,
                unread: VecDeque::new(),
                received: Vec::new(),
                is_stalled: false,
                is_gone: false,
            });
            self.clients.len() - 1
        })
    }

    fn touch_socket(&mut self, name: &str, what: &str) {
        let index = self.client(name);
        match what {
            "opens" => {}
            "leaves" => self.leave(index),
            "stalls" => self.clients[index].is_stalled = true,
            "reads" => {
                self.clients[index].is_stalled = false;
                self.shard.writable(self.clients[index].slot);
            }
            _ => panic!("sockets do not know how to {what}"),
        }
    }

    fn leave(&mut self, index: usize) {
        let client = &mut self.clients[index];
        if !std::mem::replace(&mut client.is_gone, true) {
            client.unread.clear();
            self.shard.gone(client.slot, now(self.passed));
        }
    }

    /// Lets time pass, tick by tick, until `enough`.
    fn pass(&mut self, span: Duration, enough: impl Fn(&Self) -> bool) {
        let until = self.passed + span;
        while self.passed < until && !enough(self) {
            self.passed = (self.passed + Moment::TICK).min(until);
            let mut resets = Vec::new();
            self.shard.on_tick(self.now(), &mut resets);
            for slot in resets {
                if let Some(index) =
                    self.clients.iter().position(|client| client.slot == slot && !client.is_gone)
                {
                    self.clients[index].received.extend_from_slice(b"reset\n");
                    self.leave(index);
                }
            }
            self.settle();
        }
    }

    /// Turns every wheel until nothing moves.
    fn settle(&mut self) {
        loop {
            let mut moved = self.shard.on_mail(self.now());
            if !self.is_node_paused {
                self.node.on_requests(&self.node_mail, now(self.passed));
            }
            self.shard.take_resumed(&mut Vec::new());
            for index in 0..self.clients.len() {
                moved |= self.feed(index);
            }
            self.shard.flush_requests();
            moved |= self.shard.has_dirty();
            while let Some(slot) = self.shard.next_dirty() {
                self.flush(slot);
            }
            self.shard.shed(0, |_| 0, &mut Vec::new(), self.now());
            moved |= self.worker_mail.waiting().entries > 0
                || (!self.is_node_paused && self.node_mail.waiting().entries > 0);
            if !moved {
                return;
            }
        }
    }

    /// Hands a client's frames to the shard for as long as it takes them.
    fn feed(&mut self, index: usize) -> bool {
        let mut moved = false;
        let now = self.now();
        let client = &mut self.clients[index];
        while !client.is_gone && self.shard.is_ready(client.slot) {
            let Some(payload) = client.unread.pop_front() else {
                break;
            };
            moved = true;
            match self.shard.on_frame(client.slot, Frame { kind: FrameKind::Text, payload: &payload }, now) {
                Progress::Taken | Progress::Waits { rest: 0 } => {}
                Progress::Waits { rest } => {
                    client.unread.push_front(payload[payload.len() - rest..].to_vec())
                }
                Progress::Closed => client.unread.clear(),
            }
        }
        moved
    }

    fn flush(&mut self, slot: u32) {
        let now = self.now();
        let Some(client) = self.clients.iter_mut().find(|client| client.slot == slot && !client.is_gone)
        else {
            return;
        };
        let outcome = self.shard.flush(slot, |slices| {
            if client.is_stalled {
                return Written::Blocked;
            }
            slices.iter().for_each(|slice| client.received.extend_from_slice(slice));
            Written::Bytes(slices.iter().map(|slice| slice.len()).sum(), now.moment)
        });
        if outcome == Flush::Finished {
            self.shard.linger(slot, now);
            client.is_gone = true;
            self.shard.gone(slot, now);
        }
    }

    /// What every client received since it was last asked.
    fn heard(&mut self) -> Vec<String> {
        let mut ids = Vec::new();
        let mut heard = Vec::new();
        for client in &mut self.clients {
            let received = String::from_utf8(std::mem::take(&mut client.received)).expect("text");
            if client.id.is_none() {
                let found = received.split_once(r#""client":""#);
                client.id = found.and_then(|(_, rest)| rest.get(..36)).map(str::to_owned);
            }
            heard.push((client.name.clone(), received));
            ids.extend(client.id.clone().map(|id| (client.name.clone(), id)));
        }
        heard.iter().flat_map(|(name, received)| lines(name, received, &ids)).collect()
    }
}

/// What a client received, as it is written down.
fn lines(name: &str, received: &str, ids: &[(String, String)]) -> Vec<String> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for line in received.lines() {
        let mut line = line.replace(concat!('"', env!("CARGO_PKG_VERSION"), '"'), r#""{{version}}""#);
        for (owner, id) in ids {
            let stand_in =
                if owner == name { "{{client}}".to_owned() } else { format!("{{{{client {owner}}}}}") };
            line = line.replace(id, &stand_in);
        }
        let line = tokens::shorten(&line);
        match lines.last_mut() {
            Some((count, last)) if *last == line => *count += 1,
            Some(_) | None => lines.push((1, line)),
        }
    }
    let written = |(count, line): (usize, String)| match count {
        1 => format!("{name}< {line}"),
        _ => format!("{name}< {count}{TIMES}{line}"),
    };
    lines.into_iter().map(written).collect()
}

fn now(passed: Duration) -> Now {
    let moment = Moment::after_start(passed);
    Now { moment, unix: UnixTime(BEGIN + passed.as_secs() as i64) }
}
