//! Commands: what a connection may do now, and doing it.

use std::sync::Arc;

use auth::{ConnectionGrant, TokenRefusal, Verdict};
use broker::PublishTerms;
use model::{
    ChannelName, ClientInfo, CloseReason, Now, Payload, Publication, Refusal, RequestId, TraceParent,
    UnixTime, limits,
};
use protocol::{Command, CommandKind, Event};

use super::Shard;
use super::history::History;
use super::subscribe::Wishes;
use crate::connection::{Awaited, Origin, Pending, Phase};
use crate::mail::{NodeRequest, PublishRequest, Publisher};
use crate::notice::Denial;
use crate::rules::NamespaceId;

/// How a command ended: granted and already answered, refused and to be answered, or to be answered later.
pub(super) enum Outcome {
    Granted,
    Refused(Refusal),
    Pending,
    Closed,
}

impl Shard {
    pub(super) fn on_command(&mut self, slot: u32, request: RequestId, command: Command<'_>, now: Now) {
        let kind = command.kind();
        if let Err(reason) = self.admit(slot, kind) {
            self.close(slot, reason, now);
            return;
        }
        // Neither has a number that a refusal could quote.
        if !matches!(kind, CommandKind::Pong | CommandKind::Send) {
            match self.take_command_token(slot, now) {
                Ok(true) => {}
                Ok(false) => {
                    return self.finish(slot, request, kind, Outcome::Refused(Refusal::TooManyRequests));
                }
                Err(reason) => return self.close(slot, reason, now),
            }
        }
        let outcome = match command {
            Command::Connect { token, recoveries } => {
                self.on_connect(slot, request, token.as_deref(), &recoveries, now)
            }
            Command::Subscribe { channel, token, recovery, wants_movements } => {
                let token = token.as_deref().filter(|token| !token.is_empty());
                let wishes = Wishes { recovery, wants_movements };
                self.on_subscribe(slot, request, &channel, token, wishes, now)
            }
            Command::Unsubscribe { channel } => self.on_unsubscribe(slot, request, &channel),
            Command::Publish { channel, payload } => self.on_publish(slot, request, &channel, payload, now),
            Command::Refresh { token } => self.on_refresh(slot, request, &token, now),
            Command::RefreshSubscription { channel, token } => {
                self.on_refresh_subscription(slot, request, &channel, &token, now)
            }
            Command::Rpc => Outcome::Refused(Refusal::NotAvailable),
            Command::Send => self.close_for(slot, CloseReason::NotAvailable, now),
            Command::History { channel, since, limit, reverse } => {
                self.on_history_asked(slot, request, &channel, History { since, limit, reverse }, now)
            }
            Command::Inquire { kind, channel } => self.on_inquiry(slot, request, kind, &channel, now),
            Command::Pong => self.on_pong(slot, now),
        };
        self.finish(slot, request, kind, outcome);
    }

    /// Whether a command of this kind is in place at this point of the connection's life.
    fn admit(&self, slot: u32, kind: CommandKind) -> Result<(), CloseReason> {
        let phase = self.tables.connections.get(slot).map(|connection| connection.phase);
        match (phase, kind) {
            (Some(Phase::AwaitingConnect { .. }), CommandKind::Connect) => Ok(()),
            (Some(Phase::Live), CommandKind::Connect) => Err(CloseReason::BadRequest),
            (Some(Phase::Live), _) => Ok(()),
            (_, _) => Err(CloseReason::BadRequest),
        }
    }

    /// Whether the command rate leaves room for another command.
    pub(super) fn take_command_token(&mut self, slot: u32, now: Now) -> Result<bool, CloseReason> {
        let rate = self.policy.command_rate();
        let Some(connection) = self.tables.connections.get_mut(slot) else {
            return Err(CloseReason::Gone);
        };
        if connection.commands.bucket.take(rate, now.moment).is_some() {
            connection.commands.overruns = connection.commands.overruns.saturating_sub(1);
            return Ok(true);
        }
        connection.commands.overruns += 1;
        if connection.commands.overruns > limits::COMMAND_OVERRUNS_MAX {
            return Err(CloseReason::TooManyRequests);
        }
        Ok(false)
    }

    /// Ends a command at once, unless its answer is still to come.
    fn finish(&mut self, slot: u32, request: RequestId, kind: CommandKind, outcome: Outcome) {
        match outcome {
            Outcome::Granted => self.conclude(slot, request, kind, Ok(())),
            Outcome::Refused(refusal) => self.conclude(slot, request, kind, Err(refusal)),
            Outcome::Pending | Outcome::Closed => return,
        }
        self.answered_at_once += 1;
    }

    /// Counts a command and answers a refusal.
    pub(super) fn conclude(
        &mut self,
        slot: u32,
        request: RequestId,
        kind: CommandKind,
        outcome: Result<(), Refusal>,
    ) {
        if let Err(refusal) = outcome {
            self.tell(slot, &Event::Refused { request, refusal });
        }
        let index = outcome.err().map_or(0, |refusal| 1 + refusal.index());
        self.counters.commands[kind.index()][index] += 1;
    }

    pub(super) fn close_for(&mut self, slot: u32, reason: CloseReason, now: Now) -> Outcome {
        self.close(slot, reason, now);
        Outcome::Closed
    }

    fn on_publish(
        &mut self,
        slot: u32,
        request: RequestId,
        channel: &str,
        payload: Option<Payload>,
        now: Now,
    ) -> Outcome {
        let (channel, namespace) = match self.publish_target(slot, channel) {
            Ok(target) => target,
            Err(refusal) => return Outcome::Refused(refusal),
        };
        let Some(payload) = payload else {
            return Outcome::Refused(Refusal::BadRequest);
        };
        if payload.size() > self.policy.client.publication_size.as_usize() {
            return Outcome::Refused(Refusal::LimitExceeded);
        }
        if self.is_swamped() {
            return Outcome::Refused(Refusal::Internal);
        }
        let (bytes, connection) = (payload.size(), self.id_of(slot));
        let publication = Publication {
            publisher: self.publisher_info(slot, &channel).map(Arc::new),
            trace: self.begin_trace(),
            ..Publication::new(payload, now.moment)
        };
        let publisher = Publisher::Connection { connection, request };
        let terms = PublishTerms { history: self.policy.rules.history(namespace), ..PublishTerms::default() };
        let publish = PublishRequest { channel, namespace, publication, terms, publisher };
        self.ask_node(NodeRequest::Publish(Box::new(publish)), bytes);
        self.await_answer(slot, request, Awaited::Publish, now.tick_in(limits::PUBLISH_DEADLINE), now);
        Outcome::Pending
    }

    fn begin_trace(&mut self) -> Option<Arc<TraceParent>> {
        self.place.tracer.as_ref()?;
        let roll = self.roll();
        self.place.tracer.as_ref()?.begin(roll)
    }

    /// The channel a client wants to publish to, if it may.
    fn publish_target(&self, slot: u32, channel: &str) -> Result<(ChannelName, NamespaceId), Refusal> {
        let (channel, namespace, asker) = self.asker(slot, channel)?;
        self.policy.rules.may_publish(namespace, asker)?;
        Ok((channel, namespace))
    }

    fn publisher_info(&self, slot: u32, channel: &ChannelName) -> Option<ClientInfo> {
        let connection = self.tables.connections.get(slot)?;
        let known = self.tables.channels.find(channel.as_str());
        let subscription = known.and_then(|known| self.tables.channels.subscription(connection, known));
        Some(ClientInfo {
            user: Box::from(self.tables.users.name(&connection.user)),
            client: connection.client,
            connection: connection.info.clone(),
            subscription: subscription.and_then(|subscription| subscription.info.clone()),
        })
    }

    pub(super) fn await_answer(&mut self, slot: u32, request: RequestId, what: Awaited, due: u32, now: Now) {
        if let Some(connection) = self.tables.connections.get_mut(slot) {
            connection.pending = Some(Box::new(Pending { request, since: now.moment, due: due + 1, what }));
        }
        self.arm(slot, now);
    }

    fn on_refresh(&mut self, slot: u32, request: RequestId, token: &str, now: Now) -> Outcome {
        let grant = match self.policy.verifier.verify_connection(token, now.unix) {
            Verdict::Granted(grant) => grant,
            Verdict::Refused(refusal) => {
                self.deny(Denial::Token(refusal));
                let is_over = refusal == TokenRefusal::Expired;
                let reason = if is_over { CloseReason::Expired } else { CloseReason::InvalidToken };
                return self.close_for(slot, reason, now);
            }
            Verdict::KeyUnknown(_) => {
                self.deny(Denial::KeyUnknown);
                return self.close_for(slot, CloseReason::InvalidToken, now);
            }
        };
        if grant.expires.is_some_and(|expires| expires <= now.unix) {
            return self.close_for(slot, CloseReason::Expired, now);
        }
        let Some(connection) = self.tables.connections.get_mut(slot) else {
            return Outcome::Closed;
        };
        if *self.tables.users.name(&connection.user) != *grant.user {
            self.deny(Denial::TokenMismatch);
            return self.close_for(slot, CloseReason::InvalidToken, now);
        }
        if !self.has_server_channels(slot, &grant) {
            return self.close_for(slot, CloseReason::InsufficientState, now);
        }
        let expires = grant.expires.filter(|_| !self.policy.client.insecure);
        if let Some(connection) = self.tables.connections.get_mut(slot) {
            connection.info = grant.info;
            connection.expires = seconds(expires);
        }
        self.arm(slot, now);
        self.tell(slot, &Event::Refreshed { request, ttl: ttl(expires, now) });
        Outcome::Granted
    }

    /// Whether the channels a token lists are exactly those the server subscribed the connection to.
    fn has_server_channels(&self, slot: u32, grant: &ConnectionGrant) -> bool {
        let Some(connection) = self.tables.connections.get(slot) else {
            return false;
        };
        let mut current: Vec<&str> = self
            .tables
            .channels
            .subscriptions_of(connection)
            .filter(|subscription| subscription.origin == Origin::Token)
            .filter_map(|subscription| self.tables.channels.get(subscription.channel))
            .map(|channel| channel.name.as_str())
            .collect();
        let mut granted: Vec<&str> =
            grant.subscriptions.iter().map(|granted| granted.channel.as_str()).collect();
        current.sort_unstable();
        granted.sort_unstable();
        granted.dedup();
        current == granted
    }

    fn on_pong(&mut self, slot: u32, now: Now) -> Outcome {
        let interval = self.policy.client.ping_interval.0;
        let timeout = self.policy.client.pong_timeout.0;
        let Some(connection) = self.tables.connections.get_mut(slot) else {
            return Outcome::Closed;
        };
        if !std::mem::replace(&mut connection.heartbeat.awaits_pong, false) {
            return self.close_for(slot, CloseReason::BadRequest, now);
        }
        // Counted from the ping, however fast it was answered.
        connection.heartbeat.due += now.tick_in(interval.saturating_sub(timeout)) - now.tick();
        self.arm(slot, now);
        Outcome::Granted
    }
}

/// Seconds of the wall clock as connections keep them: 0 for never.
pub(super) fn seconds(expires: Option<UnixTime>) -> u32 {
    expires.map_or(0, |expires| u32::try_from(expires.0).unwrap_or(u32::MAX))
}

/// What a client is told of its expiry.
pub(super) fn ttl(expires: Option<UnixTime>, now: Now) -> Option<u32> {
    let left = expires?.0.saturating_sub(now.unix.0).clamp(1, limits::TTL_MAX.as_secs() as i64);
    u32::try_from(left).ok()
}
