//! Subscribers whose position became useless: something is missing between what they received and what comes.
//! They leave the channel at once, so that they receive nothing after the gap, and are told at a bounded rate:
//! each of them comes back and asks for what it missed.

use model::{ChannelName, CloseReason, Now, Position};
use protocol::{Event, UnsubscribeReason};

use super::Shard;
use crate::RecoveryMode;
use crate::channels::{Channel, ChannelKey, Standing, Waiter};
use crate::connection::{Origin, Phase};

/// A subscriber that is yet to be told.
pub(super) struct Lapse {
    connection: Waiter,
    channel: ChannelName,
    origin: Origin,
}

impl Shard {
    /// Until the channel is joined again, nobody new may rely on it.
    pub(super) fn on_severed(&mut self, key: ChannelKey) {
        let index = self.tables.channels.resolve(key);
        if let Some(channel) = index.and_then(|index| self.tables.channels.get_mut(index))
            && matches!(channel.standing, Standing::Joined)
        {
            channel.standing = Standing::Joining(Box::default());
        }
    }

    /// Publications of a channel are missing.
    pub(super) fn on_broken(&mut self, key: ChannelKey, last: Position, now: Now) {
        self.settle(now);
        if let Some(index) = self.tables.channels.resolve(key) {
            self.break_channel(index, last);
        }
    }

    /// Whether a publication follows what the channel's subscribers received; if it does not, they lapse.
    pub(super) fn is_next(&mut self, index: u32, position: Position, now: Now) -> bool {
        let Some(channel) = self.tables.channels.get_mut(index) else {
            return false;
        };
        let is_next = channel.last.is_none_or(|last| position.follows(last));
        if is_next {
            channel.last = Some(position);
        } else {
            self.break_channel(index, position);
            self.settle(now);
        }
        // Whoever has no position takes what comes.
        is_next || self.tables.channels.get(index).is_some_and(|channel| channel.subscriber_count() > 0)
    }

    fn break_channel(&mut self, index: u32, last: Position) {
        let Some(channel) = self.tables.channels.get_mut(index) else {
            return;
        };
        channel.last = Some(last);
        let name = channel.name.clone();
        let namespace = self.policy.rules.known(&name);
        if namespace.is_some_and(|namespace| self.policy.rules.recovery(namespace) == RecoveryMode::Off) {
            return;
        }
        let members =
            |channel: &Channel| channel.groups().flat_map(|group| group.members().to_vec()).collect();
        let members: Vec<_> = self.tables.channels.get(index).map_or_else(Vec::new, members);
        for member in members {
            let generation = self.tables.connections.generation(member.slot);
            if let Some(ended) = self.end_subscription(member.slot, index) {
                let connection = Waiter { slot: member.slot, generation };
                let lapse = Lapse { connection, channel: name.clone(), origin: ended.origin };
                self.lists.lapsed.push_back(lapse);
            }
        }
    }

    /// Tells some of those who lapsed.
    pub(super) fn tell_lapsed(&mut self, now: Now) {
        for _ in 0..self.policy.lapses_per_tick {
            let Some(Lapse { connection, channel, origin }) = self.lists.lapsed.pop_front() else {
                return;
            };
            let slot = connection.slot;
            let is_same = self.tables.connections.generation(slot) == connection.generation;
            let phase = self.tables.connections.get(slot).map(|found| found.phase);
            if !is_same || phase != Some(Phase::Live) {
                continue;
            }
            self.counters.lapses += 1;
            match origin {
                Origin::Client => {
                    let reason = UnsubscribeReason::InsufficientState;
                    self.tell(slot, &Event::SubscriptionEnded { channel: &channel, reason });
                }
                Origin::Token | Origin::Api => self.close(slot, CloseReason::InsufficientState, now),
            }
        }
    }

    /// A client that no longer wants the channel, or has it again, is not told.
    pub(super) fn forget_lapse(&mut self, slot: u32, channel: &str) {
        if !self.lists.lapsed.is_empty() {
            self.lists
                .lapsed
                .retain(|lapse| lapse.connection.slot != slot || lapse.channel.as_str() != channel);
        }
    }

    pub(super) fn forget_lapse_of(&mut self, slot: u32, channel: u32) {
        if !self.lists.lapsed.is_empty()
            && let Some(name) = self.tables.channels.get(channel).map(|channel| channel.name.clone())
        {
            self.forget_lapse(slot, name.as_str());
        }
    }
}
