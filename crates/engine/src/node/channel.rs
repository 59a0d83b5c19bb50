//! What the sequencer knows of a channel: who wants it, what was handed on last, what is being repaired.

use std::collections::VecDeque;

use model::{ChannelName, HistoryEntry, Mark, Marks, Moment, Position, Publication, WorkerId, limits};

use crate::channels::ChannelKey;
use crate::counters::RepairOutcome;
use crate::mail::RecoverRequest;
use crate::rules::NamespaceId;

/// A channel that a worker wants.
pub(super) struct Channel {
    pub(super) name: ChannelName,
    pub(super) joined: Joined,
    /// What was handed on last, where a history is kept.
    pub(super) last: Option<Position>,
    /// What tells it apart from another publication with that position.
    pub(super) mark: Option<Mark>,
    pub(super) work: Option<Box<Work>>,
    pub(super) namespace: NamespaceId,
    pub(super) keeps_history: bool,
    /// Whether the broker hands its publications on.
    pub(super) is_confirmed: bool,
    /// Whether a worker waits to be told that the channel is live.
    pub(super) owes_joined: bool,
}

/// What is under way for a channel. Most have nothing.
#[derive(Default)]
pub(super) struct Work {
    pub(super) repair: Option<Repair>,
    /// Subscribers whose question is asked, and what passed since.
    pub(super) reading: Option<Reading>,
    /// Subscribers whose question is yet to be asked.
    pub(super) waiting: Vec<RecoverRequest>,
}

/// The channel's publications do not follow each other: what is missing is read from its history, and what
/// comes meanwhile waits.
pub(super) struct Repair {
    pub(super) began: Moment,
    pub(super) held: VecDeque<Placed>,
    /// When to ask again; absent while an answer is awaited.
    pub(super) retry: Option<Moment>,
    /// How many were held when the history was asked: its answer has them, or nobody has.
    pub(super) held_at_ask: usize,
    /// Ask again, because the channel was joined anew meanwhile.
    pub(super) is_stale: bool,
    /// How many publications to ask for: fewer when they are large.
    pub(super) limit: u32,
    /// Bytes handed on since the last pause.
    pub(super) bytes_passed: usize,
    pub(super) outcome: RepairOutcome,
    pub(super) is_told: bool,
    pub(super) opening: Opening,
}

/// Whether a channel's history begins while it has subscribers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// It does not: nobody was promised anything that precedes what is read.
    None,
    /// It does, and where it stands is yet to be read.
    Unread,
    /// It stood there. What comes up to there was published in a history, but those who are subscribed had none,
    /// and take it as it comes.
    At(Position),
}

/// A publication and its place in the channel's history.
pub(super) struct Placed {
    pub(super) position: Position,
    pub(super) marks: Marks,
    pub(super) publication: Publication,
}

/// Subscribers that wait for one answer from the history.
pub(super) struct Reading {
    pub(super) requests: Vec<RecoverRequest>,
    /// What was handed on since the question.
    pub(super) passed: Vec<HistoryEntry>,
    pub(super) is_cut: bool,
}

/// The workers that want a channel; mostly one.
#[expect(clippy::box_collection, reason = "most channels have none, and there are very many channels")]
pub(super) enum Joined {
    One(WorkerId, ChannelKey),
    Many(Box<Vec<(WorkerId, ChannelKey)>>),
}

impl Channel {
    pub(super) fn new(
        name: ChannelName,
        namespace: NamespaceId,
        keeps_history: bool,
        joined: Joined,
    ) -> Self {
        Self {
            name,
            joined,
            last: None,
            mark: None,
            work: None,
            namespace,
            keeps_history,
            is_confirmed: false,
            owes_joined: true,
        }
    }

    /// Whether something is what comes right after what was handed on last. A position can be guessed by
    /// whoever may publish in Redis, so that from the first mark on the marks have to fit as well.
    pub(super) fn is_next(&self, placed: &Placed) -> bool {
        let Marks { own, previous } = placed.marks;
        let fits = self.mark.is_none() || (own.is_some() && previous == self.mark);
        fits && self.last.is_some_and(|last| placed.position.follows(last))
    }

    /// Whether something was handed on already, as far as that can be told.
    pub(super) fn has_had(&self, placed: &Placed) -> bool {
        let position = placed.position;
        let is_other = || placed.marks.own.is_some() && self.mark.is_some() && placed.marks.own != self.mark;
        self.last.is_some_and(|last| {
            position.epoch == last.epoch
                && (position.offset < last.offset || (position.offset == last.offset && !is_other()))
        })
    }

    /// Whether what a subscriber receives from here on follows each other.
    pub(super) fn is_live(&self) -> bool {
        self.is_confirmed && (!self.keeps_history || (self.last.is_some() && !self.is_in_repair()))
    }

    pub(super) fn is_in_repair(&self) -> bool {
        self.work.as_ref().is_some_and(|work| work.repair.is_some())
    }

    pub(super) fn repair(&mut self) -> Option<&mut Repair> {
        self.work.as_mut()?.repair.as_mut()
    }

    /// What was held back first.
    pub(super) fn held_front(&self) -> Option<&Placed> {
        self.work.as_ref()?.repair.as_ref()?.held.front()
    }

    pub(super) fn work(&mut self) -> &mut Work {
        self.work.get_or_insert_default()
    }

    /// Frees what is no longer needed.
    pub(super) fn tidy_up(&mut self) {
        let is_idle =
            |work: &Work| work.repair.is_none() && work.reading.is_none() && work.waiting.is_empty();
        if self.work.as_deref().is_some_and(is_idle) {
            self.work = None;
        }
    }
}

impl Repair {
    pub(super) fn new(now: Moment) -> Self {
        Self {
            began: now,
            held: VecDeque::new(),
            retry: None,
            held_at_ask: 0,
            is_stale: false,
            limit: limits::HISTORY_PUBLICATIONS_MAX,
            bytes_passed: 0,
            outcome: RepairOutcome::Whole,
            is_told: false,
            opening: Opening::None,
        }
    }

    /// Notes that so much is about to be handed on; false when it is too much at once.
    pub(super) fn has_turn_for(&mut self, bytes: usize) -> bool {
        let has_turn = self.bytes_passed < limits::REPAIR_BYTES_AT_ONCE;
        self.bytes_passed += if has_turn { bytes } else { 0 };
        has_turn
    }

    /// Goes on at the next round. More at once would overflow the outboxes of subscribers that read as fast
    /// as they can.
    pub(super) fn pause(&mut self, now: Moment) {
        self.bytes_passed = 0;
        self.retry = Some(now);
        // It is being read, so the deadline for that begins anew.
        self.began = now;
    }

    /// Bytes of publications held back.
    pub(super) fn bytes(&self) -> usize {
        self.held.iter().map(|placed| placed.publication.size()).sum()
    }
}

impl Reading {
    /// Remembers a publication that was handed on.
    pub(super) fn pass(&mut self, placed: &Placed) {
        // Whoever asked is then too far behind in any case.
        if self.passed.len() >= limits::HISTORY_PUBLICATIONS_MAX as usize {
            self.is_cut = true;
            return;
        }
        let Placed { position, marks, publication } = placed;
        let entry = HistoryEntry { offset: position.offset, marks: *marks, publication: publication.clone() };
        self.passed.push(entry);
    }
}

impl Joined {
    pub(super) fn add(&mut self, worker: WorkerId, key: ChannelKey) {
        match self {
            Self::One(first, first_key) => {
                *self = Self::Many(Box::new(vec![(*first, *first_key), (worker, key)]))
            }
            Self::Many(list) => list.push((worker, key)),
        }
    }

    /// Removes a worker; true when none is left.
    pub(super) fn remove(&mut self, worker: WorkerId, key: ChannelKey) -> bool {
        match self {
            Self::One(first, first_key) => *first == worker && *first_key == key,
            Self::Many(list) => {
                list.retain(|entry| *entry != (worker, key));
                if let [(worker, key)] = list[..] {
                    *self = Self::One(worker, key);
                }
                false
            }
        }
    }

    pub(super) fn list(&self) -> Vec<(WorkerId, ChannelKey)> {
        match self {
            Self::One(worker, key) => vec![(*worker, *key)],
            Self::Many(list) => list.to_vec(),
        }
    }
}
