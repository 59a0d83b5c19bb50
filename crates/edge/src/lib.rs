//! Composes a node: configuration, workers, listeners, server API, health, metrics, drain. Decides nothing.

#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "below the transport line clocks are read")]

mod api;
mod broker_thread;
mod composition;
pub mod config;
mod console;
mod control;
mod demo;
mod drain;
mod edge;
mod handle;
mod health;
mod internal;
mod live;
pub mod log;
mod metrics;
mod nodes;
mod page;
mod parts;
mod reload;
mod spans;
mod start_error;
mod stop;
mod threads;

pub use composition::{Composition, Mode, NATIVE_PATH};
pub use edge::Edge;
pub use handle::{Gathered, Handle};
pub use start_error::StartError;
