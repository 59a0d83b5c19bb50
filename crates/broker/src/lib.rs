//! The ports behind which publications are sequenced, and the in-memory implementation.
//! A broker is driven, never waited for: calls start something, `poll` hands out what came of it.

#![forbid(unsafe_code)]

mod memory;
mod memory_presence;
mod port;
mod presence;

pub use memory::MemoryBroker;
pub use memory_presence::MemoryPresence;
pub use port::{Broker, BrokerEvent, PublishTerms, Ticket, Version};
pub use presence::{Attendance, Change, Presence, PresenceEvent};
