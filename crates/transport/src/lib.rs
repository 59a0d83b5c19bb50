//! Moves frames between a socket and a session.

#![forbid(unsafe_code)]

mod config;

pub use config::{FormError, ListenAddress, Network, OriginPattern};
