//! The methods of the server API, by their names and by the numbers of the old endpoint.

use crate::config::ApiMethod;

/// A method, batches aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Publish,
    Broadcast,
    Subscribe,
    Unsubscribe,
    Disconnect,
    Refresh,
    Channels,
    Connections,
    Info,
    Presence,
    PresenceStats,
    History,
    HistoryRemove,
    Rpc,
}

impl Method {
    pub(super) const ALL: [Self; 14] = [
        Self::Publish,
        Self::Broadcast,
        Self::Subscribe,
        Self::Unsubscribe,
        Self::Disconnect,
        Self::Refresh,
        Self::Channels,
        Self::Connections,
        Self::Info,
        Self::Presence,
        Self::PresenceStats,
        Self::History,
        Self::HistoryRemove,
        Self::Rpc,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Broadcast => "broadcast",
            Self::Subscribe => "subscribe",
            Self::Unsubscribe => "unsubscribe",
            Self::Disconnect => "disconnect",
            Self::Refresh => "refresh",
            Self::Channels => "channels",
            Self::Connections => "connections",
            Self::Info => "info",
            Self::Presence => "presence",
            Self::PresenceStats => "presence_stats",
            Self::History => "history",
            Self::HistoryRemove => "history_remove",
            Self::Rpc => "rpc",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// The method of a number of the old endpoint; what came later has a name alone.
    pub(super) fn from_number(number: u64) -> Option<Self> {
        const BY_NUMBER: [Method; 13] = [
            Method::Publish,
            Method::Broadcast,
            Method::Unsubscribe,
            Method::Disconnect,
            Method::Presence,
            Method::PresenceStats,
            Method::History,
            Method::HistoryRemove,
            Method::Channels,
            Method::Info,
            Method::Rpc,
            Method::Subscribe,
            Method::Refresh,
        ];
        usize::try_from(number).ok().and_then(|number| BY_NUMBER.get(number)).copied()
    }

    /// What a key needs to call it. None for what is refused to everybody.
    pub(super) fn right(self) -> Option<ApiMethod> {
        match self {
            Self::Publish => Some(ApiMethod::Publish),
            Self::Broadcast => Some(ApiMethod::Broadcast),
            Self::Subscribe => Some(ApiMethod::Subscribe),
            Self::Unsubscribe => Some(ApiMethod::Unsubscribe),
            Self::Disconnect => Some(ApiMethod::Disconnect),
            Self::Refresh => Some(ApiMethod::Refresh),
            Self::Channels => Some(ApiMethod::Channels),
            Self::Connections => Some(ApiMethod::Connections),
            Self::Info => Some(ApiMethod::Info),
            Self::History => Some(ApiMethod::History),
            Self::HistoryRemove => Some(ApiMethod::HistoryRemove),
            Self::Presence => Some(ApiMethod::Presence),
            Self::PresenceStats => Some(ApiMethod::PresenceStats),
            Self::Rpc => None,
        }
    }
}
