//! The contract between wire and engine: what a client asks, what it is told, and who translates.
//! Knows no encoding and no socket.

#![forbid(unsafe_code)]

mod adapter;
mod command;
mod event;
mod frame;
mod variant;

pub use adapter::{Adapter, Protocol, Taken};
pub use command::{Command, CommandKind, Recovery};
pub use event::{Event, Recovered, ServerSubscription, SubscriptionTerms, UnsubscribeReason};
pub use frame::{Frame, FrameKind, Frames, Framing};
pub use variant::{Encoder, Encoders, Variant};
