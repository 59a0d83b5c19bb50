//! What the presence is yet to be told: of each member one thing at a time and so many at once, the rest in
//! line. What was refused is told again after a pause. Calls nobody: the sequencer does.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use broker::Change;
use model::{ChannelName, ClientId, Moment, Movement, Refusal, limits};

use crate::mail::Entry;
use crate::slab::Slab;

/// Pauses of different length: 1, 2, 4 and 8 times the shortest.
const PAUSES: usize = 4;

/// What is yet to be told, and what was told without being answered.
#[derive(Default)]
pub(super) struct Visits {
    visits: Slab<Visit>,
    index_by_member: HashMap<(ChannelName, ClientId), u32>,
    line: VecDeque<u32>,
    /// Those that pause, by the length of their pause: each list is in the order of time.
    pausing: [VecDeque<(Moment, u32)>; PAUSES],
    open: usize,
    /// Something was refused: nothing is told until the next round.
    is_resting: bool,
    bytes: usize,
    pub(super) counts: VisitCounts,
}

/// How many were refused.
#[derive(Default)]
pub(super) struct VisitCounts {
    /// Told again.
    pub(super) repeated: u64,
    /// Left to the next time that their members are vouched for, or to the end of their memberships.
    pub(super) dropped: u64,
}

/// Something to be told of a member.
pub(super) struct Visit {
    pub(super) entry: Entry,
    pub(super) purpose: Purpose,
    repeats: u32,
    is_open: bool,
    /// What is to be told once the open call is answered.
    next: Option<(Purpose, Entry)>,
}

/// What is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It came or went, which others are to hear.
    Move(Movement),
    /// It is still there.
    Vouch,
}

impl Visits {
    /// How many wait or are under way.
    pub(super) fn count(&self) -> u32 {
        self.visits.count()
    }

    /// Whether nothing is yet to be told.
    pub(super) fn is_idle(&self) -> bool {
        self.line.is_empty() && self.pausing.iter().all(VecDeque::is_empty)
    }

    /// Puts something in line, in place of what was yet to be told of the same member.
    pub(super) fn add(&mut self, purpose: Purpose, entry: Entry) {
        let member = (entry.channel.clone(), entry.member.client);
        let known = self.index_by_member.get(&member).copied();
        if let Some(known) = known.and_then(|index| self.visits.get_mut(index)) {
            match purpose {
                // What waits already says as much.
                Purpose::Vouch => {}
                Purpose::Move(_) if known.is_open => {
                    self.bytes += entry.member.size();
                    if let Some((_, entry)) = known.next.replace((purpose, entry)) {
                        self.bytes -= entry.member.size();
                    }
                }
                Purpose::Move(_) => {
                    self.bytes += entry.member.size();
                    self.bytes -= known.entry.member.size();
                    (known.purpose, known.entry, known.repeats) = (purpose, entry, 0);
                }
            }
            return;
        }
        let is_node = entry.channel.is_internal();
        if !is_node && !self.has_room_for(purpose, &entry) {
            self.counts.dropped += 1;
            return;
        }
        self.bytes += entry.member.size();
        let visit = Visit { entry, purpose, repeats: 0, is_open: false, next: None };
        let index = self.visits.insert(visit);
        self.index_by_member.insert(member, index);
        if is_node {
            // Whatever stands in line, other nodes are not to think that this one is gone.
            self.line.push_front(index);
        } else {
            self.line.push_back(index);
        }
    }

    /// Who is vouched for is so again soon, so that those who move come first.
    fn has_room_for(&self, purpose: Purpose, entry: &Entry) -> bool {
        let (members, bytes) = (self.visits.count() as usize, self.bytes + entry.member.size());
        let share = if purpose == Purpose::Vouch { 4 } else { 1 };
        members < limits::PRESENCE_WAITING_MAX / share && bytes <= limits::PRESENCE_WAITING_BYTES_MAX / share
    }

    /// What is to be told next, if it may be, and where it is.
    pub(super) fn start(&mut self) -> Option<(u32, &Visit)> {
        if self.open >= limits::PRESENCE_CALLS_MAX || self.is_resting {
            return None;
        }
        let index = self.line.pop_front()?;
        let visit = self.visits.get_mut(index)?;
        visit.is_open = true;
        self.open += 1;
        Some((index, visit))
    }

    /// Something was told. Returns who moved, where that made a difference, and how many members there are.
    pub(super) fn on_answer(
        &mut self,
        index: u32,
        outcome: Result<Change, Refusal>,
        now: Moment,
    ) -> Option<(Movement, Entry, u32)> {
        self.open -= 1;
        self.is_resting |= outcome.is_err();
        let visit = self.visits.get_mut(index)?;
        visit.is_open = false;
        let Some(next) = visit.next.take() else {
            return match outcome {
                Ok(change) => self.remove(index).and_then(|visit| visit.moved(change)),
                Err(_) => {
                    self.pause(index, now);
                    None
                }
            };
        };
        let next = Visit { entry: next.1, purpose: next.0, repeats: 0, is_open: false, next: None };
        let visit = std::mem::replace(visit, next);
        self.bytes -= visit.entry.member.size();
        self.line.push_back(index);
        outcome.ok().and_then(|change| visit.moved(change))
    }

    /// Puts those in line again whose pause is over.
    pub(super) fn resume(&mut self, now: Moment) {
        self.is_resting = false;
        for pausing in &mut self.pausing {
            while let Some((_, index)) = pausing.pop_front_if(|(until, _)| *until <= now) {
                self.line.push_back(index);
            }
        }
    }

    fn pause(&mut self, index: u32, now: Moment) {
        let Some(visit) = self.visits.get_mut(index) else {
            return;
        };
        // Who is vouched for is vouched for again in any case.
        if visit.purpose == Purpose::Vouch || visit.repeats >= limits::PRESENCE_REPEATS_MAX {
            self.counts.dropped += u64::from(!visit.entry.channel.is_internal());
            self.remove(index);
            return;
        }
        let length = (visit.repeats as usize).min(PAUSES - 1);
        visit.repeats += 1;
        self.counts.repeated += 1;
        let pause: Duration = limits::PRESENCE_PAUSE_MIN * (1 << length);
        self.pausing[length].push_back((now + pause, index));
    }

    fn remove(&mut self, index: u32) -> Option<Visit> {
        let visit = self.visits.remove(index)?;
        self.bytes -= visit.entry.member.size();
        self.index_by_member.remove(&(visit.entry.channel.clone(), visit.entry.member.client));
        Some(visit)
    }
}

impl Visit {
    /// Who moved, if nobody was told that yet.
    fn moved(self, change: Change) -> Option<(Movement, Entry, u32)> {
        match self.purpose {
            // One that was refused may have been carried out all the same.
            Purpose::Move(movement) if change.is_new || self.repeats > 0 => {
                Some((movement, self.entry, change.members))
            }
            Purpose::Move(_) | Purpose::Vouch => None,
        }
    }
}
