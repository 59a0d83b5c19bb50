//! Real Redis and Valkey servers for tests: on free ports of loopback, in directories of their own, gone with
//! their owner. Alone, with TLS, under sentinels, as a cluster; and a proxy that makes the network fail.

mod certificates;
mod child;
mod cluster;
mod connection;
mod directory;
mod muffle;
mod old;
mod options;
mod ports;
mod proxy;
mod sentinels;
mod server;

pub use certificates::Certificates;
pub use cluster::{Cluster, SLOTS};
pub use connection::{Connection, Reply};
pub use muffle::Muffle;
pub use old::old_server;
pub use options::{Binary, Options, valkey};
pub use proxy::Proxy;
pub use sentinels::Sentinels;
pub use server::Server;
