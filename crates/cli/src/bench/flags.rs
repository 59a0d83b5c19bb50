//! The flags of `fanfare bench`.

use std::net::SocketAddr;
use std::path::PathBuf;

use ::bench::{PublisherKind, Traffic, Workload};
use clap::{Args, ValueEnum};
use model::Period;

use crate::credential::ApiKey;
use crate::settings::Sources;

#[derive(Args)]
pub(crate) struct Flags {
    /// What to measure; nothing means everything but outage and account
    #[arg(value_enum, value_name = "WORKLOAD")]
    pub(super) workloads: Vec<WorkloadName>,
    #[command(flatten)]
    pub(super) node: NodeUnderTest,
    #[command(flatten)]
    pub(super) pace: Pace,
    #[command(flatten)]
    pub(super) memory: Memory,
    #[command(flatten)]
    pub(super) deliveries: Deliveries,
    #[command(flatten)]
    pub(super) publishes: Publishes,
    #[command(flatten)]
    pub(super) cluster: Cluster,
    /// Writes the report here as JSON too
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
}

#[derive(Args)]
#[command(next_help_heading = "The node")]
pub(super) struct NodeUnderTest {
    /// The node's process; several, separated by commas, are added up
    #[arg(long, value_name = "PID,…", value_delimiter = ',', required = true)]
    pub(super) pid: Vec<u32>,
    /// Where clients connect; several, separated by commas, are taken in turn
    #[arg(long, value_name = "ADDRESS,…", value_delimiter = ',', default_value = "127.0.0.1:8000")]
    pub(super) servers: Vec<SocketAddr>,
    /// Where the server API and the metrics are; the first one is published to
    #[arg(long, value_name = "ADDRESS,…", value_delimiter = ',', default_value = "127.0.0.1:9000")]
    pub(super) api: Vec<SocketAddr>,
    #[command(flatten)]
    pub(super) key: ApiKey,
    /// A file with the secret that the node verifies tokens with, instead of token.hmac_secret
    #[arg(long, value_name = "FILE")]
    pub(super) secret_file: Option<String>,
    #[command(flatten)]
    pub(super) sources: Sources,
    /// The path where the native protocol is spoken
    #[arg(long)]
    pub(super) path: Option<String>,
    /// The Origin header to connect with
    #[arg(long)]
    pub(super) origin: Option<String>,
    /// What the names of all channels begin with
    #[arg(long, value_name = "TEXT")]
    pub(super) channel_prefix: Option<String>,
}

#[derive(Args)]
#[command(next_help_heading = "Pace")]
pub(super) struct Pace {
    /// Connections that are being established at a time
    #[arg(long, value_name = "N")]
    pub(super) window: Option<usize>,
    /// Most connections opened per second
    #[arg(long, value_name = "N")]
    pub(super) connects_per_second: Option<u32>,
    /// How often connect, publish and unicast are repeated
    #[arg(long, value_name = "N")]
    pub(super) repeats: Option<usize>,
    /// How many pairs of node and floor fanout and rate take
    #[arg(long, value_name = "N")]
    pub(super) pairs: Option<usize>,
    /// The CPU that receives
    #[arg(long, value_name = "CPU")]
    pub(super) client_cpu: Option<usize>,
    /// The CPU of the floor's sender
    #[arg(long, value_name = "CPU")]
    pub(super) floor_cpu: Option<usize>,
    /// How long a stage may receive nothing
    #[arg(long, value_name = "PERIOD")]
    pub(super) patience: Option<Period>,
    /// How long a stage may take
    #[arg(long, value_name = "PERIOD")]
    pub(super) stage_limit: Option<Period>,
}

#[derive(Args)]
#[command(next_help_heading = "Connections: memory, connect")]
pub(super) struct Memory {
    /// memory: how many connections
    #[arg(long, value_name = "N")]
    pub(super) connections: Option<usize>,
    /// memory: connections opened and closed before the first reading
    #[arg(long, value_name = "N")]
    pub(super) warm_up: Option<usize>,
    /// memory: commands that each connection sends
    #[arg(long, value_name = "N")]
    pub(super) messages: Option<usize>,
    /// memory: which commands
    #[arg(long, value_enum)]
    pub(super) traffic: Option<TrafficName>,
    /// memory: how long the node rests before a reading
    #[arg(long, value_name = "PERIOD")]
    pub(super) settle: Option<Period>,
    /// connect: connections per repeat
    #[arg(long, value_name = "N")]
    pub(super) establish: Option<usize>,
}

#[derive(Args)]
#[command(next_help_heading = "Deliveries: fanout, rate")]
pub(super) struct Deliveries {
    /// Receivers on the one channel
    #[arg(long, value_name = "N")]
    pub(super) receivers: Option<usize>,
    /// Bytes of each payload
    #[arg(long, value_name = "BYTES")]
    pub(super) payload: Option<usize>,
    /// fanout: publications outstanding, one measurement each
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    pub(super) outstanding: Vec<usize>,
    /// fanout: how long each side of a pair runs
    #[arg(long, value_name = "PERIOD")]
    pub(super) fanout_phase: Option<Period>,
    /// How publications enter the node
    #[arg(long, value_enum)]
    pub(super) publisher: Option<PublisherName>,
    /// rate: publications per second
    #[arg(long, value_name = "N")]
    pub(super) rate: Option<u32>,
    /// rate: how long each side of a pair runs
    #[arg(long, value_name = "PERIOD")]
    pub(super) rate_phase: Option<Period>,
}

#[derive(Args)]
#[command(next_help_heading = "Publishes: publish, unicast")]
pub(super) struct Publishes {
    /// publish: HTTP connections with one request outstanding each
    #[arg(long, value_name = "N")]
    pub(super) publishers: Option<usize>,
    /// Subscribers, each on its own channel
    #[arg(long, value_name = "N")]
    pub(super) subscribers: Option<usize>,
    /// How long each repeat runs
    #[arg(long, value_name = "PERIOD")]
    pub(super) publish_phase: Option<Period>,
    /// unicast: publications per second over all channels
    #[arg(long, value_name = "N")]
    pub(super) unicast_rate: Option<u32>,
}

#[derive(Args)]
#[command(next_help_heading = "Nodes that share a Redis: outage, account")]
pub(super) struct Cluster {
    /// Where Redis is
    #[arg(long, value_name = "ADDRESS")]
    pub(super) redis: Option<SocketAddr>,
    /// What names in Redis begin with
    #[arg(long, value_name = "TEXT")]
    pub(super) redis_prefix: Option<String>,
    /// outage: the shell command that makes Redis go away and come back
    #[arg(long, value_name = "COMMAND")]
    pub(super) outage: Option<String>,
    /// outage: Redis forgets everything by it
    #[arg(long)]
    pub(super) forgets: bool,
    /// outage: channels that every server has a subscriber of
    #[arg(long, value_name = "N")]
    pub(super) channels: Option<usize>,
    /// outage: how many of them are in the namespace `kept`, which has a history
    #[arg(long, value_name = "N")]
    pub(super) kept: Option<usize>,
    /// account: how many benches run at the same time and wait for each other
    #[arg(long, value_name = "N")]
    pub(super) parts: Option<usize>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum WorkloadName {
    Memory,
    Connect,
    Fanout,
    Rate,
    Publish,
    Unicast,
    Outage,
    Account,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum TrafficName {
    Rpc,
    Publish,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum PublisherName {
    Http,
    Ws,
    Redis,
}

impl From<WorkloadName> for Workload {
    fn from(name: WorkloadName) -> Self {
        match name {
            WorkloadName::Memory => Self::Memory,
            WorkloadName::Connect => Self::Connect,
            WorkloadName::Fanout => Self::Fanout,
            WorkloadName::Rate => Self::Rate,
            WorkloadName::Publish => Self::Publish,
            WorkloadName::Unicast => Self::Unicast,
            WorkloadName::Outage => Self::Outage,
            WorkloadName::Account => Self::Account,
        }
    }
}

impl From<TrafficName> for Traffic {
    fn from(name: TrafficName) -> Self {
        match name {
            TrafficName::Rpc => Self::Rpc,
            TrafficName::Publish => Self::Publish,
        }
    }
}

impl From<PublisherName> for PublisherKind {
    fn from(name: PublisherName) -> Self {
        match name {
            PublisherName::Http => Self::Http,
            PublisherName::Ws => Self::Ws,
            PublisherName::Redis => Self::Redis,
        }
    }
}
