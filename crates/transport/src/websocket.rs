//! WebSocket frames: reading them incrementally from whatever a socket yields, and wrapping what goes out.

mod framing;
mod head;
mod reader;

pub use framing::WebSocketFraming;
pub(crate) use framing::{farewell, pong};
pub(crate) use reader::{Item, Reader};
