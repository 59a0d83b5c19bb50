//! Channels with their subscriber counts, gathered from workers and nodes, and never more than may be listed.

use std::collections::BTreeMap;

use engine::Order;
use model::{ChannelName, limits};

use crate::handle::Handle;

/// Channels that have subscribers.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) channels: BTreeMap<ChannelName, u64>,
    /// Whether there are more.
    pub(crate) is_cut: bool,
}

impl Listing {
    /// Those of this node whose names are like `pattern`; `None` when a worker does not say.
    pub(crate) async fn of_node(handle: &Handle, pattern: &str) -> Option<Self> {
        let gathered = handle.gather(|reply| Order::Channels { pattern: pattern.into(), reply }).await;
        if gathered.is_partial {
            return None;
        }
        let mut listing = Self::default();
        for answer in gathered.answers {
            listing.is_cut |= answer.len() > limits::CHANNELS_LISTED_MAX;
            answer.into_iter().for_each(|(name, count)| listing.count(name, count as u64));
        }
        listing.cut();
        Some(listing)
    }

    /// Adds those of another list.
    pub(crate) fn merge(&mut self, other: Self) {
        self.is_cut |= other.is_cut;
        other.channels.into_iter().for_each(|(name, count)| self.count(name, count));
        self.cut();
    }

    /// Adds what another node wrote; what is no name is left out.
    pub(crate) fn add(&mut self, subscribers: BTreeMap<String, u64>, is_cut: bool) {
        self.is_cut |= is_cut;
        for (name, count) in subscribers {
            if let Ok(name) = ChannelName::parse(&name) {
                self.count(name, count);
            }
        }
        self.cut();
    }

    /// Splits it into parts, one at least, of which each takes so many bytes as JSON at most.
    pub(crate) fn into_parts(self, bytes_max: usize) -> Vec<BTreeMap<String, u64>> {
        /// What stands around the names, and around each.
        const AROUND: usize = 512;
        const AROUND_NAME: usize = 32;
        let (mut parts, mut bytes) = (vec![BTreeMap::new()], AROUND);
        for (name, count) in self.channels {
            // Two of the characters in names are escaped.
            let size = 2 * name.as_str().len() + AROUND_NAME;
            if bytes + size > bytes_max {
                parts.push(BTreeMap::new());
                bytes = AROUND;
            }
            bytes += size;
            if let Some(part) = parts.last_mut() {
                part.insert(name.as_str().to_owned(), count);
            }
        }
        parts
    }

    fn count(&mut self, name: ChannelName, count: u64) {
        let total = self.channels.entry(name).or_default();
        *total = total.saturating_add(count);
    }

    fn cut(&mut self) {
        while self.channels.len() > limits::CHANNELS_LISTED_MAX {
            self.channels.pop_last();
            self.is_cut = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_bounded_and_make_up_the_whole() {
        let names = (0..1000).map(|number| (format!("{number}{}", "\"".repeat(200)), number));
        let mut listing = Listing::default();
        listing.add(names.clone().collect(), true);
        listing.add([("{no name}".to_owned(), 1)].into(), false);
        assert!(listing.is_cut);
        let parts = listing.into_parts(16 * 1024);
        assert!(parts.iter().all(|part| serde_json::to_vec(part).is_ok_and(|json| json.len() < 16 * 1024)));
        assert!(parts.len() > 10);
        assert_eq!(parts.into_iter().flatten().collect::<BTreeMap<_, _>>(), names.collect());
        assert_eq!(Listing::default().into_parts(16 * 1024).len(), 1);
    }

    #[test]
    fn what_is_beyond_the_bound_is_cut_off() {
        let mut listing = Listing::default();
        let names = |first: usize| (first..first + 6000).map(|number| (format!("{number:05}"), 1)).collect();
        listing.add(names(0), false);
        assert!(!listing.is_cut);
        listing.add(names(5000), false);
        assert_eq!((listing.channels.len(), listing.is_cut), (limits::CHANNELS_LISTED_MAX, true));
        assert_eq!(listing.channels.values().filter(|count| **count == 2).count(), 1000);
    }
}
