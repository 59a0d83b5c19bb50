//! One frame, one line; a close is a line of its own.

use protocol::{FrameKind, Framing};

/// What the clients of transcripts read.
pub(crate) struct Lines;

impl Framing for Lines {
    fn label(&self) -> &'static str {
        "lines"
    }

    fn wrap(&self, _: FrameKind, payload: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(payload);
        out.push(b'\n');
    }

    fn close(&self, code: u16, text: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("close {code} {text}\n").as_bytes());
    }
}
