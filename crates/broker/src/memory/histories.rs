//! All histories of the node: which channel has one, how much they keep together, when they end.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use model::{
    ChannelName, HistoryPage, HistoryRange, HistoryRules, Mark, Moment, Position, Publication, Refusal,
};

use super::epochs::Epochs;
use super::history::{self, History, bytes};
use super::prints::VersionPrint;

/// Most histories looked at by one call because their time may be over: more than one use can list anew.
const SWEPT_PER_CALL_MAX: usize = 4;
/// The same by a call that would be refused otherwise.
const SWEPT_FOR_ROOM_MAX: usize = 1024;

/// How much may be kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) channels: usize,
    pub(super) bytes: usize,
}

/// What became of a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// It has this place.
    At(Position),
    /// It is not newer than the last one; this is the top.
    NotNewer(Position),
}

/// Histories by channel. What is over counts as over at once, and is freed little by little: each history stands
/// on either list at most once, is looked at when its turn comes, and is listed again if it was used since.
pub(super) struct Histories {
    history_by_channel: HashMap<ChannelName, History>,
    entries_ending: Ending,
    ending: Ending,
    bytes: usize,
    bounds: Bounds,
    epochs: Epochs,
}

impl Histories {
    pub(super) fn new(seed: u32, bounds: Bounds) -> Self {
        Self {
            history_by_channel: HashMap::new(),
            entries_ending: Ending::default(),
            ending: Ending::default(),
            bytes: 0,
            bounds,
            epochs: Epochs::new(seed),
        }
    }

    pub(super) fn publish(
        &mut self,
        now: Moment,
        channel: &ChannelName,
        publication: &Publication,
        rules: HistoryRules,
        version: Option<VersionPrint>,
    ) -> Result<Kept, Refusal> {
        let history = self.open(now, channel, rules)?;
        if version.as_ref().is_some_and(|version| !history.is_newer(version)) {
            return Ok(Kept::NotNewer(history.top()));
        }
        let (added, replaced) = (bytes(publication), history.bytes_replaced());
        let after = |histories: &Self| (histories.bytes + added).saturating_sub(replaced);
        for _ in 0..SWEPT_FOR_ROOM_MAX {
            if after(self) <= self.bounds.bytes || !self.sweep_one(now) {
                break;
            }
        }
        if after(self) > self.bounds.bytes {
            return Err(Refusal::LimitExceeded);
        }
        let history = self.history_by_channel.get_mut(channel).expect("a history in use is not swept");
        let (position, dropped) = history.push(now, publication.clone(), version);
        if history.listed.is_none() {
            history.listed = history.entries_end();
            self.entries_ending.list(channel.clone(), history.listed);
        }
        self.bytes = self.bytes + added - dropped;
        Ok(Kept::At(position))
    }

    pub(super) fn read(
        &mut self,
        now: Moment,
        channel: &ChannelName,
        rules: HistoryRules,
        range: HistoryRange,
    ) -> Result<HistoryPage, Refusal> {
        self.open(now, channel, rules).map(|history| history.page(range))
    }

    pub(super) fn remove(&mut self, now: Moment, channel: &ChannelName) {
        if let Some(history) = self.history_by_channel.get_mut(channel) {
            if now < history.end() {
                history.refresh(now);
            }
            self.bytes -= history.clear();
        }
    }

    pub(super) fn renew_epoch(
        &mut self,
        now: Moment,
        channel: &ChannelName,
        rules: HistoryRules,
        (last, mark): (Position, Option<Mark>),
    ) -> Result<HistoryPage, Refusal> {
        const TOP: HistoryRange = HistoryRange { since: None, limit: 0, reverse: false };
        let top = self.open(now, channel, rules)?.top();
        let is_other = mark.is_some() && mark != history::marks(last).own;
        if top.epoch == last.epoch && (top.offset < last.offset || is_other) {
            let epoch = self.epochs.next();
            let history = self.history_by_channel.get_mut(channel).expect("it was opened");
            self.bytes -= history.renew(epoch);
        }
        self.read(now, channel, rules, TOP)
    }

    /// Frees some of what is over.
    pub(super) fn sweep(&mut self, now: Moment) {
        for _ in 0..SWEPT_PER_CALL_MAX {
            if !self.sweep_one(now) {
                break;
            }
        }
    }

    /// The channel's history as it is now, begun if there is none.
    fn open(
        &mut self,
        now: Moment,
        channel: &ChannelName,
        rules: HistoryRules,
    ) -> Result<&mut History, Refusal> {
        if !self.history_by_channel.contains_key(channel) {
            self.begin(now, channel, rules)?;
        }
        let history = self.history_by_channel.get_mut(channel).expect("it is there or was begun");
        if history.end() <= now {
            self.bytes -= history.forget(self.epochs.next());
        }
        self.bytes -= history.apply(now, rules);
        Ok(history)
    }

    fn begin(&mut self, now: Moment, channel: &ChannelName, rules: HistoryRules) -> Result<(), Refusal> {
        for _ in 0..SWEPT_FOR_ROOM_MAX {
            if self.history_by_channel.len() < self.bounds.channels || !self.sweep_one(now) {
                break;
            }
        }
        if self.history_by_channel.len() >= self.bounds.channels {
            return Err(Refusal::LimitExceeded);
        }
        let history = History::new(self.epochs.next(), now, rules);
        self.ending.list(channel.clone(), Some(history.end()));
        self.history_by_channel.insert(channel.clone(), history);
        Ok(())
    }

    /// Frees what is over of the history that stands first on a list, or lists it for later. Returns whether
    /// there was one.
    fn sweep_one(&mut self, now: Moment) -> bool {
        if let Some((listed, channel)) = self.entries_ending.next(now) {
            // A history that was forgotten and begun again may stand on the list a second time.
            let history = self.history_by_channel.get_mut(&channel);
            if let Some(history) = history.filter(|history| history.listed == Some(listed)) {
                self.bytes -= history.drop_ended(now);
                history.listed = history.entries_end();
                self.entries_ending.list(channel, history.listed);
            }
            return true;
        }
        let Some((_, channel)) = self.ending.next(now) else { return false };
        let history = self.history_by_channel.get_mut(&channel).expect("what is listed is there");
        let end = history.end();
        if end <= now {
            self.bytes -= history.clear();
            self.history_by_channel.remove(&channel);
        } else {
            self.ending.list(channel, Some(end));
        }
        true
    }
}

/// Channels by the moment at which they have to be looked at.
#[derive(Default)]
struct Ending(BinaryHeap<Reverse<(Moment, ChannelName)>>);

impl Ending {
    fn list(&mut self, channel: ChannelName, at: Option<Moment>) {
        self.0.extend(at.map(|at| Reverse((at, channel))));
    }

    fn next(&mut self, now: Moment) -> Option<(Moment, ChannelName)> {
        let is_due = self.0.peek().is_some_and(|Reverse((at, _))| *at <= now);
        if is_due { self.0.pop().map(|Reverse(first)| first) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::Payload;

    use super::*;

    const RULES: HistoryRules =
        HistoryRules { size: 3, ttl: Duration::from_secs(10), meta_ttl: Duration::from_secs(100) };
    const ALL: HistoryRange = HistoryRange { since: None, limit: 10, reverse: false };

    #[test]
    fn what_is_over_is_freed_without_being_touched() {
        let mut histories = histories(100_000, 1 << 30);
        for number in 0..10_000 {
            publish(&mut histories, at(0), &format!("c{number}"), 10).expect("there is room");
        }
        assert_eq!(histories.bytes, 10_000 * bytes(&publication(10)));
        let sweep = |histories: &mut Histories, now| {
            (0..10_000_usize.div_ceil(SWEPT_PER_CALL_MAX)).for_each(|_| histories.sweep(now));
        };
        sweep(&mut histories, at(9));
        assert_eq!(histories.bytes, 10_000 * bytes(&publication(10)));
        sweep(&mut histories, at(10));
        assert_eq!((histories.bytes, histories.history_by_channel.len()), (0, 10_000));
        histories.read(at(99), &name("c7"), RULES, ALL).expect("it is known");
        sweep(&mut histories, at(100));
        assert_eq!(histories.history_by_channel.len(), 1);
        sweep(&mut histories, at(199));
        assert_eq!(histories.history_by_channel.len(), 0);
        assert!(histories.ending.0.is_empty() && histories.entries_ending.0.is_empty());
    }

    #[test]
    fn the_lists_do_not_grow_with_use() {
        let mut histories = histories(10, 1 << 30);
        let channel = name("c");
        for second in 0..2_000 {
            publish(&mut histories, at(second), "c", 10).expect("there is room");
            if second % 3 == 0 {
                histories.remove(at(second), &channel);
            }
            if second % 7 == 0 {
                let top = histories.read(at(second), &channel, RULES, ALL).expect("it is known").top;
                let lost = Position { offset: top.offset + 1, ..top };
                histories.renew_epoch(at(second), &channel, RULES, (lost, None)).expect("it is known");
            }
            histories.sweep(at(second));
        }
        assert_eq!((histories.ending.0.len(), histories.entries_ending.0.len()), (1, 1));
        histories.sweep(at(3_000));
        assert_eq!((histories.bytes, histories.history_by_channel.len()), (0, 0));
    }

    #[test]
    fn a_history_that_was_begun_again_is_listed_once() {
        let (mut histories, channel) = (histories(10, 1 << 30), name("c"));
        let rules = |seconds| {
            let span = Duration::from_secs(seconds);
            HistoryRules { ttl: span, meta_ttl: span, ..RULES }
        };
        let publish = |histories: &mut Histories, now, seconds| {
            histories
                .publish(at(now), &channel, &publication(1), rules(seconds), None)
                .expect("there is room");
        };
        histories.read(at(0), &channel, rules(100), ALL).expect("there is room");
        publish(&mut histories, 50, 100);
        histories.read(at(60), &channel, rules(10), ALL).expect("it is known");
        histories.sweep(at(100));
        assert!(histories.history_by_channel.is_empty());
        publish(&mut histories, 100, 100);
        histories.sweep(at(150));
        assert_eq!((histories.entries_ending.0.len(), histories.bytes), (1, bytes(&publication(1))));
    }

    #[test]
    fn a_channel_too_many_is_refused_until_another_is_over() {
        let mut histories = histories(2, 1 << 30);
        publish(&mut histories, at(0), "a", 1).expect("the first");
        publish(&mut histories, at(50), "b", 1).expect("the second");
        assert_eq!(publish(&mut histories, at(50), "c", 1), Err(Refusal::LimitExceeded));
        let found = Position { epoch: model::Epoch::new(1), offset: 0 };
        let read = histories.read(at(50), &name("c"), RULES, ALL).map(|page| page.top);
        let renewed = histories.renew_epoch(at(50), &name("c"), RULES, (found, None)).map(|page| page.top);
        assert_eq!((read, renewed), (Err(Refusal::LimitExceeded), Err(Refusal::LimitExceeded)));
        publish(&mut histories, at(99), "b", 1).expect("it is known");
        publish(&mut histories, at(100), "c", 1).expect("the first is over");
        assert_eq!(publish(&mut histories, at(100), "a", 1), Err(Refusal::LimitExceeded));
    }

    #[test]
    fn a_publication_too_large_for_all_is_refused_and_leaves_no_trace() {
        let one = bytes(&publication(100));
        let mut histories = histories(10, 4 * one);
        for _ in 0..5 {
            publish(&mut histories, at(0), "a", 100).expect("the oldest makes room");
        }
        publish(&mut histories, at(5), "b", 100).expect("there is room");
        assert_eq!(histories.bytes, 4 * one);
        assert_eq!(publish(&mut histories, at(5), "b", 100), Err(Refusal::LimitExceeded));
        assert_eq!(publish(&mut histories, at(5), "a", 101), Err(Refusal::LimitExceeded));
        let offsets = |histories: &mut Histories, now, channel: &str| -> Vec<u64> {
            let page = histories.read(now, &name(channel), RULES, ALL).expect("it is known");
            page.entries.iter().map(|entry| entry.offset).collect()
        };
        assert_eq!(offsets(&mut histories, at(5), "a"), [3, 4, 5]);
        assert_eq!(offsets(&mut histories, at(5), "b"), [1]);
        publish(&mut histories, at(5), "a", 100).expect("it replaces one of its own");
        publish(&mut histories, at(15), "b", 100).expect("what it kept itself is over");
        publish(&mut histories, at(15), "b", 100).expect("what another kept is over");
        assert_eq!(offsets(&mut histories, at(15), "b"), [2, 3]);
        assert_eq!(histories.bytes, 2 * one);
    }

    #[test]
    fn rules_that_change_apply_to_what_is_kept() {
        let mut histories = histories(10, 1 << 30);
        for _ in 0..3 {
            publish(&mut histories, at(0), "a", 10).expect("there is room");
        }
        let mut count = |now, size, ttl| {
            let rules = HistoryRules { size, ttl: Duration::from_secs(ttl), ..RULES };
            histories.read(now, &name("a"), rules, ALL).expect("it is known").entries.len()
        };
        assert_eq!([count(at(1), 2, 10), count(at(1), 0, 10), count(at(1), 9, 10)], [2, 1, 1]);
        assert_eq!([count(at(11), 3, 12), count(at(11), 3, 11), count(at(11), 3, 99)], [0, 0, 0]);
    }

    fn histories(channels: usize, bytes: usize) -> Histories {
        Histories::new(1, Bounds { channels, bytes })
    }

    fn publish(histories: &mut Histories, now: Moment, channel: &str, size: usize) -> Result<Kept, Refusal> {
        histories.publish(now, &name(channel), &publication(size), RULES, None)
    }

    fn publication(size: usize) -> Publication {
        let payload = Payload::parse_json("1".repeat(size).as_bytes()).expect("a number");
        let accepted = Moment::default();
        Publication::new(payload, accepted)
    }

    fn name(text: &str) -> ChannelName {
        ChannelName::parse(text).expect("a channel name")
    }

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }
}
