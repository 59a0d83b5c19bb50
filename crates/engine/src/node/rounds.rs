//! What is due without being asked for: histories that could not be read are asked again, and every channel's
//! position is compared with its history's.

use model::{HistoryPage, HistoryRange, Position, Refusal, limits};

use super::history::Question;
use super::{Asked, Awaited, Node};
use crate::counters::RepairOutcome;
use crate::mail::WorkerMail;

impl Node {
    /// Does what is due: asks again where a history could not be read, tells who was held back for too long,
    /// and compares positions with those of the histories.
    pub(super) fn keep_up(&mut self) {
        /// Parts that all channels are compared in, one each round.
        const PARTS: u32 = 400;
        /// Rounds made up for after a pause.
        const ROUNDS_MAX: u32 = 20;
        let now = self.moment();
        if now < self.repairs.next_round {
            return;
        }
        let round = limits::POSITION_CHECK_PERIOD / PARTS;
        let late = now.since(self.repairs.next_round).as_millis() / round.as_millis();
        self.repairs.next_round = now + round;
        self.visits.resume(now);
        self.resume_repairs();
        let rounds = u32::try_from(late).unwrap_or(u32::MAX).saturating_add(1).min(ROUNDS_MAX);
        for _ in 0..rounds {
            let part = self.repairs.compared;
            self.repairs.compared = (part + 1) % PARTS;
            for index in (part..self.channels.places()).step_by(PARTS as usize) {
                self.compare(index);
            }
        }
    }

    fn resume_repairs(&mut self) {
        let now = self.moment();
        let mut under_way = std::mem::take(&mut self.repairs.channels);
        under_way.sort_unstable_by_key(|asked| asked.index);
        under_way.dedup();
        under_way.retain(|asked| self.channel_of(*asked).is_some_and(|channel| channel.is_in_repair()));
        for asked in &under_way {
            let Some(channel) = self.channels.get_mut(asked.index) else {
                continue;
            };
            let (last, is_confirmed) = (channel.last, channel.is_confirmed);
            // What paused within what was held back needs no question.
            let goes_on = channel.held_front().is_some_and(|next| channel.is_next(next));
            let Some(repair) = channel.repair() else {
                continue;
            };
            let is_late = now.since(repair.began) >= limits::REPAIR_DEADLINE && is_confirmed;
            let tells = is_late && !std::mem::replace(&mut repair.is_told, true);
            let is_due = repair.retry.is_some_and(|retry| retry <= now);
            if let Some(last) = last.filter(|_| tells) {
                self.counters.repairs[RepairOutcome::Unreadable.index()] += 1;
                self.mail_all(asked.index, None, |_, channel| WorkerMail::Broken { channel, last });
            }
            match (is_due, goes_on) {
                (true, true) => self.take_held(asked.index),
                (true, false) => self.ask(asked.index),
                (false, _) => {}
            }
        }
        self.repairs.channels.append(&mut under_way);
    }

    /// The last lost publication of a quiet channel leaves no hole: its absence shows in the history alone.
    fn compare(&mut self, index: u32) {
        let asked = self.asked(index);
        let Some((channel, rules)) = self.with_rules(index) else {
            return;
        };
        let Some(last) = channel.last.filter(|_| channel.is_live()) else {
            return;
        };
        let name = channel.name.clone();
        let ticket = self.await_broker(Awaited::Read(asked, Question::Compare(last)));
        self.broker.read(ticket, &name, rules, HistoryRange { since: None, limit: 0, reverse: false });
    }

    pub(super) fn on_compared(
        &mut self,
        asked: Asked,
        then: Position,
        outcome: Result<HistoryPage, Refusal>,
    ) {
        let Some(channel) = self.channel_of(asked) else {
            return;
        };
        let (Some(last), Ok(page)) = (channel.last, outcome) else {
            return;
        };
        let top = page.top;
        // What was handed on since the question is no proof of a loss.
        let is_whole = top.epoch == last.epoch
            && top.offset >= then.offset
            && top.offset <= last.offset
            && !page.has_another(last.offset, channel.mark);
        if !is_whole {
            self.begin_repair(asked.index);
        }
    }
}
