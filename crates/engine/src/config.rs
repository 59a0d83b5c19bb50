//! What operators choose about connections and channels.

use model::{ByteSize, Period};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Section `[client]`: what one connection may do and hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClientConfig {
    /// Lets everyone connect without a token, and subscribe and publish to every channel. For development and
    /// test suites of client libraries; the node warns about it at each start.
    pub insecure: bool,
    /// Largest payload that a client may publish. At most a quarter of `client.outbox_size`, so that a few
    /// publications fit into an outbox.
    #[schemars(extend("x-reload" = true))]
    pub publication_size: ByteSize,
    /// Most bytes that may wait for one connection; a connection that needs more is too slow and is closed
    /// with code 3008. From `16KiB` to `1GiB`.
    #[schemars(extend("x-reload" = true))]
    pub outbox_size: ByteSize,
    /// Most bytes that may wait for all connections of the node together; beyond it the connections that hold
    /// most are closed first. `0` takes 25 % of the memory that the cgroup allows; else at least
    /// `client.outbox_size`.
    #[schemars(extend("x-reload" = true))]
    pub outbox_total: ByteSize,
    /// Commands that a connection may send, per second; WebSocket pings and pongs count as commands. A command
    /// beyond it is refused with code 111, and a connection that goes on is closed with code 3013.
    #[schemars(range(min = 1, max = 1_000_000), extend("x-reload" = true))]
    pub command_rate: u32,
    /// Commands that a connection may send at once after a pause; what an SDK sends when it resubscribes.
    #[schemars(range(min = 1, max = 1_000_000), extend("x-reload" = true))]
    pub command_burst: u32,
    /// Time between pings, in whole seconds and longer than `client.pong_timeout`; shorter than the idle
    /// timeout of every proxy on the way. `0` sends none, and silent connections stay. At most `1h`.
    pub ping_interval: Period,
    /// Time that a client has to answer a ping before its connection is closed with code 3012. From `1s`
    /// while pings are sent.
    pub pong_timeout: Period,
    /// Age at which a connection is closed with code 3011, upon which client libraries reconnect within about a
    /// second and recover what they missed; so that connections spread over nodes that came later. Each has an age
    /// of its own, up to a tenth more or less; who is too old when it is changed leaves within a fifth of it. From `10s` to `30d`; `0` sets none.
    #[schemars(extend("x-reload" = true))]
    pub connection_age: Period,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            insecure: false,
            publication_size: ByteSize::kib(64),
            outbox_size: ByteSize::kib(1024),
            outbox_total: ByteSize(0),
            command_rate: 200,
            command_burst: 2000,
            ping_interval: Period::seconds(25),
            pong_timeout: Period::seconds(8),
            connection_age: Period::default(),
        }
    }
}

/// Sections `[channels]` and `[namespaces.NAME]`: the rules of the channels that a namespace selects.
///
/// Without a rule, only what a token grants and what the server API does is possible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-reload" = true))]
pub struct NamespaceConfig {
    /// Clients with a user name may subscribe without a token for the channel.
    pub client_subscribe: bool,
    /// Extends `client_subscribe` to clients without a user name.
    pub anonymous_subscribe: bool,
    /// Clients with a user name may publish.
    pub client_publish: bool,
    /// Clients may publish to channels that they are subscribed to.
    pub subscriber_publish: bool,
    /// Extends `client_publish` to clients without a user name.
    pub anonymous_publish: bool,
    /// To a channel whose name lists users (`…#alice,bob`), those users alone may subscribe.
    pub user_limited: bool,
    /// Keeps a list of who is subscribed, for those who may ask.
    pub presence: bool,
    /// Tells subscribers that want to know who comes and goes.
    pub join_leave: bool,
    /// With `join_leave`, tells every subscriber, whether it asked to know or not.
    pub push_join_leave: bool,
    /// Members of a channel up to which they are listed and their coming and going is told; beyond it a list is
    /// refused with code 106, and members are counted alone.
    #[schemars(range(min = 1, max = 100_000))]
    pub presence_members_max: u32,
    /// Clients with a user name may ask who is subscribed.
    pub client_presence: bool,
    /// Clients may ask who is subscribed to channels that they are subscribed to.
    pub subscriber_presence: bool,
    /// Extends `client_presence` to clients without a user name.
    pub anonymous_presence: bool,
    /// Publications of a channel that are kept, so that subscribers who were away get what they missed. `0`
    /// keeps none, and publications have no position.
    #[schemars(range(min = 0, max = 100_000))]
    pub history_size: u32,
    /// How long publications are kept after the last one of their channel. From `1s`; `0` keeps none.
    pub history_ttl: Period,
    /// How long a channel's position is known after its history was last used; a client that was away for
    /// longer starts anew. At least `history_ttl`, at most `365d`.
    pub history_meta_ttl: Period,
    /// What subscribers of a channel with history get when they come back.
    pub recovery: RecoveryMode,
    /// Clients with a user name may read the history.
    pub client_history: bool,
    /// Clients may read the history of channels that they are subscribed to.
    pub subscriber_history: bool,
    /// Extends `client_history` to clients without a user name.
    pub anonymous_history: bool,
    /// Takes what backends publish in Redis without a signature, where `redis.signing_key` is set.
    pub unsigned_publish: bool,
}

/// What subscribers of a channel with history get when they come back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecoveryMode {
    /// Everything that they missed, if all of it is still kept; they are told if it is not.
    #[default]
    Missed,
    /// The last publication.
    Latest,
    /// Nothing: they have no position.
    Off,
}

impl Default for NamespaceConfig {
    fn default() -> Self {
        Self {
            client_subscribe: false,
            anonymous_subscribe: false,
            client_publish: false,
            subscriber_publish: false,
            anonymous_publish: false,
            user_limited: false,
            presence: false,
            join_leave: false,
            push_join_leave: false,
            presence_members_max: 1000,
            client_presence: false,
            subscriber_presence: false,
            anonymous_presence: false,
            history_size: 0,
            history_ttl: Period::default(),
            history_meta_ttl: Period::seconds(30 * 86_400),
            recovery: RecoveryMode::default(),
            client_history: false,
            subscriber_history: false,
            anonymous_history: false,
            unsigned_publish: false,
        }
    }
}
