//! A node over real sockets. Tests read as sentences; what they share is in `edge` and `user`.

#![expect(clippy::disallowed_methods, reason = "tests wait against the clock")]

mod churn;
mod closing;
mod collector;
mod delivery;
mod drain;
mod edge;
mod faults;
mod floods;
mod frames;
mod handshake;
mod health;
mod limits;
mod listeners;
mod logs;
mod metrics;
mod metrics_reference;
mod pipelining;
mod proxies;
mod recovery;
mod reload;
mod silence;
mod slow;
mod traces;
mod user;
