//! What requests say, as it stands in their JSON. Comments of fields are what the OpenAPI document says of them.

use std::collections::BTreeMap;

use model::RawJson;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::fault::Fault;
use super::text::Text;

/// Reads a request's JSON object.
pub(super) fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Fault> {
    // Structs could be read from arrays too.
    if json.trim_ascii_start().first() != Some(&b'{') {
        return Err(Fault::Malformed("the request is not a JSON object".to_owned()));
    }
    serde_json::from_slice(json).map_err(|error| Fault::Malformed(complaint::<T>(json, &error)))
}

/// What is wrong, and in which field. What is right is not read a second time for it.
fn complaint<'a, T: Deserialize<'a>>(json: &'a [u8], error: &serde_json::Error) -> String {
    let mut reader = serde_json::Deserializer::from_slice(json);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Err(found) if error.is_data() && found.path().iter().next().is_some() => {
            format!("{}: {error}", found.path())
        }
        _ => error.to_string(),
    }
}

/// Publish to one channel.
#[derive(Deserialize, JsonSchema)]
#[schemars(extend("required" = ["channel"]))]
pub(super) struct PublishRequest<'a> {
    /// The channel.
    #[serde(borrow, default)]
    #[schemars(length(min = 1, max = 255))]
    pub(super) channel: Text<'a>,
    /// What to publish: any JSON value but null.
    #[serde(borrow, default)]
    #[schemars(with = "Value")]
    pub(super) data: Option<&'a RawJson>,
    /// What to publish, as base64 of JSON. Goes before `data` unless it is empty.
    #[serde(borrow, default)]
    pub(super) b64data: Text<'a>,
    /// Words beside the payload. They count into the size of the publication.
    #[serde(default)]
    pub(super) tags: Option<BTreeMap<String, String>>,
    /// A publication whose key was already accepted for the channel in the last five minutes is not published
    /// again, and answered as the first was.
    #[serde(borrow, default)]
    #[schemars(length(max = 255))]
    pub(super) idempotency_key: Text<'a>,
    /// The publisher's own number for what the channel shows. A publication that is not newer than the last one
    /// with a version is not published, and answered with the channel's position. 0 for none; others need a
    /// channel with history.
    #[serde(default)]
    pub(super) version: Option<u64>,
    /// What `version` counts in; a publication of another epoch is newer. Empty for any.
    #[serde(borrow, default)]
    #[schemars(length(max = 255))]
    pub(super) version_epoch: Text<'a>,
    /// Publishes without a position, past the channel's history.
    #[serde(default)]
    pub(super) skip_history: Option<bool>,
    /// Without effect: subscribers receive publications whole.
    #[serde(default, rename = "delta")]
    pub(super) _delta: Option<bool>,
}

/// Publish to several channels.
#[derive(Deserialize, JsonSchema)]
#[schemars(extend("required" = ["channels"]))]
pub(super) struct BroadcastRequest<'a> {
    /// The channels; each gets a response of its own.
    #[serde(borrow, default)]
    #[schemars(required, length(min = 1, max = 10_000))]
    pub(super) channels: Option<Vec<Text<'a>>>,
    /// What to publish: any JSON value but null.
    #[serde(borrow, default)]
    #[schemars(with = "Value")]
    pub(super) data: Option<&'a RawJson>,
    /// What to publish, as base64 of JSON. Goes before `data` unless it is empty.
    #[serde(borrow, default)]
    pub(super) b64data: Text<'a>,
    /// Words beside the payload. They count into the size of the publication.
    #[serde(default)]
    pub(super) tags: Option<BTreeMap<String, String>>,
    /// As in publish, for each channel by itself.
    #[serde(borrow, default)]
    #[schemars(length(max = 255))]
    pub(super) idempotency_key: Text<'a>,
    /// As in publish, for each channel by itself.
    #[serde(default)]
    pub(super) version: Option<u64>,
    /// What `version` counts in; a publication of another epoch is newer. Empty for any.
    #[serde(borrow, default)]
    #[schemars(length(max = 255))]
    pub(super) version_epoch: Text<'a>,
    /// Publishes without positions, past the channels' histories.
    #[serde(default)]
    pub(super) skip_history: Option<bool>,
    /// Without effect: subscribers receive publications whole.
    #[serde(default, rename = "delta")]
    pub(super) _delta: Option<bool>,
}

/// Subscribe a user's connections.
#[derive(Deserialize, JsonSchema)]
#[schemars(extend("required" = ["user", "channel"]))]
pub(super) struct SubscribeRequest<'a> {
    /// The user; empty for connections without one.
    #[serde(borrow, default)]
    #[schemars(required)]
    pub(super) user: Option<Text<'a>>,
    /// The channel.
    #[serde(borrow, default)]
    #[schemars(length(min = 1, max = 255))]
    pub(super) channel: Text<'a>,
    /// When the subscription ends, in seconds since 1970; 0 for never.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub(super) expire_at: Option<i64>,
    /// What others may see of the subscription.
    #[serde(borrow, default)]
    #[schemars(with = "Value")]
    pub(super) info: Option<&'a RawJson>,
    /// The same as base64 of JSON. Goes before `info` unless it is empty.
    #[serde(borrow, default)]
    pub(super) b64info: Text<'a>,
    /// Only the connection with this id.
    #[serde(borrow, default)]
    pub(super) client: Text<'a>,
    /// Only the connection of this session; connections over WebSocket have none.
    #[serde(borrow, default)]
    pub(super) session: Text<'a>,
    /// What the client is told beside the subscription.
    #[serde(borrow, default)]
    #[schemars(with = "Value")]
    pub(super) data: Option<&'a RawJson>,
    /// The same as base64 of JSON. Goes before `data` unless it is empty.
    #[serde(borrow, default)]
    pub(super) b64data: Text<'a>,
    /// Without effect: the subscription begins with what is published next.
    #[serde(default, rename = "recover_since")]
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    pub(super) _recover_since: Option<IgnoredAny>,
    /// Without effect: the options that it overrides do not exist.
    #[serde(default, rename = "override")]
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    pub(super) _override: Option<IgnoredAny>,
}

/// End a subscription of a user's connections.
#[derive(Deserialize, JsonSchema)]
#[schemars(extend("required" = ["user", "channel"]))]
pub(super) struct UnsubscribeRequest<'a> {
    /// The user; empty for connections without one.
    #[serde(borrow, default)]
    #[schemars(required)]
    pub(super) user: Option<Text<'a>>,
    /// The channel.
    #[serde(borrow, default)]
    #[schemars(length(min = 1, max = 255))]
    pub(super) channel: Text<'a>,
    /// Only the connection with this id.
    #[serde(borrow, default)]
    pub(super) client: Text<'a>,
    /// Only the connection of this session; connections over WebSocket have none.
    #[serde(borrow, default)]
    pub(super) session: Text<'a>,
}

/// Close a user's connections.
#[derive(Deserialize, JsonSchema)]
#[schemars(extend("required" = ["user"]))]
pub(super) struct DisconnectRequest<'a> {
    /// The user; empty for connections without one.
    #[serde(borrow, default)]
    #[schemars(required)]
    pub(super) user: Option<Text<'a>>,
    /// Only the connection with this id.
    #[serde(borrow, default)]
    pub(super) client: Text<'a>,
    /// Only the connection of this session; connections over WebSocket have none.
    #[serde(borrow, default)]
    pub(super) session: Text<'a>,
    /// Ids of connections that stay.
    #[serde(borrow, default, rename = "whitelist")]
    pub(super) spared: Option<Vec<Text<'a>>>,
    /// The close code and text, instead of 3503 `force disconnect`.
    #[serde(borrow, default)]
    pub(super) disconnect: Option<DisconnectReason<'a>>,
}

/// A close code and its text.
#[derive(Deserialize, JsonSchema)]
pub(super) struct DisconnectReason<'a> {
    /// From 3000 to 4999; 3503 if it is left out or 0.
    #[serde(default)]
    #[schemars(range(max = 4999))]
    pub(super) code: Option<u32>,
    /// At most 123 bytes; `force disconnect` if it is left out or empty.
    #[serde(borrow, default)]
    pub(super) reason: Text<'a>,
}

/// Change when a user's connections expire.
#[derive(Deserialize, JsonSchema)]
#[schemars(extend("required" = ["user"]))]
pub(super) struct RefreshRequest<'a> {
    /// The user; empty for connections without one.
    #[serde(borrow, default)]
    #[schemars(required)]
    pub(super) user: Option<Text<'a>>,
    /// Only the connection with this id.
    #[serde(borrow, default)]
    pub(super) client: Text<'a>,
    /// Only the connection of this session; connections over WebSocket have none.
    #[serde(borrow, default)]
    pub(super) session: Text<'a>,
    /// Closes the connections as expired.
    #[serde(default)]
    pub(super) expired: Option<bool>,
    /// When the connections expire, in seconds since 1970; 0 or left out for never.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub(super) expire_at: Option<i64>,
    /// What others may see of the connections from now on; unchanged if it is left out.
    #[serde(borrow, default)]
    #[schemars(with = "Value")]
    pub(super) info: Option<&'a RawJson>,
}

/// Read a channel's history.
#[derive(Deserialize, JsonSchema)]
#[schemars(extend("required" = ["channel"]))]
pub(super) struct HistoryRequest<'a> {
    /// The channel.
    #[serde(borrow, default)]
    #[schemars(length(min = 1, max = 255))]
    pub(super) channel: Text<'a>,
    /// Most publications; more than 300, or -1, stands for 300. 0 or left out: the position alone.
    #[serde(default)]
    #[schemars(range(min = -1))]
    pub(super) limit: Option<i64>,
    /// What follows this position, or what precedes it in reverse. Left out: from the oldest publication, or
    /// from the newest.
    #[serde(borrow, default)]
    pub(super) since: Option<SincePosition<'a>>,
    /// From new to old.
    #[serde(default)]
    pub(super) reverse: Option<bool>,
}

/// A place in a history.
#[derive(Deserialize, JsonSchema)]
pub(super) struct SincePosition<'a> {
    /// Number of a publication; 0, the place before the first, has nothing before it to be read in reverse.
    #[serde(default)]
    pub(super) offset: Option<u64>,
    /// Which history. Empty for the present one.
    #[serde(borrow, default)]
    pub(super) epoch: Text<'a>,
}

/// One channel, by its name.
#[derive(Deserialize, JsonSchema)]
#[schemars(extend("required" = ["channel"]))]
pub(super) struct ChannelRequest<'a> {
    /// The channel.
    #[serde(borrow, default)]
    #[schemars(length(min = 1, max = 255))]
    pub(super) channel: Text<'a>,
}

/// List channels.
#[derive(Deserialize, JsonSchema)]
pub(super) struct ChannelsRequest<'a> {
    /// What names look like; `*` stands for any text. Empty for all.
    #[serde(borrow, default)]
    pub(super) pattern: Text<'a>,
}

/// List connections: those that meet all that is given.
#[derive(Deserialize, JsonSchema)]
pub(super) struct ConnectionsRequest<'a> {
    /// Of this user; empty for connections without one.
    #[serde(borrow, default)]
    pub(super) user: Option<Text<'a>>,
    /// Subscribed to this channel.
    #[serde(borrow, default)]
    #[schemars(length(max = 255))]
    pub(super) channel: Text<'a>,
    /// The connection with this id.
    #[serde(borrow, default)]
    pub(super) client: Text<'a>,
    /// Most connections in the answer; 100 if it is left out or 0, at most 1,000.
    #[serde(default)]
    pub(super) limit: Option<u32>,
    /// The cursor of the answer before. Empty for the first.
    #[serde(borrow, default)]
    pub(super) cursor: Text<'a>,
}

/// List nodes.
#[derive(Deserialize, JsonSchema)]
pub(super) struct InfoRequest {}

/// Several calls in one request.
#[derive(Deserialize)]
pub(super) struct BatchRequest<'a> {
    #[serde(borrow, default)]
    pub(super) commands: Option<Vec<&'a RawJson>>,
    #[serde(default)]
    pub(super) parallel: Option<bool>,
}
