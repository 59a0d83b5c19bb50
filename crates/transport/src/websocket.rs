//! WebSocket frames: reading them incrementally from whatever a socket yields, and wrapping what goes out.

mod framing;
mod head;
mod reader;

pub use framing::WebSocketFraming;
pub(crate) use framing::{farewell, pong};
pub(crate) use reader::{Item, Reader};

/// What a client may send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InboundLimits {
    /// Bytes of one message, all of its fragments together.
    pub(crate) message_bytes: usize,
    /// Fragments of one message.
    pub(crate) fragments: usize,
}
