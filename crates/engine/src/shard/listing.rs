//! Pages of a worker's connections, in the order of their slots: a connection that stays is on one page alone,
//! whoever comes and goes meanwhile. A page ends when enough was looked at, however little was found.

use model::{ChannelName, ClientId, Moment, limits};

use super::Shard;
use crate::connection::{Connection, Origin, Phase};

/// Which connections are meant: those that meet all that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionQuery {
    /// Of this user; empty for those without a name.
    pub user: Option<Box<str>>,
    /// Subscribed to this channel.
    pub channel: Option<ChannelName>,
    /// Of this id.
    pub client: Option<ClientId>,
}

/// Some of a worker's connections.
#[derive(Debug, Default)]
pub struct ConnectionPage {
    /// In the order of their slots.
    pub connections: Vec<ConnectionReport>,
    /// From where on there may be more.
    pub next: Option<u32>,
}

/// What is to be told of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionReport {
    /// Its id.
    pub client: ClientId,
    /// Its user; empty when it has no name.
    pub user: Box<str>,
    /// How its frames travel.
    pub transport: &'static str,
    /// What it speaks, and in which encoding.
    pub protocol: &'static str,
    /// Since when it is there.
    pub opened: Moment,
    /// What it is subscribed to, and because of whom.
    pub channels: Vec<(ChannelName, Origin)>,
}

impl ConnectionReport {
    /// Bytes of its names.
    pub fn size(&self) -> usize {
        self.channels.iter().map(|(name, _)| name.as_str().len()).sum::<usize>() + self.user.len()
    }
}

impl Shard {
    /// Lists connections from a slot on, until there are so many, or enough was looked at for once.
    pub(super) fn list_connections(
        &self,
        query: &ConnectionQuery,
        from: u32,
        count: usize,
    ) -> ConnectionPage {
        let mut page = ConnectionPage::default();
        let channels = &self.tables.channels;
        let channel = query.channel.as_ref().map(|name| channels.find(name.as_str()));
        let Some(channel) = channel.map_or(Some(None), |found| found.map(Some)) else {
            return page;
        };
        let (mut looked_at, mut bytes) = (0, 0);
        for slot in self.candidates(query.user.as_deref(), channel, from) {
            let is_full = page.connections.len() >= count || bytes >= limits::CONNECTIONS_LISTED_BYTES_MAX;
            if is_full || looked_at >= limits::CONNECTIONS_LOOKED_AT_MAX {
                page.next = Some(slot);
                break;
            }
            looked_at += 1;
            let live = |connection: &&Connection| connection.phase == Phase::Live;
            let Some(connection) = self.tables.connections.get(slot).filter(live) else {
                continue;
            };
            let is_meant = query.client.is_none_or(|client| client == connection.client)
                && query.user.as_deref().is_none_or(|user| user == self.tables.users.name(&connection.user));
            if !is_meant {
                continue;
            }
            looked_at += usize::from(connection.subscriptions.count);
            if channel.is_none_or(|channel| channels.subscription(connection, channel).is_some()) {
                let report = self.report(connection);
                bytes += report.size();
                page.connections.push(report);
            }
        }
        page
    }

    /// The slots to look at, from one on: few that are known to be of the user or channel, or all.
    fn candidates(
        &self,
        user: Option<&str>,
        channel: Option<u32>,
        from: u32,
    ) -> Box<dyn Iterator<Item = u32>> {
        let connections = &self.tables.connections;
        let of_user = user.and_then(|user| if_few(self.tables.users.connections(user, connections)));
        let few = of_user.or_else(|| {
            let groups = self.tables.channels.get(channel?)?.groups();
            if_few(groups.flat_map(|group| group.members()).map(|member| member.slot))
        });
        match few {
            Some(slots) => Box::new(slots.into_iter().filter(move |slot| *slot >= from)),
            None => Box::new(from..connections.places()),
        }
    }

    fn report(&self, connection: &Connection) -> ConnectionReport {
        let channels = &self.tables.channels;
        let encoder = self.place.encoders.of(connection.variant);
        let named = channels.subscriptions_of(connection).filter_map(|subscription| {
            Some((channels.get(subscription.channel)?.name.clone(), subscription.origin))
        });
        ConnectionReport {
            client: connection.client,
            user: self.tables.users.name(&connection.user).into(),
            transport: encoder.framing.label(),
            protocol: encoder.protocol.label(),
            opened: connection.opened,
            channels: named.collect(),
        }
    }
}

/// These slots in their order, unless there are too many to sort them.
fn if_few(slots: impl Iterator<Item = u32>) -> Option<Vec<u32>> {
    let mut slots: Vec<u32> = slots.take(limits::CONNECTIONS_LOOKED_AT_MAX + 1).collect();
    slots.sort_unstable();
    (slots.len() <= limits::CONNECTIONS_LOOKED_AT_MAX).then_some(slots)
}
