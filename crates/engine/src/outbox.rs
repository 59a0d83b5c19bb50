//! What each connection still has to receive: one FIFO per connection, bounded in bytes, in a table that all
//! of a worker's connections share. Nothing is allocated for a connection whose FIFO is empty.

use std::io::IoSlice;
use std::rc::Rc;

use bytes::Bytes;
use model::limits::FRAMES_PER_WRITE_MAX;
use model::{Histogram, Moment};

use crate::rules::NamespaceId;
use crate::slab::NONE;

/// Bytes for sockets, shared by the connections of one worker.
pub(crate) struct OutFrame {
    pub(crate) bytes: Bytes,
    /// For a publication: when the node took it on, and for which namespace it is counted.
    pub(crate) publication: Option<(Moment, NamespaceId)>,
}

/// One connection's FIFO. Sixteen bytes; the entries are in [`Outboxes`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outbox {
    head: u32,
    tail: u32,
    bytes: u32,
    /// Bytes of the first frame that the kernel has already taken.
    sent: u32,
}

struct Entry {
    frame: Option<Rc<OutFrame>>,
    next: u32,
    /// The channel whose publication this is; [`NONE`] for frames that must not be dropped.
    channel: u32,
}

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Push {
    Accepted,
    /// The FIFO is at its bound; the frame was not taken. Policy: the connection is closed.
    Overflowed,
}

/// The entries of all FIFOs of one worker.
pub(crate) struct Outboxes {
    entries: Vec<Entry>,
    free: u32,
    bytes: usize,
}

/// What leaving frames add up to.
#[derive(Default)]
pub(crate) struct Sent {
    pub(crate) latency: Histogram,
    pub(crate) deliveries_by_namespace: Vec<u64>,
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self { head: NONE, tail: NONE, bytes: 0, sent: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head == NONE
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes as usize
    }
}

impl Outboxes {
    pub(crate) fn new() -> Self {
        Self { entries: Vec::new(), free: NONE, bytes: 0 }
    }

    /// Bytes waiting in all FIFOs.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends a publication of `channel`, if the FIFO stays within `bytes_max`.
    pub(crate) fn push_publication(
        &mut self,
        outbox: &mut Outbox,
        frame: &Rc<OutFrame>,
        channel: u32,
        bytes_max: usize,
    ) -> Push {
        if outbox.bytes() + frame.bytes.len() > bytes_max {
            return Push::Overflowed;
        }
        self.append(outbox, Rc::clone(frame), channel);
        Push::Accepted
    }

    /// Appends what the connection must be told; `bytes_max` as for publications.
    pub(crate) fn push_control(&mut self, outbox: &mut Outbox, bytes: Bytes, bytes_max: usize) -> Push {
        if outbox.bytes() + bytes.len() > bytes_max {
            return Push::Overflowed;
        }
        self.append(outbox, Rc::new(OutFrame { bytes, publication: None }), NONE);
        Push::Accepted
    }

    /// Appends the closing frame, bound or no bound: nothing follows it.
    pub(crate) fn push_last(&mut self, outbox: &mut Outbox, bytes: Bytes) {
        self.append(outbox, Rc::new(OutFrame { bytes, publication: None }), NONE);
    }

    /// The waiting bytes, in order, for one vectored write.
    pub(crate) fn gather<'a>(
        &'a self,
        outbox: &Outbox,
        slices: &mut [IoSlice<'a>; FRAMES_PER_WRITE_MAX],
    ) -> usize {
        let (mut index, mut skip, mut count) = (outbox.head, outbox.sent as usize, 0);
        while index != NONE && count < FRAMES_PER_WRITE_MAX {
            let entry = &self.entries[index as usize];
            let frame = entry.frame.as_ref().expect("a queued entry has a frame");
            slices[count] = IoSlice::new(&frame.bytes[skip..]);
            (index, skip, count) = (entry.next, 0, count + 1);
        }
        count
    }

    /// Removes what the kernel took: `written` bytes from the front.
    pub(crate) fn advance(&mut self, outbox: &mut Outbox, written: usize, now: Moment, sent: &mut Sent) {
        outbox.bytes -= written as u32;
        self.bytes -= written;
        let mut left = written + outbox.sent as usize;
        outbox.sent = 0;
        while outbox.head != NONE {
            let entry = &self.entries[outbox.head as usize];
            let frame = entry.frame.as_ref().expect("a queued entry has a frame");
            if left < frame.bytes.len() {
                outbox.sent = left as u32;
                return;
            }
            left -= frame.bytes.len();
            if let Some((accepted, namespace)) = frame.publication {
                sent.latency.observe(now.since(accepted));
                sent.deliveries_by_namespace[namespace.index()] += 1;
            }
            let next = entry.next;
            self.release(outbox.head);
            outbox.head = next;
        }
        outbox.tail = NONE;
    }

    /// Drops the waiting publications for which `dropped` holds, save one that is partly written.
    /// Control frames stay.
    pub(crate) fn drop_publications(&mut self, outbox: &mut Outbox, dropped: impl Fn(u32) -> bool) {
        let mut index = outbox.head;
        let (mut previous, mut is_first) = (NONE, true);
        while index != NONE {
            let entry = &self.entries[index as usize];
            let next = entry.next;
            let started = is_first && outbox.sent > 0;
            if entry.channel != NONE && !started && dropped(entry.channel) {
                let size = entry.frame.as_ref().map_or(0, |frame| frame.bytes.len());
                outbox.bytes -= size as u32;
                self.bytes -= size;
                match previous {
                    NONE => outbox.head = next,
                    kept => self.entries[kept as usize].next = next,
                }
                self.release(index);
            } else {
                previous = index;
            }
            (index, is_first) = (next, false);
        }
        outbox.tail = previous;
    }

    /// Drops everything save a frame that is partly written: what precedes a close.
    pub(crate) fn drop_unstarted(&mut self, outbox: &mut Outbox) {
        let started = if outbox.sent > 0 { outbox.head } else { NONE };
        let mut index = if started == NONE { outbox.head } else { self.entries[started as usize].next };
        while index != NONE {
            let next = self.entries[index as usize].next;
            self.release(index);
            index = next;
        }
        let kept = match started {
            NONE => 0,
            first => {
                self.entries[first as usize].next = NONE;
                let size = self.entries[first as usize].frame.as_ref().map_or(0, |frame| frame.bytes.len());
                size - outbox.sent as usize
            }
        };
        self.bytes -= outbox.bytes() - kept;
        *outbox = Outbox { head: started, tail: started, bytes: kept as u32, sent: outbox.sent };
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self, outbox: &mut Outbox) {
        outbox.sent = 0;
        self.drop_unstarted(outbox);
    }

    fn append(&mut self, outbox: &mut Outbox, frame: Rc<OutFrame>, channel: u32) {
        let size = frame.bytes.len();
        let entry = Entry { frame: Some(frame), next: NONE, channel };
        let index = if self.free == NONE {
            self.entries.push(entry);
            (self.entries.len() - 1) as u32
        } else {
            let index = self.free;
            self.free = std::mem::replace(&mut self.entries[index as usize], entry).next;
            index
        };
        match outbox.tail {
            NONE => outbox.head = index,
            tail => self.entries[tail as usize].next = index,
        }
        outbox.tail = index;
        outbox.bytes += size as u32;
        self.bytes += size;
    }

    fn release(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        entry.frame = None;
        entry.next = self.free;
        self.free = index;
    }
}

#[cfg(test)]
mod property;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_leave_in_order_however_little_the_kernel_takes() {
        let (mut table, mut outbox) = (Outboxes::new(), Outbox::new());
        for text in ["one", "two", "three"] {
            assert_eq!(
                table.push_control(&mut outbox, Bytes::from_static(text.as_bytes()), 100),
                Push::Accepted
            );
        }
        let mut left = Vec::new();
        let mut sent = Sent::default();
        while !outbox.is_empty() {
            left.push(first_byte(&table, &outbox));
            table.advance(&mut outbox, 1, Moment::default(), &mut sent);
        }
        assert_eq!(left, b"onetwothree");
        assert_eq!((table.bytes(), outbox.bytes()), (0, 0));
    }

    #[test]
    fn a_full_outbox_takes_nothing_but_the_last_frame() {
        let (mut table, mut outbox) = (Outboxes::new(), Outbox::new());
        assert_eq!(publish(&mut table, &mut outbox, 1, 10, 10), Push::Accepted);
        assert_eq!(publish(&mut table, &mut outbox, 1, 1, 10), Push::Overflowed);
        assert_eq!(table.push_control(&mut outbox, Bytes::from_static(b"x"), 10), Push::Overflowed);
        table.push_last(&mut outbox, Bytes::from_static(b"close"));
        assert_eq!(outbox.bytes(), 15);
    }

    #[test]
    fn dropping_publications_spares_control_frames_and_what_is_partly_written() {
        let (mut table, mut outbox) = (Outboxes::new(), Outbox::new());
        publish(&mut table, &mut outbox, 1, 4, 100);
        publish(&mut table, &mut outbox, 1, 5, 100);
        table.push_control(&mut outbox, Bytes::from_static(b"xy"), 100);
        publish(&mut table, &mut outbox, 2, 6, 100);
        publish(&mut table, &mut outbox, 1, 7, 100);
        table.advance(&mut outbox, 1, Moment::default(), &mut sent());
        table.drop_publications(&mut outbox, |channel| channel == 1);
        assert_eq!(outbox.bytes(), 3 + 2 + 6);
        publish(&mut table, &mut outbox, 2, 8, 100);
        table.drop_unstarted(&mut outbox);
        assert_eq!((outbox.bytes(), table.bytes()), (3, 3));
        table.clear(&mut outbox);
        assert_eq!((outbox.bytes(), table.bytes(), outbox.is_empty()), (0, 0, true));
    }

    fn publish(
        table: &mut Outboxes,
        outbox: &mut Outbox,
        channel: u32,
        size: usize,
        bytes_max: usize,
    ) -> Push {
        let bytes = Bytes::from(vec![b'p'; size]);
        let frame =
            Rc::new(OutFrame { bytes, publication: Some((Moment::default(), NamespaceId::default())) });
        table.push_publication(outbox, &frame, channel, bytes_max)
    }

    fn sent() -> Sent {
        Sent { deliveries_by_namespace: vec![0], ..Sent::default() }
    }

    fn first_byte(table: &Outboxes, outbox: &Outbox) -> u8 {
        let mut slices = [IoSlice::new(&[]); FRAMES_PER_WRITE_MAX];
        assert!(table.gather(outbox, &mut slices) > 0);
        slices[0][0]
    }
}
