//! Subscribers that were away: what they missed is read once for all that wait, and each is answered at a point
//! in its worker's mail from which on it is live.

use model::{HistoryEntry, HistoryPage, HistoryRange, Position, Refusal, Since, limits};

use super::channel::{Placed, Reading};
use super::history::Question;
use super::{Asked, Awaited, Node};
use crate::RecoveryMode;
use crate::mail::{RecoverRequest, Recovery, WorkerMail};

impl Node {
    /// A subscriber wants what it missed; it is answered when the channel is live.
    pub(super) fn recover(&mut self, request: RecoverRequest) {
        let Some((index, channel)) = self.wanted(&request.channel) else {
            return self.answer(&request, Err(Refusal::Internal));
        };
        let work = channel.work();
        let in_line = work.waiting.len() + work.reading.as_ref().map_or(0, |reading| reading.requests.len());
        if in_line >= limits::RECOVERIES_PER_CHANNEL_MAX || !channel.keeps_history {
            channel.tidy_up();
            return self.answer(&request, Err(Refusal::Internal));
        }
        channel.work().waiting.push(request);
        self.serve_recoveries(index);
    }

    /// Asks for those who wait, unless a question is asked already.
    pub(super) fn serve_recoveries(&mut self, index: u32) {
        let asked = self.asked(index);
        let Some((channel, rules)) = self.with_rules(index) else {
            return;
        };
        let (is_live, name, namespace) = (channel.is_live(), channel.name.clone(), channel.namespace);
        let Some(last) = channel.last.filter(|_| is_live) else {
            return;
        };
        let Some(work) = channel.work.as_mut().filter(|work| work.reading.is_none()) else {
            return;
        };
        let waiting = std::mem::take(&mut work.waiting);
        let mode = self.policy.rules.recovery(namespace);
        let (mut requests, mut since) = (Vec::new(), last.offset);
        for request in waiting {
            match at_once(request.since, last, mode) {
                Some(missed) => self.answer(&request, Ok(Recovery { last, missed })),
                None => {
                    since = since.min(request.since.offset);
                    requests.push(request);
                }
            }
        }
        let Some(channel) = self.channel_of(asked) else {
            return;
        };
        if requests.is_empty() {
            return channel.tidy_up();
        }
        channel.work().reading = Some(Reading { requests, passed: Vec::new(), is_cut: false });
        let range = match mode {
            RecoveryMode::Missed | RecoveryMode::Off => {
                HistoryRange { since: Some(since), limit: limits::HISTORY_PUBLICATIONS_MAX, reverse: false }
            }
            RecoveryMode::Latest => HistoryRange { since: None, limit: 1, reverse: true },
        };
        let ticket = self.await_broker(Awaited::Read(asked, Question::Recover));
        self.broker.read(ticket, &name, rules, range);
    }

    pub(super) fn on_recovered(&mut self, asked: Asked, outcome: Result<HistoryPage, Refusal>) {
        let Some(channel) = self.channel_of(asked) else {
            return;
        };
        let namespace = channel.namespace;
        let Some(reading) = channel.work.as_mut().and_then(|work| work.reading.take()) else {
            return;
        };
        let page = match outcome {
            Ok(page) => page,
            Err(refusal) => {
                reading.requests.iter().for_each(|request| self.answer(request, Err(refusal)));
                return self.serve_recoveries(asked.index);
            }
        };
        let mark = channel.mark;
        let is_other = |last: Position| last.epoch != page.top.epoch || page.has_another(last.offset, mark);
        if !channel.is_live() || channel.last.is_none_or(is_other) {
            channel.work().waiting.extend(reading.requests);
            return self.begin_repair(asked.index);
        }
        let is_latest = self.policy.rules.recovery(namespace) == RecoveryMode::Latest;
        if !is_latest {
            self.pass_on_news(asked, &page);
        }
        let Some(last) = self.channel_of(asked).and_then(|channel| channel.last) else {
            return;
        };
        let mut entries = page.entries;
        let seen = entries.last().map_or(0, |entry| entry.offset);
        entries.extend(reading.passed.into_iter().filter(|entry| entry.offset > seen));
        for request in &reading.requests {
            let missed = match is_latest {
                true => latest(&entries, request.since, last),
                false => missed(&entries, request.since, last).filter(|_| !reading.is_cut),
            };
            self.answer(request, Ok(Recovery { last, missed }));
        }
        if let Some(channel) = self.channel_of(asked) {
            channel.tidy_up();
        }
        self.serve_recoveries(asked.index);
    }

    /// The history was ahead of what the broker handed on: that is new to every subscriber.
    fn pass_on_news(&mut self, asked: Asked, page: &HistoryPage) {
        for entry in &page.entries {
            let Some(last) = self.channel_of(asked).and_then(|channel| channel.last) else {
                return;
            };
            let position = Position { epoch: page.top.epoch, offset: entry.offset };
            if position.follows(last) {
                let (marks, publication) = (entry.marks, entry.publication.clone());
                self.pass_on(asked.index, Placed { position, marks, publication });
            }
        }
    }

    pub(super) fn answer(&mut self, request: &RecoverRequest, outcome: Result<Recovery, Refusal>) {
        let RecoverRequest { key: channel, connection, request, .. } = *request;
        let outcome = outcome.map(Box::new);
        self.mail(connection.worker, WorkerMail::Recovered { channel, connection, request, outcome }, None);
    }
}

/// What was missed, where that can be told without the history.
fn at_once(since: Since, last: Position, mode: RecoveryMode) -> Option<Option<Vec<HistoryEntry>>> {
    let is_known = since.epoch.allows(last.epoch);
    let is_latest = mode == RecoveryMode::Latest;
    // Where nothing was published, there is no last publication to have seen.
    if is_known && since.offset == last.offset && !(is_latest && last.offset == 0) {
        return Some(Some(Vec::new()));
    }
    let is_lost = if is_latest {
        last.offset == 0
    } else {
        let missed = last.offset.checked_sub(since.offset).filter(|_| is_known);
        missed.is_none_or(|count| count > u64::from(limits::HISTORY_PUBLICATIONS_MAX))
    };
    is_lost.then_some(None)
}

/// What lies between what a subscriber has seen and the present, if all of it is there.
fn missed(entries: &[HistoryEntry], since: Since, last: Position) -> Option<Vec<HistoryEntry>> {
    let mut next = since.offset;
    let mut missed = Vec::new();
    for entry in entries.iter().filter(|entry| entry.offset > since.offset && entry.offset <= last.offset) {
        next += 1;
        if entry.offset != next {
            return None;
        }
        missed.push(entry.clone());
    }
    (next == last.offset).then_some(missed)
}

/// The last publication, if it is still there and was not seen.
fn latest(entries: &[HistoryEntry], since: Since, last: Position) -> Option<Vec<HistoryEntry>> {
    let entry = entries.iter().find(|entry| entry.offset == last.offset)?;
    let is_seen = since.epoch.allows(last.epoch) && since.offset == last.offset;
    Some(if is_seen { Vec::new() } else { vec![entry.clone()] })
}
