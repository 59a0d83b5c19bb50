//! The incremental reader: whole frames are taken in place, only what is unfinished is kept.

use std::borrow::Cow;

use fastwebsockets::{CloseCode, OpCode, unmask};
use model::CloseReason;
use protocol::FrameKind;

use super::InboundLimits;
use super::head::{CONTROL_BYTES_MAX, HEAD_BYTES_MAX, Head, is_control};

/// What one connection has sent so far of an unfinished message. Eight bytes while there is none.
#[derive(Default)]
pub(crate) struct Reader(Option<Box<Unfinished>>);

/// What was read.
#[derive(Debug, PartialEq)]
pub(crate) enum Item<'a> {
    /// A whole message.
    Message(FrameKind, Cow<'a, [u8]>),
    /// A ping, with what the pong must repeat.
    Ping(Cow<'a, [u8]>),
    /// A pong.
    Pong,
    /// The peer closes, with its code if it gave one.
    Close(Option<CloseCode>),
}

/// Bytes taken from the input and what they completed; without an item all of the input was taken.
#[derive(Debug, PartialEq)]
pub(crate) struct Read<'a> {
    pub(crate) taken: usize,
    pub(crate) item: Option<Item<'a>>,
}

#[derive(Default)]
struct Unfinished {
    head: Vec<u8>,
    frame: Option<Arriving>,
    control: Vec<u8>,
    message: Option<Message>,
}

/// A frame whose payload has not all arrived.
struct Arriving {
    opcode: OpCode,
    is_final: bool,
    mask: [u8; 4],
    left: u64,
}

/// A message that is not whole.
struct Message {
    kind: FrameKind,
    payload: Vec<u8>,
    fragments: usize,
    /// Bytes of a text known to be UTF-8; less than a character may follow.
    checked: usize,
}

impl Reader {
    /// Takes the next frame from `input`, which is unmasked in place.
    pub(crate) fn read<'a>(
        &mut self,
        input: &'a mut [u8],
        limits: &InboundLimits,
    ) -> Result<Read<'a>, CloseReason> {
        if self.0.is_some() {
            return self.read_on(input, limits);
        }
        let Some(head) = Head::read(input)? else {
            return self.read_on(input, limits);
        };
        let size = usize::try_from(head.payload).unwrap_or(usize::MAX);
        let is_whole = input.len() - head.size >= size;
        let is_single = is_control(head.opcode) || (head.is_final && head.opcode != OpCode::Continuation);
        if !is_whole || !is_single {
            return self.read_on(input, limits);
        }
        let taken = head.size + size;
        let payload = &mut input[head.size..taken];
        unmask(payload, head.mask);
        let item = match message_kind(head.opcode) {
            Some(kind) => {
                if size > limits.message_bytes {
                    return Err(CloseReason::TooBig);
                }
                if kind == FrameKind::Text && std::str::from_utf8(payload).is_err() {
                    return Err(CloseReason::InvalidText);
                }
                Item::Message(kind, Cow::Borrowed(payload))
            }
            None => control_item(head.opcode, Cow::Borrowed(payload))?,
        };
        Ok(Read { taken, item: Some(item) })
    }

    /// Whether part of a message or frame is here.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.0.is_some()
    }

    /// Bytes kept of what is unfinished.
    pub(crate) fn kept(&self) -> usize {
        let message = self.0.as_ref().and_then(|unfinished| unfinished.message.as_ref());
        message.map_or(0, |message| message.payload.capacity())
    }

    fn read_on<'a>(&mut self, input: &mut [u8], limits: &InboundLimits) -> Result<Read<'a>, CloseReason> {
        let mut taken = 0;
        loop {
            let unfinished = self.0.get_or_insert_default();
            if unfinished.frame.is_none() {
                taken += unfinished.take_head(&input[taken..], limits)?;
            }
            let (more, item) = unfinished.take_payload(&mut input[taken..])?;
            taken += more;
            if unfinished.is_empty() {
                self.0 = None;
            }
            // A fragment that completes no message yields nothing: go on with what is left.
            if item.is_some() || taken == input.len() {
                return Ok(Read { taken, item });
            }
        }
    }
}

impl Unfinished {
    fn is_empty(&self) -> bool {
        self.head.is_empty() && self.frame.is_none() && self.message.is_none()
    }

    /// Takes head bytes; once the head is whole it is judged and its frame begins.
    fn take_head(&mut self, input: &[u8], limits: &InboundLimits) -> Result<usize, CloseReason> {
        let known = self.head.len();
        let usable = input.len().min(HEAD_BYTES_MAX - known);
        self.head.extend_from_slice(&input[..usable]);
        let Some(head) = Head::read(&self.head)? else {
            return Ok(usable);
        };
        self.head = Vec::new();
        self.begin(&head, limits)?;
        let Head { opcode, is_final, mask, payload, size } = head;
        self.frame = Some(Arriving { opcode, is_final, mask, left: payload });
        Ok(size - known)
    }

    fn begin(&mut self, head: &Head, limits: &InboundLimits) -> Result<(), CloseReason> {
        if is_control(head.opcode) {
            return Ok(());
        }
        let message = match (message_kind(head.opcode), &mut self.message) {
            (Some(kind), None) => {
                let message = Message { kind, payload: Vec::new(), fragments: 0, checked: 0 };
                self.message.insert(message)
            }
            (None, Some(message)) => message,
            (Some(_), Some(_)) | (None, None) => return Err(CloseReason::ProtocolViolation),
        };
        message.fragments += 1;
        let size = usize::try_from(head.payload).unwrap_or(usize::MAX);
        let is_too_big = message.payload.len().saturating_add(size) > limits.message_bytes;
        if is_too_big || message.fragments > limits.fragments {
            return Err(CloseReason::TooBig);
        }
        Ok(())
    }

    fn take_payload<'a>(&mut self, input: &mut [u8]) -> Result<(usize, Option<Item<'a>>), CloseReason> {
        let Some(frame) = &mut self.frame else {
            return Ok((0, None));
        };
        let taken = input.len().min(usize::try_from(frame.left).unwrap_or(usize::MAX));
        let bytes = &mut input[..taken];
        unmask(bytes, frame.mask);
        frame.mask.rotate_left(taken % 4);
        frame.left -= taken as u64;
        if is_control(frame.opcode) {
            self.control.extend_from_slice(bytes);
        } else if let Some(message) = &mut self.message {
            message.payload.extend_from_slice(bytes);
            message.check_text()?;
        }
        if frame.left > 0 {
            return Ok((taken, None));
        }
        let (opcode, is_final) = (frame.opcode, frame.is_final);
        self.frame = None;
        if is_control(opcode) {
            debug_assert!(self.control.len() <= CONTROL_BYTES_MAX);
            let payload = std::mem::take(&mut self.control);
            return Ok((taken, Some(control_item(opcode, Cow::Owned(payload))?)));
        }
        let item = if is_final { self.message.take().map(Message::complete).transpose()? } else { None };
        Ok((taken, item))
    }
}

impl Message {
    /// Judges a text as far as it has arrived, so that what cannot become UTF-8 fails at once.
    fn check_text(&mut self) -> Result<(), CloseReason> {
        if self.kind == FrameKind::Binary {
            return Ok(());
        }
        match std::str::from_utf8(&self.payload[self.checked..]) {
            Ok(_) => self.checked = self.payload.len(),
            Err(error) if error.error_len().is_some() => return Err(CloseReason::InvalidText),
            Err(error) => self.checked += error.valid_up_to(),
        }
        Ok(())
    }

    fn complete<'a>(self) -> Result<Item<'a>, CloseReason> {
        if self.kind == FrameKind::Text && self.checked < self.payload.len() {
            return Err(CloseReason::InvalidText);
        }
        Ok(Item::Message(self.kind, Cow::Owned(self.payload)))
    }
}

fn message_kind(opcode: OpCode) -> Option<FrameKind> {
    match opcode {
        OpCode::Text => Some(FrameKind::Text),
        OpCode::Binary => Some(FrameKind::Binary),
        OpCode::Continuation | OpCode::Close | OpCode::Ping | OpCode::Pong => None,
    }
}

fn control_item(opcode: OpCode, payload: Cow<'_, [u8]>) -> Result<Item<'_>, CloseReason> {
    match opcode {
        OpCode::Ping => Ok(Item::Ping(payload)),
        OpCode::Close => close_code(&payload).map(Item::Close),
        OpCode::Pong | OpCode::Text | OpCode::Binary | OpCode::Continuation => Ok(Item::Pong),
    }
}

fn close_code(payload: &[u8]) -> Result<Option<CloseCode>, CloseReason> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() { Ok(None) } else { Err(CloseReason::ProtocolViolation) };
    };
    let code = CloseCode::from(u16::from_be_bytes(*code));
    if !code.is_allowed() {
        return Err(CloseReason::ProtocolViolation);
    }
    std::str::from_utf8(reason).map_err(|_| CloseReason::InvalidText)?;
    Ok(Some(code))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: InboundLimits = InboundLimits { message_bytes: 1000, fragments: 4 };

    #[test]
    fn what_breaks_the_rules_ends_the_connection() {
        for (name, bytes, expected) in [
            ("unmasked", vec![0x81, 0x01, b'a'], CloseReason::ProtocolViolation),
            ("reserved bit", vec![0xc1, 0x80], CloseReason::ProtocolViolation),
            ("unknown opcode", vec![0x83], CloseReason::ProtocolViolation),
            ("fragmented ping", vec![0x09], CloseReason::ProtocolViolation),
            ("long ping", vec![0x89, 0xfe], CloseReason::ProtocolViolation),
            ("long-winded length", vec![0x81, 0xfe, 0, 5, 0, 0, 0, 0], CloseReason::ProtocolViolation),
            ("nothing to continue", client_frame(0x80, b"x"), CloseReason::ProtocolViolation),
            (
                "a second beginning",
                [client_frame(0x01, b"a"), client_frame(0x01, b"b")].concat(),
                CloseReason::ProtocolViolation,
            ),
            ("one-byte close", client_frame(0x88, b"x"), CloseReason::ProtocolViolation),
            (
                "forbidden close code",
                client_frame(0x88, &1005_u16.to_be_bytes()),
                CloseReason::ProtocolViolation,
            ),
            ("close text", client_frame(0x88, b"\x03\xe8\xff"), CloseReason::InvalidText),
            ("text", client_frame(0x81, b"\xc3\x28"), CloseReason::InvalidText),
            ("text cut inside a character", client_frame(0x81, b"\xc3"), CloseReason::InvalidText),
            ("first fragment", client_frame(0x01, b"\xff"), CloseReason::InvalidText),
            ("size", client_frame(0x82, &[0; 1001]), CloseReason::TooBig),
            (
                "sum of sizes",
                [client_frame(0x02, &[0; 600]), client_frame(0x80, &[0; 600])].concat(),
                CloseReason::TooBig,
            ),
            (
                "fragments",
                [client_frame(0x02, b""), client_frame(0x00, b"").repeat(4)].concat(),
                CloseReason::TooBig,
            ),
            (
                "announced size",
                vec![0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0],
                CloseReason::TooBig,
            ),
        ] {
            assert_eq!(items_of(&bytes, usize::MAX).err(), Some(expected.clone()), "{name}, at once");
            assert_eq!(items_of(&bytes, 1).err(), Some(expected), "{name}, byte by byte");
        }
    }

    #[test]
    fn control_frames_may_stand_between_fragments() {
        let bytes =
            [client_frame(0x01, "grü".as_bytes()), client_frame(0x89, b"hi"), client_frame(0x80, b"n")]
                .concat();
        let expected = vec![
            Item::Ping(Cow::Borrowed(b"hi")),
            Item::Message(FrameKind::Text, Cow::Borrowed("grün".as_bytes())),
        ];
        assert_eq!(items_of(&bytes, usize::MAX), Ok(expected));
    }

    proptest! {
        #[test]
        fn bytes_one_by_one_read_like_bytes_at_once(bytes in frames(), step in 1_usize..40) {
            prop_assert_eq!(items_of(&bytes, step), items_of(&bytes, usize::MAX));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), step in 1_usize..40) {
            prop_assert_eq!(items_of(&bytes, step), items_of(&bytes, usize::MAX));
        }
    }

    prop_compose! {
        fn frames()(parts in prop::collection::vec((0_u8..=0x0b, any::<bool>(), prop::collection::vec(any::<u8>(), 0..140)), 1..6)) -> Vec<u8> {
            parts.iter().flat_map(|(opcode, is_final, payload)| client_frame(opcode | (u8::from(*is_final) << 7), payload)).collect()
        }
    }

    fn items_of(bytes: &[u8], step: usize) -> Result<Vec<Item<'static>>, CloseReason> {
        let (mut reader, mut items) = (Reader::default(), Vec::new());
        for piece in bytes.chunks(step.min(bytes.len().max(1))) {
            let mut piece = piece.to_vec();
            let mut at = 0;
            while at < piece.len() {
                let read = reader.read(&mut piece[at..], &LIMITS)?;
                assert!(read.taken > 0 || read.item.is_some());
                items.extend(read.item.map(owned));
                at += read.taken;
            }
        }
        Ok(items)
    }

    fn owned(item: Item<'_>) -> Item<'static> {
        match item {
            Item::Message(kind, payload) => Item::Message(kind, Cow::Owned(payload.into_owned())),
            Item::Ping(payload) => Item::Ping(Cow::Owned(payload.into_owned())),
            Item::Pong => Item::Pong,
            Item::Close(code) => Item::Close(code),
        }
    }

    fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x11, 0x22, 0x33, 0x44];
        let mut frame = vec![first];
        match payload.len() {
            length @ 0..126 => frame.push(0x80 | length as u8),
            length => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(length as u16).to_be_bytes());
            }
        }
        frame.extend_from_slice(&mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }
}
