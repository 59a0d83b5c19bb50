//! What calls result in, as it stands in answers. Comments of fields are what the OpenAPI document says of them.

use std::collections::BTreeMap;

use model::{ChannelName, ClientInfo, HistoryEntry, HistoryPage, Payload, Position, RawJson, Tags};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::fault::{ErrorObject, Fault};
use crate::nodes::connections::ConnectionStats;
use crate::nodes::identity::NodeStats;

/// What a granted call results in.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Answer {
    Empty(EmptyResult),
    Publish(PublishResult),
    Broadcast(BroadcastResult),
    History(HistoryResult),
    Presence(PresenceResult),
    PresenceStats(PresenceStatsResult),
    Channels(ChannelsResult),
    Connections(ConnectionsResult),
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

/// It was published. With its position, if the channel has history and it was kept.
#[derive(Serialize, JsonSchema)]
pub(super) struct PublishResult {
    /// Its number in the channel's history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) offset: Option<u64>,
    /// Which history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) epoch: Option<String>,
}

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
    Result(PublishResult),
    Error(ErrorObject),
}

/// A part of a channel's history.
#[derive(Serialize, JsonSchema)]
pub(super) struct HistoryResult {
    /// What was asked for, in the order asked for.
    pub(super) publications: Vec<KeptPublication>,
    /// Which history.
    pub(super) epoch: String,
    /// The last number that was given away in it; 0 before the first publication.
    pub(super) offset: u64,
}

/// A publication in a history.
#[derive(Serialize, JsonSchema)]
pub(super) struct KeptPublication {
    /// What was published.
    #[serde(serialize_with = "spliced")]
    #[schemars(with = "Value")]
    data: Payload,
    /// The client that published it, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<Client>,
    /// Its number.
    offset: u64,
    /// Words beside the payload.
    #[serde(skip_serializing_if = "Tags::is_empty", serialize_with = "by_tag")]
    #[schemars(with = "BTreeMap<String, String>")]
    tags: Tags,
}

/// The members of a channel.
#[derive(Serialize, JsonSchema)]
pub(super) struct PresenceResult {
    /// The members by their connections' ids.
    pub(super) presence: BTreeMap<String, Client>,
}

/// How many members a channel has.
#[derive(Serialize, JsonSchema)]
pub(super) struct PresenceStatsResult {
    /// Connections.
    pub(super) num_clients: u32,
    /// Users; connections without a user count as one.
    pub(super) num_users: u32,
}

/// A client.
#[derive(Serialize, JsonSchema)]
pub(super) struct Client {
    /// The user; empty for clients without one.
    user: String,
    /// The connection.
    client: String,
    /// What others may see of the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Value")]
    conn_info: Option<Box<RawJson>>,
    /// What others may see of the subscription.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Value")]
    chan_info: Option<Box<RawJson>>,
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
    pub(super) num_clients: u64,
}

/// Connections.
#[derive(Default, Serialize, JsonSchema)]
pub(super) struct ConnectionsResult {
    /// The connections by their ids.
    pub(super) connections: BTreeMap<String, ConnectionStats>,
    /// What to ask with for those that follow. Left out with the last ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cursor: Option<String>,
}

/// The nodes.
#[derive(Serialize, JsonSchema)]
pub(super) struct InfoResult {
    /// One entry per node that is known, the one that answers first.
    pub(super) nodes: Vec<NodeStats>,
}

impl From<Option<Position>> for PublishResult {
    fn from(position: Option<Position>) -> Self {
        Self {
            offset: position.map(|position| position.offset),
            epoch: position.map(|position| position.epoch.to_string()),
        }
    }
}

impl From<HistoryPage> for HistoryResult {
    fn from(page: HistoryPage) -> Self {
        Self {
            publications: page.entries.into_iter().map(KeptPublication::from).collect(),
            epoch: page.top.epoch.to_string(),
            offset: page.top.offset,
        }
    }
}

impl From<HistoryEntry> for KeptPublication {
    fn from(HistoryEntry { offset, publication, .. }: HistoryEntry) -> Self {
        let info = publication.publisher.as_deref().map(Client::from);
        Self { data: publication.payload, info, offset, tags: publication.tags }
    }
}

impl From<&ClientInfo> for Client {
    fn from(client: &ClientInfo) -> Self {
        Self {
            user: client.user.to_string(),
            client: client.client.to_string(),
            conn_info: client.connection.clone(),
            chan_info: client.subscription.clone(),
        }
    }
}

fn spliced<S: Serializer>(payload: &Payload, serializer: S) -> Result<S::Ok, S::Error> {
    let json: &RawJson = serde_json::from_slice(payload.as_bytes()).expect("a payload is one JSON value");
    json.serialize(serializer)
}

fn by_tag<S: Serializer>(tags: &Tags, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(tags.iter())
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
