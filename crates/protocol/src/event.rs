//! What a client is told, protocol-neutral. Publications are not here: they are encoded once for all
//! subscribers, by `Protocol::encode`.

use std::sync::Arc;

use model::{
    ChannelName, ClientId, ClientInfo, CloseReason, HistoryEntry, HistoryPage, Position, RawJson, Refusal,
    RequestId,
};

/// What one client is told.
#[derive(Debug)]
pub enum Event<'a> {
    /// The connect command was granted.
    Connected {
        /// The command's number.
        request: RequestId,
        /// The connection's id.
        client: ClientId,
        /// Seconds until the connection must be refreshed, if it must.
        ttl: Option<u32>,
        /// Seconds between pings, if the node sends any; each is to be answered.
        ping: Option<u32>,
        /// The channels that the server subscribed the connection to.
        subscriptions: &'a [ServerSubscription<'a>],
    },
    /// A subscription was granted.
    Subscribed {
        /// The command's number.
        request: RequestId,
        /// On what terms.
        terms: SubscriptionTerms<'a>,
    },
    /// A subscription was ended on request.
    Unsubscribed {
        /// The command's number.
        request: RequestId,
    },
    /// A publication was accepted.
    Published {
        /// The command's number.
        request: RequestId,
    },
    /// A part of a channel's history.
    History {
        /// The command's number.
        request: RequestId,
        /// What was found.
        page: &'a HistoryPage,
    },
    /// The members of a channel.
    Presence {
        /// The command's number.
        request: RequestId,
        /// Who they are, in no order.
        members: &'a [Arc<ClientInfo>],
    },
    /// How many members a channel has.
    PresenceCounted {
        /// The command's number.
        request: RequestId,
        /// Connections.
        clients: u32,
        /// Users.
        users: u32,
    },
    /// The connection was refreshed.
    Refreshed {
        /// The command's number.
        request: RequestId,
        /// Seconds until the next refresh, if one is needed.
        ttl: Option<u32>,
    },
    /// A subscription was refreshed.
    SubscriptionRefreshed {
        /// The command's number.
        request: RequestId,
        /// Seconds until the next refresh, if one is needed.
        ttl: Option<u32>,
    },
    /// A command was turned down.
    Refused {
        /// The command's number.
        request: RequestId,
        /// Why.
        refusal: Refusal,
    },
    /// Asks for a sign of life.
    Ping,
    /// The server subscribed the connection to a channel.
    SubscriptionAdded(ServerSubscription<'a>),
    /// The server ended a subscription.
    SubscriptionEnded {
        /// The channel.
        channel: &'a ChannelName,
        /// Why.
        reason: UnsubscribeReason,
    },
    /// The server changed when the connection expires.
    ExpiryChanged {
        /// Seconds until the connection must be refreshed, if it must.
        ttl: Option<u32>,
    },
    /// The connection ends.
    Closed(&'a CloseReason),
}

/// On what terms a subscription was granted.
#[derive(Debug, Clone, Copy, Default)]
pub struct SubscriptionTerms<'a> {
    /// Seconds until the client must refresh the subscription, if it must.
    pub ttl: Option<u32>,
    /// What the token wants the client to know.
    pub data: Option<&'a RawJson>,
    /// From where on the subscriber receives the channel's publications, if it can tell. With a recovery that
    /// succeeded, what it said it had seen; the publications lead from there to the present.
    pub position: Option<Position>,
    /// What became of the wish to recover, if there was one.
    pub recovery: Option<Recovered<'a>>,
}

/// What became of a recovery.
#[derive(Debug, Clone, Copy)]
pub enum Recovered<'a> {
    /// Nothing is missing: these publications follow what the client has seen.
    Whole(&'a [HistoryEntry]),
    /// The last publication alone, as it was asked for; absent when there is none, or when it was seen.
    Last(Option<&'a HistoryEntry>),
    /// Something is missing, so nothing is repeated.
    Failed,
}

/// A subscription that the server made.
#[derive(Debug, Clone, Copy)]
pub struct ServerSubscription<'a> {
    /// The channel.
    pub channel: &'a ChannelName,
    /// On what terms.
    pub terms: SubscriptionTerms<'a>,
}

/// Why the server ended a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnsubscribeReason {
    /// A backend asked for it.
    Requested,
    /// The subscription's token ran out and was not refreshed.
    Expired,
    /// Publications are missing.
    InsufficientState,
}

impl UnsubscribeReason {
    /// The number on the native wire: from 2500 on, clients subscribe again by themselves.
    pub fn code(self) -> u16 {
        match self {
            Self::Requested => 2000,
            Self::InsufficientState => 2500,
            Self::Expired => 2501,
        }
    }

    /// The text on the native wire.
    pub fn text(self) -> &'static str {
        match self {
            Self::Requested => "server unsubscribe",
            Self::Expired => "subscription expired",
            Self::InsufficientState => "insufficient state",
        }
    }
}
