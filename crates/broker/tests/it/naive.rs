//! What histories promise, said as plainly as can be: a list of all that was ever published.

use std::collections::HashMap;
use std::time::Duration;

use broker::Version;
use model::{HistoryRange, HistoryRules, limits};

/// When what was published to a channel ends, in the times of the model: since the begin.
#[derive(Default)]
pub(crate) struct Model {
    channels: HashMap<u8, Channel>,
    keys: HashMap<(u8, u8), (Duration, Option<Place>)>,
    epochs: u32,
}

struct Channel {
    epoch: u32,
    top: u64,
    kept: Vec<(u64, u64)>,
    published: Duration,
    used: Duration,
    rules: HistoryRules,
    version: Option<Version>,
}

/// A position, the epoch being the how many-th that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) epoch: u32,
    pub(crate) offset: u64,
}

impl Model {
    /// The answer, and whether it is handed on.
    pub(crate) fn publish(
        &mut self,
        now: Duration,
        name: u8,
        number: u64,
        rules: Option<HistoryRules>,
        key: Option<u8>,
        version: Option<Version>,
    ) -> (Option<Place>, bool) {
        if let Some((_, first)) =
            key.and_then(|key| self.keys.get(&(name, key))).filter(|(until, _)| now < *until)
        {
            return (*first, false);
        }
        let place = rules.map(|rules| {
            let channel = self.open(now, name, rules);
            if let Some(version) = version {
                if let Some(last) = &channel.version
                    && (version.epoch.is_empty() || version.epoch == last.epoch)
                    && version.number <= last.number
                {
                    return (channel.top(), false);
                }
                channel.version = Some(version);
            }
            channel.top += 1;
            channel.kept.push((channel.top, number));
            channel.published = now;
            channel.trim();
            (channel.top(), true)
        });
        let (place, is_new) = place.map_or((None, true), |(place, is_new)| (Some(place), is_new));
        if let (Some(key), true) = (key, is_new) {
            self.keys.insert((name, key), (now + limits::IDEMPOTENCY_PERIOD, place));
        }
        (place, is_new)
    }

    /// The top, and the offsets and numbers of the page.
    pub(crate) fn read(
        &mut self,
        now: Duration,
        name: u8,
        rules: HistoryRules,
        range: HistoryRange,
    ) -> (Place, Vec<(u64, u64)>) {
        let channel = self.open(now, name, rules);
        let is_within = |(offset, _): &(u64, u64)| {
            range.since.is_none_or(|since| if range.reverse { *offset < since } else { *offset > since })
        };
        let mut entries: Vec<_> = channel.kept.iter().copied().filter(is_within).collect();
        if range.reverse {
            entries.reverse();
        }
        entries.truncate(range.limit as usize);
        (channel.top(), entries)
    }

    pub(crate) fn remove(&mut self, now: Duration, name: u8) {
        if let Some(channel) = self.channels.get_mut(&name) {
            channel.kept.clear();
            if now < channel.used + channel.rules.meta_ttl {
                channel.used = now;
            }
        }
    }

    pub(crate) fn renew(&mut self, now: Duration, name: u8, rules: HistoryRules, last: Place) -> Place {
        let top = self.open(now, name, rules).top();
        if top.epoch == last.epoch && top.offset < last.offset {
            self.epochs += 1;
            let epoch = self.epochs;
            let channel = self.open(now, name, rules);
            channel.epoch = epoch;
            channel.top = 0;
            channel.kept.clear();
        }
        self.open(now, name, rules).top()
    }

    fn open(&mut self, now: Duration, name: u8, rules: HistoryRules) -> &mut Channel {
        self.channels.retain(|_, channel| now < channel.used + channel.rules.meta_ttl);
        let epochs = &mut self.epochs;
        let channel = self.channels.entry(name).or_insert_with(|| {
            *epochs += 1;
            Channel {
                epoch: *epochs,
                top: 0,
                kept: Vec::new(),
                published: now,
                used: now,
                rules,
                version: None,
            }
        });
        if now >= channel.published + channel.rules.ttl {
            channel.kept.clear();
        }
        channel.rules = rules;
        channel.used = now;
        channel.trim();
        if now >= channel.published + rules.ttl {
            channel.kept.clear();
        }
        channel
    }
}

impl Channel {
    fn top(&self) -> Place {
        Place { epoch: self.epoch, offset: self.top }
    }

    fn trim(&mut self) {
        let excess = self.kept.len().saturating_sub(self.rules.size as usize);
        self.kept.drain(..excess);
    }
}
