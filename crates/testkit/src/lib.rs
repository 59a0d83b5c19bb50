//! What tests share: an echo protocol, a protocol and a broker with faults on request, a WebSocket client, an
//! HTTP client, a node in a process of its own, real servers, deadlines, generated files, one suite for every broker and one for
//! every presence. Never part of a node that serves anybody.

#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "tests wait against the clock")]

mod broker_suite;
mod churn;
mod client;
mod echo;
mod faults;
mod generated;
pub mod http;
mod metrics;
mod presence_suite;
mod process;
pub mod redis;
mod wait;

pub use broker_suite::{Backend, BrokerCheck, broker_checks, check_broker};
pub use churn::{Churn, Left};
pub use client::{Client, Received};
pub use echo::Echo;
pub use faults::{FaultyBroker, FaultyProtocol};
pub use generated::expect_file;
pub use metrics::Metrics;
pub use presence_suite::{PresenceBackend, PresenceCheck, check_presence, presence_checks};
pub use process::{Process, example};
pub use wait::{PATIENCE, eventually, holds_within};
