//! One channel's history: what is kept, by which rules, until when. Knows nothing of other channels.

use std::collections::VecDeque;
use std::time::Duration;

use model::{
    Epoch, HistoryEntry, HistoryPage, HistoryRange, HistoryRules, Mark, Marks, Moment, Position, Publication,
    limits,
};

use super::prints::VersionPrint;

/// What a publication takes besides its texts.
const ENTRY_BYTES: usize = 128;
/// The least time that a history is known, whatever the rules say.
const META_TTL_MIN: Duration = Duration::from_secs(1);

/// The last publications of a channel, without a hole up to the top. The rules of the latest use count.
pub(super) struct History {
    epoch: Epoch,
    top: u64,
    entries: VecDeque<Publication>,
    rules: HistoryRules,
    used: Moment,
    published: Moment,
    version: Option<Box<VersionPrint>>,
    /// For when its entries are on the list of what ends.
    pub(super) listed: Option<Moment>,
}

impl History {
    pub(super) fn new(epoch: Epoch, now: Moment, rules: HistoryRules) -> Self {
        Self {
            epoch,
            top: 0,
            entries: VecDeque::new(),
            rules,
            used: now,
            published: now,
            version: None,
            listed: None,
        }
    }

    pub(super) fn top(&self) -> Position {
        Position { epoch: self.epoch, offset: self.top }
    }

    /// When the publications end, if there are any and nothing is published before.
    pub(super) fn entries_end(&self) -> Option<Moment> {
        (!self.entries.is_empty()).then(|| self.published + self.rules.ttl)
    }

    /// When epoch and top are forgotten, unless the history is used before.
    pub(super) fn end(&self) -> Moment {
        self.used + self.rules.meta_ttl.max(META_TTL_MIN)
    }

    pub(super) fn refresh(&mut self, now: Moment) {
        self.used = now;
    }

    /// Begins a use of the history. Returns the bytes that are no longer kept.
    pub(super) fn apply(&mut self, now: Moment, rules: HistoryRules) -> usize {
        let ended = self.drop_ended(now);
        self.rules = rules;
        self.used = now;
        let excess = self.entries.len().saturating_sub(self.size_max());
        ended + self.drop_oldest(excess) + self.drop_ended(now)
    }

    /// Drops what has ended. Returns its bytes.
    pub(super) fn drop_ended(&mut self, now: Moment) -> usize {
        if self.entries_end().is_some_and(|end| end <= now) { self.clear() } else { 0 }
    }

    pub(super) fn is_newer(&self, version: &VersionPrint) -> bool {
        self.version.as_ref().is_none_or(|last| version.is_newer_than(last))
    }

    /// The bytes of what has to go for one more publication.
    pub(super) fn bytes_replaced(&self) -> usize {
        if self.entries.len() < self.size_max() { 0 } else { self.entries.front().map_or(0, bytes) }
    }

    /// Keeps one more publication. Returns its place, and the bytes that are no longer kept.
    pub(super) fn push(
        &mut self,
        now: Moment,
        publication: Publication,
        version: Option<VersionPrint>,
    ) -> (Position, usize) {
        let dropped = if self.entries.len() < self.size_max() { 0 } else { self.drop_oldest(1) };
        self.entries.push_back(publication);
        self.top += 1;
        self.published = now;
        if let Some(version) = version {
            self.version = Some(Box::new(version));
        }
        (self.top(), dropped)
    }

    pub(super) fn page(&self, range: HistoryRange) -> HistoryPage {
        let HistoryRange { since, limit, reverse } = range;
        let first = self.top + 1 - self.entries.len() as u64;
        let kept = |(index, publication): (usize, &Publication)| {
            let offset = first + index as u64;
            let marks = marks(Position { epoch: self.epoch, offset });
            HistoryEntry { offset, marks, publication: publication.clone() }
        };
        let limit = limit.min(limits::HISTORY_PUBLICATIONS_MAX) as usize;
        let entries = self.entries.iter().enumerate();
        // How many of the entries precede the offset.
        let count_to = |offset: u64| usize::try_from(offset.saturating_sub(first)).unwrap_or(usize::MAX);
        let entries = if reverse {
            let count = since.map_or(self.entries.len(), count_to).min(self.entries.len());
            entries.take(count).rev().take(limit).map(kept).collect()
        } else {
            let count = since.map_or(0, |offset| count_to(offset.saturating_add(1)));
            entries.skip(count).take(limit).map(kept).collect()
        };
        HistoryPage { top: self.top(), mark: marks(self.top()).own, entries }
    }

    /// Drops what is kept; epoch, top and version stay. Returns its bytes.
    pub(super) fn clear(&mut self) -> usize {
        let dropped = self.entries.iter().map(bytes).sum();
        self.entries = VecDeque::new();
        dropped
    }

    /// Counts anew, with nothing kept. Returns the bytes of what was.
    pub(super) fn renew(&mut self, epoch: Epoch) -> usize {
        self.epoch = epoch;
        self.top = 0;
        self.clear()
    }

    /// As [`Self::renew`], and forgets the last version.
    pub(super) fn forget(&mut self, epoch: Epoch) -> usize {
        self.version = None;
        self.renew(epoch)
    }

    fn size_max(&self) -> usize {
        self.rules.size.max(1) as usize
    }

    fn drop_oldest(&mut self, count: usize) -> usize {
        self.entries.drain(..count).map(|publication| bytes(&publication)).sum()
    }
}

/// The marks that go with a position: nothing is lost here, and no position given twice, so they follow from it.
pub(super) fn marks(position: Position) -> Marks {
    let mark = |offset: u64| {
        let number = offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        (offset > 0).then(|| Mark::new((number as u32 ^ position.epoch.number()).max(1))).flatten()
    };
    Marks { own: mark(position.offset), previous: position.offset.checked_sub(1).and_then(mark) }
}

/// What keeping a publication takes, about.
pub(super) fn bytes(publication: &Publication) -> usize {
    let publisher = publication.publisher.as_ref().map_or(0, |publisher| publisher.size());
    ENTRY_BYTES + publication.size() + publisher
}
