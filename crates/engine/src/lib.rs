//! What a connection may do now, who is subscribed, what each of them still has to receive.
//! Frames, mail and time come in as arguments; nothing here touches a socket, a clock or a thread.

#![forbid(unsafe_code)]

mod channels;
mod config;
mod connection;
mod counters;
mod delivery;
#[cfg(test)]
mod footprint;
mod mail;
mod mailbox;
mod node;
mod notice;
mod outbox;
mod pattern;
mod policy;
mod rules;
mod shard;
mod slab;
mod trace;
mod users;
mod wheel;

pub use channels::ChannelKey;
pub use config::{ClientConfig, NamespaceConfig, RecoveryMode};
pub use connection::Origin;
pub use counters::{DeliveryLatency, NodeCounters, OUTCOMES, RepairOutcome, ShardCounters};
pub use delivery::{Delivery, MovementNotice};
pub use mail::{
    Entry, Expiry, Found, HistoryAsker, HistoryRequest, Inquiry, InquiryKind, NodeRequest, Order,
    PublishRequest, Publisher, RecoverRequest, Recovery, Target, WorkerMail,
};
pub use mailbox::{Full, Mailbox, Waiting};
pub use node::Node;
pub use notice::{Denial, Notice};
pub use pattern::matches;
pub use policy::Policy;
pub use rules::{NamespaceId, Rules};
pub use shard::{
    ConnectionPage, ConnectionQuery, ConnectionReport, Flush, PageLimits, Place, Progress, Shard, Written,
};
pub use trace::{Span, SpanKind, Tracer};
