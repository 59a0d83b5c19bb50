//! Subscription tokens: presented with a subscribe, and again to refresh it.

use auth::{SubscriptionGrant, TokenRefusal, Verdict};
use model::{ChannelName, CloseReason, Now, Refusal, RequestId};
use protocol::Event;

use super::Shard;
use super::commands::{Outcome, seconds, ttl};
use crate::connection::Origin;
use crate::notice::Denial;

/// A request is turned down, or its connection out.
pub(super) enum Turned {
    Down(Refusal),
    Out(CloseReason),
}

impl Shard {
    pub(super) fn check_subscription_token(
        &mut self,
        slot: u32,
        name: &ChannelName,
        token: &str,
        now: Now,
    ) -> Result<Option<SubscriptionGrant>, Turned> {
        match self.policy.verifier.verify_subscription(token, now.unix) {
            Verdict::Granted(grant) => {
                if !self.is_meant_for(slot, name, &grant) {
                    self.deny(Denial::TokenMismatch);
                    return Err(Turned::Out(CloseReason::InvalidToken));
                }
                if grant.expires.is_some_and(|expires| expires <= now.unix) {
                    return Err(Turned::Down(Refusal::Expired));
                }
                Ok(Some(grant))
            }
            Verdict::Refused(TokenRefusal::Expired) => {
                self.deny(Denial::Token(TokenRefusal::Expired));
                Err(Turned::Down(Refusal::TokenExpired))
            }
            Verdict::Refused(refusal) => {
                self.deny(Denial::Token(refusal));
                Err(Turned::Down(Refusal::PermissionDenied))
            }
            Verdict::KeyUnknown(_) => {
                self.deny(Denial::KeyUnknown);
                Err(Turned::Down(Refusal::PermissionDenied))
            }
        }
    }

    fn is_meant_for(&self, slot: u32, name: &ChannelName, grant: &SubscriptionGrant) -> bool {
        let Some(connection) = self.tables.connections.get(slot) else {
            return false;
        };
        let client = grant.client.as_deref();
        grant.channel == *name
            && *grant.user == *self.tables.users.name(&connection.user)
            && client.is_none_or(|client| client == connection.client.to_string())
    }

    /// A subscription that the connection has: its channel, and who made it.
    fn subscribed(&self, slot: u32, channel: &str) -> Option<(u32, ChannelName, Origin)> {
        let index = self.tables.channels.find(channel)?;
        let connection = self.tables.connections.get(slot)?;
        let subscription = self.tables.channels.subscription(connection, index)?;
        Some((index, self.tables.channels.get(index)?.name.clone(), subscription.origin))
    }

    pub(super) fn on_refresh_subscription(
        &mut self,
        slot: u32,
        request: RequestId,
        channel: &str,
        token: &str,
        now: Now,
    ) -> Outcome {
        let Some((index, name, origin)) = self.subscribed(slot, channel) else {
            return Outcome::Refused(Refusal::PermissionDenied);
        };
        if origin != Origin::Client {
            self.close(slot, CloseReason::BadRequest, now);
            return Outcome::Closed;
        }
        if token.is_empty() {
            return Outcome::Refused(Refusal::BadRequest);
        }
        let grant = match self.check_subscription_token(slot, &name, token, now) {
            Ok(Some(grant)) => grant,
            Ok(None) => return Outcome::Refused(Refusal::BadRequest),
            Err(Turned::Down(Refusal::PermissionDenied)) | Err(Turned::Out(_)) => {
                self.close(slot, CloseReason::InvalidToken, now);
                return Outcome::Closed;
            }
            Err(Turned::Down(refusal)) => return Outcome::Refused(refusal),
        };
        if let Some(connection) = self.tables.connections.get(slot)
            && let Some(subscription) = self.tables.channels.subscription_mut(connection, index)
        {
            subscription.expires = seconds(grant.expires);
            subscription.info = grant.info;
        }
        self.arm(slot, now);
        self.tell(slot, &Event::SubscriptionRefreshed { request, ttl: ttl(grant.expires, now) });
        Outcome::Granted
    }
}
