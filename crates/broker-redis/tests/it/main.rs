//! The broker against real servers, which the tests start, stop and hurt themselves.

mod cluster;
mod faults;
mod history;
mod library;
mod probe;
mod pubsub;
mod rig;
mod rights;
mod sentinel;
mod tls;
