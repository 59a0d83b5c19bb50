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
    pub publication_size: ByteSize,
    /// Most bytes that may wait for one connection; a connection that needs more is too slow and is closed
    /// with code 3008. From `16KiB` to `1GiB`.
    pub outbox_size: ByteSize,
    /// Most bytes that may wait for all connections of the node together; beyond it the connections that hold
    /// most are closed first. `0` takes 25 % of the memory that the cgroup allows; else at least
    /// `client.outbox_size`.
    pub outbox_total: ByteSize,
    /// Commands that a connection may send, per second; WebSocket pings and pongs count as commands. A command
    /// beyond it is refused with code 111, and a connection that goes on is closed with code 3013.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub command_rate: u32,
    /// Commands that a connection may send at once after a pause; what an SDK sends when it resubscribes.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub command_burst: u32,
    /// Time between pings, in whole seconds and longer than `client.pong_timeout`; shorter than the idle
    /// timeout of every proxy on the way. `0` sends none, and silent connections stay. At most `1h`.
    pub ping_interval: Period,
    /// Time that a client has to answer a ping before its connection is closed with code 3012. From `1s`
    /// while pings are sent.
    pub pong_timeout: Period,
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
        }
    }
}

/// Sections `[channels]` and `[namespaces.NAME]`: the rules of the channels that a namespace selects.
///
/// Without a rule, only what a token grants and what the server API does is possible.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
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
}
