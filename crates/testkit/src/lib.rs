//! What tests share: an echo protocol, a protocol and a broker with faults on request, a WebSocket client, an
//! HTTP client, a node in a process of its own, deadlines. Never part of a node that serves anybody.

#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "tests wait against the clock")]

mod churn;
mod client;
mod echo;
mod faults;
pub mod http;
mod metrics;
mod process;
mod wait;

pub use churn::{Churn, Left};
pub use client::{Client, Received};
pub use echo::Echo;
pub use faults::{FaultyBroker, PanickyProtocol};
pub use metrics::Metrics;
pub use process::{Process, example};
pub use wait::{PATIENCE, eventually, holds_within};
