//! Broker and presence over Redis: pub/sub connections of its own, commands in pipelines, histories in streams.
//! It lives on one thread; its tasks run on that thread's runtime.

#![forbid(unsafe_code)]

mod board;
mod broker;
mod channels;
mod commands;
mod config;
mod counters;
mod dial;
mod envelope;
mod exchange;
mod explain;
mod fields;
mod format_version;
mod intake;
mod ledger;
pub mod library;
mod link;
mod log;
mod malformed;
mod names;
mod pause;
mod presence;
mod primary;
mod probe;
mod request;
mod resp;
mod rights;
mod rounds;
mod signing;
mod slots;
mod target;
mod topology;
mod version;
mod visit;
mod wire;

pub use self::broker::{RedisBroker, RedisView, Surroundings};
pub use config::{ConfigError, RedisConfig};
pub use counters::{Connections, Fault, Probes, RedisCounters, RedisHealth};
pub use format_version::FormatVersion;
pub use library::Library;
pub use presence::RedisPresence;
