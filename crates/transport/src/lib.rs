//! Moves frames between a socket and a session: listeners, handshakes, WebSocket framing, and the loop that
//! owns a worker's connections. Decides nothing about what a client may do.

#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "below the transport line clocks are read")]

mod admission;
mod clock;
mod config;
mod door;
mod drive;
mod linux;
mod listener;
mod log;
mod proxied;
mod proxy_header;
mod pulse;
mod websocket;
mod worker;

pub use admission::{Admission, AdmissionRules, Rejection};
pub use clock::Clock;
pub use config::{FormError, ListenAddress, Network, OriginPattern};
pub use door::{Body, BoxFuture, Fallback, Route};
pub use linux::{cpu_quota, host_name, memory_limit, processor_time, raise_descriptor_limit, resident_bytes};
pub use listener::{BindError, bind};
pub use log::Throttle;
pub use pulse::Pulse;
pub use websocket::WebSocketFraming;
pub use worker::{WorkerLink, WorkerSetup, run_worker};
