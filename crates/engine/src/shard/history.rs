//! Reading a channel's history: asked of the broker thread, answered by mail.

use model::{
    ChannelName, ConnectionId, HistoryPage, HistoryRange, HistoryRules, Now, Refusal, RequestId, Since,
    limits,
};
use protocol::{CommandKind, Event};

use super::Shard;
use super::commands::Outcome;
use crate::connection::Awaited;
use crate::mail::{HistoryAsker, HistoryRequest, NodeRequest};
use crate::rules::{Asker, NamespaceId};

/// Which part a client asks for.
pub(super) struct History {
    pub(super) since: Option<Since>,
    pub(super) limit: Option<u32>,
    pub(super) reverse: bool,
}

impl Shard {
    pub(super) fn on_history_asked(
        &mut self,
        slot: u32,
        request: RequestId,
        channel: &str,
        part: History,
        now: Now,
    ) -> Outcome {
        let (channel, rules) = match self.readable(slot, channel) {
            Ok(readable) => readable,
            Err(refusal) => return Outcome::Refused(refusal),
        };
        // Nothing precedes the beginning.
        if part.reverse && part.since.is_some_and(|since| since.offset == 0) {
            return Outcome::Refused(Refusal::BadRequest);
        }
        if self.is_swamped() {
            return Outcome::Refused(Refusal::Internal);
        }
        let all = limits::HISTORY_PUBLICATIONS_MAX;
        let limit = part.limit.map_or(all, |limit| limit.min(all));
        let range =
            HistoryRange { since: part.since.map(|since| since.offset), limit, reverse: part.reverse };
        let epoch = part.since.map_or(model::ClaimedEpoch::Any, |since| since.epoch);
        let asker = HistoryAsker::Connection { connection: self.id_of(slot), request };
        let question = HistoryRequest { channel, rules, range, epoch, asker };
        self.ask_node(NodeRequest::History(Box::new(question)), 0);
        self.await_answer(slot, request, Awaited::History, now.tick_in(limits::PUBLISH_DEADLINE), now);
        Outcome::Pending
    }

    /// The channel whose history a client wants to read, if it may.
    fn readable(&self, slot: u32, channel: &str) -> Result<(ChannelName, HistoryRules), Refusal> {
        let (name, namespace, asker) = self.asker(slot, channel)?;
        self.policy.rules.may_read_history(namespace, asker)?;
        let rules = self.policy.rules.history(namespace).ok_or(Refusal::NotAvailable)?;
        Ok((name, rules))
    }

    /// A channel that a client asks about, and who asks.
    pub(super) fn asker(
        &self,
        slot: u32,
        channel: &str,
    ) -> Result<(ChannelName, NamespaceId, Asker<'_>), Refusal> {
        let name = ChannelName::parse(channel).map_err(|_| Refusal::BadRequest)?;
        let namespace = self.policy.rules.of(&name)?;
        let connection = self.tables.connections.get(slot).ok_or(Refusal::Internal)?;
        let known = self.tables.channels.find(channel);
        let is_subscribed =
            known.is_some_and(|known| self.tables.channels.subscription(connection, known).is_some());
        Ok((name, namespace, Asker { user: self.tables.users.name(&connection.user), is_subscribed }))
    }

    pub(super) fn on_history(
        &mut self,
        id: ConnectionId,
        request: RequestId,
        outcome: Result<Box<HistoryPage>, Refusal>,
        now: Now,
    ) {
        if !self.end_wait(id, request, |what| matches!(what, Awaited::History), now) {
            return;
        }
        // More would close the connection as slow for what it asked for.
        let outcome = outcome.and_then(|page| match self.fits_a_reply(&page.entries) {
            true => Ok(page),
            false => Err(Refusal::LimitExceeded),
        });
        if let Ok(page) = &outcome {
            self.tell(id.slot, &Event::History { request, page });
        }
        self.conclude(id.slot, request, CommandKind::History, outcome.map(|_| ()));
    }
}
