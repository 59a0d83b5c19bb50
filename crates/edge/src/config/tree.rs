//! The tree of settings, and the small sections that belong to no component below the edge.

use std::collections::BTreeMap;

use broker_redis::RedisConfig;
use engine::{ClientConfig, NamespaceConfig};
use model::Period;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use transport::{ListenAddress, Network, OriginPattern};

use super::{ApiConfig, TracingConfig};

/// All settings of a node.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Threads that serve connections. `0` starts one per core of the CPU quota that the cgroup allows, at
    /// least one.
    #[schemars(range(min = 0, max = 1024))]
    pub workers: u16,
    /// Web origins that may connect, like `https://example.com` or `https://*.example.com`; `*` stands for any
    /// text, and alone for every origin. Case is not looked at. Empty: only requests without an Origin header,
    /// which browsers always send.
    #[schemars(extend("x-reload" = true))]
    pub allowed_origins: Vec<OriginPattern>,
    /// Addresses of reverse proxies whose `X-Forwarded-For` is believed, as IP addresses or ranges like
    /// `10.0.0.0/8`. What they say of a client's address stands in the log lines of refused connections, and
    /// decides nothing. Empty: nobody's. With `public.proxy_protocol` nobody else may connect, unless it is empty.
    #[schemars(extend("x-reload" = true))]
    pub trusted_proxies: Vec<Network>,
    /// Most connections at a time; the next are answered with status 503. `0` takes 90 % of the limit on open
    /// files, less 256; a higher value than that is a start error.
    #[schemars(extend("x-reload" = true))]
    pub connection_limit: u32,
    /// Most new connections per second; the next are answered with status 503 and `Retry-After`. `0` sets no
    /// limit.
    #[schemars(extend("x-reload" = true))]
    pub connect_rate_limit: u32,
    /// The listener for clients.
    pub public: PublicConfig,
    /// The listener for backends and operators: server API, metrics, health, console, demo.
    pub internal: InternalConfig,
    /// What one connection may do and hold.
    pub client: ClientConfig,
    /// Which tokens are believed. Without any key, every token is turned down.
    pub token: auth::Config,
    /// The server API, through which backends publish.
    pub api: ApiConfig,
    /// Redis, which connects nodes to one cluster and keeps histories. Without it, a node stands alone.
    pub redis: RedisConfig,
    /// The rules of channels without a namespace. Without a rule, only what a token grants and what the server
    /// API does is possible.
    pub channels: NamespaceConfig,
    /// The rules of the channels `NAME:…`. A name has at least two characters, which are letters, digits, `-`,
    /// `_` or `.`. A channel whose namespace has no section is refused with code 102.
    pub namespaces: BTreeMap<String, NamespaceConfig>,
    /// What happens when the node is told to end.
    pub drain: DrainConfig,
    /// What the node writes to standard error.
    pub log: LogConfig,
    /// Traces of what is published, by OpenTelemetry.
    pub tracing: TracingConfig,
    /// The demo page.
    pub demo: DemoConfig,
    /// The console for operators.
    pub console: ConsoleConfig,
}

/// Section `[public]`: the listener for clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PublicConfig {
    /// Where clients connect. `:8000` is port 8000 on all interfaces, IPv4 and IPv6; `localhost:8000`,
    /// `192.0.2.1:8000` and `[::1]:8000` are narrower. The same as `internal.address`: one listener serves
    /// everything.
    pub address: ListenAddress,
    /// Every connection begins with the header of the PROXY protocol, version 1 or 2, in which a proxy that passes
    /// on bytes says where the client is; a connection without one is closed. That address then counts as the
    /// peer's. Needs another `internal.address`.
    pub proxy_protocol: bool,
}

/// Section `[internal]`: the listener for backends and operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InternalConfig {
    /// Where the server API, metrics and health answer, written like `public.address`. `localhost:9000` is
    /// reachable from this machine alone; in a container write `:9000` and let the network keep strangers out.
    pub address: ListenAddress,
}

/// Section `[drain]`: what happens when the node is told to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-reload" = true))]
pub struct DrainConfig {
    /// Time between the signal to end and the first closed connection: the node is not ready but still accepts,
    /// until load balancers have noticed. At most `10m`.
    pub delay: Period,
    /// Time over which connections are closed, evenly, so that clients do not all reconnect at once. At most
    /// `1h`. The orchestrator must wait longer than `drain.delay` and `drain.window` together before it kills
    /// the process.
    pub window: Period,
}

/// Section `[log]`: what the node writes to standard error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// The least important events that are written.
    #[schemars(extend("x-reload" = true))]
    pub level: LogLevel,
    /// Lines for people, or one JSON object per line.
    pub format: LogFormat,
}

/// How important an event of the log is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Someone must act.
    Error,
    /// Someone should look.
    Warn,
    /// The node's state changes.
    #[default]
    Info,
    /// Single connections.
    Debug,
    /// Single frames.
    Trace,
}

/// How events of the log are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object per line.
    Json,
}

/// Section `[demo]`: the demo page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DemoConfig {
    /// Serves a chat page at `/demo` on the internal listener.
    pub enabled: bool,
}

/// Section `[console]`: the console for operators.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConsoleConfig {
    /// Serves a page at `/console` on the internal listener, which shows nodes, channels and connections to
    /// whoever has a key of the server API that may call `info`.
    pub enabled: bool,
}

impl Default for PublicConfig {
    fn default() -> Self {
        Self { address: ListenAddress::every_interface(8000), proxy_protocol: false }
    }
}

impl Default for InternalConfig {
    fn default() -> Self {
        Self { address: ListenAddress::loopback(9000) }
    }
}

impl Default for DrainConfig {
    fn default() -> Self {
        Self { delay: Period::seconds(10), window: Period::seconds(60) }
    }
}
