//! What single connections are told: gathered while one is spoken to, then queued in its outbox. Who has no
//! room for it is closed.

use bytes::Bytes;
use model::{CloseReason, Now};
use protocol::{Event, Frames};

use super::Shard;
use crate::outbox::Push;
use crate::slab::NONE;

impl Shard {
    pub(super) fn tell(&mut self, slot: u32, event: &Event<'_>) {
        self.begin_replies(slot);
        if let Some(connection) = self.tables.connections.get_mut(slot) {
            let framing = self.place.encoders.of(connection.variant).framing;
            connection.adapter.on_event(event, &mut Frames::new(framing, &mut self.replies));
        }
    }

    /// Makes `replies` belong to `slot`.
    pub(super) fn begin_replies(&mut self, slot: u32) {
        if self.replying != slot {
            self.queue_replies();
            self.replying = slot;
        }
    }

    /// Queues what was said, and closes whoever had no room for it.
    pub(super) fn settle(&mut self, now: Now) {
        self.queue_replies();
        while let Some(slot) = self.lists.overflowed.pop() {
            self.close_slow(slot, now);
        }
    }

    /// Moves `replies` into the outbox they are for, if it has room.
    pub(super) fn queue_replies(&mut self) {
        let slot = std::mem::replace(&mut self.replying, NONE);
        if self.replies.is_empty() {
            return;
        }
        let bytes = Bytes::copy_from_slice(&self.replies);
        self.replies.clear();
        let Some(connection) = self.tables.connections.get_mut(slot) else {
            return;
        };
        let outcome = if connection.is_open() {
            self.tables.outboxes.push_control(&mut connection.outbox, bytes, self.policy.outbox_bytes)
        } else {
            self.tables.outboxes.push_last(&mut connection.outbox, bytes);
            Push::Accepted
        };
        if outcome == Push::Overflowed {
            self.lists.overflowed.push(slot);
        }
        self.touch(slot);
    }

    pub(super) fn touch(&mut self, slot: u32) {
        if let Some(connection) =
            self.tables.connections.get_mut(slot).filter(|found| !found.writing.is_dirty)
        {
            connection.writing.is_dirty = true;
            self.lists.dirty.push_back(slot);
        }
    }

    pub(super) fn close_slow(&mut self, slot: u32, now: Now) {
        self.counters.overflows += u64::from(self.is_open(slot));
        self.begin_close(slot, CloseReason::Slow, None, now);
        self.queue_replies();
    }
}
