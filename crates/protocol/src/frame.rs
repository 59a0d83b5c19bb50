//! Frames: one text or binary unit as transports see it, and how transports wrap it.

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// UTF-8, checked by the transport.
    Text,
    /// Any bytes.
    Binary,
}

/// One inbound unit.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'f> {
    /// What it carries.
    pub kind: FrameKind,
    /// The carried bytes, without the transport's wrapping.
    pub payload: &'f [u8],
}

/// How one transport wraps outbound units in bytes of its own.
pub trait Framing: Send + Sync {
    /// The transport's part of a variant's label, like `websocket`.
    fn label(&self) -> &'static str;

    /// Appends one wrapped unit.
    fn wrap(&self, kind: FrameKind, payload: &[u8], out: &mut Vec<u8>);

    /// Appends the unit that ends the connection. `text` is at most
    /// [`model::limits::CLOSE_TEXT_BYTES_MAX`] bytes; longer ones are cut at a character's border.
    fn close(&self, code: u16, text: &str, out: &mut Vec<u8>);
}

/// Where an adapter puts what goes to its client.
pub struct Frames<'a> {
    framing: &'a dyn Framing,
    out: &'a mut Vec<u8>,
}

impl<'a> Frames<'a> {
    /// Collects wrapped frames in `out`.
    pub fn new(framing: &'a dyn Framing, out: &'a mut Vec<u8>) -> Self {
        Self { framing, out }
    }

    /// Adds one frame.
    pub fn push(&mut self, kind: FrameKind, payload: &[u8]) {
        self.framing.wrap(kind, payload, self.out);
    }

    /// Adds the closing frame; nothing may follow it.
    pub fn close(&mut self, code: u16, text: &str) {
        self.framing.close(code, text, self.out);
    }
}
