//! What a node is called, and what it holds.

use std::hash::RandomState;
use std::net::SocketAddr;

use engine::{Order, ShardCounters};
use model::Moment;
use transport::{host_name, resident_bytes};

use super::answer::{NodeStats, ProcessStats};
use crate::handle::Handle;

/// What the server API tells about its node.
#[derive(Clone)]
pub(crate) struct NodeIdentity {
    /// Differs between nodes, and between two runs of one.
    pub(super) uid: String,
    /// What operators call the node.
    pub(super) name: String,
    /// Of the software.
    pub(super) version: String,
    /// When the node began, on the clock of its [`crate::Handle`].
    pub(super) started: Moment,
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
        Some(NodeStats {
            uid: self.uid.clone(),
            name: self.name.clone(),
            version: self.version.clone(),
            num_clients: sum(|worker| worker.connections),
            num_users,
            num_channels: node.channels,
            num_subs: sum(|worker| worker.subscriptions),
            uptime: handle.clock().moment().since(self.started).as_secs(),
            process: resident_bytes().map(|rss| ProcessStats { rss }),
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
