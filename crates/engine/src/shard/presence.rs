//! Who is subscribed: the broker thread is told who enters and exits, and in turn who is still there; clients
//! may ask.

use std::sync::Arc;

use model::{ChannelName, ClientInfo, ConnectionId, Moment, Now, Refusal, RequestId, limits};
use protocol::{CommandKind, Event};

use super::Shard;
use super::commands::Outcome;
use crate::channels::Subscription;
use crate::connection::Awaited;
use crate::mail::{Entry, Found, Inquiry, InquiryKind, NodeRequest};
use crate::rules::{Asker, NamespaceId};

impl Shard {
    /// Whether a subscriber to be will be told who comes and goes.
    pub(super) fn will_hear(&self, slot: u32, channel: u32, wants: bool) -> bool {
        let (Some(connection), Some(channel)) =
            (self.tables.connections.get(slot), self.tables.channels.get(channel))
        else {
            return false;
        };
        let asker = Asker { user: self.tables.users.name(&connection.user), is_subscribed: true };
        let namespace = self.policy.rules.known(&channel.name);
        namespace.is_some_and(|namespace| self.policy.rules.hears_movements(namespace, asker, wants))
    }

    /// Tells the broker thread that a connection became a subscriber.
    pub(super) fn enter(&mut self, slot: u32, channel: u32) {
        let subscription = self.tables.connections.get(slot);
        let subscription =
            subscription.and_then(|connection| self.tables.channels.subscription(connection, channel));
        if let Some(entry) = subscription.and_then(|subscription| self.entry(slot, subscription)) {
            self.ask_node(NodeRequest::Enter(Box::new(entry)), 0);
        }
    }

    /// Tells the broker thread that a connection, which is still in the tables, is no longer a subscriber.
    pub(super) fn exit(&mut self, slot: u32, ended: &Subscription) {
        if let Some(entry) = self.entry(slot, ended) {
            self.ask_node(NodeRequest::Exit(Box::new(entry)), 0);
        }
    }

    /// What is to be seen of a subscriber, where somebody might look.
    fn entry(&self, slot: u32, subscription: &Subscription) -> Option<Entry> {
        let channel = self.tables.channels.get(subscription.channel)?.name.clone();
        let namespace = self.policy.rules.known(&channel)?;
        let rules = &self.policy.rules;
        if !rules.has_presence(namespace) && !rules.tells_movements(namespace) {
            return None;
        }
        let connection = self.tables.connections.get(slot)?;
        let member = ClientInfo {
            user: Box::from(self.tables.users.name(&connection.user)),
            client: connection.client,
            connection: connection.info.clone(),
            subscription: subscription.info.clone(),
        };
        Some(Entry { channel, namespace, member: Arc::new(member) })
    }

    /// Says of some connections, in turn, that they are still there.
    pub(super) fn vouch_for_some(&mut self) {
        if !self.policy.rules.has_any_presence() || self.is_swamped() {
            return;
        }
        let ticks = (limits::PRESENCE_REFRESH_PERIOD.as_millis() / Moment::TICK.as_millis()) as u32;
        let places = self.tables.connections.places();
        let mut entries = Vec::new();
        for _ in 0..places.div_ceil(ticks) {
            let slot = self.vouched % places;
            self.vouched = slot + 1;
            let Some(connection) = self.tables.connections.get(slot) else {
                continue;
            };
            let subscriptions = self.tables.channels.subscriptions_of(connection);
            let present = subscriptions.filter_map(|subscription| self.entry(slot, subscription));
            entries.extend(present.filter(|entry| self.policy.rules.has_presence(entry.namespace)));
        }
        if !entries.is_empty() {
            self.ask_node(NodeRequest::Vouch(entries), 0);
        }
    }

    pub(super) fn on_inquiry(
        &mut self,
        slot: u32,
        request: RequestId,
        kind: CommandKind,
        channel: &str,
        now: Now,
    ) -> Outcome {
        let (channel, namespace) = match self.inquirable(slot, channel) {
            Ok(target) => target,
            Err(refusal) => return Outcome::Refused(refusal),
        };
        if self.is_swamped() {
            return Outcome::Refused(Refusal::Internal);
        }
        let connection = self.id_of(slot);
        let question = if kind == CommandKind::PresenceStats {
            InquiryKind::Count(connection, request)
        } else {
            InquiryKind::Members(connection, request)
        };
        self.ask_node(NodeRequest::Inquire(Box::new(Inquiry { channel, namespace, question })), 0);
        let what = Awaited::Inquiry(kind);
        self.await_answer(slot, request, what, now.tick_in(limits::PUBLISH_DEADLINE), now);
        Outcome::Pending
    }

    fn inquirable(&self, slot: u32, channel: &str) -> Result<(ChannelName, NamespaceId), Refusal> {
        let (name, namespace, asker) = self.asker(slot, channel)?;
        if !self.policy.rules.has_presence(namespace) {
            return Err(Refusal::NotAvailable);
        }
        self.policy.rules.may_see_presence(namespace, asker)?;
        Ok((name, namespace))
    }

    pub(super) fn on_inquired(
        &mut self,
        id: ConnectionId,
        request: RequestId,
        outcome: Result<Found, Refusal>,
        now: Now,
    ) {
        let kind = match &outcome {
            Ok(Found::Count(_)) => CommandKind::PresenceStats,
            Ok(Found::Members(_)) | Err(_) => self.inquired(id).unwrap_or(CommandKind::Presence),
        };
        if !self.end_wait(id, request, |what| matches!(what, Awaited::Inquiry(_)), now) {
            return;
        }
        match &outcome {
            Ok(Found::Members(members)) => self.tell(id.slot, &Event::Presence { request, members }),
            Ok(Found::Count(counted)) => {
                let (clients, users) = (counted.clients, counted.users);
                self.tell(id.slot, &Event::PresenceCounted { request, clients, users });
            }
            Err(_) => {}
        }
        self.conclude(id.slot, request, kind, outcome.map(|_| ()));
    }

    fn inquired(&self, id: ConnectionId) -> Option<CommandKind> {
        match self.tables.connections.get(id.slot)?.pending.as_ref()?.what {
            Awaited::Inquiry(kind) => Some(kind),
            Awaited::Connect { .. } | Awaited::Subscribe(_) | Awaited::Publish | Awaited::History => None,
        }
    }
}
