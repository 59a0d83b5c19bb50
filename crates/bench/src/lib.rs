//! The load generator behind `fanfare bench`: what a node costs per idle connection, per connection
//! established, per delivery and per publish, beside a floor of raw system calls measured in the same run.
//! Knows the native protocol's bytes and procfs, and none of our other crates.

#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    reason = "a load generator is made of clocks: it stands outside the layers that take time as a parameter"
)]

mod client;
mod connection;
mod error;
mod floor;
mod http;
mod join;
mod metrics;
mod options;
mod payload;
mod process;
mod publisher;
mod redis;
mod report;
mod stage;
mod stats;
mod wire;
mod workload;

pub use error::BenchError;
pub use options::{
    CONNECTIONS_MAX, Cluster, Connections, Deliveries, NodeUnderTest, Options, Pace, PublisherKind,
    Publishes, Traffic, Workload,
};
pub use report::{Report, Row, Target};
pub use stats::Spread;
pub use workload::run;
