//! The account of an outage: what each subscription has seen, what it missed, who was told. No sockets.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::payload;

/// A publication: its channel's number and its own, from 1.
pub(super) type Numbered = (usize, u32);

/// What has come at every server's subscriber of every channel. Publications of a channel are numbered from 1.
pub(super) struct Audit {
    channels: usize,
    /// The last number seen, by server and channel.
    seen: Vec<u32>,
    /// Numbers that were passed over.
    skipped: Vec<(usize, Range<u32>)>,
    /// Deliveries whose number was not greater than the last one.
    pub(super) repeated: u64,
    pub(super) delivered: u64,
    /// Subscribers whose subscription the server ended, and when.
    pub(super) told: Vec<(Subscription, Instant)>,
}

/// A server's subscriber of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Subscription {
    pub(super) server: usize,
    pub(super) channel: usize,
}

impl Audit {
    pub(super) fn new(servers: usize, channels: usize) -> Self {
        Self {
            channels,
            seen: vec![0; servers * channels],
            skipped: Vec::new(),
            repeated: 0,
            delivered: 0,
            told: Vec::new(),
        }
    }

    /// A publication came; false when it is none of ours.
    pub(super) fn on_delivery(&mut self, server: usize, stamp: u64) -> bool {
        let Some((channel, number)) = payload::number_in(stamp) else { return false };
        let Some(seen) = self.seen.get_mut(server * self.channels + channel) else { return false };
        self.delivered += 1;
        if number <= *seen {
            self.repeated += 1;
            return true;
        }
        if number > *seen + 1 {
            self.skipped.push((channel, *seen + 1..number));
        }
        *seen = number;
        true
    }

    /// Deliveries that are still to come, when `last` was published in each channel.
    pub(super) fn missing(&self, last: &[u32]) -> u64 {
        let of_server = |seen: &[u32]| -> u64 {
            seen.iter().zip(last).map(|(seen, last)| u64::from(last.saturating_sub(*seen))).sum()
        };
        self.seen.chunks(self.channels).map(of_server).sum()
    }

    /// Numbers that were passed over and had been acknowledged.
    pub(super) fn lost(&self, unacknowledged: &HashSet<Numbered>) -> u64 {
        let is_lost = |channel: usize, number| !unacknowledged.contains(&(channel, number));
        let lost = |(channel, numbers): &(usize, Range<u32>)| {
            numbers.clone().filter(|number| is_lost(*channel, *number)).count() as u64
        };
        self.skipped.iter().map(lost).sum()
    }

    /// Subscribers that were told more than once.
    pub(super) fn told_again(&self) -> usize {
        let different: HashSet<Subscription> = self.told.iter().map(|(who, _)| *who).collect();
        self.told.len() - different.len()
    }

    /// The most that one server told within any second.
    pub(super) fn told_per_second(&self) -> usize {
        let mut recent: HashMap<usize, VecDeque<Instant>> = HashMap::new();
        let mut most = 0;
        for (who, at) in &self.told {
            let recent = recent.entry(who.server).or_default();
            recent.push_back(*at);
            while recent.front().is_some_and(|first| *at - *first >= Duration::from_secs(1)) {
                recent.pop_front();
            }
            most = most.max(recent.len());
        }
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_over_is_lost_unless_nobody_acknowledged_it() {
        let mut audit = Audit::new(2, 3);
        for (server, number) in [(0, 1), (0, 4), (0, 4), (1, 1)] {
            assert!(audit.on_delivery(server, payload::numbered(2, number)));
        }
        assert!(!audit.on_delivery(2, payload::numbered(0, 1)));
        assert_eq!((audit.repeated, audit.delivered), (1, 4));
        assert_eq!(audit.missing(&[0, 0, 4]), 3);
        assert_eq!(audit.lost(&HashSet::from([(2, 2)])), 1);
        assert_eq!(audit.lost(&HashSet::new()), 2);
    }

    #[test]
    fn who_is_told_twice_and_how_fast_they_are_told_is_seen() {
        let (mut audit, start) = (Audit::new(2, 9), Instant::now());
        for (server, channel, millis) in [(0, 1, 0), (0, 2, 900), (1, 1, 950), (0, 3, 1100), (0, 1, 5000)] {
            audit.told.push((Subscription { server, channel }, start + Duration::from_millis(millis)));
        }
        assert_eq!((audit.told_again(), audit.told_per_second()), (1, 2));
    }
}
