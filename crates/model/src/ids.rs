//! Names across threads: a connection is (worker, slot, generation).

use std::fmt;

/// A worker thread of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub u16);

/// A connection of this node. The generation tells apart the connections that used one slot in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    /// The worker that owns the connection.
    pub worker: WorkerId,
    /// The place in the worker's table.
    pub slot: u32,
    /// How often that place had been used before.
    pub generation: u32,
}

/// The number a client gave to a command; its answer carries the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId(pub u32);

/// What clients see as a connection's id: a UUID of version 4 whose random part also names worker and slot,
/// so that a request that quotes it finds its owner without a table.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientId([u8; 16]);

impl ClientId {
    /// Builds the id of the connection in `slot` of `worker` from 128 random bits.
    pub fn new(worker: WorkerId, slot: u32, random: u128) -> Self {
        let mut bytes = random.to_be_bytes();
        bytes[0..2].copy_from_slice(&worker.0.to_be_bytes());
        bytes[2..6].copy_from_slice(&slot.to_be_bytes());
        let pad = pad(&bytes);
        bytes.iter_mut().zip(pad).for_each(|(byte, pad)| *byte ^= pad);
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
    }

    /// The worker and slot that the id names. Anyone may have made it up: compare the whole id.
    pub fn place(&self) -> (WorkerId, u32) {
        let pad = pad(&self.0);
        let at = |index: usize| self.0[index] ^ pad[index];
        let worker = u16::from_be_bytes([at(0), at(1)]);
        (WorkerId(worker), u32::from_be_bytes([at(2), at(3), at(4), at(5)]))
    }

    /// Parses the form that [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 36 || [8, 13, 18, 23].iter().any(|at| digits[*at] != b'-') {
            return None;
        }
        let mut value = 0_u128;
        for digit in digits.iter().filter(|digit| **digit != b'-') {
            value = (value << 4) | u128::from(char::from(*digit).to_digit(16)?);
        }
        let id = Self(value.to_be_bytes());
        (id.to_string() == text).then_some(id)
    }
}

/// What hides worker and slot: six bytes that follow from the id's last seven, which are random.
fn pad(bytes: &[u8; 16]) -> [u8; 6] {
    // Any odd number with many bits set spreads the random bits over all of the product's upper bytes.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let random = bytes[9..].iter().fold(0, |value, byte| (value << 8) | u64::from(*byte));
    let [pad @ .., _, _] = random.wrapping_mul(SPREAD).to_be_bytes();
    pad
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let mut at = 0;
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                at += 1;
            }
            text[at] = DIGITS[usize::from(byte >> 4)];
            text[at + 1] = DIGITS[usize::from(byte & 15)];
            at += 2;
        }
        f.write_str(std::str::from_utf8(&text).expect("hexadecimal digits are ASCII"))
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_id_names_its_place_and_survives_its_text() {
        let id = ClientId::new(WorkerId(3), 0x0102_0304, 0x1234_5678_9abc_def0_1122_3344_5566_7788);
        assert_eq!(id.place(), (WorkerId(3), 0x0102_0304));
        assert_eq!(ClientId::parse(&id.to_string()), Some(id));
        assert_eq!(id.to_string().as_bytes()[14], b'4');
        assert_eq!(ClientId::parse("not-an-id"), None);
    }
}
