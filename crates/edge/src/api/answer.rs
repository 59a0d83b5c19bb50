//! What calls result in, as it stands in answers. Comments of fields are what the OpenAPI document says of them.

use std::collections::BTreeMap;

use model::ChannelName;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::fault::{ErrorObject, Fault};

/// What a granted call results in.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Answer {
    Empty(EmptyResult),
    Broadcast(BroadcastResult),
    Channels(ChannelsResult),
    Info(InfoResult),
}

impl Answer {
    pub(super) const EMPTY: Self = Self::Empty(EmptyResult {});
}

/// What a call results in.
pub(super) type Outcome = Result<Answer, Fault>;

/// It was done.
#[derive(Serialize, JsonSchema)]
pub(super) struct EmptyResult {}

/// What became of each channel's publication.
#[derive(Serialize, JsonSchema)]
pub(super) struct BroadcastResult {
    /// One response per channel, in the order of the request.
    pub(super) responses: Vec<BroadcastResponse>,
}

/// What became of one channel's publication.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum BroadcastResponse {
    Result(EmptyResult),
    Error(ErrorObject),
}

/// Channels with subscribers.
#[derive(Serialize, JsonSchema)]
pub(super) struct ChannelsResult {
    /// The channels by name.
    #[serde(serialize_with = "by_name")]
    #[schemars(with = "BTreeMap<String, ChannelStats>")]
    pub(super) channels: BTreeMap<ChannelName, ChannelStats>,
    /// Whether there are more channels than are listed; counts may be too low then.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) truncated: bool,
}

/// One channel.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct ChannelStats {
    /// Connections that are subscribed.
    pub(super) num_clients: usize,
}

/// The nodes.
#[derive(Serialize, JsonSchema)]
pub(super) struct InfoResult {
    /// One entry per node.
    pub(super) nodes: Vec<NodeStats>,
}

/// One node.
#[derive(Serialize, JsonSchema)]
pub(super) struct NodeStats {
    /// Differs between nodes, and between two runs of one.
    pub(super) uid: String,
    /// What operators call the node.
    pub(super) name: String,
    /// Of the software.
    pub(super) version: String,
    /// Connections.
    pub(super) num_clients: u64,
    /// Users with a connection; connections without a user count as one.
    pub(super) num_users: u64,
    /// Channels with a subscriber.
    pub(super) num_channels: u64,
    /// Subscriptions.
    pub(super) num_subs: u64,
    /// Seconds since the node's start.
    pub(super) uptime: u64,
    /// The process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) process: Option<ProcessStats>,
}

/// A node's process.
#[derive(Serialize, JsonSchema)]
pub(super) struct ProcessStats {
    /// Bytes of memory in use.
    pub(super) rss: u64,
}

fn by_name<S: Serializer>(
    channels: &BTreeMap<ChannelName, ChannelStats>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(channels.iter().map(|(name, stats)| (name.as_str(), stats)))
}

fn is_false(value: &bool) -> bool {
    !value
}
