//! Subscriptions: asked for, waiting for their channel to be joined, made, refreshed and ended.

use model::{ChannelName, Now, Position, RawJson, Refusal, RequestId, UnixTime, limits};
use protocol::{CommandKind, Event, Recovery as Wish, SubscriptionTerms, UnsubscribeReason};

use super::Shard;
use super::commands::{Outcome, seconds, ttl};
use super::tokens::Turned;
use crate::RecoveryMode;
use crate::channels::{ChannelKey, Standing, Subscription, Waiter};
use crate::connection::{Awaited, Connection, Origin, Wanted};
use crate::mail::NodeRequest;
use crate::rules::{Asker, NamespaceId};
use crate::slab::Slab;

impl Shard {
    pub(super) fn on_subscribe(
        &mut self,
        slot: u32,
        request: RequestId,
        channel: &str,
        token: Option<&str>,
        wishes: Wishes,
        now: Now,
    ) -> Outcome {
        let (name, namespace) = match self.subscribable(slot, channel) {
            Ok(target) => target,
            Err(refusal) => return Outcome::Refused(refusal),
        };
        let allowed = match token {
            Some(token) => self.check_subscription_token(slot, &name, token, now),
            None => self.may_subscribe(slot, &name, namespace).map(|()| None).map_err(Turned::Down),
        };
        let grant = match allowed {
            Ok(grant) => grant,
            Err(Turned::Down(refusal)) => return Outcome::Refused(refusal),
            Err(Turned::Out(reason)) => {
                self.close(slot, reason, now);
                return Outcome::Closed;
            }
        };
        let expires = grant.as_ref().and_then(|grant| grant.expires);
        let (info, data) = grant.map_or((None, None), |grant| (grant.info, grant.data));
        let wants_movements = wishes.wants_movements;
        let terms = Terms { origin: Origin::Client, expires, info, data, wants_movements };
        let wish = wishes.recovery.filter(|_| self.policy.rules.recovery(namespace) != RecoveryMode::Off);
        match self.want(slot, &name, terms, wish.map(|wish| (request, wish))) {
            Err(refusal) => Outcome::Refused(refusal),
            Ok((wanted, true)) => match self.make_subscription(slot, request, wanted, now) {
                Ok(()) => Outcome::Granted,
                Err(refusal) => Outcome::Refused(refusal),
            },
            Ok((wanted, false)) => {
                let due = now.tick_in(limits::SUBSCRIBE_DEADLINE);
                self.await_answer(slot, request, Awaited::Subscribe(wanted), due, now);
                Outcome::Pending
            }
        }
    }

    /// The channel a client names, if the connection could be subscribed to it at all.
    fn subscribable(&self, slot: u32, channel: &str) -> Result<(ChannelName, NamespaceId), Refusal> {
        let connection = self.tables.connections.get(slot).ok_or(Refusal::Internal)?;
        let known = self.tables.channels.find(channel);
        if known.is_some_and(|known| self.tables.channels.subscription(connection, known).is_some()) {
            return Err(Refusal::AlreadySubscribed);
        }
        if usize::from(connection.subscriptions.count) >= limits::CHANNELS_PER_CONNECTION_MAX {
            return Err(Refusal::LimitExceeded);
        }
        let name = ChannelName::parse(channel).map_err(|_| Refusal::BadRequest)?;
        let namespace = self.policy.rules.of(&name)?;
        Ok((name, namespace))
    }

    fn may_subscribe(&self, slot: u32, name: &ChannelName, namespace: NamespaceId) -> Result<(), Refusal> {
        let connection = self.tables.connections.get(slot).ok_or(Refusal::Internal)?;
        let asker = Asker { user: self.tables.users.name(&connection.user), is_subscribed: false };
        self.policy.rules.may_subscribe(namespace, name, asker)
    }

    /// Pins a channel for a subscription to come. True when that can be made at once: the channel is joined, and
    /// nothing of it is to be recovered.
    pub(super) fn want(
        &mut self,
        slot: u32,
        name: &ChannelName,
        terms: Terms,
        wish: Option<(RequestId, Wish)>,
    ) -> Result<(Wanted, bool), Refusal> {
        if self.is_swamped() {
            return Err(Refusal::Internal);
        }
        let generation = self.tables.connections.generation(slot);
        let variant = self.tables.connections.get(slot).ok_or(Refusal::Internal)?.variant;
        let (channel, is_new) = self.tables.channels.pin(name, variant);
        if is_new {
            let (worker, key) = (self.place.worker, self.tables.channels.key(channel));
            self.ask_node(NodeRequest::Join { worker, channel: name.clone(), key }, 0);
        }
        let is_ready = match self.tables.channels.get_mut(channel).map(|channel| &mut channel.standing) {
            _ if wish.is_some() => false,
            Some(Standing::Joining(waiters)) => {
                make_room(waiters, &self.tables.connections);
                waiters.push(Waiter { slot, generation });
                false
            }
            Some(Standing::Joined) | None => true,
        };
        if let Some((request, wish)) = wish {
            self.ask_recovery(slot, channel, request, wish.since);
        }
        let Terms { origin, expires, info, data, wants_movements } = terms;
        let (expires, wish) = (seconds(expires), wish.map(|(_, wish)| wish));
        Ok((Wanted { channel, origin, expires, info, data, wants_movements, wish, recovery: None }, is_ready))
    }

    pub(super) fn make_subscription(
        &mut self,
        slot: u32,
        request: RequestId,
        wanted: Wanted,
        now: Now,
    ) -> Result<(), Refusal> {
        let (channel, expires) = (wanted.channel, wanted.expires);
        if wanted.is_too_little() {
            self.let_go(channel);
            return Err(Refusal::UnrecoverablePosition);
        }
        let subscription = self.subscription_to(slot, &wanted);
        let told = self.told(wanted).ok_or(Refusal::Internal)?;
        self.add_subscription(slot, subscription)?;
        let ttl = ttl((expires != 0).then_some(UnixTime(i64::from(expires))), now);
        let terms = SubscriptionTerms { ttl, ..told.terms() };
        self.tell(slot, &Event::Subscribed { request, terms });
        self.enter(slot, channel);
        if expires != 0 {
            self.arm(slot, now);
        }
        Ok(())
    }

    /// Makes a connection a subscriber. Others may have subscribed it while it waited, so it may be one already
    /// or hold as many channels as it may: then the pin is let go.
    pub(super) fn add_subscription(&mut self, slot: u32, subscription: Subscription) -> Result<(), Refusal> {
        let channel = subscription.channel;
        let connection = self.tables.connections.get_mut(slot).ok_or(Refusal::Internal)?;
        let refusal = if self.tables.channels.subscription(connection, channel).is_some() {
            Refusal::AlreadySubscribed
        } else if usize::from(connection.subscriptions.count) >= limits::CHANNELS_PER_CONNECTION_MAX {
            Refusal::LimitExceeded
        } else {
            self.tables.channels.subscribe(slot, connection, subscription);
            self.forget_lapse_of(slot, channel);
            return Ok(());
        };
        self.let_go(channel);
        Err(refusal)
    }

    /// A join is in effect: whoever waited for it is served.
    pub(super) fn on_joined(&mut self, key: ChannelKey, name: ChannelName, last: Option<Position>, now: Now) {
        let Some(index) = self.tables.channels.resolve(key) else {
            return;
        };
        let Some(channel) = self.tables.channels.get_mut(index) else {
            return;
        };
        (channel.name, channel.last) = (name, last);
        let standing = std::mem::replace(&mut channel.standing, Standing::Joined);
        let Standing::Joining(waiters) = standing else {
            return;
        };
        for waiter in *waiters {
            if self.tables.connections.generation(waiter.slot) == waiter.generation {
                self.on_channel_ready(waiter.slot, index, now);
            }
        }
    }

    /// Serves the client first: an order finds its purpose fulfilled, a client would be refused what it has.
    fn on_channel_ready(&mut self, slot: u32, channel: u32, now: Now) {
        self.complete_pending(slot, channel, now);
        self.complete_orders(slot, channel, now);
    }

    pub(super) fn complete_pending(&mut self, slot: u32, channel: u32, now: Now) {
        let Some(connection) = self.tables.connections.get_mut(slot) else {
            return;
        };
        let Some(mut pending) = connection.pending.take() else {
            return;
        };
        let (request, since) = (pending.request, pending.since);
        let (kind, outcome) = match pending.what {
            Awaited::Subscribe(wanted) if wanted.channel == channel && !wanted.awaits_recovery(channel) => {
                (CommandKind::Subscribe, self.make_subscription(slot, request, wanted, now))
            }
            Awaited::Connect { wanted, outstanding: 1 } => {
                self.complete_connect(slot, request, wanted, now);
                (CommandKind::Connect, Ok(()))
            }
            Awaited::Connect { wanted, outstanding } => {
                pending.what = Awaited::Connect { wanted, outstanding: outstanding - 1 };
                connection.pending = Some(pending);
                return;
            }
            what @ (Awaited::Subscribe(_) | Awaited::Publish | Awaited::History | Awaited::Inquiry(_)) => {
                pending.what = what;
                connection.pending = Some(pending);
                return;
            }
        };
        self.conclude(slot, request, kind, outcome);
        self.resume(slot, since, now);
    }

    pub(super) fn on_unsubscribe(&mut self, slot: u32, request: RequestId, channel: &str) -> Outcome {
        self.forget_lapse(slot, channel);
        if let Some(channel) = self.tables.channels.find(channel)
            && self.end_subscription(slot, channel).is_some()
        {
            self.drop_waiting(slot, channel);
        }
        self.tell(slot, &Event::Unsubscribed { request });
        Outcome::Granted
    }

    /// Ends a subscription, if there is one. What waits of its publications is still sent.
    pub(super) fn end_subscription(&mut self, slot: u32, channel: u32) -> Option<Subscription> {
        let connection = self.tables.connections.get_mut(slot)?;
        let ended = self.tables.channels.unsubscribe(connection, channel)?;
        self.exit(slot, &ended);
        self.let_go(channel);
        Some(ended)
    }

    /// Drops what waits of a channel's publications: the client no longer wants them.
    fn drop_waiting(&mut self, slot: u32, channel: u32) {
        if let Some(connection) =
            self.tables.connections.get_mut(slot).filter(|found| !found.outbox.is_empty())
        {
            self.tables.outboxes.drop_publications(&mut connection.outbox, |queued| queued == channel);
        }
    }

    /// Ends a subscription and tells the client.
    pub(super) fn revoke_subscription(&mut self, slot: u32, channel: u32, reason: UnsubscribeReason) {
        let Some(name) = self.tables.channels.get(channel).map(|channel| channel.name.clone()) else {
            return;
        };
        if self.end_subscription(slot, channel).is_some() {
            self.tell(slot, &Event::SubscriptionEnded { channel: &name, reason });
        }
    }

    pub(super) fn first_subscription(&self, slot: u32) -> Option<u32> {
        let connection = self.tables.connections.get(slot)?;
        self.tables.channels.subscriptions_of(connection).next().map(|subscription| subscription.channel)
    }

    /// Unpins a channel and releases it when nobody holds on to it.
    pub(super) fn let_go(&mut self, channel: u32) {
        if let Some((channel, key)) = self.tables.channels.unpin(channel) {
            let worker = self.place.worker;
            self.ask_node(NodeRequest::Release { worker, channel, key }, 0);
        }
    }

    /// Drops what a connection waits for.
    pub(super) fn forget_pending(&mut self, slot: u32) {
        self.forget_orders(slot, |_| true);
        let pending = self.tables.connections.get_mut(slot).and_then(|connection| connection.pending.take());
        match pending.map(|pending| pending.what) {
            Some(Awaited::Subscribe(wanted)) => self.let_go(wanted.channel),
            Some(Awaited::Connect { wanted, .. }) => {
                wanted.into_iter().for_each(|wanted| self.let_go(wanted.channel));
            }
            Some(Awaited::Publish | Awaited::History | Awaited::Inquiry(_)) | None => {}
        }
    }
}

/// Forgets waiters that are gone and those listed twice, before the list would grow: it stays bounded by the
/// connections there are, however often they give up and come again.
fn make_room(waiters: &mut Vec<Waiter>, connections: &Slab<Connection>) {
    if waiters.len() < waiters.capacity() {
        return;
    }
    waiters.retain(|waiter| connections.generation(waiter.slot) == waiter.generation);
    waiters.sort_unstable_by_key(|waiter| waiter.slot);
    waiters.dedup();
    waiters.reserve(waiters.len().max(1));
}

/// What a subscription to come will be.
pub(super) struct Terms {
    pub(super) origin: Origin,
    pub(super) expires: Option<UnixTime>,
    pub(super) info: Option<Box<RawJson>>,
    pub(super) data: Option<Box<RawJson>>,
    pub(super) wants_movements: bool,
}

/// What a client wants beside the subscription itself.
pub(super) struct Wishes {
    pub(super) recovery: Option<Wish>,
    pub(super) wants_movements: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiters_that_come_again_and_again_take_no_more_room() {
        let connections = Slab::new();
        let mut waiters = Vec::new();
        for round in 0..10_000 {
            make_room(&mut waiters, &connections);
            // Every other one waits on behalf of a connection that has left its slot since.
            waiters.push(Waiter { slot: round / 2 % 10, generation: round % 2 });
        }
        assert!(waiters.capacity() <= 64, "{}", waiters.capacity());
        let waits = |slot| waiters.contains(&Waiter { slot, generation: 0 });
        assert!((0..10).all(waits), "{waiters:?}");
    }
}
