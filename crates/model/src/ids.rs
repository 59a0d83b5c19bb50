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

/// What clients see as a connection's id: a random UUID, of version 4. In the order of its text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId([u8; 16]);

impl ClientId {
    /// An id from 128 random bits.
    pub fn new(random: u128) -> Self {
        let mut bytes = random.to_be_bytes();
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
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
    fn a_client_id_is_a_random_uuid_and_survives_its_text() {
        let id = ClientId::new(0x1234_5678_9abc_def0_1122_3344_5566_7788);
        assert_eq!(id.to_string(), "12345678-9abc-4ef0-9122-334455667788");
        assert_eq!(ClientId::new(u128::MAX).to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(ClientId::parse(&id.to_string()), Some(id));
        for wrong in
            ["not-an-id", "12345678-9abc-4ef0-9122-33445566778", "12345678-9ABC-4ef0-9122-334455667788"]
        {
            assert_eq!(ClientId::parse(wrong), None, "{wrong}");
        }
    }
}
