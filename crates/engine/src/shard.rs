//! The connections and subscriptions of one worker. Frames, mail and ticks come in; what each connection
//! still has to receive goes out through its outbox. Touches no socket, reads no clock.

mod commands;
mod connect;
mod deadlines;
mod deliver;
mod drain;
mod history;
mod lapse;
mod listing;
mod orders;
mod presence;
mod recovery;
mod replies;
mod subscribe;
mod tokens;

pub use deliver::{Flush, Written};
pub use listing::{ConnectionPage, ConnectionQuery, ConnectionReport, PageLimits};

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::{ClientId, CloseReason, ConnectionId, Now, Rate, TokenBucket, WorkerId, limits};
use protocol::{Encoders, Event, Frame, Frames, Variant};

use crate::channels::{Channels, Waiter};
use crate::connection::{Connection, Phase, Wanted};
use crate::counters::ShardCounters;
use crate::mail::{NodeRequest, WorkerMail};
use crate::mailbox::Mailbox;
use crate::notice::{Denial, Notice};
use crate::outbox::{Outboxes, Sent};
use crate::policy::Policy;
use crate::slab::{NONE, Slab};
use crate::trace::Tracer;
use crate::users::Users;
use crate::wheel::Wheel;

/// Where a shard stands in its node.
pub struct Place {
    /// The worker that owns the shard.
    pub worker: WorkerId,
    /// What arrives for the worker.
    pub mailbox: Arc<Mailbox<WorkerMail>>,
    /// The broker thread's mailbox.
    pub node: Arc<Mailbox<NodeRequest>>,
    /// The node's variants.
    pub encoders: Encoders,
    /// Randomness: keys the tables, spreads heartbeats, makes client ids.
    pub dice: RandomState,
    /// Begins the traces of what clients publish; absent when nobody wants to see any.
    pub tracer: Option<Arc<Tracer>>,
}

/// The state of one worker.
pub struct Shard {
    place: Place,
    policy: Arc<Policy>,
    tables: Tables,
    counters: ShardCounters,
    sent: Sent,
    lists: Lists,
    /// Frames for `replying` that are not in its outbox yet.
    replies: Vec<u8>,
    replying: u32,
    rolls: u64,
    /// How long the worker has stalled in all, in ticks.
    stalled: u32,
    tick: u32,
    /// The connection up to which all were vouched for.
    vouched: u32,
    aging: deadlines::Aging,
    /// Commands of the present frame that were answered without a wait.
    answered_at_once: u32,
    drain: Option<drain::Drain>,
}

struct Tables {
    connections: Slab<Connection>,
    users: Users,
    channels: Channels,
    outboxes: Outboxes,
    wheel: Wheel,
}

/// Work that waits for its turn. Each list holds a connection or channel at most once, save `unsent`, which
/// is bounded by [`limits::UNSENT_REQUESTS_MAX`], [`limits::NODE_MAILBOX_BYTES_MAX`] and the channels there are.
#[derive(Default)]
struct Lists {
    inbox: VecDeque<WorkerMail>,
    mail: Vec<WorkerMail>,
    dirty: VecDeque<u32>,
    /// Connections that have something to receive, but whose next answer will be ready in a moment.
    corked: Vec<u32>,
    resumed: Vec<u32>,
    unsent: VecDeque<(NodeRequest, usize)>,
    unsent_bytes: usize,
    /// Subscriptions that orders asked for, waiting for their channel.
    granted: Vec<(Waiter, Wanted)>,
    /// Subscribers that are yet to be told that they missed something; at most one entry a subscription.
    lapsed: VecDeque<lapse::Lapse>,
    /// Connections to be closed because their outbox had no room for a reply.
    overflowed: Vec<u32>,
    notices: Vec<Notice>,
    fired: Vec<u32>,
}

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// All of it was taken.
    Taken,
    /// A command waits for its answer. The last `rest` bytes of the frame's payload are to be brought again,
    /// and nothing else before them, once the connection is among [`Shard::take_resumed`].
    Waits {
        /// How much of the payload is left.
        rest: usize,
    },
    /// The connection is closing; nothing more is taken from it.
    Closed,
}

impl Shard {
    /// An empty shard.
    pub fn new(place: Place, policy: Arc<Policy>, now: Now) -> Self {
        let namespaces = policy.rules.count();
        let tables = Tables {
            connections: Slab::new(),
            users: Users::new(place.dice.clone()),
            channels: Channels::new(place.dice.clone()),
            outboxes: Outboxes::new(),
            wheel: Wheel::new(now.tick()),
        };
        Self {
            place,
            policy,
            tables,
            counters: ShardCounters::default(),
            sent: Sent { deliveries_by_namespace: vec![0; namespaces], ..Sent::default() },
            lists: Lists::default(),
            replies: Vec::new(),
            replying: NONE,
            rolls: 0,
            stalled: 0,
            tick: now.tick(),
            vouched: 0,
            aging: deadlines::Aging::default(),
            answered_at_once: 0,
            drain: None,
        }
    }

    /// Takes on a connection, which is sent `greeting` first, and returns its slot. While the node drains it is
    /// closed at once.
    pub fn open(&mut self, variant: Variant, greeting: Bytes, now: Now) -> u32 {
        let adapter = self.place.encoders.of(variant).protocol.open();
        let commands = TokenBucket::full(self.policy.command_rate(), now.moment);
        let due = now.tick_in(limits::STALE_CLOSE_DELAY);
        let client = ClientId::new(self.roll_wide());
        let connection = Connection::new(adapter, variant, client, commands, now.moment, due);
        let slot = self.tables.connections.insert(connection);
        self.counters.opened += 1;
        self.send(slot, greeting, now);
        self.arm(slot, now);
        if self.drain.is_some() {
            self.close(slot, CloseReason::Shutdown, now);
        }
        slot
    }

    /// Queues bytes of the transport's own behind what waits already; nothing follows a close frame.
    pub fn send(&mut self, slot: u32, bytes: Bytes, now: Now) {
        self.settle(now);
        if !self.is_open(slot) {
            return;
        }
        self.begin_replies(slot);
        self.replies.extend_from_slice(&bytes);
        self.settle(now);
    }

    /// Takes the commands out of a frame, one at a time, until one has to wait.
    pub fn on_frame(&mut self, slot: u32, frame: Frame<'_>, now: Now) -> Progress {
        let mut rest = frame.payload;
        let progress = loop {
            let Some(connection) = self.tables.connections.get_mut(slot).filter(|found| found.is_open())
            else {
                break Progress::Closed;
            };
            if connection.pending.is_some() {
                break Progress::Waits { rest: rest.len() };
            }
            self.begin_replies(slot);
            let Some(connection) = self.tables.connections.get_mut(slot) else {
                break Progress::Closed;
            };
            let framing = self.place.encoders.of(connection.variant).framing;
            let mut frames = Frames::new(framing, &mut self.replies);
            match connection.adapter.on_frame(Frame { payload: rest, ..frame }, &mut frames) {
                Ok(Some(taken)) => {
                    rest = taken.rest;
                    self.on_command(slot, taken.request, taken.command, now);
                    // What was sent along with a connect that is turned down is not done, and is no fault.
                    if self.is_refused(slot) {
                        rest = &[];
                    }
                }
                Ok(None) => rest = &[],
                Err(reason) => self.close(slot, reason, now),
            }
            if rest.is_empty() {
                break self.progress_at_end(slot);
            }
        };
        self.settle(now);
        progress
    }

    fn progress_at_end(&self, slot: u32) -> Progress {
        match self.tables.connections.get(slot) {
            Some(connection) if connection.is_ready() => Progress::Taken,
            Some(connection) if connection.is_open() => Progress::Waits { rest: 0 },
            Some(_) | None => Progress::Closed,
        }
    }

    /// The frame just brought took so long: counts it for each of its commands that was answered at once.
    pub fn took(&mut self, elapsed: Duration) {
        let commands = std::mem::take(&mut self.answered_at_once);
        for _ in 0..commands {
            self.counters.command_duration.observe(elapsed / commands);
        }
    }

    /// Takes a ping of the transport's own against the command rate; false when it is to stay unanswered.
    pub fn take_ping(&mut self, slot: u32, now: Now) -> bool {
        match self.take_command_token(slot, now) {
            Ok(is_granted) => is_granted,
            Err(reason) => {
                self.close(slot, reason, now);
                false
            }
        }
    }

    /// Begins to close a connection: it leaves every channel, its close frame is queued, and it ends when its
    /// outbox is empty or its time is up.
    pub fn close(&mut self, slot: u32, reason: CloseReason, now: Now) {
        self.begin_close(slot, reason, None, now);
        self.settle(now);
    }

    /// The peer closed its side and is answered with `farewell`.
    pub fn close_in_answer(&mut self, slot: u32, farewell: Bytes, now: Now) {
        self.begin_close(slot, CloseReason::Gone, Some(farewell), now);
        self.settle(now);
    }

    /// Closes a connection because handling it panicked.
    pub fn close_after_panic(&mut self, slot: u32, now: Now) {
        self.counters.panics += 1;
        self.replies.clear();
        self.replying = NONE;
        self.close(slot, CloseReason::Internal, now);
    }

    /// The socket is gone: forgets the connection.
    pub fn gone(&mut self, slot: u32, now: Now) {
        self.settle(now);
        self.leave(slot, &CloseReason::Gone);
        if let Some(mut connection) = self.tables.connections.remove(slot) {
            self.tables.outboxes.clear(&mut connection.outbox);
        }
        self.tables.wheel.clear(slot);
    }

    /// Connections whose command was answered, so that their bytes may be read on.
    pub fn take_resumed(&mut self, into: &mut Vec<u32>) {
        into.append(&mut self.lists.resumed);
    }

    /// What the log should say.
    pub fn take_notices(&mut self, into: &mut Vec<Notice>) {
        into.append(&mut self.lists.notices);
    }

    /// What is allowed at present.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// How many connections are open or closing.
    pub fn connection_count(&self) -> u32 {
        self.tables.connections.count()
    }

    /// Whether the connection still takes part.
    pub fn is_open(&self, slot: u32) -> bool {
        self.tables.connections.get(slot).is_some_and(Connection::is_open)
    }

    /// Whether the connection's next command may be taken.
    pub fn is_ready(&self, slot: u32) -> bool {
        self.tables.connections.get(slot).is_some_and(Connection::is_ready)
    }

    /// Hands the broker thread what was asked of it since the last time: many requests, one wake-up. What it
    /// has no room for stays for the next time.
    pub fn flush_requests(&mut self) {
        if !self.lists.unsent.is_empty() {
            self.lists.unsent_bytes -= self.place.node.offer_from(&mut self.lists.unsent);
        }
    }

    fn begin_close(&mut self, slot: u32, reason: CloseReason, farewell: Option<Bytes>, now: Now) {
        if !self.is_open(slot) {
            return;
        }
        // The bound holds for what was said before; the close frame alone may exceed it.
        self.queue_replies();
        self.leave(slot, &reason);
        self.begin_replies(slot);
        let Some(connection) = self.tables.connections.get_mut(slot) else {
            return;
        };
        connection.phase = Phase::Closing { due: now.tick_in(limits::CLOSE_FRAME_DEADLINE) + 1 };
        if reason == CloseReason::Slow {
            self.tables.outboxes.drop_unstarted(&mut connection.outbox);
        }
        let framing = self.place.encoders.of(connection.variant).framing;
        match farewell {
            Some(farewell) => self.replies.extend_from_slice(&farewell),
            None => {
                let mut frames = Frames::new(framing, &mut self.replies);
                connection.adapter.on_event(&Event::Closed(&reason), &mut frames);
            }
        }
        self.lists.notices.push(Notice::Closed { client: connection.client, reason });
        self.arm(slot, now);
    }

    /// Takes a connection out of every table but its own: the one place where it leaves.
    fn leave(&mut self, slot: u32, reason: &CloseReason) {
        if !self.is_open(slot) {
            return;
        }
        self.counters.closed[reason.index()] += 1;
        self.forget_pending(slot);
        while let Some(channel) = self.first_subscription(slot) {
            self.end_subscription(slot, channel);
        }
        self.tables.users.remove(slot, &mut self.tables.connections);
    }

    fn deny(&mut self, denial: Denial) {
        self.counters.denials[denial.index()] += 1;
        self.lists.notices.push(Notice::Denied(denial));
    }

    fn ask_node(&mut self, request: NodeRequest, bytes: usize) {
        self.lists.unsent.push_back((request, bytes));
        self.lists.unsent_bytes += bytes;
    }

    /// Whether the broker thread is so far behind that nothing more can be asked of it.
    fn is_swamped(&self) -> bool {
        self.lists.unsent.len() >= limits::UNSENT_REQUESTS_MAX
            || self.lists.unsent_bytes >= limits::NODE_MAILBOX_BYTES_MAX
    }

    fn id_of(&self, slot: u32) -> ConnectionId {
        let generation = self.tables.connections.generation(slot);
        ConnectionId { worker: self.place.worker, slot, generation }
    }

    fn roll(&mut self) -> u64 {
        self.rolls += 1;
        self.place.dice.hash_one(self.rolls)
    }

    fn roll_wide(&mut self) -> u128 {
        (u128::from(self.roll()) << 64) | u128::from(self.roll())
    }
}

impl Policy {
    fn command_rate(&self) -> Rate {
        Rate { per_second: self.client.command_rate, burst: self.client.command_burst }
    }
}
