//! What the broker counts, for the metrics page, and what it says about its health.

use std::time::Duration;

use model::Histogram;

/// How Redis turned a command down, or how it was lost. The labels are a public contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It was not answered in time.
    Deadline,
    /// The connection ended before the answer came.
    Lost,
    /// Too many commands wait.
    Full,
    /// The user may not use a command, key or channel.
    Permission,
    /// Redis has no memory for it.
    Memory,
    /// Redis cannot write at present.
    ReadOnly,
    /// Redis does not answer for the channel at present: a cluster moves or is down.
    Moving,
    /// Anything else that Redis says, or that was not understood.
    Other,
}

impl Fault {
    /// Every fault, in the order of [`Self::index`].
    pub const ALL: [Self; 8] = [
        Self::Deadline,
        Self::Lost,
        Self::Full,
        Self::Permission,
        Self::Memory,
        Self::ReadOnly,
        Self::Moving,
        Self::Other,
    ];

    /// Position of the fault in [`Self::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Its name on the metrics page.
    pub fn label(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Lost => "lost",
            Self::Full => "full",
            Self::Permission => "permission",
            Self::Memory => "memory",
            Self::ReadOnly => "read_only",
            Self::Moving => "moving",
            Self::Other => "other",
        }
    }
}

/// What happened to connections of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Connections {
    /// How many were made.
    pub made: u64,
    /// How many of those were lost.
    pub lost: u64,
}

/// What came of the node's own probes.
#[derive(Debug, Clone, Default)]
pub struct Probes {
    /// From being published until coming back, of those that came back before the next.
    pub latency: Histogram,
    /// Published by Redis, but not handed on.
    pub missed: u64,
    /// Pub/sub connections rebuilt because of those.
    pub rebuilds: u64,
}

/// What happened since the start.
#[derive(Debug, Clone, Default)]
pub struct RedisCounters {
    /// Connections for pub/sub.
    pub subscribers: Connections,
    /// Connections for commands.
    pub callers: Connections,
    /// Times that a joined channel stopped to be handed on.
    pub severed: u64,
    /// Publications taken in from pub/sub.
    pub publications: u64,
    /// From the moment that a node took a publication on until this one took it in.
    pub latency: Histogram,
    /// Publications that were taken in before they were taken on: the nodes' clocks differ.
    pub clock_skews: u64,
    /// Bytes read from pub/sub connections.
    pub bytes_read: u64,
    /// What was no publication, in the order of [`Self::malformed_labels`].
    pub malformed: [u64; MALFORMED],
    /// The node's own probes.
    pub probes: Probes,
    /// Pub/sub connections that spoke nonsense, and were rebuilt.
    pub protocol_errors: u64,
    /// Commands sent.
    pub commands: u64,
    /// Pipelines sent.
    pub pipelines: u64,
    /// Commands sent again because Redis had not carried them out.
    pub repeats: u64,
    /// Commands that failed, in the order of [`Fault::ALL`].
    pub faults: [u64; Fault::ALL.len()],
    /// Times that the primaries were found to be others.
    pub topology_changes: u64,
}

/// Kinds of malformed publications.
const MALFORMED: usize = crate::envelope::Malformed::ALL.len();

impl RedisCounters {
    /// The labels of [`Self::malformed`].
    pub fn malformed_labels() -> [&'static str; MALFORMED] {
        crate::envelope::Malformed::ALL.map(crate::envelope::Malformed::label)
    }
}

/// How the broker fares now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedisHealth {
    /// Whether every primary answers, commands and subscriptions alike, allows all that is needed, and hands on
    /// what is published.
    pub is_up: bool,
    /// Whether commands are answered, but not even new pub/sub connections bring the node's own probe back.
    pub is_deaf: bool,
    /// Whether Redis forbids the node's user something that is needed.
    pub is_forbidden: bool,
    /// What is wrong, for operators; empty when all is well.
    pub detail: String,
    /// Channels joined or lingering.
    pub channels: usize,
    /// Commands that are not answered yet.
    pub commands_open: usize,
    /// Primaries known.
    pub primaries: usize,
    /// Since the node's own probe last came back, or the start; of several primaries, the longest.
    pub probe_age: Duration,
}
