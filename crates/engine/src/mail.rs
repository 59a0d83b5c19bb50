//! What threads say to each other: requests to the broker thread, mail to a worker, orders from the control
//! thread.

use std::hash::RandomState;
use std::sync::Arc;
use std::time::Duration;

use auth::ServerGrant;
use model::{
    ChannelName, ClientId, CloseReason, ConnectionId, Publication, RawJson, Refusal, RequestId, UnixTime,
    WorkerId,
};
use tokio::sync::oneshot;

use crate::channels::ChannelKey;
use crate::counters::{NodeCounters, ShardCounters};
use crate::delivery::Delivery;
use crate::rules::NamespaceId;

/// What the broker thread is asked.
pub enum NodeRequest {
    /// A worker wants a channel's publications.
    Join {
        /// Who asks.
        worker: WorkerId,
        /// For what.
        channel: ChannelName,
        /// How the worker calls it.
        key: ChannelKey,
    },
    /// A worker no longer wants them.
    Release {
        /// Who asks.
        worker: WorkerId,
        /// For what.
        channel: ChannelName,
        /// How the worker called it.
        key: ChannelKey,
    },
    /// Somebody publishes.
    Publish(Box<PublishRequest>),
    /// The control thread scrapes.
    Count(oneshot::Sender<NodeCounters>),
}

impl NodeRequest {
    /// Whether nobody waits for the outcome any longer, so that it need not be carried out.
    pub fn is_abandoned(&self) -> bool {
        match self {
            Self::Publish(request) => {
                matches!(&request.publisher, Publisher::Api(reply) if reply.is_closed())
            }
            Self::Join { .. } | Self::Release { .. } | Self::Count(_) => false,
        }
    }
}

/// A publication on its way into the broker.
pub struct PublishRequest {
    /// Where to.
    pub channel: ChannelName,
    /// The rule-set that the channel's name selects.
    pub namespace: NamespaceId,
    /// What.
    pub publication: Publication,
    /// Who awaits the outcome.
    pub publisher: Publisher,
}

/// Who published.
pub enum Publisher {
    /// A client: its connection is told.
    Connection {
        /// The connection.
        connection: ConnectionId,
        /// Its command's number.
        request: RequestId,
    },
    /// A backend, through the server API.
    Api(oneshot::Sender<Result<(), Refusal>>),
}

/// What a worker is told.
pub enum WorkerMail {
    /// A publication of a channel it joined.
    Publication {
        /// The worker's channel.
        channel: ChannelKey,
        /// The publication.
        delivery: Arc<Delivery>,
    },
    /// A join is in effect: what follows in the mailbox is live.
    Joined {
        /// The worker's channel.
        channel: ChannelKey,
        /// The node's copy of the name, so that the text is stored once.
        name: ChannelName,
    },
    /// The outcome of a client's publish.
    Published {
        /// The connection.
        connection: ConnectionId,
        /// Its command's number.
        request: RequestId,
        /// Whether it was accepted.
        outcome: Result<(), Refusal>,
    },
    /// Something the control thread wants.
    Order(Box<Order>),
}

/// What the control thread wants of every worker. Each sender is answered when the order is carried out.
pub enum Order {
    /// Copy the counters.
    Count(oneshot::Sender<ShardCounters>),
    /// List channels with their subscriber counts.
    Channels {
        /// A pattern with `*`; empty for all.
        pattern: Box<str>,
        /// Takes the list.
        reply: oneshot::Sender<Vec<(ChannelName, usize)>>,
    },
    /// List the users, as hashes that agree between workers.
    Users {
        /// Makes the hashes.
        hasher: RandomState,
        /// Takes the list.
        reply: oneshot::Sender<Vec<u64>>,
    },
    /// Close a user's connections.
    Disconnect {
        /// Which.
        target: Target,
        /// Why.
        reason: CloseReason,
        /// Connections to spare.
        spared: Arc<[ClientId]>,
        /// Told when done.
        reply: oneshot::Sender<()>,
    },
    /// Subscribe a user's connections.
    Subscribe {
        /// Which.
        target: Target,
        /// To what.
        grant: Arc<ServerGrant>,
        /// Until when, if it ends.
        expires: Option<UnixTime>,
        /// Told when done.
        reply: oneshot::Sender<()>,
    },
    /// End subscriptions of a user's connections.
    Unsubscribe {
        /// Which.
        target: Target,
        /// To what.
        channel: ChannelName,
        /// Told when done.
        reply: oneshot::Sender<()>,
    },
    /// Change when a user's connections expire.
    Refresh {
        /// Which.
        target: Target,
        /// To when.
        expiry: Expiry,
        /// What others may see of the connections from then on; what they see today when absent. Without line
        /// breaks.
        info: Option<Box<RawJson>>,
        /// Told when done.
        reply: oneshot::Sender<()>,
    },
    /// Close all connections over `window`, and every new one at once.
    Drain {
        /// How long the closing is spread out.
        window: Duration,
    },
}

/// The connections an order is about.
#[derive(Debug, Clone)]
pub struct Target {
    /// The user; empty for those without a name.
    pub user: Box<str>,
    /// One connection of theirs; all when absent.
    pub client: Option<ClientId>,
}

/// What a refresh order sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// The connection is over now.
    Now,
    /// It lasts until then.
    At(UnixTime),
    /// It does not expire.
    Never,
}
