//! Everything that happens because time passes: heartbeats, expiry, age, waits that end.

use std::hash::BuildHasher;
use std::ops::Range;
use std::time::Duration;

use model::{CloseReason, Moment, Now, Refusal, UnixTime, limits};
use protocol::{CommandKind, Event, UnsubscribeReason};

use super::Shard;
use crate::connection::{Awaited, Connection, Origin, Phase};
use crate::slab::NONE;

/// The age at which connections begin anew, when it was changed.
#[derive(Default)]
pub(super) struct Aging {
    /// Since when it is the present one: nobody was too old before.
    since: Moment,
    /// Connections whose timers do not know it yet.
    unaware: Range<u32>,
}

impl Shard {
    /// Lets time pass. Appends to `resets` the connections whose sockets are to be dropped unannounced.
    pub fn on_tick(&mut self, now: Now, resets: &mut Vec<u32>) {
        let tick = now.tick();
        self.stalled += tick.saturating_sub(self.tick + 1);
        self.tick = tick;
        let mut fired = std::mem::take(&mut self.lists.fired);
        self.tables.wheel.advance(tick, &mut fired);
        for slot in fired.drain(..) {
            self.on_deadline(slot, now, resets);
        }
        self.lists.fired = fired;
        self.drain_some(now);
        self.tell_lapsed(now);
        self.vouch_for_some();
        self.rearm_some(now);
        self.uncork();
        self.settle(now);
    }

    /// A message began to arrive, or is whole.
    pub fn message_began(&mut self, slot: u32, unfinished: bool, now: Now) {
        let Some(connection) = self.tables.connections.get_mut(slot) else {
            return;
        };
        match (connection.message_due == NONE, unfinished) {
            (true, true) => {
                connection.message_due = now.tick_in(limits::MESSAGE_DEADLINE);
                self.arm(slot, now);
            }
            (false, false) => connection.message_due = NONE,
            (true, false) | (false, true) => {}
        }
    }

    /// Sets a connection's timer to its earliest deadline.
    pub(super) fn arm(&mut self, slot: u32, now: Now) {
        let Some(connection) = self.tables.connections.get(slot) else {
            return;
        };
        match self.due(connection, now) {
            NONE => self.tables.wheel.clear(slot),
            due => self.tables.wheel.set(slot, due),
        }
    }

    fn due(&self, connection: &Connection, now: Now) -> u32 {
        let pending = connection.pending.as_ref().map_or(NONE, |pending| pending.due);
        match connection.phase {
            Phase::Closing { due } | Phase::Lingering { due } => due,
            Phase::AwaitingConnect { due } | Phase::ConnectRefused { due } => {
                due.min(connection.message_due).min(pending)
            }
            Phase::Live => {
                let expiry = expiry_tick(connection.expires, limits::EXPIRED_CLOSE_DELAY, now);
                let subscriptions = self.tables.channels.subscriptions_of(connection);
                let ends = subscriptions
                    .map(|entry| expiry_tick(entry.expires, limits::EXPIRED_SUBSCRIPTION_DELAY, now));
                let earliest = ends.min().unwrap_or(NONE);
                let deadline = connection.heartbeat.due.min(connection.message_due).min(pending);
                deadline.min(expiry).min(earliest).min(self.age_due(connection))
            }
        }
    }

    fn on_deadline(&mut self, slot: u32, now: Now, resets: &mut Vec<u32>) {
        let tick = now.tick();
        let Some(connection) = self.tables.connections.get(slot) else {
            return;
        };
        match connection.phase {
            Phase::Closing { due } | Phase::Lingering { due } if due <= tick => {
                self.counters.closed_unannounced +=
                    u64::from(matches!(connection.phase, Phase::Closing { .. }));
                resets.push(slot);
                return;
            }
            Phase::AwaitingConnect { due } | Phase::ConnectRefused { due } if due <= tick => {
                return self.close(slot, CloseReason::Stale, now);
            }
            Phase::Closing { .. }
            | Phase::Lingering { .. }
            | Phase::AwaitingConnect { .. }
            | Phase::ConnectRefused { .. }
            | Phase::Live => {}
        }
        if connection.message_due <= tick {
            return self.close(slot, CloseReason::Slow, now);
        }
        if connection.pending.as_ref().is_some_and(|pending| pending.due <= tick) {
            self.give_up_waiting(slot, now);
        }
        self.expire(slot, now);
        self.age(slot, now);
        self.heartbeat(slot, now);
        self.arm(slot, now);
    }

    /// The age at which connections begin anew was changed.
    pub(super) fn change_age(&mut self, now: Now) {
        self.aging = Aging { since: now.moment, unaware: 0..self.tables.connections.places() };
    }

    /// Lets a part of all timers know of a changed age; the last within [`limits::AGE_ADOPTED_TICKS`].
    fn rearm_some(&mut self, now: Now) {
        let some = self.tables.connections.places().div_ceil(limits::AGE_ADOPTED_TICKS);
        for _ in 0..some {
            let Some(slot) = self.aging.unaware.next() else { return };
            self.arm(slot, now);
        }
    }

    /// When the connection is old enough to begin anew: its own age, so that those who came together do not go
    /// together, nor those who are too old when the age is changed.
    fn age_due(&self, connection: &Connection) -> u32 {
        let age = self.policy.client.connection_age.0;
        // A drain closes all of them, at its own rate.
        if age.is_zero() || self.drain.is_some() {
            return NONE;
        }
        let spread = u64::try_from(age.as_millis() / 5).unwrap_or(u64::MAX).max(1);
        let extra = Duration::from_millis(self.place.dice.hash_one(connection.client) % spread);
        ((connection.opened + age * 9 / 10).max(self.aging.since) + extra).ticks()
    }

    fn age(&mut self, slot: u32, now: Now) {
        let Some(connection) = self.tables.connections.get(slot).filter(|found| found.phase == Phase::Live)
        else {
            return;
        };
        // Whoever awaits an answer gets it first.
        if connection.pending.is_none() && self.age_due(connection) <= now.tick() {
            self.close(slot, CloseReason::Aged, now);
        }
    }

    /// The wait of a pending command is over: it is refused, and may be tried again.
    pub(super) fn give_up_waiting(&mut self, slot: u32, now: Now) {
        let Some(pending) = self.tables.connections.get_mut(slot).and_then(|found| found.pending.take())
        else {
            return;
        };
        let kind = match pending.what {
            Awaited::Subscribe(wanted) => {
                self.let_go(wanted.channel);
                CommandKind::Subscribe
            }
            Awaited::Connect { wanted, .. } => {
                wanted.into_iter().for_each(|wanted| self.let_go(wanted.channel));
                self.refuse_connect(slot, Refusal::Internal);
                CommandKind::Connect
            }
            Awaited::Publish => CommandKind::Publish,
            Awaited::History => CommandKind::History,
            Awaited::Inquiry(kind) => kind,
        };
        self.conclude(slot, pending.request, kind, Err(Refusal::Internal));
        self.resume(slot, pending.since, now);
        self.settle(now);
    }

    fn expire(&mut self, slot: u32, now: Now) {
        let Some(connection) = self.tables.connections.get(slot).filter(|found| found.phase == Phase::Live)
        else {
            return;
        };
        let over = |expires: u32, delay: Duration| {
            expires != 0 && i64::from(expires) + delay.as_secs() as i64 <= now.unix.0
        };
        if over(connection.expires, limits::EXPIRED_CLOSE_DELAY) {
            return self.close(slot, CloseReason::Expired, now);
        }
        let subscriptions = self.tables.channels.subscriptions_of(connection);
        let ended: Vec<(u32, Origin)> = subscriptions
            .filter(|entry| over(entry.expires, limits::EXPIRED_SUBSCRIPTION_DELAY))
            .map(|entry| (entry.channel, entry.origin))
            .collect();
        for (channel, origin) in ended {
            match origin {
                Origin::Client => self.revoke_subscription(slot, channel, UnsubscribeReason::Expired),
                Origin::Token | Origin::Api => {
                    return self.close(slot, CloseReason::SubscriptionExpired, now);
                }
            }
        }
        self.settle(now);
    }

    fn heartbeat(&mut self, slot: u32, now: Now) {
        let (tick, stalled) = (now.tick(), self.stalled);
        let Some(connection) = self.tables.connections.get_mut(slot) else {
            return;
        };
        if connection.phase != Phase::Live || connection.heartbeat.due > tick {
            return;
        }
        if !connection.heartbeat.awaits_pong {
            connection.heartbeat.awaits_pong = true;
            connection.heartbeat.stalled_at_ping = stalled;
            connection.heartbeat.due = now.tick_in(self.policy.client.pong_timeout.0);
            self.tell(slot, &Event::Ping);
            return self.settle(now);
        }
        // Clients do not pay for our stall: what this worker slept through since the ping is given back, once.
        let slept = stalled.saturating_sub(connection.heartbeat.stalled_at_ping);
        if slept > 0 {
            connection.heartbeat.stalled_at_ping = stalled;
            connection.heartbeat.due =
                tick + slept.min(now.tick_in(self.policy.client.pong_timeout.0) - tick);
            return;
        }
        self.close(slot, CloseReason::NoPong, now);
    }

    /// When a fresh connection is pinged first: somewhere in the second half of the interval, so that the
    /// clients of a reconnect storm do not answer in step.
    pub(super) fn first_heartbeat(&mut self, now: Now) -> u32 {
        let interval = self.policy.client.ping_interval.0;
        if interval.is_zero() {
            return NONE;
        }
        let half = u64::try_from(interval.as_millis() / 2).unwrap_or(u64::MAX).max(1);
        now.tick_in(Duration::from_millis(half + self.roll() % half))
    }
}

fn expiry_tick(expires: u32, delay: Duration, now: Now) -> u32 {
    match expires {
        0 => NONE,
        // One tick more: the wall clock shows whole seconds.
        _ => now.tick_at(UnixTime(i64::from(expires) + delay.as_secs() as i64)) + 1,
    }
}
