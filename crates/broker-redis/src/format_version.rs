//! Which version of a format nodes write for each other while nodes of two versions run side by side.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// The versions of one format that a node reads, which are the newest that it knows and the one before, and the
/// one that it writes. Clones share what is written.
#[derive(Debug, Clone)]
pub struct FormatVersion {
    newest: u8,
    written: Arc<AtomicU8>,
}

impl FormatVersion {
    /// Of a node that knows `newest` best; it writes the one before until it is told that all read the newest.
    pub fn new(newest: u8) -> Self {
        let version = Self { newest, written: Arc::default() };
        version.settle(false);
        version
    }

    /// Of the envelope, as this program knows it.
    pub fn of_envelope() -> Self {
        Self::new(crate::envelope::VERSION)
    }

    /// The newest that the node reads.
    pub fn newest(&self) -> u8 {
        self.newest
    }

    /// Whether the node reads a version.
    pub fn reads(&self, version: u8) -> bool {
        (self.oldest()..=self.newest).contains(&version)
    }

    /// What to write.
    pub fn written(&self) -> u8 {
        self.written.load(Ordering::Relaxed)
    }

    /// Writes the newest from here on if every node reads it, and the one before otherwise.
    pub fn settle(&self, all_read_newest: bool) {
        let version = if all_read_newest { self.newest } else { self.oldest() };
        self.written.store(version, Ordering::Relaxed);
    }

    fn oldest(&self) -> u8 {
        self.newest.saturating_sub(1).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_written_when_all_read_it_and_the_one_before_otherwise() {
        let second = FormatVersion::new(2);
        let told = second.clone();
        assert_eq!(
            (second.written(), [0, 1, 2, 3].map(|version| second.reads(version))),
            (1, [false, true, true, false])
        );
        told.settle(true);
        assert_eq!(second.written(), 2);
        told.settle(false);
        assert_eq!(second.written(), 1);
        let first = FormatVersion::new(1);
        assert_eq!((first.written(), first.reads(0), first.reads(1)), (1, false, true));
    }
}
