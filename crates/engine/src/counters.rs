//! What the engine counts, as plain structs that their one owner adds to and whoever scrapes merges.

use std::time::Duration;

use model::{CloseReason, Histogram, Refusal};
use protocol::{CommandKind, Variant};

use crate::rules::NamespaceId;

/// Outcomes of a command: granted, or one of the refusals.
pub const OUTCOMES: usize = Refusal::ALL.len() + 1;

/// One worker's counts since its start and its gauges at the moment of the copy.
#[derive(Debug, Clone, Default)]
pub struct ShardCounters {
    /// Connections that are open or closing.
    pub connections: u64,
    /// Users with a connection on this worker.
    pub users: u64,
    /// Subscriptions.
    pub subscriptions: u64,
    /// Channels with a subscriber on this worker.
    pub channels: u64,
    /// Bytes waiting in outboxes.
    pub outbox_bytes: u64,
    /// Connections opened.
    pub opened: u64,
    /// Connections closed, by [`CloseReason::index`].
    pub closed: [u64; CloseReason::LABELS.len()],
    /// Connections reset because they did not take their close frame.
    pub closed_unannounced: u64,
    /// Connections closed because handling them panicked.
    pub panics: u64,
    /// Commands by kind and outcome; outcome 0 is granted, the others follow [`Refusal::index`].
    pub commands: [[u64; OUTCOMES]; CommandKind::LABELS.len()],
    /// Deliveries the kernel took, by namespace.
    pub deliveries_by_namespace: Vec<u64>,
    /// Publications encoded, by variant.
    pub encodes: [u64; Variant::COUNT_MAX],
    /// Outboxes that reached their bound.
    pub overflows: u64,
    /// Connections closed because all outboxes together reached their bound.
    pub overflows_total: u64,
    /// Subscribers told that publications are missing.
    pub lapses: u64,
    /// Writes to sockets.
    pub writes: u64,
    /// Bytes the kernel took.
    pub sent_bytes: u64,
    /// What deliveries took.
    pub delivery_latency: DeliveryLatency,
    /// Command taken to answer queued.
    pub command_duration: Histogram,
    /// Socket taken over to connect granted.
    pub connect_duration: Histogram,
    /// Connections refused a token or a right, by [`crate::Denial::index`].
    pub denials: [u64; crate::Denial::COUNT],
}

/// What deliveries took, until the kernel had the last byte.
#[derive(Debug, Clone, Default)]
pub struct DeliveryLatency {
    /// From this node having the publication.
    pub node: Histogram,
    /// From whichever node took it on.
    pub total: Histogram,
}

impl DeliveryLatency {
    /// Counts one delivery: how long this node had it, and how long others had it before.
    pub fn observe(&mut self, here: Duration, travel_micros: u32) {
        self.node.observe(here);
        self.total.observe(here + Duration::from_micros(u64::from(travel_micros)));
    }

    /// Adds what another worker counted.
    pub fn merge(&mut self, other: &Self) {
        self.node.merge(&other.node);
        self.total.merge(&other.total);
    }
}

/// What the broker thread counts.
#[derive(Debug, Clone, Default)]
pub struct NodeCounters {
    /// Channels joined.
    pub channels: u64,
    /// Publications accepted, by namespace: from clients, from the API.
    pub publications: Vec<[u64; 2]>,
    /// Publications not handed to a worker whose mailbox was full.
    pub lost: u64,
    /// Publications that the broker handed on twice.
    pub duplicates: u64,
    /// Publications of channels with history that came by a command that gives them no position, and were
    /// dropped.
    pub unplaced: u64,
    /// Movements that were not told because the channel has too many members.
    pub movements_hushed: u64,
    /// Calls to the broker that are not answered yet.
    pub awaited: u64,
    /// Calls to the presence that wait or are under way.
    pub visits: u64,
    /// Those that were refused: made again, dropped.
    pub visits_refused: [u64; 2],
    /// Repairs of channels whose publications did not follow each other, by [`RepairOutcome::index`].
    pub repairs: [u64; RepairOutcome::LABELS.len()],
    /// Channels whose publications are held back until they follow each other again.
    pub repairing: u64,
}

impl NodeCounters {
    /// Publications accepted in a namespace: from clients, from the API.
    pub fn publications_in(&self, namespace: NamespaceId) -> [u64; 2] {
        // A thread that does not answer has no count of a namespace that just came.
        self.publications.get(namespace.index()).copied().unwrap_or_default()
    }
}

/// How a repair ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepairOutcome {
    /// Nothing was missing.
    Whole,
    /// What was missing was handed on from the history.
    Filled,
    /// The history no longer had it: subscribers were told.
    Broken,
    /// The history could not be read in time: subscribers were told.
    Unreadable,
}

impl RepairOutcome {
    /// Every label, in the order of [`Self::index`].
    pub const LABELS: [&'static str; 4] = ["whole", "filled", "broken", "unreadable"];

    /// Position of the outcome in [`Self::LABELS`].
    pub fn index(self) -> usize {
        self as usize
    }
}

impl ShardCounters {
    /// Adds another worker's counts and gauges.
    pub fn merge(&mut self, other: &Self) {
        add([
            (&mut self.connections, other.connections),
            (&mut self.users, other.users),
            (&mut self.subscriptions, other.subscriptions),
            (&mut self.channels, other.channels),
            (&mut self.outbox_bytes, other.outbox_bytes),
            (&mut self.opened, other.opened),
            (&mut self.closed_unannounced, other.closed_unannounced),
            (&mut self.panics, other.panics),
            (&mut self.overflows, other.overflows),
            (&mut self.overflows_total, other.overflows_total),
            (&mut self.lapses, other.lapses),
            (&mut self.writes, other.writes),
            (&mut self.sent_bytes, other.sent_bytes),
        ]
        .into_iter());
        self.deliveries_by_namespace
            .resize(self.deliveries_by_namespace.len().max(other.deliveries_by_namespace.len()), 0);
        add(self.closed.iter_mut().zip(other.closed));
        add(self.commands.as_flattened_mut().iter_mut().zip(other.commands.as_flattened().iter().copied()));
        add(self.deliveries_by_namespace.iter_mut().zip(other.deliveries_by_namespace.iter().copied()));
        add(self.encodes.iter_mut().zip(other.encodes));
        add(self.denials.iter_mut().zip(other.denials));
        self.delivery_latency.merge(&other.delivery_latency);
        self.command_duration.merge(&other.command_duration);
        self.connect_duration.merge(&other.connect_duration);
    }
}

fn add<'a>(pairs: impl Iterator<Item = (&'a mut u64, u64)>) {
    for (mine, theirs) in pairs {
        *mine += theirs;
    }
}
