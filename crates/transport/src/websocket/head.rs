//! Frame heads of clients: the rules that a head can break by itself.

use fastwebsockets::OpCode;
use model::CloseReason;

/// Longest head of a masked frame.
pub(super) const HEAD_BYTES_MAX: usize = 14;
/// Longest payload of a control frame.
pub(super) const CONTROL_BYTES_MAX: usize = 125;

/// A client frame's head.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Head {
    pub(super) opcode: OpCode,
    pub(super) is_final: bool,
    pub(super) mask: [u8; 4],
    pub(super) payload: u64,
    /// Bytes of the head itself.
    pub(super) size: usize,
}

impl Head {
    /// Reads the head that `input` begins with; `None` while it is incomplete. What is wrong is told as soon
    /// as the bytes that show it are there.
    pub(super) fn read(input: &[u8]) -> Result<Option<Self>, CloseReason> {
        let violation = Err(CloseReason::ProtocolViolation);
        let Some(first) = input.first() else {
            return Ok(None);
        };
        let Ok(opcode) = OpCode::try_from(first & 0x0f) else {
            return violation;
        };
        let is_final = first & 0x80 != 0;
        let is_control = is_control(opcode);
        if first & 0x70 != 0 || (is_control && !is_final) {
            return violation;
        }
        let Some(second) = input.get(1) else {
            return Ok(None);
        };
        let short = second & 0x7f;
        if second & 0x80 == 0 || (is_control && usize::from(short) > CONTROL_BYTES_MAX) {
            return violation;
        }
        let length_bytes = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some(tail) = input.get(2..2 + length_bytes + 4) else {
            return Ok(None);
        };
        let (length, mask) = tail.split_at(length_bytes);
        let payload = length.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte));
        let payload = match length_bytes {
            0 => u64::from(short),
            // A length must be written in the fewest bytes, and its top bit is never set.
            2 if payload < 126 => return violation,
            8 if payload <= u64::from(u16::MAX) || payload >> 63 != 0 => return violation,
            _ => payload,
        };
        let mask = [mask[0], mask[1], mask[2], mask[3]];
        Ok(Some(Self { opcode, is_final, mask, payload, size: 2 + length_bytes + 4 }))
    }
}

pub(super) fn is_control(opcode: OpCode) -> bool {
    matches!(opcode, OpCode::Close | OpCode::Ping | OpCode::Pong)
}
