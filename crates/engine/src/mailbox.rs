//! Bounded queues between threads: many entries, one lock, one wake-up. Knows nothing of what it carries.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A queue into one thread.
///
/// Two lanes share one order. Entries that are *offered* count against the bounds and are handed back when it
/// is full. Entries that *answer* a request are always taken, being bounded by the requests in flight.
pub struct Mailbox<T> {
    inner: Mutex<Inner<T>>,
    entries_max: usize,
    bytes_max: usize,
    wake: Box<dyn Fn() + Send + Sync>,
}

struct Inner<T> {
    queue: Vec<T>,
    offered: usize,
    bytes: usize,
    woken: bool,
}

/// What waits in a mailbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Entries, answers included.
    pub entries: usize,
    /// Bytes of those that were offered.
    pub bytes: usize,
}

impl Waiting {
    /// The larger of each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self { entries: self.entries.max(other.entries), bytes: self.bytes.max(other.bytes) }
    }
}

/// An entry handed back because its mailbox is full.
#[derive(Debug)]
pub struct Full<T>(pub T);

impl<T> Mailbox<T> {
    /// A mailbox that calls `wake` when its owner has something to take and was not told yet.
    pub fn new(entries_max: usize, bytes_max: usize, wake: Box<dyn Fn() + Send + Sync>) -> Self {
        let inner = Inner { queue: Vec::new(), offered: 0, bytes: 0, woken: false };
        Self { inner: Mutex::new(inner), entries_max, bytes_max, wake }
    }

    /// Adds an entry of `bytes` if there is room.
    pub fn offer(&self, entry: T, bytes: usize) -> Result<(), Full<T>> {
        let mut inner = self.lock();
        if !inner.has_room(self, bytes) {
            return Err(Full(entry));
        }
        inner.offered += 1;
        inner.bytes += bytes;
        inner.queue.push(entry);
        self.wake_owner(inner);
        Ok(())
    }

    /// Adds entries from the front of `queue`, each with its bytes, for as long as there is room. Returns the
    /// bytes of those it added.
    pub fn offer_from(&self, queue: &mut VecDeque<(T, usize)>) -> usize {
        let mut inner = self.lock();
        let (mut added, mut added_bytes) = (false, 0);
        while let Some((_, bytes)) = queue.front() {
            if !inner.has_room(self, *bytes) {
                break;
            }
            if let Some((entry, bytes)) = queue.pop_front() {
                inner.offered += 1;
                inner.bytes += bytes;
                inner.queue.push(entry);
                (added, added_bytes) = (true, added_bytes + bytes);
            }
        }
        if added {
            self.wake_owner(inner);
        }
        added_bytes
    }

    /// Adds an entry that its owner's own request made room for.
    pub fn answer(&self, entry: T) {
        let mut inner = self.lock();
        inner.queue.push(entry);
        self.wake_owner(inner);
    }

    /// Adds a batch in order; each entry says its bytes, or `None` to be an answer. Returns those that did not
    /// fit.
    pub fn deliver(&self, batch: &mut Vec<(T, Option<usize>)>) -> Vec<T> {
        let mut lost = Vec::new();
        if batch.is_empty() {
            return lost;
        }
        let mut inner = self.lock();
        for (entry, bytes) in batch.drain(..) {
            if let Some(bytes) = bytes {
                if !inner.has_room(self, bytes) {
                    lost.push(entry);
                    continue;
                }
                inner.offered += 1;
                inner.bytes += bytes;
            }
            inner.queue.push(entry);
        }
        self.wake_owner(inner);
        lost
    }

    /// Moves everything into the empty `into`. What was taken no longer counts against the bounds.
    pub fn take(&self, into: &mut Vec<T>) {
        debug_assert!(into.is_empty());
        let mut inner = self.lock();
        std::mem::swap(&mut inner.queue, into);
        inner.offered = 0;
        inner.bytes = 0;
        inner.woken = false;
    }

    /// Whether a good part of what may wait could be offered.
    pub fn is_relaxed(&self) -> bool {
        let inner = self.lock();
        inner.offered <= self.entries_max / 2 && inner.bytes <= self.bytes_max / 2
    }

    /// What waits.
    pub fn waiting(&self) -> Waiting {
        let inner = self.lock();
        Waiting { entries: inner.queue.len(), bytes: inner.bytes }
    }

    fn wake_owner(&self, mut inner: MutexGuard<'_, Inner<T>>) {
        let tell = !inner.woken;
        inner.woken = true;
        drop(inner);
        if tell {
            (self.wake)();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Inner<T> {
    fn has_room(&self, mailbox: &Mailbox<T>, bytes: usize) -> bool {
        self.offered < mailbox.entries_max && self.bytes + bytes <= mailbox.bytes_max
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_full_mailbox_hands_offers_back_and_takes_answers() {
        let (mailbox, _) = mailbox(2, 100);
        assert!(mailbox.offer(1, 10).is_ok());
        assert!(mailbox.offer(2, 91).is_err());
        assert!(mailbox.offer(2, 90).is_ok());
        assert!(mailbox.offer(3, 0).is_err());
        mailbox.answer(4);
        let lost = mailbox.deliver(&mut vec![(5, Some(0)), (6, None)]);
        assert_eq!(lost, [5]);
        assert_eq!(mailbox.waiting(), Waiting { entries: 4, bytes: 100 });
        assert_eq!(taken(&mailbox), [1, 2, 4, 6]);
        assert!(mailbox.offer(7, 100).is_ok());
    }

    #[test]
    fn its_owner_is_woken_once_for_many_entries() {
        let (mailbox, wakes) = mailbox(10, 100);
        mailbox.answer(1);
        mailbox.answer(2);
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
        taken(&mailbox);
        mailbox.answer(3);
        assert_eq!(wakes.load(Ordering::Relaxed), 2);
    }

    fn mailbox(entries_max: usize, bytes_max: usize) -> (Mailbox<u32>, Arc<AtomicUsize>) {
        let wakes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&wakes);
        let wake = Box::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        (Mailbox::new(entries_max, bytes_max, wake), wakes)
    }

    fn taken(mailbox: &Mailbox<u32>) -> Vec<u32> {
        let mut entries = Vec::new();
        mailbox.take(&mut entries);
        entries
    }
}
