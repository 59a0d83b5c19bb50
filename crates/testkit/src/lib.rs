//! What tests share: an echo protocol, a protocol and a broker that panic on request, a WebSocket client.
//! Never part of a node that serves anybody.

#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "tests wait against the clock")]

mod client;
mod echo;
mod faults;

pub use client::{Client, Received};
pub use echo::Echo;
pub use faults::{PanickyBroker, PanickyProtocol};
