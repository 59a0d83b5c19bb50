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
    /// What they take of the room.
    pub bytes: usize,
    /// From where on there may be more.
    pub next: Option<u32>,
}

/// How much a page may hold. It ends once either is used up, so its last connection may need more bytes than were left.
#[derive(Debug, Clone, Copy)]
pub struct PageLimits {
    /// Connections.
    pub count: usize,
    /// Bytes of them.
    pub bytes: usize,
    /// How many of those a connection takes, as whoever asks writes it down.
    pub size: fn(&ConnectionReport) -> usize,
}

/// What is to be told of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionReport {
    /// Its id.
    pub client: ClientId,
    /// Its user; empty when it has no name. Of a name beyond [`limits::USER_LISTED_BYTES_MAX`] the begin and `…`.
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

impl Shard {
    /// Lists connections from a slot on, until the room is used up, or enough was looked at for once.
    pub(super) fn list_connections(
        &self,
        query: &ConnectionQuery,
        from: u32,
        room: PageLimits,
    ) -> ConnectionPage {
        let mut page = ConnectionPage::default();
        let channels = &self.tables.channels;
        let channel = query.channel.as_ref().map(|name| channels.find(name.as_str()));
        let Some(channel) = channel.map_or(Some(None), |found| found.map(Some)) else {
            return page;
        };
        let mut looked_at = 0;
        for slot in self.candidates(query.user.as_deref(), channel, from) {
            let is_full = page.connections.len() >= room.count || page.bytes >= room.bytes;
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
                page.bytes += (room.size)(&report);
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
            user: shown(self.tables.users.name(&connection.user)),
            transport: encoder.framing.label(),
            protocol: encoder.protocol.label(),
            opened: connection.opened,
            channels: named.collect(),
        }
    }
}

/// A user's name, of a very long one its begin.
fn shown(user: &str) -> Box<str> {
    match &user[..user.floor_char_boundary(limits::USER_LISTED_BYTES_MAX)] {
        whole if whole.len() == user.len() => whole.into(),
        begin => format!("{begin}…").into(),
    }
}

/// These slots in their order, unless there are too many to sort them.
fn if_few(slots: impl Iterator<Item = u32>) -> Option<Vec<u32>> {
    let mut slots: Vec<u32> = slots.take(limits::CONNECTIONS_LOOKED_AT_MAX + 1).collect();
    slots.sort_unstable();
    (slots.len() <= limits::CONNECTIONS_LOOKED_AT_MAX).then_some(slots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_very_long_name_the_begin_is_shown() {
        let longest = "x".repeat(limits::USER_LISTED_BYTES_MAX);
        for name in ["", "alice", &longest] {
            assert_eq!(&*shown(name), name);
        }
        assert_eq!(&*shown(&format!("{longest}x")), format!("{longest}…"));
        // No character is cut in two.
        let umlauts = format!("x{}", "ä".repeat(limits::USER_LISTED_BYTES_MAX / 2));
        assert_eq!(&*shown(&umlauts), format!("{}…", umlauts.strip_suffix('ä').expect("an umlaut")));
    }
}
