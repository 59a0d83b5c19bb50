//! Section `[api]`: who may use the server API, and how it answers.

use std::collections::BTreeMap;

use model::{ByteSize, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Section `[api]`: the server API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ApiConfig {
    /// The key that may do everything, sent as `X-API-Key: KEY` or `Authorization: apikey KEY`. Without any
    /// key, the server API refuses every request.
    #[schemars(extend("x-reload" = true))]
    pub key: Secret,
    /// How failures are answered: `default` with status 200 and an `error` object, as libraries expect;
    /// `transport` with a status from 400 to 599.
    pub error_mode: ErrorMode,
    /// Largest publication, its tags included. At most a quarter of `client.outbox_size`, so that a few
    /// publications fit into an outbox.
    #[schemars(extend("x-reload" = true))]
    pub publication_size: ByteSize,
    /// Further keys by name, each with what it may do. Several at once let a key be replaced without a pause:
    /// add the new one, change the backends, remove the old one.
    pub keys: BTreeMap<String, ApiKeyConfig>,
}

/// Section `[api.keys.NAME]`: a key of the server API and what it may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-reload" = true))]
pub struct ApiKeyConfig {
    /// The key itself; different from every other.
    pub key: Secret,
    /// What the key may do.
    pub allow: AllowConfig,
}

/// What a key of the server API may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AllowConfig {
    /// Methods that the key may call. A batch may hold what the key may call. Empty: all.
    pub methods: Vec<ApiMethod>,
    /// Namespaces of the channels that the key may touch; `""` stands for channels without a namespace. Empty:
    /// all channels.
    pub namespaces: Vec<String>,
}

/// A method of the server API that a key can be limited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApiMethod {
    /// Publishes to one channel.
    Publish,
    /// Publishes to several channels.
    Broadcast,
    /// Subscribes a user's connections.
    Subscribe,
    /// Ends subscriptions of a user's connections.
    Unsubscribe,
    /// Closes a user's connections.
    Disconnect,
    /// Prolongs or ends a user's connections.
    Refresh,
    /// Reads a channel's history.
    History,
    /// Drops what is kept of a channel.
    HistoryRemove,
    /// Lists the members of a channel.
    Presence,
    /// Counts the members of a channel.
    PresenceStats,
    /// Lists channels.
    Channels,
    /// Lists connections.
    Connections,
    /// Lists nodes.
    Info,
}

/// How the server API answers failures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ErrorMode {
    /// Status 200 and an `error` object.
    #[default]
    Default,
    /// A status from 400 to 599.
    Transport,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            key: Secret::default(),
            error_mode: ErrorMode::default(),
            publication_size: ByteSize::kib(256),
            keys: BTreeMap::new(),
        }
    }
}
