//! Mail in, deliveries appended, outboxes flushed.

use std::io::IoSlice;
use std::rc::Rc;
use std::sync::Arc;

use model::limits::FRAMES_PER_WRITE_MAX;
use model::{CloseReason, ConnectionId, Moment, Now, Refusal, RequestId, limits};
use protocol::{CommandKind, Encoders, Event};

use super::Shard;
use crate::channels::{ChannelKey, Group};
use crate::connection::{Awaited, Pending, Phase};
use crate::counters::ShardCounters;
use crate::delivery::{Delivery, MovementNotice};
use crate::mail::WorkerMail;
use crate::outbox::{Origin, OutFrame, Push};

/// What the transport made of a vectored write.
pub enum Written {
    /// The kernel took so many bytes; the moment is after it did.
    Bytes(usize, Moment),
    /// The socket is full.
    Blocked,
    /// The socket is broken.
    Failed,
}

/// How far a flush came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// Nothing is left to write.
    Empty,
    /// Nothing is left, and the close frame was the last: shut the write side.
    Finished,
    /// The socket is full; tell the shard when it is writable.
    Blocked,
    /// The socket is broken.
    Failed,
}

impl Shard {
    /// Takes in mail. Returns whether more of it waits: for a turn's deliveries are bounded, and while outboxes
    /// hold a good part of what they may, those that can be flushed are flushed first.
    pub fn on_mail(&mut self, now: Now) -> bool {
        if self.lists.inbox.is_empty() {
            let mut mail = std::mem::take(&mut self.lists.mail);
            self.place.mailbox.take(&mut mail);
            self.lists.inbox.extend(mail.drain(..));
            mail.shrink_to(limits::DELIVERIES_PER_TURN_MAX);
            self.lists.mail = mail;
        }
        let mut deliveries = 0;
        let has_room = |shard: &Self| {
            shard.lists.dirty.is_empty()
                || shard.tables.outboxes.bytes() < shard.policy.outbox_bytes_total / 2
        };
        while deliveries < limits::DELIVERIES_PER_TURN_MAX && has_room(self) {
            match self.lists.inbox.pop_front() {
                Some(WorkerMail::Publication { channel, delivery }) => {
                    deliveries += self.deliver(channel, &delivery, now);
                }
                Some(WorkerMail::Joined { channel, name, last }) => self.on_joined(channel, name, last, now),
                Some(WorkerMail::Severed { channel }) => self.on_severed(channel),
                Some(WorkerMail::Broken { channel, last }) => self.on_broken(channel, last, now),
                Some(WorkerMail::Recovered { channel, connection, request, outcome }) => {
                    self.on_recovered(channel, connection, request, outcome, now);
                }
                Some(WorkerMail::Published { connection, request, outcome }) => {
                    self.on_published(connection, request, outcome, now);
                }
                Some(WorkerMail::Moved { channel, notice }) => {
                    deliveries += self.tell_movement(channel, &notice, now);
                }
                Some(WorkerMail::Inquired { connection, request, outcome }) => {
                    self.on_inquired(connection, request, outcome, now);
                }
                Some(WorkerMail::History { connection, request, outcome }) => {
                    self.on_history(connection, request, outcome, now);
                }
                Some(WorkerMail::Order(order)) => self.on_order(*order, now),
                None => break,
            }
        }
        self.settle(now);
        !self.lists.inbox.is_empty()
    }

    /// Appends a publication to the outbox of every subscriber; returns how many there were.
    fn deliver(&mut self, key: ChannelKey, delivery: &Arc<Delivery>, now: Now) -> usize {
        self.settle(now);
        let Some(index) = self.tables.channels.resolve(key) else {
            return 0;
        };
        if let Some(position) = delivery.position
            && !self.is_next(index, position, now)
        {
            return 0;
        }
        let count = self.append(index, now, |group, encoders, counters| {
            let encoded = delivery.encoded(group.variant, encoders);
            counters.encodes[group.variant.index()] += u64::from(encoded.fresh);
            Some(OutFrame { bytes: encoded.bytes, origin: Origin::of(delivery) })
        });
        if let Some(span) = &delivery.span {
            span.appended(count, now.moment);
        }
        count
    }

    /// Appends that somebody came or went to the outboxes of those who want to know; returns how many there were.
    fn tell_movement(&mut self, key: ChannelKey, notice: &MovementNotice, now: Now) -> usize {
        self.settle(now);
        let Some(index) = self.tables.channels.resolve(key) else {
            return 0;
        };
        self.append(index, now, |group, encoders, _| {
            let encode = || notice.encoded(group.variant, encoders);
            group.hears.then(|| OutFrame { bytes: encode(), origin: Origin::Control })
        })
    }

    /// Appends what `frame` makes for each group to the outboxes of its members; returns how many those are.
    fn append(
        &mut self,
        index: u32,
        now: Now,
        frame: impl Fn(&Group, &Encoders, &mut ShardCounters) -> Option<OutFrame>,
    ) -> usize {
        let Some(channel) = self.tables.channels.get(index) else {
            return 0;
        };
        let mut slow = Vec::new();
        let mut count = 0;
        for group in channel.groups() {
            let Some(frame) = frame(group, &self.place.encoders, &mut self.counters) else {
                continue;
            };
            let frame = Rc::new(frame);
            for member in group.members() {
                let Some(connection) = self.tables.connections.get_mut(member.slot) else {
                    continue;
                };
                let bytes_max = self.policy.outbox_bytes;
                if self.tables.outboxes.push_publication(&mut connection.outbox, &frame, index, bytes_max)
                    == Push::Overflowed
                {
                    slow.push(member.slot);
                } else if !connection.writing.is_dirty {
                    connection.writing.is_dirty = true;
                    self.lists.dirty.push_back(member.slot);
                }
            }
            count += group.members().len();
        }
        for slot in slow {
            self.close_slow(slot, now);
        }
        count
    }

    fn on_published(&mut self, id: ConnectionId, request: RequestId, outcome: Result<(), Refusal>, now: Now) {
        if self.end_wait(id, request, |what| matches!(what, Awaited::Publish), now) {
            if outcome.is_ok() {
                self.tell(id.slot, &Event::Published { request });
            }
            self.conclude(id.slot, request, CommandKind::Publish, outcome);
        }
    }

    /// The command that a connection waits with is about to be answered; false when it no longer waits for it.
    pub(super) fn end_wait(
        &mut self,
        id: ConnectionId,
        request: RequestId,
        is_meant: impl Fn(&Awaited) -> bool,
        now: Now,
    ) -> bool {
        if self.tables.connections.generation(id.slot) != id.generation {
            return false;
        }
        let Some(connection) = self.tables.connections.get_mut(id.slot) else {
            return false;
        };
        let awaited = |pending: &mut Box<Pending>| pending.request == request && is_meant(&pending.what);
        let Some(pending) = connection.pending.take_if(awaited) else {
            return false;
        };
        self.resume(id.slot, pending.since, now);
        true
    }

    /// A pending command was answered: its connection may be read again.
    pub(super) fn resume(&mut self, slot: u32, since: Moment, now: Now) {
        self.counters.command_duration.observe(now.moment.since(since));
        self.lists.resumed.push(slot);
    }

    /// The next connection with something to write, if any. Each comes once until it is touched again. One
    /// whose command waits for its answer comes when that is there, so that both leave in one write; at the
    /// next tick at the latest.
    pub fn next_dirty(&mut self) -> Option<u32> {
        loop {
            let slot = self.lists.dirty.pop_front()?;
            let Some(connection) = self.tables.connections.get_mut(slot) else {
                continue;
            };
            connection.writing.is_dirty = false;
            if connection.writing.is_blocked {
                continue;
            }
            if connection.awaits_join() && !connection.writing.is_late {
                if !std::mem::replace(&mut connection.writing.is_corked, true) {
                    self.lists.corked.push(slot);
                }
                continue;
            }
            connection.writing.is_late = false;
            return Some(slot);
        }
    }

    /// Puts those who were held back until now in line again.
    pub(super) fn uncork(&mut self) {
        let mut corked = std::mem::take(&mut self.lists.corked);
        for slot in corked.drain(..) {
            if let Some(connection) = self.tables.connections.get_mut(slot) {
                connection.writing.is_corked = false;
                connection.writing.is_late = true;
            }
            self.touch(slot);
        }
        self.lists.corked = corked;
    }

    /// Whether a connection waits to be written to.
    pub fn has_dirty(&self) -> bool {
        !self.lists.dirty.is_empty()
    }

    /// The socket of a connection takes bytes again.
    pub fn writable(&mut self, slot: u32) {
        if let Some(connection) = self.tables.connections.get_mut(slot)
            && std::mem::replace(&mut connection.writing.is_blocked, false)
        {
            self.touch(slot);
        }
    }

    /// Writes what a connection still has to receive, by `write`, until nothing is left or the socket is full.
    pub fn flush(&mut self, slot: u32, mut write: impl FnMut(&[IoSlice<'_>]) -> Written) -> Flush {
        let Some(connection) = self.tables.connections.get_mut(slot) else {
            return Flush::Empty;
        };
        loop {
            let mut slices = [IoSlice::new(&[]); FRAMES_PER_WRITE_MAX];
            let count = self.tables.outboxes.gather(&connection.outbox, &mut slices);
            if count == 0 {
                let is_closing = matches!(connection.phase, Phase::Closing { .. });
                return if is_closing { Flush::Finished } else { Flush::Empty };
            }
            let wanted: usize = slices[..count].iter().map(|slice| slice.len()).sum();
            let (taken, at) = match write(&slices[..count]) {
                Written::Bytes(taken, at) => (taken, at),
                Written::Blocked => (0, Moment::default()),
                Written::Failed => return Flush::Failed,
            };
            self.counters.writes += 1;
            self.counters.sent_bytes += taken as u64;
            self.tables.outboxes.advance(&mut connection.outbox, taken, at, &mut self.sent);
            if taken < wanted {
                connection.writing.is_blocked = true;
                return Flush::Blocked;
            }
        }
    }

    /// The write side of a closing connection is shut: waits for the peer to close too.
    pub fn linger(&mut self, slot: u32, now: Now) {
        if let Some(connection) = self.tables.connections.get_mut(slot) {
            connection.phase = Phase::Lingering { due: now.tick_in(limits::LINGER_DEADLINE) };
        }
        self.arm(slot, now);
    }

    /// Closes the connections that hold the most, until all outboxes and `unfinished` inbound bytes are within
    /// their bound again, and appends them to `closed`. Waits until whoever can be written to was written to:
    /// what they are about to receive is no burden. One that is closing already is reset at the next tick.
    pub fn shed(
        &mut self,
        mut unfinished: usize,
        unfinished_of: impl Fn(u32) -> usize,
        closed: &mut Vec<u32>,
        now: Now,
    ) {
        let bound = self.policy.outbox_bytes_total;
        if self.tables.outboxes.bytes() + unfinished <= bound || self.has_dirty() {
            return;
        }
        let connections = self.tables.connections.iter();
        let holdings =
            connections.map(|(slot, connection)| (connection.outbox.charge() + unfinished_of(slot), slot));
        let mut holdings: Vec<(usize, u32)> = holdings.filter(|(bytes, _)| *bytes > 0).collect();
        holdings.sort_unstable();
        while let Some((_, slot)) = holdings.pop() {
            if self.tables.outboxes.bytes() + unfinished <= bound - bound / 8 {
                return;
            }
            if self.is_open(slot) {
                self.counters.overflows_total += 1;
                self.begin_close(slot, CloseReason::Slow, None, now);
                self.settle(now);
            } else {
                self.give_up_closing(slot, now);
            }
            unfinished -= unfinished_of(slot).min(unfinished);
            closed.push(slot);
        }
    }

    /// Frees what a closing connection still holds; its close goes unannounced.
    fn give_up_closing(&mut self, slot: u32, now: Now) {
        if let Some(connection) = self.tables.connections.get_mut(slot)
            && let Phase::Closing { due } = &mut connection.phase
        {
            *due = now.tick();
            self.tables.outboxes.clear(&mut connection.outbox);
            self.arm(slot, now);
        }
    }
}
