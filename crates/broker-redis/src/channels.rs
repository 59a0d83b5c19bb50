//! Which channels are wanted, and how far each has got with the connection that carries it. Decides what is to
//! be asked of Redis and what the sequencer is told; asks nobody itself.

use std::collections::VecDeque;
use std::hash::RandomState;

use broker::BrokerEvent;
use hashbrown::{Equivalent, HashMap};
use model::{ChannelName, limits};
use tokio::time::Instant;

/// A primary that was found, numbered so that no number is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PrimaryId(pub(crate) u32);

impl PrimaryId {
    /// Stands for none.
    pub(crate) const NONE: Self = Self(0);
}

/// How far a channel has got with its connection. At most one command about it is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not subscribed, and nothing is under way.
    Absent,
    /// To be subscribed.
    Queued,
    /// The subscribe command is under way.
    Asked,
    /// Subscribed.
    Confirmed,
    /// The unsubscribe command is queued or under way.
    Ending,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    home: PrimaryId,
    /// Tells apart the times that the channel was left.
    left: u32,
    phase: Phase,
    is_wanted: bool,
    /// Whether it was told that something in it was not signed.
    was_accused: bool,
}

/// Something to be asked on the connection of a primary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    /// Of which primary.
    pub(crate) home: PrimaryId,
    /// The channel.
    pub(crate) channel: ChannelName,
    /// Subscribe, or unsubscribe.
    pub(crate) is_subscribe: bool,
}

/// What comes of a change.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// What the sequencer is told.
    pub(crate) event: Option<BrokerEvent>,
    /// What is to be asked.
    pub(crate) order: Option<Order>,
}

/// All channels that are wanted or linger.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    entries: HashMap<ChannelName, Entry, RandomState>,
    lingering: VecDeque<(Instant, u32, ChannelName)>,
    departures: u32,
    severed: u64,
}

#[derive(Hash)]
struct Text<'t>(&'t str);

impl Equivalent<ChannelName> for Text<'_> {
    fn equivalent(&self, name: &ChannelName) -> bool {
        self.0 == name.as_str()
    }
}

impl Channels {
    /// The sequencer wants a channel, whose home is `home`.
    pub(crate) fn join(&mut self, channel: &ChannelName, home: PrimaryId) -> Outcome {
        let absent = Entry { home, left: 0, phase: Phase::Absent, is_wanted: true, was_accused: false };
        let entry = self.entries.entry(channel.clone()).or_insert(absent);
        entry.is_wanted = true;
        if entry.phase == Phase::Confirmed {
            return Outcome { event: Some(BrokerEvent::Joined { channel: channel.clone() }), order: None };
        }
        Outcome { event: None, order: queue(channel, entry) }
    }

    /// Whether it was told of a channel that something in it was not signed.
    pub(crate) fn was_accused(&self, channel: &ChannelName) -> bool {
        self.entries.get(channel).is_none_or(|entry| entry.was_accused)
    }

    /// It is told now.
    pub(crate) fn accuse(&mut self, channel: &ChannelName) {
        if let Some(entry) = self.entries.get_mut(channel) {
            entry.was_accused = true;
        }
    }

    /// The sequencer wants a channel no more. It lingers.
    pub(crate) fn leave(&mut self, channel: &ChannelName, now: Instant) {
        let Some(entry) = self.entries.get_mut(channel).filter(|entry| entry.is_wanted) else { return };
        entry.is_wanted = false;
        match entry.phase {
            Phase::Absent => drop(self.entries.remove(channel)),
            Phase::Confirmed => self.linger(channel, now),
            Phase::Queued | Phase::Asked | Phase::Ending => {}
        }
    }

    /// Whether the queued order is still to be carried out; if so, it is under way from here on.
    pub(crate) fn begin(&mut self, order: &Order) -> bool {
        let Some(entry) = self.entries.get_mut(&order.channel).filter(|entry| entry.home == order.home)
        else {
            return false;
        };
        match (order.is_subscribe, entry.phase) {
            (true, Phase::Queued) if entry.is_wanted => entry.phase = Phase::Asked,
            (true, Phase::Queued) => {
                self.entries.remove(&order.channel);
                return false;
            }
            (false, Phase::Ending) => {}
            (true | false, _) => return false,
        }
        true
    }

    /// Redis confirmed a subscription.
    pub(crate) fn confirmed(&mut self, channel: &ChannelName, home: PrimaryId, now: Instant) -> Outcome {
        let entry = self.entries.get_mut(channel);
        let Some(entry) = entry.filter(|entry| entry.home == home && entry.phase == Phase::Asked) else {
            return Outcome::default();
        };
        entry.phase = Phase::Confirmed;
        if !entry.is_wanted {
            self.linger(channel, now);
            return Outcome::default();
        }
        Outcome { event: Some(BrokerEvent::Joined { channel: channel.clone() }), order: None }
    }

    /// Redis ended a subscription that it was asked to end.
    pub(crate) fn ended(&mut self, channel: &ChannelName, home: PrimaryId) -> Outcome {
        let entry = self.entries.get_mut(channel);
        let Some(entry) = entry.filter(|entry| entry.home == home && entry.phase == Phase::Ending) else {
            return Outcome::default();
        };
        entry.phase = Phase::Absent;
        if entry.is_wanted {
            return Outcome { event: None, order: queue(channel, entry) };
        }
        self.entries.remove(channel);
        Outcome::default()
    }

    /// A subscription is no more, though nobody asked for its end, or cannot be had. The channel waits until
    /// its home is told anew.
    pub(crate) fn lost(&mut self, channel: &ChannelName, home: PrimaryId) -> Option<BrokerEvent> {
        let entry = self.entries.get_mut(channel).filter(|entry| entry.home == home)?;
        let was_joined = entry.phase == Phase::Confirmed;
        entry.phase = Phase::Absent;
        if !entry.is_wanted {
            self.entries.remove(channel);
            return None;
        }
        was_joined.then(|| severed(channel, &mut self.severed))
    }

    /// A primary's connection is gone, and with it all that was subscribed there.
    pub(crate) fn sever(&mut self, home: PrimaryId, events: &mut impl Extend<BrokerEvent>) {
        let Self { entries, severed: count, .. } = self;
        entries.retain(|channel, entry| {
            if entry.home != home {
                return true;
            }
            if entry.is_wanted && entry.phase == Phase::Confirmed {
                events.extend([severed(channel, count)]);
            }
            entry.phase = Phase::Absent;
            entry.is_wanted
        });
    }

    /// Takes up what is to be subscribed at a primary: all that is at home there and has nothing under way.
    pub(crate) fn claim(&mut self, home: PrimaryId) -> Vec<Order> {
        let at_home = self.entries.iter_mut().filter(|(_, entry)| entry.home == home);
        at_home.filter_map(|(channel, entry)| queue(channel, entry)).collect()
    }

    /// The homes have changed: channels whose home is another one now are severed and wait there.
    pub(crate) fn move_home(
        &mut self,
        home_of: impl Fn(&ChannelName) -> PrimaryId,
        events: &mut impl Extend<BrokerEvent>,
    ) {
        let Self { entries, severed: count, .. } = self;
        entries.retain(|channel, entry| {
            let home = home_of(channel);
            if entry.home == home {
                return true;
            }
            if entry.is_wanted && entry.phase == Phase::Confirmed {
                events.extend([severed(channel, count)]);
            }
            (entry.home, entry.phase) = (home, Phase::Absent);
            entry.is_wanted
        });
    }

    /// The channel of that name, if its publications are to be handed on when they come from `home`.
    pub(crate) fn live(&self, name: &str, home: PrimaryId) -> Option<&ChannelName> {
        let (channel, entry) = self.entries.get_key_value(&Text(name))?;
        let is_live = entry.is_wanted && entry.phase == Phase::Confirmed && entry.home == home;
        is_live.then_some(channel)
    }

    /// The channel of that name, if it is wanted or lingers.
    pub(crate) fn known(&self, name: &str) -> Option<ChannelName> {
        self.entries.get_key_value(&Text(name)).map(|(channel, _)| channel.clone())
    }

    /// The next channel that has lingered long enough.
    pub(crate) fn next_to_end(&mut self, now: Instant) -> Option<Order> {
        loop {
            let is_full = self.lingering.len() > limits::REDIS_LINGERING_MAX;
            let (until, ..) = self.lingering.front()?;
            if *until > now && !is_full {
                return None;
            }
            let (_, left, channel) = self.lingering.pop_front()?;
            let Some(entry) = self.entries.get_mut(&channel) else { continue };
            if !entry.is_wanted && entry.left == left && entry.phase == Phase::Confirmed {
                entry.phase = Phase::Ending;
                return Some(Order { home: entry.home, channel, is_subscribe: false });
            }
        }
    }

    /// When the next channel has lingered long enough.
    pub(crate) fn next_end(&self) -> Option<Instant> {
        self.lingering.front().map(|(until, ..)| *until)
    }

    /// How many channels are wanted or linger.
    pub(crate) fn count(&self) -> usize {
        self.entries.len()
    }

    /// How often a joined channel was severed.
    pub(crate) fn severed(&self) -> u64 {
        self.severed
    }

    fn linger(&mut self, channel: &ChannelName, now: Instant) {
        self.departures = self.departures.wrapping_add(1);
        if let Some(entry) = self.entries.get_mut(channel) {
            entry.left = self.departures;
            self.lingering.push_back((now + limits::REDIS_LINGER, self.departures, channel.clone()));
        }
    }
}

fn queue(channel: &ChannelName, entry: &mut Entry) -> Option<Order> {
    if entry.phase != Phase::Absent || entry.home == PrimaryId::NONE {
        return None;
    }
    entry.phase = Phase::Queued;
    Some(Order { home: entry.home, channel: channel.clone(), is_subscribe: true })
}

fn severed(channel: &ChannelName, count: &mut u64) -> BrokerEvent {
    *count += 1;
    BrokerEvent::Severed { channel: channel.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: PrimaryId = PrimaryId(1);
    const OTHER: PrimaryId = PrimaryId(2);

    fn name(raw: &str) -> ChannelName {
        ChannelName::parse(raw).expect("a channel name")
    }

    /// Channels of which `a` is joined at its home.
    fn joined(now: Instant) -> Channels {
        let mut channels = Channels::default();
        let order = channels.join(&name("a"), HOME).order.expect("an order to subscribe");
        assert!(channels.begin(&order));
        assert!(matches!(channels.confirmed(&name("a"), HOME, now).event, Some(BrokerEvent::Joined { .. })));
        channels
    }

    #[tokio::test]
    async fn a_channel_is_asked_for_once_however_often_it_is_joined() {
        let mut channels = Channels::default();
        let order = channels.join(&name("a"), HOME).order.expect("an order to subscribe");
        assert!(channels.join(&name("a"), HOME).order.is_none());
        assert!(channels.begin(&order) && !channels.begin(&order));
        assert!(channels.join(&name("a"), HOME).order.is_none());
        assert!(channels.claim(HOME).is_empty());
    }

    #[tokio::test]
    async fn a_channel_without_a_home_waits_until_there_is_one() {
        let mut channels = Channels::default();
        assert!(channels.join(&name("a"), PrimaryId::NONE).order.is_none());
        channels.move_home(|_| HOME, &mut Vec::new());
        let order = Order { home: HOME, channel: name("a"), is_subscribe: true };
        assert_eq!(channels.claim(HOME), [order]);
    }

    #[tokio::test]
    async fn only_what_is_joined_is_severed_and_only_what_is_wanted_is_asked_for_again() {
        let now = Instant::now();
        let mut channels = joined(now);
        channels.join(&name("b"), HOME);
        channels.join(&name("c"), HOME);
        channels.leave(&name("c"), now);
        let mut events = Vec::new();
        channels.sever(HOME, &mut events);
        assert!(matches!(events.as_slice(), [BrokerEvent::Severed { channel }] if channel.as_str() == "a"));
        assert_eq!((channels.claim(HOME).len(), channels.count()), (2, 2));
    }

    #[tokio::test]
    async fn what_another_home_says_about_a_channel_counts_for_nothing() {
        let now = Instant::now();
        let mut channels = joined(now);
        assert!(channels.live("a", HOME).is_some() && channels.live("a", OTHER).is_none());
        assert!(channels.lost(&name("a"), OTHER).is_none());
        let mut events = Vec::new();
        channels.move_home(|_| OTHER, &mut events);
        assert_eq!((events.len(), channels.severed()), (1, 1));
        assert!(channels.live("a", OTHER).is_none(), "not before it is confirmed there");
        let order = channels.claim(OTHER).pop().expect("an order to subscribe");
        assert!(channels.begin(&order));
        assert!(channels.confirmed(&name("a"), HOME, now).event.is_none());
        assert!(channels.confirmed(&name("a"), OTHER, now).event.is_some());
    }

    #[tokio::test]
    async fn a_channel_that_is_wanted_again_while_it_ends_is_asked_for_after_its_end() {
        let now = Instant::now();
        let mut channels = joined(now);
        channels.leave(&name("a"), now);
        assert!(channels.next_to_end(now).is_none());
        let order = channels.next_to_end(now + limits::REDIS_LINGER).expect("an order to unsubscribe");
        assert!(!order.is_subscribe && channels.begin(&order));
        assert!(channels.join(&name("a"), HOME).order.is_none());
        assert!(channels.ended(&name("a"), HOME).order.is_some_and(|order| order.is_subscribe));
    }

    #[tokio::test]
    async fn each_departure_lingers_for_its_own_time() {
        let now = Instant::now();
        let mut channels = joined(now);
        channels.leave(&name("a"), now);
        channels.join(&name("a"), HOME);
        channels.leave(&name("a"), now + limits::REDIS_LINGER / 2);
        assert!(channels.next_to_end(now + limits::REDIS_LINGER).is_none());
        assert!(channels.next_to_end(now + limits::REDIS_LINGER * 2).is_some());
    }
}
