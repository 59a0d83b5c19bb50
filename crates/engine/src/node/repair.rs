//! What follows what: publications are handed on in the order of their positions, and where one is missing the
//! channel is held back until its history was read.

use model::{
    ChannelName, HistoryPage, HistoryRange, HistoryRules, Mark, Marks, Moment, Position, Publication,
    Refusal, limits,
};

use super::channel::{Channel, Opening, Placed, Repair};
use super::history::Question;
use super::{Asked, Awaited, Node};
use crate::counters::RepairOutcome;
use crate::mail::WorkerMail;

/// The repairs under way, and the round of comparisons that finds what nobody would notice.
#[derive(Default)]
pub(super) struct Repairs {
    /// Channels whose repair may be due for something; cleared of the others once a round.
    pub(super) channels: Vec<Asked>,
    count: u64,
    held_bytes: usize,
    pub(super) next_round: Moment,
    /// Which part of the channels is compared next.
    pub(super) compared: u32,
}

impl Repairs {
    /// How many channels are held back.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// A channel is no longer wanted.
    pub(super) fn forget(&mut self, channel: Option<Channel>) {
        if let Some(repair) = channel.and_then(|channel| channel.work).and_then(|work| work.repair) {
            self.end(&repair);
        }
    }

    /// A repair ends early.
    pub(super) fn end(&mut self, repair: &Repair) {
        self.held_bytes -= repair.bytes();
        self.count -= 1;
    }
}

impl Node {
    /// The broker hands a channel's publications on from here on.
    pub(super) fn on_joined(&mut self, name: &ChannelName) {
        let Some((index, channel)) = self.wanted(name) else {
            return;
        };
        channel.is_confirmed = true;
        if channel.keeps_history {
            self.begin_repair(index);
        } else {
            self.announce(index);
        }
    }

    /// The broker lost sight of a channel: nobody new may rely on it until it is joined again.
    pub(super) fn on_severed(&mut self, name: &ChannelName) {
        let Some((index, channel)) = self.wanted(name) else {
            return;
        };
        channel.is_confirmed = false;
        channel.owes_joined = true;
        self.mail_all(index, None, |_, channel| WorkerMail::Severed { channel });
    }

    pub(super) fn on_publication(
        &mut self,
        name: &ChannelName,
        (position, marks): (Option<Position>, Marks),
        is_plain: bool,
        publication: Publication,
    ) {
        let Some((index, channel)) = self.wanted(name) else {
            return;
        };
        // What comes before the join is in effect nobody is promised.
        if !channel.is_confirmed {
            return;
        }
        if !channel.keeps_history {
            return self.deliver(index, None, publication);
        }
        let Some(position) = position else {
            // It would be a gap that nobody could notice.
            if is_plain {
                self.counters.unplaced += 1;
                return;
            }
            return self.deliver(index, None, publication);
        };
        let placed = Placed { position, marks, publication };
        if channel.is_in_repair() {
            return self.hold(index, placed);
        }
        if channel.has_had(&placed) {
            self.counters.duplicates += 1;
        } else if channel.is_next(&placed) {
            self.pass_on(index, placed);
        } else {
            self.begin_repair(index);
            self.hold(index, placed);
        }
    }

    /// Hands on what follows the last one.
    pub(super) fn pass_on(&mut self, index: u32, placed: Placed) {
        if let Some(channel) = self.channels.get_mut(index) {
            (channel.last, channel.mark) = (Some(placed.position), placed.marks.own);
            if let Some(reading) = channel.work.as_mut().and_then(|work| work.reading.as_mut()) {
                reading.pass(&placed);
            }
        }
        self.deliver(index, Some(placed.position), placed.publication);
    }

    fn hold(&mut self, index: u32, placed: Placed) {
        let Some(repair) = self.channels.get_mut(index).and_then(Channel::repair) else {
            return;
        };
        let size = placed.publication.size();
        // What finds no room is in the history, where the next question finds it.
        let has_room = repair.held.len() < limits::HELD_PUBLICATIONS_MAX
            && self.repairs.held_bytes + size <= limits::HELD_BYTES_MAX;
        if has_room {
            self.repairs.held_bytes += size;
            repair.held.push_back(placed);
        } else {
            repair.is_stale = true;
        }
    }

    /// Reads what is missing of a channel, which is held back meanwhile.
    pub(super) fn begin_repair(&mut self, index: u32) {
        let (now, asked) = (self.moment(), self.asked(index));
        let Some(channel) = self.channels.get_mut(index) else {
            return;
        };
        let repair = &mut channel.work().repair;
        if let Some(repair) = repair {
            repair.is_stale = true;
            return;
        }
        *repair = Some(Repair::new(now));
        self.repairs.channels.push(asked);
        self.repairs.count += 1;
        self.ask(index);
    }

    pub(super) fn ask(&mut self, index: u32) {
        let asked = self.asked(index);
        let Some((channel, rules)) = self.with_rules(index) else {
            return;
        };
        let since = channel.last.map(|last| last.offset);
        let name = channel.name.clone();
        let mut limit = 0;
        if let Some(repair) = channel.repair() {
            repair.retry = None;
            repair.is_stale = false;
            repair.held_at_ask = repair.held.len();
            limit = since.map_or(0, |_| repair.limit);
        }
        let ticket = self.await_broker(Awaited::Read(asked, Question::Repair));
        self.broker.read(ticket, &name, rules, HistoryRange { since, limit, reverse: false });
    }

    pub(super) fn with_rules(&mut self, index: u32) -> Option<(&mut Channel, HistoryRules)> {
        let channel = self.channels.get_mut(index)?;
        let rules = self.policy.rules.history(channel.namespace)?;
        Some((channel, rules))
    }

    pub(super) fn on_repair(&mut self, asked: Asked, outcome: Result<HistoryPage, Refusal>) {
        let retry = self.moment() + limits::REPAIR_PAUSE;
        self.deliver_before_opening(asked.index);
        let Some(channel) = self.channel_of(asked) else {
            return;
        };
        let (last, mark) = (channel.last, channel.mark);
        let page = match outcome {
            Ok(page) => page,
            Err(_) => {
                if let Some(repair) = channel.repair() {
                    repair.retry = Some(retry);
                }
                return;
            }
        };
        match last {
            None => {
                (channel.last, channel.mark) = (Some(page.top), page.mark);
                match channel.repair() {
                    // What was published up to there may be on its way.
                    Some(repair) if repair.opening == Opening::Unread => {
                        repair.opening = Opening::At(page.top);
                        repair.retry = Some(retry);
                    }
                    Some(_) | None => self.take_held(asked.index),
                }
            }
            Some(last) if last.epoch != page.top.epoch => self.break_at(asked.index, &page),
            // Whoever numbers them has lost the last ones, and gives their offsets to others, or has done so.
            Some(last) if page.top.offset < last.offset || page.has_another(last.offset, mark) => {
                self.renew(asked, last, mark);
            }
            Some(last) => self.fill(asked.index, last, page),
        }
    }

    /// Hands on what a history that just began has already, but no subscriber.
    fn deliver_before_opening(&mut self, index: u32) {
        while let Some(repair) = self.channels.get_mut(index).and_then(Channel::repair)
            && let Opening::At(top) = repair.opening
            && let Some(placed) = repair.held.pop_front_if(|placed| !placed.position.is_beyond(top))
        {
            repair.held_at_ask = repair.held_at_ask.saturating_sub(1);
            self.repairs.held_bytes -= placed.publication.size();
            self.deliver(index, None, placed.publication);
        }
    }

    fn renew(&mut self, asked: Asked, last: Position, mark: Option<Mark>) {
        let Some((channel, rules)) = self.with_rules(asked.index) else {
            return;
        };
        let name = channel.name.clone();
        let ticket = self.await_broker(Awaited::Read(asked, Question::Renewal));
        self.broker.renew_epoch(ticket, &name, rules, last, mark);
    }

    pub(super) fn on_renewed(&mut self, asked: Asked, outcome: Result<HistoryPage, Refusal>) {
        let retry = self.moment() + limits::REPAIR_PAUSE;
        let Some(channel) = self.channel_of(asked) else {
            return;
        };
        let is_new = |page: &HistoryPage| channel.last.is_some_and(|last| last.epoch != page.top.epoch);
        match outcome.ok().filter(is_new) {
            Some(page) => self.break_at(asked.index, &page),
            // What was read was not of the one who numbers them now.
            None => {
                if let Some(repair) = channel.repair() {
                    repair.retry = Some(retry);
                }
            }
        }
    }

    /// Hands on what the history has of what is missing.
    fn fill(&mut self, index: u32, mut last: Position, page: HistoryPage) {
        let now = self.moment();
        let mut is_full = false;
        if let Some(repair) = self.channels.get_mut(index).and_then(Channel::repair) {
            is_full = page.entries.len() >= repair.limit as usize;
            if is_full {
                repair.limit = (repair.limit * 2).min(limits::HISTORY_PUBLICATIONS_MAX);
            }
        }
        for (passed, entry) in (0..).zip(&page.entries) {
            let Some(repair) = self.channels.get_mut(index).and_then(Channel::repair) else {
                return;
            };
            if !repair.has_turn_for(entry.publication.size()) {
                repair.limit = if passed > 0 { passed + 1 } else { repair.limit };
                return repair.pause(now);
            }
            repair.outcome = RepairOutcome::Filled;
            let position = Position { epoch: last.epoch, offset: entry.offset };
            if !position.follows(last) {
                return self.break_at(index, &page);
            }
            last = position;
            let publication = entry.publication.clone();
            self.pass_on(index, Placed { position, marks: entry.marks, publication });
        }
        match last.offset < page.top.offset {
            true if is_full => self.ask(index),
            true => self.break_at(index, &page),
            false => self.take_held(index),
        }
    }

    /// What is missing is lost: the channel goes on from the top, and who relied on it is told.
    fn break_at(&mut self, index: u32, page: &HistoryPage) {
        let top = page.top;
        if let Some(channel) = self.channels.get_mut(index) {
            (channel.last, channel.mark) = (Some(top), page.mark);
            if let Some(repair) = channel.repair() {
                repair.outcome = RepairOutcome::Broken;
            }
        }
        self.mail_all(index, None, |_, channel| WorkerMail::Broken { channel, last: top });
        self.take_held(index);
    }

    /// The history was read: hands on what came meanwhile, and ends the repair unless something is missing
    /// again.
    pub(super) fn take_held(&mut self, index: u32) {
        let now = self.moment();
        while let Some(channel) = self.channels.get_mut(index) {
            let Some(repair) = channel.repair() else {
                return;
            };
            if repair.is_stale {
                return self.ask(index);
            }
            let Some(placed) = repair.held.pop_front() else {
                break;
            };
            let size = placed.publication.size();
            if !repair.has_turn_for(size) {
                repair.held.push_front(placed);
                return repair.pause(now);
            }
            let was_asked = repair.held_at_ask > 0;
            repair.held_at_ask = repair.held_at_ask.saturating_sub(1);
            if channel.is_next(&placed) {
                self.repairs.held_bytes -= size;
                self.pass_on(index, placed);
            } else if was_asked || channel.has_had(&placed) {
                // The answer had it, or whoever numbers them no longer knows of it.
                self.repairs.held_bytes -= size;
            } else if let Some(repair) = channel.repair() {
                repair.held.push_front(placed);
                return self.ask(index);
            }
        }
        self.end_repair(index);
    }

    fn end_repair(&mut self, index: u32) {
        let Some(channel) = self.channels.get_mut(index) else {
            return;
        };
        let repair = channel.work.as_mut().and_then(|work| work.repair.take());
        channel.tidy_up();
        if let Some(repair) = repair {
            self.repairs.count -= 1;
            self.counters.repairs[repair.outcome.index()] += 1;
        }
        self.announce(index);
        self.serve_recoveries(index);
    }

    /// Tells the workers that wait for it that a channel is live.
    pub(super) fn announce(&mut self, index: u32) {
        let Some(channel) = self.channels.get_mut(index) else {
            return;
        };
        if channel.is_live() && std::mem::replace(&mut channel.owes_joined, false) {
            self.mail_all(index, None, |channel, key| {
                let (name, last) = (channel.name.clone(), channel.last);
                WorkerMail::Joined { channel: key, name, last }
            });
        }
    }
}
