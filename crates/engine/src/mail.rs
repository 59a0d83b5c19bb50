//! What threads say to each other: requests to the broker thread, mail to a worker, orders from the control
//! thread.

use std::hash::RandomState;
use std::sync::Arc;
use std::time::Duration;

use auth::ServerGrant;
use broker::{Attendance, PublishTerms};
use model::{
    ChannelName, ClaimedEpoch, ClientId, ClientInfo, CloseReason, ConnectionId, HistoryEntry, HistoryPage,
    HistoryRange, HistoryRules, Position, Publication, RawJson, Refusal, RequestId, Since, UnixTime,
    WorkerId,
};
use tokio::sync::oneshot;

use crate::channels::ChannelKey;
use crate::counters::{NodeCounters, ShardCounters};
use crate::delivery::{Delivery, MovementNotice};
use crate::policy::Policy;
use crate::rules::NamespaceId;
use crate::shard::{ConnectionPage, ConnectionQuery, PageLimits};

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
    /// A subscriber that was away wants what it missed.
    Recover(Box<RecoverRequest>),
    /// Somebody reads a history.
    History(Box<HistoryRequest>),
    /// A connection became a subscriber.
    Enter(Box<Entry>),
    /// A connection is no longer a subscriber.
    Exit(Box<Entry>),
    /// Connections are subscribers still.
    Vouch(Vec<Entry>),
    /// Somebody asks who is subscribed.
    Inquire(Box<Inquiry>),
    /// A backend drops a history.
    RemoveHistory {
        /// Of which channel.
        channel: ChannelName,
        /// Told when it is done.
        reply: oneshot::Sender<Result<(), Refusal>>,
    },
    /// The control thread scrapes.
    Count(oneshot::Sender<NodeCounters>),
    /// Settings changed. Workers are told later, so that none knows a namespace before the broker thread does.
    Adopt(Arc<Policy>),
}

impl NodeRequest {
    /// Whether nobody waits for the outcome any longer, so that it need not be carried out.
    pub fn is_abandoned(&self) -> bool {
        match self {
            Self::Publish(request) => {
                matches!(&request.publisher, Publisher::Api(reply) if reply.is_closed())
            }
            Self::Join { .. }
            | Self::Release { .. }
            | Self::Recover(_)
            | Self::History(_)
            | Self::RemoveHistory { .. }
            | Self::Enter(_)
            | Self::Exit(_)
            | Self::Vouch(_)
            | Self::Inquire(_)
            | Self::Count(_)
            | Self::Adopt(_) => false,
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
    /// On what terms.
    pub terms: PublishTerms,
    /// Who awaits the outcome.
    pub publisher: Publisher,
}

/// A subscriber's wish for what it missed. Its worker asked for the channel before.
pub struct RecoverRequest {
    /// Where to.
    pub channel: ChannelName,
    /// How the worker calls the channel.
    pub key: ChannelKey,
    /// The connection, whose worker is answered.
    pub connection: ConnectionId,
    /// Its command's number.
    pub request: RequestId,
    /// What it has seen.
    pub since: Since,
}

/// What became of a wish to recover: the subscriber's place in the channel, from which on it is live.
pub struct Recovery {
    /// The channel's position when it was answered.
    pub last: Position,
    /// What precedes that and follows what the subscriber has seen; `None` when not all of it is there.
    pub missed: Option<Vec<HistoryEntry>>,
}

/// A subscriber, and what is to be seen of it.
pub struct Entry {
    /// To which channel.
    pub channel: ChannelName,
    /// The rule-set that the channel's name selects.
    pub namespace: NamespaceId,
    /// Who.
    pub member: Arc<ClientInfo>,
}

/// Somebody's question about who is subscribed.
pub struct Inquiry {
    /// To which channel.
    pub channel: ChannelName,
    /// The rule-set that the channel's name selects.
    pub namespace: NamespaceId,
    /// What is asked, and by whom.
    pub question: InquiryKind,
}

/// What is asked about subscribers, and by whom.
pub enum InquiryKind {
    /// Who they are, by a client.
    Members(ConnectionId, RequestId),
    /// How many they are, by a client.
    Count(ConnectionId, RequestId),
    /// Who they are, by a backend.
    MembersForApi(oneshot::Sender<Result<Vec<Arc<ClientInfo>>, Refusal>>),
    /// How many they are, by a backend.
    CountForApi(oneshot::Sender<Result<Attendance, Refusal>>),
}

/// Somebody's question about a history.
pub struct HistoryRequest {
    /// Of which channel.
    pub channel: ChannelName,
    /// The rules by which it is kept.
    pub rules: HistoryRules,
    /// Which part.
    pub range: HistoryRange,
    /// Of which epoch.
    pub epoch: ClaimedEpoch,
    /// Who asks.
    pub asker: HistoryAsker,
}

/// Who reads a history.
pub enum HistoryAsker {
    /// A client: its connection is told.
    Connection {
        /// The connection.
        connection: ConnectionId,
        /// Its command's number.
        request: RequestId,
    },
    /// A backend, through the server API.
    Api(oneshot::Sender<Result<HistoryPage, Refusal>>),
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
    Api(oneshot::Sender<Result<Option<Position>, Refusal>>),
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
        /// The channel's position, where a history is kept.
        last: Option<Position>,
    },
    /// A join is no longer in effect: until [`Self::Joined`] comes again, nothing of the channel does.
    Severed {
        /// The worker's channel.
        channel: ChannelKey,
    },
    /// Publications of a channel are missing: its subscribers can no longer rely on their positions.
    Broken {
        /// The worker's channel.
        channel: ChannelKey,
        /// The position from which on publications follow each other again.
        last: Position,
    },
    /// What became of a subscriber's wish to recover.
    Recovered {
        /// The worker's channel.
        channel: ChannelKey,
        /// The connection.
        connection: ConnectionId,
        /// Its command's number.
        request: RequestId,
        /// The outcome.
        outcome: Result<Box<Recovery>, Refusal>,
    },
    /// Somebody came to a channel that the worker joined, or went.
    Moved {
        /// The worker's channel.
        channel: ChannelKey,
        /// What happened.
        notice: Arc<MovementNotice>,
    },
    /// What a client asked about subscribers.
    Inquired {
        /// The connection.
        connection: ConnectionId,
        /// Its command's number.
        request: RequestId,
        /// What was found.
        outcome: Result<Found, Refusal>,
    },
    /// What a client asked about a history.
    History {
        /// The connection.
        connection: ConnectionId,
        /// Its command's number.
        request: RequestId,
        /// What was found.
        outcome: Result<Box<HistoryPage>, Refusal>,
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

/// What was found about subscribers.
pub enum Found {
    /// Who they are.
    Members(Vec<Arc<ClientInfo>>),
    /// How many they are.
    Count(Attendance),
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
    /// List connections, in the order of their slots.
    Connections {
        /// Which.
        query: Arc<ConnectionQuery>,
        /// The first slot to look at.
        from: u32,
        /// How much may be listed.
        room: PageLimits,
        /// Takes the list.
        reply: oneshot::Sender<ConnectionPage>,
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
    /// Settings changed: whatever is done from here on follows these.
    Adopt {
        /// All of them.
        policy: Arc<Policy>,
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
