//! Subscribers that come back: what they missed is asked of the broker thread, and their reply carries it.

use std::borrow::Cow;

use model::{ChannelName, ConnectionId, HistoryEntry, Now, Position, RawJson, Refusal, RequestId, Since};
use protocol::{Recovered, Recovery as Wish, ServerSubscription, SubscriptionTerms};

use super::Shard;
use crate::RecoveryMode;
use crate::channels::{ChannelKey, Subscription};
use crate::connection::Wanted;
use crate::mail::{NodeRequest, RecoverRequest, Recovery};

/// What a subscriber will be told about its subscription.
pub(super) struct Told {
    channel: ChannelName,
    data: Option<Box<RawJson>>,
    position: Option<Position>,
    missed: Option<Missed>,
}

enum Missed {
    Whole(Vec<HistoryEntry>),
    Last(Option<HistoryEntry>),
    Failed,
}

impl Shard {
    /// What a client that connects again wants of a channel that the server subscribes it to.
    pub(super) fn wish_at_connect(
        &self,
        channel: &ChannelName,
        recoveries: &[(Cow<'_, str>, Since)],
    ) -> Option<Wish> {
        let namespace = self.policy.rules.of(channel).ok()?;
        if self.policy.rules.recovery(namespace) == RecoveryMode::Off {
            return None;
        }
        let (_, since) = recoveries.iter().find(|(name, _)| **name == *channel.as_str())?;
        Some(Wish { since: *since, is_strict: false })
    }

    pub(super) fn ask_recovery(&mut self, slot: u32, channel: u32, request: RequestId, since: Since) {
        let Some(name) = self.tables.channels.get(channel).map(|channel| channel.name.clone()) else {
            return;
        };
        let (key, connection) = (self.tables.channels.key(channel), self.id_of(slot));
        let wish = RecoverRequest { channel: name, key, connection, request, since };
        self.ask_node(NodeRequest::Recover(Box::new(wish)), 0);
    }

    pub(super) fn on_recovered(
        &mut self,
        key: ChannelKey,
        id: ConnectionId,
        request: RequestId,
        outcome: Result<Box<Recovery>, Refusal>,
        now: Now,
    ) {
        let slot = id.slot;
        let Some(channel) = self.tables.channels.resolve(key) else {
            return;
        };
        if self.tables.connections.generation(slot) != id.generation {
            return;
        }
        let pending = self.tables.connections.get_mut(slot).and_then(|found| found.pending.as_mut());
        let Some(wanted) = pending
            .filter(|pending| pending.request == request)
            .and_then(|pending| pending.what.wanted().find(|wanted| wanted.awaits_recovery(channel)))
        else {
            return;
        };
        match outcome {
            Ok(recovery) => {
                wanted.recovery = Some(recovery);
                self.complete_pending(slot, channel, now);
            }
            Err(_) => self.give_up_waiting(slot, now),
        }
    }

    /// Whether publications may go into one reply: half an outbox at most.
    pub(super) fn fits_a_reply(&self, entries: &[HistoryEntry]) -> bool {
        let bytes: usize = entries.iter().map(|entry| entry.publication.size()).sum();
        bytes <= self.policy.outbox_bytes / 2
    }

    /// The position that a subscriber is told: where it begins to receive.
    pub(super) fn position_told(&self, channel: u32) -> Option<Position> {
        let channel = self.tables.channels.get(channel)?;
        let namespace = self.policy.rules.known(&channel.name)?;
        channel.last.filter(|_| self.policy.rules.recovery(namespace) != RecoveryMode::Off)
    }

    /// The subscription to be made.
    pub(super) fn subscription_to(&self, slot: u32, wanted: &Wanted) -> Subscription {
        let hears = self.will_hear(slot, wanted.channel, wanted.wants_movements);
        let (origin, expires, info) = (wanted.origin, wanted.expires, wanted.info.clone());
        Subscription::new(wanted.channel, origin, expires, info, hears)
    }

    /// What a subscriber is told of its subscription.
    pub(super) fn told(&self, wanted: Wanted) -> Option<Told> {
        let Wanted { channel, data, wish, recovery, .. } = wanted;
        let name = self.tables.channels.get(channel)?.name.clone();
        let (Some(wish), Some(recovery)) = (wish, recovery) else {
            return Some(Told { channel: name, data, position: self.position_told(channel), missed: None });
        };
        let namespace = self.policy.rules.known(&name)?;
        let Recovery { last, missed } = *recovery;
        let missed = missed.filter(|entries| self.fits_a_reply(entries));
        let (offset, missed) = match (self.policy.rules.recovery(namespace), missed) {
            (_, None) => (last.offset, Missed::Failed),
            (RecoveryMode::Latest, Some(mut entries)) => (last.offset, Missed::Last(entries.pop())),
            // Client libraries count on from what they said they had seen.
            (RecoveryMode::Missed | RecoveryMode::Off, Some(entries)) => {
                (wish.since.offset, Missed::Whole(entries))
            }
        };
        let position = Some(Position { epoch: last.epoch, offset });
        Some(Told { channel: name, data, position, missed: Some(missed) })
    }
}

impl Wanted {
    pub(super) fn awaits_recovery(&self, channel: u32) -> bool {
        self.channel == channel && self.wish.is_some() && self.recovery.is_none()
    }

    /// Whether the client would rather be refused than go on with something missing.
    pub(super) fn is_too_little(&self) -> bool {
        let is_whole = self.recovery.as_ref().is_none_or(|recovery| recovery.missed.is_some());
        !is_whole && self.wish.is_some_and(|wish| wish.is_strict)
    }
}

impl Told {
    pub(super) fn terms(&self) -> SubscriptionTerms<'_> {
        let recovery = self.missed.as_ref().map(|missed| match missed {
            Missed::Whole(entries) => Recovered::Whole(entries),
            Missed::Last(entry) => Recovered::Last(entry.as_ref()),
            Missed::Failed => Recovered::Failed,
        });
        SubscriptionTerms { ttl: None, data: self.data.as_deref(), position: self.position, recovery }
    }

    pub(super) fn subscription(&self) -> ServerSubscription<'_> {
        ServerSubscription { channel: &self.channel, terms: self.terms() }
    }
}
