//! What is asked of nodes that share a Redis.

use std::net::SocketAddr;

use super::{Options, PublisherKind, Workload};
use crate::BenchError;

/// Channels that one connection of `outage` subscribes to; a node allows 128.
pub(crate) const CHANNELS_PER_CONNECTION: usize = 100;
/// Most channels of `outage`: a publication's number tells its channel.
const CHANNELS_MAX: usize = 1_000_000;

/// Nodes that share a Redis.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Where Redis is.
    pub redis: Option<SocketAddr>,
    /// What names in Redis begin with.
    pub redis_prefix: String,
    /// `outage`: the shell command that makes Redis go away and come back.
    pub outage: Option<String>,
    /// `outage`: whether Redis forgets everything by it.
    pub forgets: bool,
    /// `outage`: how many channels every server has a subscriber of.
    pub channels: usize,
    /// `outage`: how many of them keep a history: those of the namespace `kept`.
    pub kept: usize,
    /// `account`: how many benches run at the same time, and wait for each other.
    pub parts: usize,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            redis: None,
            redis_prefix: "fanfare".to_owned(),
            outage: None,
            forgets: false,
            channels: 100_000,
            kept: 10_000,
            parts: 1,
        }
    }
}

impl Options {
    pub(super) fn refuse_impossible_cluster(&self) -> Result<(), BenchError> {
        let (cluster, chosen) = (&self.cluster, self.chosen());
        let shares = chosen.iter().any(|workload| Workload::TOGETHER.contains(workload));
        let publishes = self.deliveries.publisher == PublisherKind::Redis;
        let refuse = |why: &str| Err(BenchError::Option(why.to_owned()));
        if (shares || publishes) && cluster.redis.is_none() {
            return refuse("outage, account and the publisher redis need the address of Redis");
        }
        if chosen.contains(&Workload::Outage) {
            if cluster.outage.is_none() {
                return refuse("outage needs the command by which Redis goes away and comes back");
            }
            if !(1..=cluster.channels.min(CHANNELS_MAX)).contains(&cluster.kept) {
                return refuse("outage needs a channel with history, and no more of them than channels");
            }
        }
        Ok(())
    }
}
