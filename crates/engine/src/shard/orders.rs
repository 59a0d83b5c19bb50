//! What the control thread wants of a worker: counts, lists, and acting on a user's connections.

use std::hash::{BuildHasher, RandomState};

use auth::ServerGrant;
use model::{ChannelName, ClientId, CloseReason, Now, RawJson, UnixTime, limits};
use protocol::{Event, ServerSubscription, SubscriptionTerms, UnsubscribeReason};

use super::Shard;
use super::commands::{seconds, ttl};
use super::subscribe::Terms;
use crate::channels::{Channel, Waiter};
use crate::connection::{Origin, Phase, Wanted};
use crate::counters::ShardCounters;
use crate::mail::{Expiry, Order, Target};
use crate::pattern::matches;

impl Shard {
    // Whoever gave an order may have given up waiting, so a reply may find nobody.
    pub(super) fn on_order(&mut self, order: Order, now: Now) {
        match order {
            Order::Count(reply) => drop(reply.send(self.count())),
            Order::Channels { pattern, reply } => drop(reply.send(self.list_channels(&pattern))),
            Order::Connections { query, from, room, reply } => {
                drop(reply.send(self.list_connections(&query, from, room)));
            }
            Order::Users { hasher, reply } => drop(reply.send(self.list_users(&hasher))),
            Order::Disconnect { target, reason, spared, reply } => {
                self.disconnect(&target, &reason, &spared, now);
                reply.send(()).ok();
            }
            Order::Subscribe { target, grant, expires, reply } => {
                for slot in self.targets(&target) {
                    self.grant_subscription(slot, &grant, expires, now);
                }
                reply.send(()).ok();
            }
            Order::Unsubscribe { target, channel, reply } => {
                for slot in self.targets(&target) {
                    if let Some(channel) = self.tables.channels.find(channel.as_str()) {
                        self.forget_orders(slot, |wanted| wanted.channel == channel);
                        self.revoke_subscription(slot, channel, UnsubscribeReason::Requested);
                    }
                }
                reply.send(()).ok();
            }
            Order::Refresh { target, expiry, info, reply } => {
                for slot in self.targets(&target) {
                    self.change_info(slot, info.as_deref());
                    self.change_expiry(slot, expiry, now);
                }
                reply.send(()).ok();
            }
            Order::Adopt { policy, reply } => {
                self.sent.deliveries_by_namespace.resize(policy.rules.count(), 0);
                let has_new_age = self.policy.client.connection_age.0 != policy.client.connection_age.0;
                self.policy = policy;
                if has_new_age {
                    self.change_age(now);
                }
                reply.send(()).ok();
            }
            Order::Drain { window } => self.begin_drain(window, now),
        }
        self.settle(now);
    }

    /// The counters, with the gauges as they stand.
    pub fn count(&self) -> ShardCounters {
        let mut counters = self.counters.clone();
        counters.connections = u64::from(self.tables.connections.count());
        counters.users = u64::from(self.tables.users.count());
        counters.subscriptions = u64::from(self.tables.channels.subscription_count());
        counters.channels = u64::from(self.tables.channels.channel_count());
        counters.outbox_bytes = self.tables.outboxes.bytes() as u64;
        counters.delivery_latency = self.sent.latency.clone();
        counters.deliveries_by_namespace.clone_from(&self.sent.deliveries_by_namespace);
        counters
    }

    fn list_channels(&self, pattern: &str) -> Vec<(ChannelName, usize)> {
        let wanted = |channel: &&Channel| {
            channel.subscriber_count() > 0 && (pattern.is_empty() || matches(pattern, channel.name.as_str()))
        };
        let channels = self.tables.channels.iter().map(|(_, channel)| channel).filter(wanted);
        let counted = channels.map(|channel| (channel.name.clone(), channel.subscriber_count()));
        counted.take(limits::CHANNELS_LISTED_MAX + 1).collect()
    }

    fn list_users(&self, hasher: &RandomState) -> Vec<u64> {
        self.tables.users.names().map(|name| hasher.hash_one(name)).collect()
    }

    /// The connections an order is about: connected, and the user's.
    fn targets(&self, target: &Target) -> Vec<u32> {
        let is_meant = |slot: &u32| {
            self.tables.connections.get(*slot).is_some_and(|connection| {
                connection.phase == Phase::Live
                    && target.client.is_none_or(|client| client == connection.client)
            })
        };
        self.tables.users.connections(&target.user, &self.tables.connections).filter(is_meant).collect()
    }

    fn disconnect(&mut self, target: &Target, reason: &CloseReason, spared: &[ClientId], now: Now) {
        for slot in self.targets(target) {
            let client = self.tables.connections.get(slot).map(|connection| connection.client);
            if client.is_some_and(|client| !spared.contains(&client)) {
                self.close(slot, reason.clone(), now);
            }
        }
    }

    fn grant_subscription(&mut self, slot: u32, grant: &ServerGrant, expires: Option<UnixTime>, now: Now) {
        let Some(connection) = self.tables.connections.get(slot) else {
            return;
        };
        let known = self.tables.channels.find(grant.channel.as_str());
        let has = |channel| self.tables.channels.subscription(connection, channel).is_some();
        let is_full = usize::from(connection.subscriptions.count) >= limits::CHANNELS_PER_CONNECTION_MAX
            || self.lists.granted.len() >= limits::UNSENT_REQUESTS_MAX;
        if known.is_some_and(has) || is_full {
            return;
        }
        if self.policy.rules.of(&grant.channel).is_err() {
            return;
        }
        let (info, data) = (grant.info.clone(), grant.data.clone());
        let terms = Terms { origin: Origin::Api, expires, info, data, wants_movements: false };
        match self.want(slot, &grant.channel, terms, None) {
            Ok((wanted, true)) => self.add_granted(slot, wanted, now),
            Ok((wanted, false)) => {
                let generation = self.tables.connections.generation(slot);
                self.lists.granted.push((Waiter { slot, generation }, wanted));
            }
            Err(_) => {}
        }
    }

    /// Serves the orders about a connection that waited for `channel`.
    pub(super) fn complete_orders(&mut self, slot: u32, channel: u32, now: Now) {
        while let Some(wanted) = self.take_order(slot, |wanted| wanted.channel == channel) {
            self.add_granted(slot, wanted, now);
        }
    }

    fn take_order(&mut self, slot: u32, which: impl Fn(&Wanted) -> bool) -> Option<Wanted> {
        let waits = |(waiter, wanted): &(Waiter, Wanted)| waiter.slot == slot && which(wanted);
        let index = self.lists.granted.iter().position(waits)?;
        Some(self.lists.granted.swap_remove(index).1)
    }

    fn add_granted(&mut self, slot: u32, wanted: Wanted, now: Now) {
        let subscription = self.subscription_to(slot, &wanted);
        let Wanted { channel, data, .. } = wanted;
        let Some(name) = self.tables.channels.get(channel).map(|channel| channel.name.clone()) else {
            return;
        };
        if self.add_subscription(slot, subscription).is_err() {
            return;
        }
        let position = self.position_told(channel);
        let terms = SubscriptionTerms { data: data.as_deref(), position, ..SubscriptionTerms::default() };
        self.tell(slot, &Event::SubscriptionAdded(ServerSubscription { channel: &name, terms }));
        self.enter(slot, channel);
        self.arm(slot, now);
    }

    /// Drops the orders about a connection that still wait.
    pub(super) fn forget_orders(&mut self, slot: u32, which: impl Fn(&Wanted) -> bool) {
        while let Some(wanted) = self.take_order(slot, &which) {
            self.let_go(wanted.channel);
        }
    }

    fn change_info(&mut self, slot: u32, info: Option<&RawJson>) {
        if let (Some(info), Some(connection)) = (info, self.tables.connections.get_mut(slot)) {
            connection.info = Some(info.to_owned());
        }
    }

    fn change_expiry(&mut self, slot: u32, expiry: Expiry, now: Now) {
        let expires = match expiry {
            Expiry::Now => return self.close(slot, CloseReason::Expired, now),
            Expiry::At(at) if at <= now.unix => return self.close(slot, CloseReason::Expired, now),
            Expiry::At(at) => Some(at),
            Expiry::Never => None,
        };
        if let Some(connection) = self.tables.connections.get_mut(slot) {
            connection.expires = seconds(expires);
        }
        self.arm(slot, now);
        self.tell(slot, &Event::ExpiryChanged { ttl: ttl(expires, now) });
    }
}
