//! Connecting: a token is believed or not, and the channels it lists are subscribed to before the reply.

use std::borrow::Cow;

use auth::{ConnectionGrant, ServerGrant, TokenRefusal, Verdict};
use model::{CloseReason, Now, Refusal, RequestId, Since, UnixTime, limits};
use protocol::{Event, ServerSubscription};

use super::Shard;
use super::commands::{Outcome, seconds, ttl};
use super::recovery::Told;
use super::subscribe::Terms;
use crate::connection::{Awaited, Origin, Phase, Wanted};
use crate::notice::Denial;

impl Shard {
    pub(super) fn on_connect(
        &mut self,
        slot: u32,
        request: RequestId,
        token: Option<&str>,
        recoveries: &[(Cow<'_, str>, Since)],
        now: Now,
    ) -> Outcome {
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            if self.policy.client.insecure {
                return self.on_granted(slot, request, anonymous(), recoveries, now);
            }
            self.deny(Denial::NoToken);
            return self.close_for(slot, CloseReason::BadRequest, now);
        };
        match self.policy.verifier.verify_connection(token, now.unix) {
            Verdict::Granted(mut grant) => {
                if self.policy.client.insecure {
                    grant.expires = None;
                }
                self.on_granted(slot, request, grant, recoveries, now)
            }
            Verdict::Refused(TokenRefusal::Expired) => {
                self.deny(Denial::Token(TokenRefusal::Expired));
                self.refuse_connect(slot, Refusal::TokenExpired)
            }
            Verdict::Refused(refusal) => {
                self.deny(Denial::Token(refusal));
                self.close_for(slot, CloseReason::InvalidToken, now)
            }
            Verdict::KeyUnknown(_) => {
                self.deny(Denial::KeyUnknown);
                self.close_for(slot, CloseReason::InvalidToken, now)
            }
        }
    }

    /// Turns a connect down: the connection stays, listens to nothing, and ends as stale.
    pub(super) fn refuse_connect(&mut self, slot: u32, refusal: Refusal) -> Outcome {
        self.tables.users.remove(slot, &mut self.tables.connections);
        if let Some(connection) = self.tables.connections.get_mut(slot)
            && let Phase::AwaitingConnect { due } = connection.phase
        {
            connection.phase = Phase::ConnectRefused { due };
        }
        Outcome::Refused(refusal)
    }

    /// Whether the connect command was turned down: what its client sent along with it is not to be done.
    pub fn is_refused(&self, slot: u32) -> bool {
        let phase = self.tables.connections.get(slot).map(|connection| connection.phase);
        matches!(phase, Some(Phase::ConnectRefused { .. }))
    }

    fn on_granted(
        &mut self,
        slot: u32,
        request: RequestId,
        grant: ConnectionGrant,
        recoveries: &[(Cow<'_, str>, Since)],
        now: Now,
    ) -> Outcome {
        if grant.subscriptions.len() > limits::CHANNELS_PER_CONNECTION_MAX {
            return self.close_for(slot, CloseReason::ChannelLimit, now);
        }
        if grant.expires.is_some_and(|expires| expires <= now.unix) {
            return self.refuse_connect(slot, Refusal::Expired);
        }
        self.tables.users.add(&grant.user, slot, &mut self.tables.connections);
        if let Some(connection) = self.tables.connections.get_mut(slot) {
            connection.info = grant.info;
            connection.expires = seconds(grant.expires);
        }
        self.subscribe_at_connect(slot, request, grant.subscriptions, recoveries, now)
    }

    pub(super) fn subscribe_at_connect(
        &mut self,
        slot: u32,
        request: RequestId,
        grants: Vec<ServerGrant>,
        recoveries: &[(Cow<'_, str>, Since)],
        now: Now,
    ) -> Outcome {
        let mut wanted: Vec<Wanted> = Vec::with_capacity(grants.len());
        let mut outstanding = 0;
        for grant in grants {
            let known = self.tables.channels.find(grant.channel.as_str());
            if known.is_some_and(|known| wanted.iter().any(|wanted| wanted.channel == known)) {
                continue;
            }
            let (info, data) = (grant.info, grant.data);
            let terms = Terms { origin: Origin::Token, expires: None, info, data, wants_movements: false };
            let wish = self.wish_at_connect(&grant.channel, recoveries).map(|wish| (request, wish));
            let namespace = self.policy.rules.of(&grant.channel);
            match namespace.and_then(|_| self.want(slot, &grant.channel, terms, wish)) {
                Ok((entry, is_ready)) => {
                    wanted.push(entry);
                    outstanding += usize::from(!is_ready);
                }
                Err(refusal) => {
                    wanted.into_iter().for_each(|wanted| self.let_go(wanted.channel));
                    return self.refuse_connect(slot, refusal);
                }
            }
        }
        if outstanding == 0 {
            self.complete_connect(slot, request, wanted, now);
            return Outcome::Granted;
        }
        let what = Awaited::Connect { wanted, outstanding };
        self.await_answer(slot, request, what, now.tick_in(limits::SUBSCRIBE_DEADLINE), now);
        Outcome::Pending
    }

    /// Grants a connect whose channels are all joined.
    pub(super) fn complete_connect(&mut self, slot: u32, request: RequestId, wanted: Vec<Wanted>, now: Now) {
        let heartbeat = self.first_heartbeat(now);
        let Some(connection) = self.tables.connections.get_mut(slot) else {
            return;
        };
        connection.phase = Phase::Live;
        connection.heartbeat.due = heartbeat;
        let (client, expires) = (connection.client, connection.expires);
        self.counters.connect_duration.observe(now.moment.since(connection.opened));
        let mut told: Vec<Told> = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            let subscription = self.subscription_to(slot, &wanted);
            told.extend(self.told(wanted));
            let added = self.add_subscription(slot, subscription);
            debug_assert!(added.is_ok(), "a connection that is not connected has no other subscriptions");
        }
        let subscriptions: Vec<ServerSubscription<'_>> = told.iter().map(Told::subscription).collect();
        let ttl = ttl((expires != 0).then_some(UnixTime(i64::from(expires))), now);
        let interval = self.policy.client.ping_interval.0.as_secs();
        let ping = (interval > 0).then(|| u32::try_from(interval).unwrap_or(u32::MAX));
        self.tell(slot, &Event::Connected { request, client, ttl, ping, subscriptions: &subscriptions });
        self.arm(slot, now);
    }
}

/// What somebody without a token is granted where that is allowed.
fn anonymous() -> ConnectionGrant {
    ConnectionGrant { user: Box::from(""), info: None, expires: None, subscriptions: Vec::new() }
}
