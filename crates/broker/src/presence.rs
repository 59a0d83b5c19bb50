//! The port: who is in which channel, over all nodes.

use std::sync::Arc;

use model::{ChannelName, ClientId, ClientInfo, Now, Refusal};

use crate::Ticket;

/// Remembers the members of channels while somebody vouches for them.
///
/// Calls never block; each is answered under its ticket once and always, within
/// [`model::limits::PUBLISH_DEADLINE`]: with [`Refusal::Internal`] at the latest, in which case it may or may
/// not have been done.
pub trait Presence {
    /// Makes a connection a member of a channel, or keeps it one, with what is to be seen of it: until it leaves
    /// or [`model::limits::PRESENCE_TTL`] has passed. Answered by [`PresenceEvent::Changed`].
    fn enter(&mut self, ticket: Ticket, channel: &ChannelName, member: &Arc<ClientInfo>);

    /// A connection is no longer a member. Answered by [`PresenceEvent::Changed`].
    fn exit(&mut self, ticket: Ticket, channel: &ChannelName, client: ClientId);

    /// Lists at most `limit` members of a channel; more are refused with [`Refusal::LimitExceeded`]. Answered by
    /// [`PresenceEvent::Members`].
    fn members(&mut self, ticket: Ticket, channel: &ChannelName, limit: u32);

    /// Counts the members of a channel. Answered by [`PresenceEvent::Counted`].
    fn count(&mut self, ticket: Ticket, channel: &ChannelName);

    /// The next answer, if there is one.
    fn poll(&mut self, now: Now) -> Option<PresenceEvent>;
}

/// What a presence answers.
#[derive(Debug)]
pub enum PresenceEvent {
    /// A connection is a member, or is none.
    Changed {
        /// Of which call.
        ticket: Ticket,
        /// What that changed.
        outcome: Result<Change, Refusal>,
    },
    /// The members of a channel.
    Members {
        /// Which question.
        ticket: Ticket,
        /// In no order.
        outcome: Result<Vec<Arc<ClientInfo>>, Refusal>,
    },
    /// How many members a channel has.
    Counted {
        /// Which question.
        ticket: Ticket,
        /// The numbers.
        outcome: Result<Attendance, Refusal>,
    },
}

/// What entering or leaving changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Whether the connection was none before, or was one before it left.
    pub is_new: bool,
    /// Members of the channel from then on.
    pub members: u32,
}

/// How many are in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attendance {
    /// Connections.
    pub clients: u32,
    /// Users; connections without a user's name count as one.
    pub users: u32,
}
