//! Who is subscribed to what on this worker: channel → groups → subscribers. Moves entries, decides nothing.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use model::{ChannelName, Position, RawJson};
use protocol::Variant;

use crate::connection::{Connection, Origin};
use crate::slab::{NONE, Slab};

/// A worker's channel as the broker thread names it. The generation tells apart the channels that used one
/// place in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChannelKey {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl ChannelKey {
    /// How somebody who has but one channel calls it.
    pub const ONLY: Self = Self { index: 0, generation: 0 };
}

/// The channels and subscriptions of one worker.
pub(crate) struct Channels {
    channels: Slab<Channel>,
    index: HashTable<u32>,
    subscriptions: Slab<Subscription>,
    hasher: RandomState,
}

/// A channel that somebody here is, or is about to be, subscribed to.
pub(crate) struct Channel {
    pub(crate) name: ChannelName,
    pub(crate) standing: Standing,
    /// What was delivered last, where a history is kept.
    pub(crate) last: Option<Position>,
    /// Subscriptions and those about to be made; at zero the channel is released.
    pins: u32,
    first: Group,
    /// Groups of further variants.
    others: Option<Further>,
}

/// A list that few channels have takes a pointer in all others.
type Further = Box<Vec<Group>>;

/// Where a channel stands with the broker thread.
#[expect(clippy::box_collection, reason = "most channels have none, and there are very many channels")]
pub(crate) enum Standing {
    /// Its join is asked for, or is yet to be; these connections wait.
    Joining(Box<Vec<Waiter>>),
    /// Its publications arrive.
    Joined,
}

/// A connection, named so that it cannot be mistaken for a later one in its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiter {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// Subscribers that share every byte they are sent.
pub(crate) struct Group {
    pub(crate) variant: Variant,
    /// Whether they are told who comes and goes.
    pub(crate) hears: bool,
    members: Members,
}

/// A channel of one subscriber, as most are where every user has their own, needs no list.
#[expect(clippy::box_collection, reason = "most channels have none, and there are very many channels")]
enum Members {
    None,
    One(Member),
    Many(Box<Vec<Member>>),
}

/// A subscriber as fan-out sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    pub(crate) slot: u32,
    pub(crate) subscription: u32,
}

/// A connection's standing interest in a channel.
pub(crate) struct Subscription {
    pub(crate) channel: u32,
    /// The next subscription of the same connection.
    pub(crate) next: u32,
    /// When its token ends, in seconds of the wall clock; 0 when it does not.
    pub(crate) expires: u32,
    pub(crate) info: Option<Box<RawJson>>,
    /// Position among the group's members.
    position: u32,
    pub(crate) origin: Origin,
    /// Whether the subscriber is told who comes and goes.
    pub(crate) hears: bool,
}

impl Channels {
    pub(crate) fn new(hasher: RandomState) -> Self {
        Self { channels: Slab::new(), index: HashTable::new(), subscriptions: Slab::new(), hasher }
    }

    pub(crate) fn channel_count(&self) -> u32 {
        self.channels.count()
    }

    pub(crate) fn subscription_count(&self) -> u32 {
        self.subscriptions.count()
    }

    pub(crate) fn get(&self, channel: u32) -> Option<&Channel> {
        self.channels.get(channel)
    }

    pub(crate) fn get_mut(&mut self, channel: u32) -> Option<&mut Channel> {
        self.channels.get_mut(channel)
    }

    pub(crate) fn key(&self, channel: u32) -> ChannelKey {
        ChannelKey { index: channel, generation: self.channels.generation(channel) }
    }

    /// The channel that a key names, if it is still the same.
    pub(crate) fn resolve(&self, key: ChannelKey) -> Option<u32> {
        (self.channels.generation(key.index) == key.generation && self.channels.get(key.index).is_some())
            .then_some(key.index)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Channel)> {
        self.channels.iter()
    }

    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(name);
        self.index
            .find(hash, |channel| {
                self.channels.get(*channel).is_some_and(|channel| channel.name.as_str() == name)
            })
            .copied()
    }

    /// Holds on to a channel, which is new when the second value says so.
    pub(crate) fn pin(&mut self, name: &ChannelName, variant: Variant) -> (u32, bool) {
        if let Some(known) = self.find(name.as_str()) {
            if let Some(channel) = self.channels.get_mut(known) {
                channel.pins += 1;
            }
            return (known, false);
        }
        let first = Group { variant, hears: false, members: Members::None };
        let standing = Standing::Joining(Box::default());
        let channel = Channel { name: name.clone(), standing, last: None, pins: 1, first, others: None };
        let index = self.channels.insert(channel);
        let (channels, hasher) = (&self.channels, &self.hasher);
        let rehash =
            |other: &u32| channels.get(*other).map_or(0, |other| hasher.hash_one(other.name.as_str()));
        self.index.insert_unique(hasher.hash_one(name.as_str()), index, rehash);
        (index, true)
    }

    /// Lets go of a channel. Returns its name and former key when nobody holds on to it any longer.
    pub(crate) fn unpin(&mut self, channel: u32) -> Option<(ChannelName, ChannelKey)> {
        let entry = self.channels.get_mut(channel)?;
        entry.pins -= 1;
        if entry.pins > 0 {
            return None;
        }
        let key = self.key(channel);
        let entry = self.channels.remove(channel)?;
        let hash = self.hasher.hash_one(entry.name.as_str());
        if let Ok(found) = self.index.find_entry(hash, |known| *known == channel) {
            found.remove();
        }
        Some((entry.name, key))
    }

    /// Makes a connection a subscriber of a channel that is pinned for it.
    pub(crate) fn subscribe(&mut self, slot: u32, connection: &mut Connection, subscription: Subscription) {
        let (channel, hears) = (subscription.channel, subscription.hears);
        let index =
            self.subscriptions.insert(Subscription { next: connection.subscriptions.first, ..subscription });
        connection.subscriptions.first = index;
        connection.subscriptions.count += 1;
        if let Some(channel) = self.channels.get_mut(channel) {
            let position = channel
                .group_mut(connection.variant, hears)
                .members
                .push(Member { slot, subscription: index });
            if let Some(entry) = self.subscriptions.get_mut(index) {
                entry.position = position;
            }
        }
    }

    /// Ends a connection's subscription. The channel stays pinned for the caller to let go.
    pub(crate) fn unsubscribe(&mut self, connection: &mut Connection, channel: u32) -> Option<Subscription> {
        let mut previous = NONE;
        let mut index = connection.subscriptions.first;
        while self.subscriptions.get(index)?.channel != channel {
            (previous, index) = (index, self.subscriptions.get(index)?.next);
        }
        let subscription = self.subscriptions.remove(index)?;
        match self.subscriptions.get_mut(previous) {
            Some(previous) => previous.next = subscription.next,
            None => connection.subscriptions.first = subscription.next,
        }
        connection.subscriptions.count -= 1;
        let channel = self.channels.get_mut(channel)?;
        let members = &mut channel.group_mut(connection.variant, subscription.hears).members;
        if let Some(moved) = members.remove(subscription.position)
            && let Some(moved) = self.subscriptions.get_mut(moved.subscription)
        {
            moved.position = subscription.position;
        }
        Some(subscription)
    }

    /// The connection's subscription to a channel.
    pub(crate) fn subscription(&self, connection: &Connection, channel: u32) -> Option<&Subscription> {
        self.subscriptions_of(connection).find(|subscription| subscription.channel == channel)
    }

    /// The same, to be changed.
    pub(crate) fn subscription_mut(
        &mut self,
        connection: &Connection,
        channel: u32,
    ) -> Option<&mut Subscription> {
        let mut index = connection.subscriptions.first;
        while self.subscriptions.get(index)?.channel != channel {
            index = self.subscriptions.get(index)?.next;
        }
        self.subscriptions.get_mut(index)
    }

    /// Everything a connection is subscribed to.
    pub(crate) fn subscriptions_of(&self, connection: &Connection) -> impl Iterator<Item = &Subscription> {
        let first = self.subscriptions.get(connection.subscriptions.first);
        std::iter::successors(first, |subscription| self.subscriptions.get(subscription.next))
    }
}

impl Channel {
    /// The groups that have members.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &Group> {
        let others = self.others.iter().flat_map(|others| others.iter());
        std::iter::once(&self.first).chain(others).filter(|group| !group.members().is_empty())
    }

    /// How many connections of this worker are subscribed.
    pub(crate) fn subscriber_count(&self) -> usize {
        self.groups().map(|group| group.members().len()).sum()
    }

    fn group_mut(&mut self, variant: Variant, hears: bool) -> &mut Group {
        let is_first_free = self.others.is_none() && self.first.members().is_empty();
        if is_first_free {
            (self.first.variant, self.first.hears) = (variant, hears);
        }
        let is_it = |group: &Group| group.variant == variant && group.hears == hears;
        if is_it(&self.first) {
            return &mut self.first;
        }
        let others = self.others.get_or_insert_default();
        let index = others.iter().position(is_it).unwrap_or_else(|| {
            others.push(Group { variant, hears, members: Members::None });
            others.len() - 1
        });
        &mut others[index]
    }
}

impl Group {
    pub(crate) fn members(&self) -> &[Member] {
        match &self.members {
            Members::None => &[],
            Members::One(member) => std::slice::from_ref(member),
            Members::Many(members) => members,
        }
    }
}

impl Members {
    /// Adds a member and returns its position.
    fn push(&mut self, member: Member) -> u32 {
        match self {
            Self::None => {
                *self = Self::One(member);
                0
            }
            Self::One(first) => {
                *self = Self::Many(Box::new(vec![*first, member]));
                1
            }
            Self::Many(members) => {
                members.push(member);
                members.len() as u32 - 1
            }
        }
    }

    /// Removes the member at a position and returns the one that took its place.
    fn remove(&mut self, position: u32) -> Option<Member> {
        match self {
            Self::None | Self::One(_) => {
                *self = Self::None;
                None
            }
            Self::Many(members) => {
                members.swap_remove(position as usize);
                let moved = members.get(position as usize).copied();
                if let [last] = members[..] {
                    *self = Self::One(last);
                } else if members.capacity() > 4 * members.len() {
                    members.shrink_to(2 * members.len());
                }
                moved
            }
        }
    }
}

impl Subscription {
    pub(crate) fn new(
        channel: u32,
        origin: Origin,
        expires: u32,
        info: Option<Box<RawJson>>,
        hears: bool,
    ) -> Self {
        Self { channel, next: NONE, expires, info, position: 0, origin, hears }
    }
}
