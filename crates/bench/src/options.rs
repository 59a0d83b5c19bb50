//! What a run measures, how long, and against whom. The cli maps its flags onto this one struct.

mod cluster;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use cluster::CHANNELS_PER_CONNECTION;
pub use cluster::Cluster;

use crate::{BenchError, payload};

/// Most sockets of one run: `RLIMIT_NOFILE` is 20,000 on the machines the figures come from.
pub const CONNECTIONS_MAX: usize = 19_000;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// Userspace memory of the node per idle connection.
    Memory,
    /// CPU of the node per connection established: upgrade, token, subscribe.
    Connect,
    /// CPU of the node per delivery, in pairs with the floor.
    Fanout,
    /// Delivery latency at a fixed rate, in pairs with the floor.
    Rate,
    /// CPU of the node per HTTP publish to one subscriber, its delivery included.
    Publish,
    /// Delivery latency of publications to one subscriber each, at a fixed rate.
    Unicast,
    /// How soon nodes are whole again when Redis was away, and an account of what was published meanwhile.
    Outage,
    /// One publication to all connections of all nodes, then unicasts at a rate: an account of every delivery.
    Account,
}

impl Workload {
    /// What runs when nothing is chosen, in this order: memory first, on a node that has seen little.
    pub const ALONE: [Self; 6] =
        [Self::Memory, Self::Connect, Self::Fanout, Self::Rate, Self::Publish, Self::Unicast];
    /// What needs nodes that share a Redis, and runs only when it is chosen.
    pub const TOGETHER: [Self; 2] = [Self::Outage, Self::Account];
}

/// What every connection sends before its memory is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// `rpc`, answered by error 108: the cheapest command, one message each way.
    Rpc,
    /// `publish` to its own channel, answered by a reply and a push: needs `client_publish`.
    Publish,
}

/// How the publications of fan-out and rate enter the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublisherKind {
    /// `POST /api/publish`, or `/api/batch` for several at once.
    Http,
    /// Commands of one WebSocket connection, several in one frame: needs `client_publish`, and a command
    /// rate above the publications per second.
    Ws,
    /// Plain `PUBLISH` to the Redis behind the nodes, several in one pipeline.
    Redis,
}

/// One run of the bench.
#[derive(Debug, Clone)]
pub struct Options {
    /// The node that is measured.
    pub node: NodeUnderTest,
    /// What is measured; nothing means everything but outage and account.
    pub workloads: Vec<Workload>,
    /// Where the report goes as JSON, besides the table.
    pub json: Option<PathBuf>,
    /// How fast and how often.
    pub pace: Pace,
    /// The shape of `memory` and `connect`.
    pub connections: Connections,
    /// The shape of `fanout` and `rate`.
    pub deliveries: Deliveries,
    /// The shape of `publish` and `unicast`.
    pub publishes: Publishes,
    /// The Redis that nodes share, and the shape of `outage` and `account`.
    pub cluster: Cluster,
}

/// The measured process and the ways into it.
#[derive(Debug, Clone)]
pub struct NodeUnderTest {
    /// The measured processes; several are nodes whose CPU and memory are added up.
    pub pids: Vec<u32>,
    /// Where clients connect; several are taken in turn.
    pub servers: Vec<SocketAddr>,
    /// Where the server API and `/metrics` are: the first is published to, all are watched.
    pub apis: Vec<SocketAddr>,
    /// What the server API asks for.
    pub api_key: String,
    /// Path of the WebSocket upgrade.
    pub path: String,
    /// The `Origin` header, if any.
    pub origin: Option<String>,
    /// What every channel's name begins with: a namespace, for instance.
    pub channel_prefix: String,
}

/// How fast, how often, where, and how patiently.
#[derive(Debug, Clone)]
pub struct Pace {
    /// How many connections may be between their first packet and their subscription.
    pub window: usize,
    /// Most connections opened per second, for nodes that limit it.
    pub connects_per_second: Option<u32>,
    /// How often `connect`, `publish` and `unicast` are repeated.
    pub repeats: usize,
    /// How many pairs of node and floor `fanout` and `rate` take.
    pub pairs: usize,
    /// The CPU that receives, on which nothing else should run.
    pub client_cpu: Option<usize>,
    /// The CPU of the floor's sender: the one the node is confined to, if it is.
    pub floor_cpu: Option<usize>,
    /// How long a stage may receive nothing at all before it is an error.
    pub patience: Duration,
    /// How long any stage may take.
    pub stage_limit: Duration,
}

/// Connections that are held or established.
#[derive(Debug, Clone)]
pub struct Connections {
    /// `memory`: how many connections.
    pub held: usize,
    /// `memory`: how many connections are opened and closed before the first reading, so that what the node
    /// allocates once is not charged to connections.
    pub warm_up: usize,
    /// `memory`: how many commands each connection sends.
    pub messages: usize,
    /// `memory`: which commands.
    pub traffic: Traffic,
    /// `memory`: how long the node rests before each reading, for its allocator to give pages back.
    pub settle: Duration,
    /// `connect`: how many connections per repeat.
    pub established: usize,
}

/// One channel with many receivers.
#[derive(Debug, Clone)]
pub struct Deliveries {
    /// How many receivers on the one channel.
    pub receivers: usize,
    /// Bytes of every publication's payload.
    pub payload: usize,
    /// `fanout`: how many publications are outstanding, one measurement each.
    pub outstanding: Vec<usize>,
    /// `fanout`: how long each side of a pair runs.
    pub fanout_phase: Duration,
    /// How publications enter.
    pub publisher: PublisherKind,
    /// `rate`: publications per second.
    pub rate: u32,
    /// `rate`: how long each side of a pair runs.
    pub rate_phase: Duration,
}

/// Many channels with one subscriber each.
#[derive(Debug, Clone)]
pub struct Publishes {
    /// `publish`: how many HTTP connections with one request outstanding each.
    pub publishers: usize,
    /// How many subscribers, each on its own channel.
    pub subscribers: usize,
    /// How long each repeat runs.
    pub phase: Duration,
    /// `unicast`: publications per second over all channels.
    pub unicast_rate: u32,
}

impl Options {
    /// The shape in which the published figures are taken.
    pub fn new(pid: u32, server: SocketAddr, api: SocketAddr, api_key: impl Into<String>) -> Self {
        let node = NodeUnderTest {
            pids: vec![pid],
            servers: vec![server],
            apis: vec![api],
            api_key: api_key.into(),
            path: "/connection/websocket".to_owned(),
            origin: None,
            channel_prefix: "bench-".to_owned(),
        };
        Self {
            node,
            workloads: Vec::new(),
            json: None,
            pace: Pace::default(),
            connections: Connections::default(),
            deliveries: Deliveries::default(),
            publishes: Publishes::default(),
            cluster: Cluster::default(),
        }
    }

    /// The workloads to run, in their order and each once.
    pub(crate) fn chosen(&self) -> Vec<Workload> {
        if self.workloads.is_empty() {
            return Workload::ALONE.to_vec();
        }
        let all = Workload::ALONE.into_iter().chain(Workload::TOGETHER);
        all.filter(|workload| self.workloads.contains(workload)).collect()
    }

    /// The node that is asked and published to.
    pub(crate) fn api(&self) -> SocketAddr {
        self.node.apis[0]
    }

    /// Refuses what cannot be run before anything is opened.
    pub(crate) fn refuse_impossible(&self) -> Result<(), BenchError> {
        for workload in self.chosen() {
            let (name, sockets) = self.sockets(workload);
            if sockets > CONNECTIONS_MAX {
                return Err(BenchError::Option(format!(
                    "{name} needs {sockets} sockets in this process, more than {CONNECTIONS_MAX}: \
                     run several benches or ask for fewer connections"
                )));
            }
        }
        let positive = [
            ("the window", self.pace.window),
            ("repeats", self.pace.repeats),
            ("pairs", self.pace.pairs),
            ("memory connections", self.connections.held),
            ("connections to establish", self.connections.established),
            ("receivers", self.deliveries.receivers),
            ("publishers", self.publishes.publishers),
            ("subscribers", self.publishes.subscribers),
            ("the rate", self.deliveries.rate as usize),
            ("the unicast rate", self.publishes.unicast_rate as usize),
            ("servers", self.node.servers.len()),
            ("server APIs", self.node.apis.len()),
            ("channels", self.cluster.channels),
            ("parts", self.cluster.parts),
            ("outstanding", self.deliveries.outstanding.iter().copied().min().unwrap_or(0)),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(BenchError::Option(format!("{name}: must be at least 1")));
        }
        if self.pace.client_cpu.is_some() && self.pace.floor_cpu.is_none() {
            let why = "a CPU for the client needs one for the floor, or both share the client's";
            return Err(BenchError::Option(why.to_owned()));
        }
        self.refuse_impossible_cluster()?;
        if let Some(many) = self.deliveries.outstanding.iter().find(|many| **many > OUTSTANDING_MAX) {
            return Err(BenchError::Option(format!("outstanding {many}: more than {OUTSTANDING_MAX}")));
        }
        if !(payload::SIZE_MIN..=PAYLOAD_MAX).contains(&self.deliveries.payload) {
            return Err(BenchError::Option(format!(
                "a payload of {} bytes: {} to {PAYLOAD_MAX} are possible",
                self.deliveries.payload,
                payload::SIZE_MIN
            )));
        }
        Ok(())
    }

    /// How many descriptors a workload holds at once. A receiver of the floor has both ends in this process.
    fn sockets(&self, workload: Workload) -> (&'static str, usize) {
        match workload {
            Workload::Memory => ("memory", self.connections.held.max(self.connections.warm_up)),
            Workload::Connect => ("connect", self.connections.established),
            Workload::Fanout => ("fanout", 3 * self.deliveries.receivers + 1),
            Workload::Rate => ("rate", 3 * self.deliveries.receivers + 1),
            Workload::Publish => ("publish", self.publishes.subscribers + self.publishes.publishers),
            Workload::Unicast => ("unicast", self.publishes.subscribers + self.publishes.publishers),
            Workload::Account => ("account", self.publishes.subscribers + self.publishes.publishers),
            Workload::Outage => {
                let holders = self.cluster.channels.div_ceil(CHANNELS_PER_CONNECTION);
                ("outage", self.node.servers.len() * holders)
            }
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            window: 256,
            connects_per_second: None,
            repeats: 5,
            pairs: 5,
            client_cpu: None,
            floor_cpu: None,
            patience: Duration::from_secs(20),
            stage_limit: Duration::from_secs(600),
        }
    }
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            held: 15_000,
            warm_up: 100,
            messages: 200,
            traffic: Traffic::Rpc,
            settle: Duration::from_secs(12),
            established: 10_000,
        }
    }
}

impl Default for Deliveries {
    fn default() -> Self {
        Self {
            receivers: 1000,
            payload: 128,
            outstanding: vec![1, 4, 16],
            fanout_phase: Duration::from_secs(3),
            publisher: PublisherKind::Http,
            rate: 50,
            rate_phase: Duration::from_secs(5),
        }
    }
}

impl Default for Publishes {
    fn default() -> Self {
        Self { publishers: 64, subscribers: 1000, phase: Duration::from_secs(5), unicast_rate: 500 }
    }
}

/// More outstanding publications than this may fill a socket buffer, and then the floor measures waiting.
const OUTSTANDING_MAX: usize = 64;
/// Largest payload: with 64 outstanding it stays below one megabyte per receiver.
const PAYLOAD_MAX: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        let address = "127.0.0.1:8000".parse().unwrap();
        Options::new(1, address, address, "key")
    }

    #[test]
    fn the_defaults_are_possible() {
        options().refuse_impossible().unwrap();
        assert_eq!(options().chosen(), Workload::ALONE);
    }

    #[test]
    fn too_many_connections_are_refused_with_the_workload_and_the_bound() {
        let mut options = options();
        options.connections.held = 20_000;
        let error = options.refuse_impossible().unwrap_err().to_string();
        assert!(error.contains("memory") && error.contains("19000"), "{error}");
        options.workloads = vec![Workload::Connect];
        options.refuse_impossible().unwrap();
    }

    #[test]
    fn a_zero_is_refused_by_its_name() {
        let mut options = options();
        options.pace.pairs = 0;
        assert!(options.refuse_impossible().unwrap_err().to_string().contains("pairs"));
    }
}
