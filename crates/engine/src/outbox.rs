//! What each connection still has to receive: one FIFO per connection, bounded in bytes, in a table that all
//! of a worker's connections share. Nothing is allocated for a connection whose FIFO is empty.

use std::io::IoSlice;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use model::Moment;
use model::limits::FRAMES_PER_WRITE_MAX;

use crate::counters::DeliveryLatency;
use crate::delivery::Delivery;
use crate::rules::NamespaceId;
use crate::slab::NONE;
use crate::trace::DeliverySpan;

/// Bytes for sockets, shared by the connections of one worker.
pub(crate) struct OutFrame {
    pub(crate) bytes: Bytes,
    pub(crate) origin: Origin,
}

/// What a frame is counted as once the kernel has it.
pub(crate) enum Origin {
    /// A publication, in a namespace: when this node had it, and for how long others had it before.
    Publication {
        namespace: NamespaceId,
        travel_micros: u32,
        accepted: Moment,
        span: Option<Arc<DeliverySpan>>,
    },
    /// Nothing that is counted.
    Control,
}

impl Origin {
    pub(crate) fn of(delivery: &Delivery) -> Self {
        Self::Publication {
            namespace: delivery.namespace,
            travel_micros: delivery.publication.travel_micros,
            accepted: delivery.publication.accepted,
            span: delivery.span.clone(),
        }
    }
}

/// What an entry takes up in the table.
const PLACE_BYTES: usize = 32;
/// What a frame takes up beside its bytes. Without it, a client could make us keep a hundred bytes for each two
/// that wait.
const FRAME_BYTES: usize = 96;
// Nothing takes up more than it is charged for; a pointer that is shared has two counts.
const _: () = assert!(size_of::<Entry>() <= PLACE_BYTES);
const _: () = assert!(2 * size_of::<usize>() + size_of::<OutFrame>() <= FRAME_BYTES);
/// Entries of a worker that are kept for reuse when nothing waits.
const ENTRIES_KEPT: usize = 16_384;

/// One connection's FIFO. Sixteen bytes; the entries are in [`Outboxes`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outbox {
    head: u32,
    tail: u32,
    /// What the frames cost this connection, whole until they have left.
    charge: u32,
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
    pub(crate) latency: DeliveryLatency,
    pub(crate) deliveries_by_namespace: Vec<u64>,
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self { head: NONE, tail: NONE, charge: 0, sent: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head == NONE
    }

    /// What the waiting frames cost this connection: their bytes, their places, and what it alone keeps alive.
    pub(crate) fn charge(&self) -> usize {
        self.charge as usize
    }

    fn has_room(&self, cost: usize, charge_max: usize) -> bool {
        self.charge() + cost <= charge_max
    }
}

/// What a frame costs a connection: as much as if it were kept for this one alone.
fn cost(bytes: usize) -> usize {
    bytes + PLACE_BYTES + FRAME_BYTES
}

impl Outboxes {
    pub(crate) fn new() -> Self {
        Self { entries: Vec::new(), free: NONE, bytes: 0 }
    }

    /// Memory that all FIFOs take up: every entry, and every frame once, however many share it.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends a publication of `channel`, if the FIFO stays within `charge_max`.
    pub(crate) fn push_publication(
        &mut self,
        outbox: &mut Outbox,
        frame: &Rc<OutFrame>,
        channel: u32,
        charge_max: usize,
    ) -> Push {
        if !outbox.has_room(cost(frame.bytes.len()), charge_max) {
            return Push::Overflowed;
        }
        // The caller's handle alone: nobody else keeps this frame yet.
        let is_first = Rc::strong_count(frame) == 1;
        self.append(outbox, Rc::clone(frame), channel, is_first);
        Push::Accepted
    }

    /// Appends what the connection must be told; `charge_max` as for publications.
    pub(crate) fn push_control(&mut self, outbox: &mut Outbox, bytes: Bytes, charge_max: usize) -> Push {
        if !outbox.has_room(cost(bytes.len()), charge_max) {
            return Push::Overflowed;
        }
        self.append(outbox, Rc::new(OutFrame { bytes, origin: Origin::Control }), NONE, true);
        Push::Accepted
    }

    /// Appends the closing frame, bound or no bound: nothing follows it.
    pub(crate) fn push_last(&mut self, outbox: &mut Outbox, bytes: Bytes) {
        self.append(outbox, Rc::new(OutFrame { bytes, origin: Origin::Control }), NONE, true);
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
            if let Origin::Publication { namespace, travel_micros, accepted, span } = &frame.origin {
                sent.latency.observe(now.since(*accepted), *travel_micros);
                sent.deliveries_by_namespace[namespace.index()] += 1;
                if let Some(span) = span {
                    span.taken(now);
                }
            }
            let next = entry.next;
            outbox.charge -= cost(frame.bytes.len()) as u32;
            self.release(outbox.head);
            outbox.head = next;
        }
        outbox.tail = NONE;
        self.shrink();
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
                outbox.charge -= cost(size) as u32;
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
        let mut charge = 0;
        if let Some(entry) = self.entries.get_mut(started as usize) {
            entry.next = NONE;
            charge = cost(entry.frame.as_ref().map_or(0, |frame| frame.bytes.len()));
        }
        *outbox = Outbox { head: started, tail: started, charge: charge as u32, sent: outbox.sent };
        self.shrink();
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self, outbox: &mut Outbox) {
        outbox.sent = 0;
        self.drop_unstarted(outbox);
    }

    fn append(&mut self, outbox: &mut Outbox, frame: Rc<OutFrame>, channel: u32, is_first: bool) {
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
        outbox.charge += cost(size) as u32;
        self.bytes += PLACE_BYTES + if is_first { FRAME_BYTES + size } else { 0 };
    }

    fn release(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        let frame = entry.frame.take();
        entry.next = self.free;
        self.free = index;
        let last = frame.filter(|frame| Rc::strong_count(frame) == 1);
        self.bytes -= PLACE_BYTES + last.map_or(0, |frame| FRAME_BYTES + frame.bytes.len());
    }

    /// Gives a burst's memory back when nothing waits any more.
    fn shrink(&mut self) {
        if self.bytes == 0 && self.entries.capacity() > ENTRIES_KEPT {
            self.entries = Vec::new();
            self.free = NONE;
        }
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
                table.push_control(&mut outbox, Bytes::from_static(text.as_bytes()), 1000),
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
        assert_eq!((table.bytes(), outbox.charge()), (0, 0));
    }

    #[test]
    fn a_full_outbox_takes_nothing_but_the_last_frame() {
        let (mut table, mut outbox) = (Outboxes::new(), Outbox::new());
        let bound = cost(10);
        assert_eq!(publish(&mut table, &mut outbox, 1, 10, bound), Push::Accepted);
        assert_eq!(publish(&mut table, &mut outbox, 1, 1, bound), Push::Overflowed);
        assert_eq!(table.push_control(&mut outbox, Bytes::from_static(b"x"), bound), Push::Overflowed);
        table.push_last(&mut outbox, Bytes::from_static(b"close"));
        assert_eq!(waiting(&table, &outbox), 15);
    }

    #[test]
    fn dropping_publications_spares_control_frames_and_what_is_partly_written() {
        let (mut table, mut outbox) = (Outboxes::new(), Outbox::new());
        publish(&mut table, &mut outbox, 1, 4, 1000);
        publish(&mut table, &mut outbox, 1, 5, 1000);
        table.push_control(&mut outbox, Bytes::from_static(b"xy"), 1000);
        publish(&mut table, &mut outbox, 2, 6, 1000);
        publish(&mut table, &mut outbox, 1, 7, 1000);
        table.advance(&mut outbox, 1, Moment::default(), &mut sent());
        table.drop_publications(&mut outbox, |channel| channel == 1);
        assert_eq!(waiting(&table, &outbox), 3 + 2 + 6);
        publish(&mut table, &mut outbox, 2, 8, 1000);
        table.drop_unstarted(&mut outbox);
        assert_eq!((waiting(&table, &outbox), outbox.charge()), (3, cost(4)));
        table.clear(&mut outbox);
        assert_eq!((outbox.charge(), table.bytes(), outbox.is_empty()), (0, 0, true));
    }

    #[test]
    fn a_shared_frame_is_held_once_and_given_back_with_its_last_entry() {
        let mut table = Outboxes::new();
        let mut outboxes = [Outbox::new(), Outbox::new(), Outbox::new()];
        let frame = Rc::new(OutFrame { bytes: Bytes::from(vec![0; 5000]), origin: Origin::Control });
        for outbox in &mut outboxes {
            assert_eq!(table.push_publication(outbox, &frame, 7, 10_000), Push::Accepted);
        }
        drop(frame);
        assert_eq!(table.bytes(), 3 * PLACE_BYTES + FRAME_BYTES + 5000);
        outboxes.iter_mut().take(2).for_each(|outbox| table.clear(outbox));
        assert_eq!(table.bytes(), PLACE_BYTES + FRAME_BYTES + 5000);
        table.clear(&mut outboxes[2]);
        assert_eq!(table.bytes(), 0);
    }

    fn publish(
        table: &mut Outboxes,
        outbox: &mut Outbox,
        channel: u32,
        size: usize,
        charge_max: usize,
    ) -> Push {
        let bytes = Bytes::from(vec![b'p'; size]);
        let (namespace, accepted) = (NamespaceId::default(), Moment::default());
        let origin = Origin::Publication { namespace, travel_micros: 0, accepted, span: None };
        let frame = Rc::new(OutFrame { bytes, origin });
        table.push_publication(outbox, &frame, channel, charge_max)
    }

    fn sent() -> Sent {
        Sent { deliveries_by_namespace: vec![0], ..Sent::default() }
    }

    fn waiting(table: &Outboxes, outbox: &Outbox) -> usize {
        let mut slices = [IoSlice::new(&[]); FRAMES_PER_WRITE_MAX];
        let count = table.gather(outbox, &mut slices);
        slices[..count].iter().map(|slice| slice.len()).sum()
    }

    fn first_byte(table: &Outboxes, outbox: &Outbox) -> u8 {
        let mut slices = [IoSlice::new(&[]); FRAMES_PER_WRITE_MAX];
        assert!(table.gather(outbox, &mut slices) > 0);
        slices[0][0]
    }
}
