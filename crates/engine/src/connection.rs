//! The state of one connection in its worker's table. Kept small: an idle connection is this, a socket, and
//! its entries in the tables beside.

use model::{ClientId, Moment, RawJson, RequestId, TokenBucket};
use protocol::{Adapter, CommandKind, Recovery as Wish, Variant};

use crate::mail::Recovery;
use crate::outbox::Outbox;
use crate::slab::NONE;
use crate::users::UserLink;

/// One client's logical link, from accept to close.
pub(crate) struct Connection {
    pub(crate) adapter: Box<dyn Adapter>,
    pub(crate) outbox: Outbox,
    pub(crate) client: ClientId,
    pub(crate) user: UserLink,
    /// What the token says about the connection.
    pub(crate) info: Option<Box<RawJson>>,
    /// The command that waits for an answer, if one does.
    pub(crate) pending: Option<Box<Pending>>,
    pub(crate) opened: Moment,
    pub(crate) commands: CommandRate,
    pub(crate) subscriptions: SubscriptionList,
    /// When the token ends, in seconds of the wall clock; 0 when it does not.
    pub(crate) expires: u32,
    pub(crate) heartbeat: Heartbeat,
    /// When the message that is arriving must be whole; [`NONE`] when none is.
    pub(crate) message_due: u32,
    pub(crate) phase: Phase,
    pub(crate) variant: Variant,
    pub(crate) writing: Writing,
}

/// How many commands may still be taken.
pub(crate) struct CommandRate {
    pub(crate) bucket: TokenBucket,
    /// Commands refused because of their rate, less those granted since.
    pub(crate) overruns: u16,
}

/// A connection's subscriptions; they are chained.
pub(crate) struct SubscriptionList {
    pub(crate) first: u32,
    pub(crate) count: u16,
}

/// Pings and pongs.
pub(crate) struct Heartbeat {
    /// When the next ping goes out or the pong is due.
    pub(crate) due: u32,
    /// How long the worker had stalled in all when the ping went out.
    pub(crate) stalled_at_ping: u32,
    pub(crate) awaits_pong: bool,
}

/// Where a connection stands with the flushing of its outbox.
#[derive(Default)]
pub(crate) struct Writing {
    /// It is in line to be written to.
    pub(crate) is_dirty: bool,
    /// A flush was cut short by a full socket.
    pub(crate) is_blocked: bool,
    /// It is held back for an answer to come.
    pub(crate) is_corked: bool,
    /// It was held back for long enough.
    pub(crate) is_late: bool,
}

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No connect command was granted yet; closed as stale at the given tick.
    AwaitingConnect { due: u32 },
    /// The connect command was turned down; nothing else is listened to. Closed as stale at the given tick.
    ConnectRefused { due: u32 },
    /// Connected.
    Live,
    /// The close frame is on its way; reset at the given tick.
    Closing { due: u32 },
    /// Our side is closed; reset at the given tick if the peer's is not.
    Lingering { due: u32 },
}

/// A command that waits. One at a time: the rest of the client's bytes wait with it.
pub(crate) struct Pending {
    pub(crate) request: RequestId,
    pub(crate) since: Moment,
    /// When the wait ends with a refusal.
    pub(crate) due: u32,
    pub(crate) what: Awaited,
}

/// What a pending command waits for.
pub(crate) enum Awaited {
    /// The server-side subscriptions of a connect.
    Connect { wanted: Vec<Wanted>, outstanding: usize },
    /// A channel to be joined.
    Subscribe(Wanted),
    /// The outcome of a publish.
    Publish,
    /// A part of a history.
    History,
    /// Who is subscribed, or how many.
    Inquiry(CommandKind),
}

impl Awaited {
    /// The subscriptions that will be made.
    pub(crate) fn wanted(&mut self) -> impl Iterator<Item = &mut Wanted> {
        let wanted = match self {
            Self::Connect { wanted, .. } => wanted.as_mut_slice(),
            Self::Subscribe(wanted) => std::slice::from_mut(wanted),
            Self::Publish | Self::History | Self::Inquiry(_) => &mut [],
        };
        wanted.iter_mut()
    }
}

/// Who asked for a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The client.
    Client,
    /// The connection's token.
    Token,
    /// A backend, through the server API.
    Api,
}

/// A subscription to be made once its channel is joined. It keeps the channel pinned.
pub(crate) struct Wanted {
    pub(crate) channel: u32,
    pub(crate) origin: Origin,
    /// When the subscription's token ends, in seconds of the wall clock; 0 when it does not.
    pub(crate) expires: u32,
    pub(crate) info: Option<Box<RawJson>>,
    pub(crate) data: Option<Box<RawJson>>,
    /// Whether the client wants to be told who comes and goes.
    pub(crate) wants_movements: bool,
    /// What the client wants of what it missed; the channel alone does not do then.
    pub(crate) wish: Option<Wish>,
    /// What became of that.
    pub(crate) recovery: Option<Box<Recovery>>,
}

impl Connection {
    pub(crate) fn new(
        adapter: Box<dyn Adapter>,
        variant: Variant,
        client: ClientId,
        commands: TokenBucket,
        now: Moment,
        stale_due: u32,
    ) -> Self {
        Self {
            adapter,
            outbox: Outbox::new(),
            client,
            user: UserLink::new(),
            info: None,
            pending: None,
            opened: now,
            commands: CommandRate { bucket: commands, overruns: 0 },
            subscriptions: SubscriptionList { first: NONE, count: 0 },
            expires: 0,
            heartbeat: Heartbeat { due: NONE, stalled_at_ping: 0, awaits_pong: false },
            message_due: NONE,
            phase: Phase::AwaitingConnect { due: stale_due },
            variant,
            writing: Writing::default(),
        }
    }

    /// Whether the connection still takes part: neither closing nor closed.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Closing { .. } | Phase::Lingering { .. })
    }

    /// Whether a connect or subscribe waits for its channels, which takes a moment.
    pub(crate) fn awaits_join(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| {
            !matches!(pending.what, Awaited::Publish | Awaited::History | Awaited::Inquiry(_))
        })
    }

    /// Whether the next command may be taken.
    pub(crate) fn is_ready(&self) -> bool {
        self.is_open() && self.pending.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The written budget of what every connection has in its worker's table.
    const CONNECTION_BYTES_MAX: usize = 160;

    #[test]
    fn a_connection_stays_within_its_budget() {
        assert!(size_of::<Connection>() <= CONNECTION_BYTES_MAX, "{} bytes", size_of::<Connection>());
    }
}
