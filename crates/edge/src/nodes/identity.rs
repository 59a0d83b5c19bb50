//! What a node is called, and what it holds.

use std::hash::RandomState;
use std::net::SocketAddr;

use engine::{Order, ShardCounters};
use model::Moment;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use transport::{host_name, processor_time, resident_bytes};

use crate::handle::Handle;

/// What the server API tells about its node.
#[derive(Clone)]
pub(crate) struct NodeIdentity {
    /// Differs between nodes, and between two runs of one.
    uid: String,
    /// What operators call the node.
    name: String,
    /// Of the software.
    version: String,
    /// When the node began, on the clock of its [`crate::Handle`].
    started: Moment,
}

/// One node.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) struct NodeStats {
    /// Differs between nodes, and between two runs of one.
    pub(crate) uid: String,
    /// What operators call the node.
    pub(crate) name: String,
    /// Of the software.
    pub(crate) version: String,
    /// Connections.
    pub(crate) num_clients: u64,
    /// Users with a connection; connections without a user count as one. Of another node with more than 10,000,
    /// users may count several times.
    pub(crate) num_users: u64,
    /// Channels with a subscriber.
    pub(crate) num_channels: u64,
    /// Subscriptions.
    pub(crate) num_subs: u64,
    /// Seconds since the node's start.
    pub(crate) uptime: u64,
    /// The process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) process: Option<ProcessStats>,
    /// What the node did since its start. The difference of two answers, by that of their `uptime_ms`, is a rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) totals: Option<NodeTotals>,
}

/// A node's process.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ProcessStats {
    /// Bytes of memory in use.
    pub(crate) rss: u64,
    /// Milliseconds that cores have worked for it.
    #[serde(default)]
    pub(crate) cpu_ms: u64,
}

/// What a node did since its start.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct NodeTotals {
    /// Milliseconds since the start.
    pub(crate) uptime_ms: u64,
    /// Connections opened.
    pub(crate) connections: u64,
    /// Publications accepted.
    pub(crate) publications: u64,
    /// Publications that the kernel took for a subscriber.
    pub(crate) deliveries: u64,
}

impl NodeIdentity {
    /// The node of this process, which is called after the machine and its first public port.
    pub(crate) fn new(uid: &str, public: &[SocketAddr], version: &str, started: Moment) -> Self {
        let port = public.first().map_or(0, SocketAddr::port);
        Self {
            uid: uid.to_owned(),
            name: format!("{}:{port}", host_name().as_deref().unwrap_or("node")),
            version: version.to_owned(),
            started,
        }
    }

    /// What the node holds; `None` when a thread does not say. More users than `users_counted_max` count once for
    /// each worker that serves them.
    pub(crate) async fn stats(&self, handle: &Handle, users_counted_max: u64) -> Option<NodeStats> {
        let (counters, node) = tokio::join!(handle.gather(Order::Count), handle.count_node());
        let (false, Some(node)) = (counters.is_partial, node) else {
            return None;
        };
        let sum = |count: fn(&ShardCounters) -> u64| counters.answers.iter().map(count).sum();
        let users: u64 = sum(|worker| worker.users);
        let num_users = if users > users_counted_max { users } else { count_users(handle).await? };
        let uptime = handle.clock().moment().since(self.started);
        // What nodes tell each other is no publication of anybody's.
        let rules = handle.rules();
        let totals = NodeTotals {
            uptime_ms: uptime.as_millis() as u64,
            connections: sum(|worker| worker.opened),
            publications: rules.names().flat_map(|(namespace, _)| node.publications_in(namespace)).sum(),
            deliveries: sum(|worker| worker.deliveries_by_namespace.iter().sum()),
        };
        Some(NodeStats {
            uid: self.uid.clone(),
            name: self.name.clone(),
            version: self.version.clone(),
            num_clients: sum(|worker| worker.connections),
            num_users,
            num_channels: node.channels,
            num_subs: sum(|worker| worker.subscriptions),
            uptime: uptime.as_secs(),
            process: resident_bytes()
                .map(|rss| ProcessStats { rss, cpu_ms: processor_time().as_millis() as u64 }),
            totals: Some(totals),
        })
    }
}

/// Users, each once whichever workers serve them.
async fn count_users(handle: &Handle) -> Option<u64> {
    let hasher = RandomState::new();
    let users = handle.gather(|reply| Order::Users { hasher: hasher.clone(), reply }).await;
    let mut names = users.answers.concat();
    names.sort_unstable();
    names.dedup();
    (!users.is_partial).then_some(names.len() as u64)
}
