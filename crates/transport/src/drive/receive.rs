//! What sockets yield: bytes are read into the worker's one buffer, frames are taken out of it in place, and
//! only what is unfinished or has to wait is kept.

use std::io::{self, Read};

use bytes::Bytes;
use engine::Progress;
use model::Now;
use protocol::{Frame, FrameKind};

use super::{Drive, READS_PER_TURN};
use crate::websocket::{self, InboundLimits, Item};

/// Bytes that wait for a command's answer.
pub(super) struct Held {
    kind: FrameKind,
    /// The rest of the frame in which the command stood.
    payload: Vec<u8>,
    /// What followed that frame.
    rest: Vec<u8>,
}

/// What became of one item.
enum Taken {
    Next,
    Hold(FrameKind, Vec<u8>),
    Closed,
}

impl Drive {
    /// Reads from a socket for as long as its commands may be taken, a few reads at most.
    pub(super) fn receive(&mut self, slot: u32, now: Now) {
        let mut scratch = std::mem::take(&mut self.scratch);
        for _ in 0..READS_PER_TURN {
            if !self.receive_once(slot, &mut scratch, now) {
                self.scratch = scratch;
                return;
            }
        }
        self.scratch = scratch;
        if let Some(link) = self.link(slot)
            && !std::mem::replace(&mut link.is_in_line, true)
        {
            self.ready.push_back(slot);
        }
    }

    /// Reads once. True when the socket may hold more.
    fn receive_once(&mut self, slot: u32, scratch: &mut [u8], now: Now) -> bool {
        let takes_input = self.shard.is_ready(slot) || !self.shard.is_open(slot);
        let Some(link) = self.link(slot) else {
            return false;
        };
        if !takes_input || link.held.is_some() {
            link.has_unread = true;
            return false;
        }
        link.has_unread = false;
        match link.socket.read(scratch) {
            Ok(0) => {
                // A peer that closed its side alone still hears what it was answered.
                self.flush(slot, now);
                self.drop_link(slot, now);
            }
            Ok(count) => {
                // A read that does not fill the buffer has emptied the socket, unless its end is there too.
                let has_more = count == scratch.len() || link.peer_closed;
                if self.shard.is_open(slot) {
                    self.digest(slot, &mut scratch[..count], now);
                }
                return has_more;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.drop_link(slot, now),
        }
        false
    }

    /// Takes frames out of what was read.
    pub(super) fn digest(&mut self, slot: u32, input: &mut [u8], now: Now) {
        let Some(link) = self.link(slot) else {
            return;
        };
        let (kept, was_unfinished) = (link.reader.kept(), link.reader.is_unfinished());
        let completed = self.digest_frames(slot, input, now);
        let Some(link) = self.links.get(slot as usize).and_then(Option::as_ref) else {
            return;
        };
        self.unfinished = self.unfinished + link.reader.kept() - kept;
        let is_unfinished = link.reader.is_unfinished();
        if was_unfinished && (completed || !is_unfinished) {
            self.shard.message_began(slot, false, now);
        }
        if is_unfinished && (completed || !was_unfinished) {
            self.shard.message_began(slot, true, now);
        }
    }

    /// Takes whole frames; true when a message was among them.
    fn digest_frames(&mut self, slot: u32, mut input: &mut [u8], now: Now) -> bool {
        let mut completed = false;
        while !input.is_empty() {
            let message_bytes = self.shard.policy().message_bytes_max();
            let inbound = InboundLimits { message_bytes, fragments: self.fragments_max };
            let Some(link) = self.links.get_mut(slot as usize).and_then(Option::as_mut) else {
                break;
            };
            // The item borrows from the part that was taken; what follows it is split off first.
            let taken = match link.reader.read(input, &inbound) {
                Ok(read) => (read.taken, read.item),
                Err(reason) => {
                    self.shard.close(slot, reason, now);
                    break;
                }
            };
            let (taken, Some(item)) = taken else {
                break;
            };
            completed |= matches!(item, Item::Message(..));
            match self.take_item(slot, item, now) {
                Taken::Next => input = &mut std::mem::take(&mut input)[taken..],
                Taken::Hold(kind, payload) => {
                    let rest = input[taken..].to_vec();
                    self.hold(slot, Held { kind, payload, rest });
                    break;
                }
                Taken::Closed => break,
            }
        }
        completed
    }

    fn take_item(&mut self, slot: u32, item: Item<'_>, now: Now) -> Taken {
        match item {
            Item::Message(kind, payload) => match self.bring(slot, Frame { kind, payload: &payload }, now) {
                Progress::Taken => Taken::Next,
                Progress::Waits { rest } => Taken::Hold(kind, payload[payload.len() - rest..].to_vec()),
                Progress::Closed => Taken::Closed,
            },
            // Pings and pongs count as commands: both cost us, and a flood of either ends like one of those.
            Item::Ping(payload) => {
                if self.shard.take_ping(slot, now) {
                    let mut answer = Vec::new();
                    websocket::pong(&payload, &mut answer);
                    self.shard.send(slot, Bytes::from(answer), now);
                }
                self.next_if_open(slot)
            }
            Item::Pong => {
                self.shard.take_ping(slot, now);
                self.next_if_open(slot)
            }
            Item::Close(code) => {
                let mut answer = Vec::new();
                websocket::farewell(code, &mut answer);
                self.shard.close_in_answer(slot, Bytes::from(answer), now);
                Taken::Closed
            }
        }
    }

    /// Brings a frame to the shard, and how long its commands took.
    fn bring(&mut self, slot: u32, frame: Frame<'_>, now: Now) -> Progress {
        let began = self.clock.moment();
        let progress = self.shard.on_frame(slot, frame, now);
        self.shard.took(self.clock.moment().since(began));
        progress
    }

    fn next_if_open(&self, slot: u32) -> Taken {
        if self.shard.is_open(slot) { Taken::Next } else { Taken::Closed }
    }

    fn hold(&mut self, slot: u32, held: Held) {
        self.unfinished += held.size();
        if let Some(link) = self.link(slot) {
            link.held = Some(Box::new(held));
        }
    }

    /// Goes on with connections whose waiting command was answered.
    pub(super) fn serve_resumed(&mut self, now: Now) {
        let mut slots = std::mem::take(&mut self.slots);
        self.shard.take_resumed(&mut slots);
        for slot in slots.drain(..) {
            self.guarded(slot, now, |drive| drive.resume(slot, now));
        }
        self.slots = slots;
    }

    fn resume(&mut self, slot: u32, now: Now) {
        if let Some(held) = self.link(slot).and_then(|link| link.held.take()) {
            self.unfinished -= held.size();
            let Held { kind, payload, mut rest } = *held;
            if !payload.is_empty() && !self.shard.is_refused(slot) {
                match self.bring(slot, Frame { kind, payload: &payload }, now) {
                    Progress::Taken => {}
                    Progress::Waits { rest: left } => {
                        let payload = payload[payload.len() - left..].to_vec();
                        return self.hold(slot, Held { kind, payload, rest });
                    }
                    Progress::Closed => return,
                }
            }
            self.digest(slot, &mut rest, now);
        }
        if self.link(slot).is_some_and(|link| link.has_unread) {
            self.receive(slot, now);
        }
    }
}

impl Held {
    pub(super) fn size(&self) -> usize {
        self.payload.len() + self.rest.len()
    }
}
