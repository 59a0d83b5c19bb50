//! The ports behind which publications are sequenced, and the in-memory implementation.
//! A broker is driven, never waited for: calls start something, `poll` hands out what came of it.

#![forbid(unsafe_code)]

mod memory;
mod port;

pub use memory::MemoryBroker;
pub use port::{Broker, BrokerEvent, Ticket};
