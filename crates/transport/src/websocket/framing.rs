//! What goes out: server frames, never masked, never fragmented.

use fastwebsockets::{CloseCode, OpCode};
use model::limits::CLOSE_TEXT_BYTES_MAX;
use protocol::{FrameKind, Framing};

/// The WebSocket framing of a server.
#[derive(Debug, Clone, Copy)]
pub struct WebSocketFraming;

impl Framing for WebSocketFraming {
    fn label(&self) -> &'static str {
        "websocket"
    }

    fn wrap(&self, kind: FrameKind, payload: &[u8], out: &mut Vec<u8>) {
        let opcode = match kind {
            FrameKind::Text => OpCode::Text,
            FrameKind::Binary => OpCode::Binary,
        };
        write_frame(opcode, payload, out);
    }

    fn close(&self, code: u16, text: &str, out: &mut Vec<u8>) {
        let text = &text[..text.floor_char_boundary(CLOSE_TEXT_BYTES_MAX)];
        let payload = [&code.to_be_bytes(), text.as_bytes()].concat();
        write_frame(OpCode::Close, &payload, out);
    }
}

/// The answer to a ping.
pub(crate) fn pong(payload: &[u8], out: &mut Vec<u8>) {
    write_frame(OpCode::Pong, payload, out);
}

/// The answer to a close frame: its own code, or none where it had none.
pub(crate) fn farewell(code: Option<CloseCode>, out: &mut Vec<u8>) {
    let code = code.map(|code| u16::from(code).to_be_bytes());
    write_frame(OpCode::Close, code.as_ref().map_or(&[], |code| code.as_slice()), out);
}

fn write_frame(opcode: OpCode, payload: &[u8], out: &mut Vec<u8>) {
    const FINAL: u8 = 0x80;
    out.push(FINAL | opcode as u8);
    match payload.len() {
        length @ 0..126 => out.push(length as u8),
        length @ 126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}
