//! Connections, a page at a time: node after node in the order of their ids, worker after worker, slot after slot.
//! What a page holds is bounded, and so is the time that is spent on it; a cursor says where the next one begins.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use engine::{ConnectionPage, ConnectionQuery, ConnectionReport, Order, Origin, PageLimits};
use model::{ClientId, Moment, Now, Refusal, limits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::handle::Handle;

/// One connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ConnectionStats {
    /// The user; empty for connections without one.
    user: String,
    /// How its frames travel.
    transport: String,
    /// In which encoding the client speaks.
    protocol: String,
    /// The `uid` of its node.
    #[serde(default)]
    node: String,
    /// When it connected, in seconds since 1970.
    connected_at: i64,
    /// What it has.
    pub(crate) state: ConnectionState,
}

/// What a connection has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ConnectionState {
    /// The channels that it is subscribed to, by name.
    pub(crate) channels: BTreeMap<String, SubscriptionStats>,
}

/// A subscription of a connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SubscriptionStats {
    /// Why it is there: 1 for the connection's token, 10 for the server API; left out for the client's own wish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<u32>,
}

/// Where in a node a page begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    worker: u16,
    slot: u32,
}

/// Some connections of one node.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct NodePage {
    /// By their ids.
    connections: Vec<(String, ConnectionStats)>,
    /// From where on there may be more.
    next: Option<Place>,
}

/// Where a page begins. Its text is opaque to those who ask.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    node: ClientId,
    place: Place,
}

impl Cursor {
    /// Parses the form that [`fmt::Display`] writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let node = ClientId::parse(parts.next()?)?;
        let place = Place { worker: parts.next()?.parse().ok()?, slot: parts.next()?.parse().ok()? };
        let cursor = Self { node, place };
        (cursor.to_string() == text).then_some(cursor)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.node, self.place.worker, self.place.slot)
    }
}

/// What a page still has room for.
struct Room {
    count: usize,
    bytes: usize,
    /// When no further worker or node is asked.
    until: Moment,
}

impl Room {
    fn new(count: usize, bytes: usize, handle: &Handle) -> Self {
        Self { count, bytes, until: handle.clock().moment() + limits::GATHER_DEADLINE / 2 }
    }

    fn is_left(&self, handle: &Handle) -> bool {
        self.count > 0 && self.bytes > 0 && handle.clock().moment() < self.until
    }

    fn take(&mut self, count: usize, bytes: usize) {
        self.count = self.count.saturating_sub(count);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl NodePage {
    /// Of this node; `None` when a worker does not answer.
    pub(crate) async fn of_node(
        handle: &Handle,
        query: &Arc<ConnectionQuery>,
        from: Place,
        count: usize,
        bytes: usize,
    ) -> Option<Self> {
        let mut room = Room::new(count, bytes, handle);
        let (mut page, mut place) = (Self::default(), from);
        while usize::from(place.worker) < handle.workers().len() {
            if !room.is_left(handle) {
                page.next = Some(place);
                break;
            }
            let order = |reply| {
                let room =
                    PageLimits { count: room.count, bytes: room.bytes, size: ConnectionStats::size_of };
                Order::Connections { query: Arc::clone(query), from: place.slot, room, reply }
            };
            let ConnectionPage { connections, bytes, next } = handle.ask_worker(place.worker, order).await?;
            room.take(connections.len(), bytes);
            let now = handle.clock().now();
            let named =
                |report: ConnectionReport| (report.client.to_string(), ConnectionStats::new(report, now));
            page.connections.extend(connections.into_iter().map(named));
            place = match next {
                Some(slot) => Place { slot, ..place },
                None => Place { worker: place.worker + 1, slot: 0 },
            };
        }
        Some(page)
    }
}

impl ConnectionStats {
    /// Bytes of JSON around a connection's names, its id and what the node says itself included.
    const AROUND: usize = 224;
    /// Bytes around the name of a channel.
    const AROUND_NAME: usize = 17;

    fn new(report: ConnectionReport, now: Now) -> Self {
        let age = now.moment.since(report.opened).as_secs();
        let channels = report.channels.iter().map(|(name, origin)| {
            let source = match origin {
                Origin::Client => None,
                Origin::Token => Some(1),
                Origin::Api => Some(10),
            };
            (name.as_str().to_owned(), SubscriptionStats { source })
        });
        // Labels of protocols end in the encoding.
        let (_, encoding) = report.protocol.rsplit_once('_').unwrap_or(("", report.protocol));
        Self {
            transport: report.transport.to_owned(),
            protocol: encoding.to_owned(),
            node: String::new(),
            connected_at: now.unix.0.saturating_sub_unsigned(age),
            state: ConnectionState { channels: channels.collect() },
            user: report.user.into(),
        }
    }

    /// Bytes of JSON that it takes: never more, and few less.
    fn size(&self) -> usize {
        Self::size_with(&self.user, self.state.channels.keys().map(String::as_str))
    }

    /// The same of one that is to be told.
    fn size_of(report: &ConnectionReport) -> usize {
        Self::size_with(&report.user, report.channels.iter().map(|(name, _)| name.as_str()))
    }

    fn size_with<'n>(user: &str, channels: impl Iterator<Item = &'n str>) -> usize {
        let names = channels.map(|name| escaped(name) + Self::AROUND_NAME);
        Self::AROUND + escaped(user) + names.sum::<usize>()
    }
}

/// Bytes of a text between the quotes of JSON.
fn escaped(text: &str) -> usize {
    let bytes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        0x20.. => 1,
    });
    bytes.sum()
}

/// Connections of all nodes, from a cursor on, and where the next page begins. Refused when a node does not say.
pub(crate) async fn of_all(
    handle: &Handle,
    query: ConnectionQuery,
    cursor: Option<Cursor>,
    count: usize,
) -> Result<(BTreeMap<String, ConnectionStats>, Option<Cursor>), Refusal> {
    let (own, query) = (handle.roster().id(), Arc::new(query));
    let mut nodes = handle.roster().peers(handle.clock().moment()).ok_or(Refusal::Internal)?;
    nodes.push(own);
    nodes.sort_unstable();
    let cursor = cursor.unwrap_or(Cursor { node: nodes[0], place: Place::default() });
    let mut room = Room::new(count, limits::CONNECTIONS_LISTED_BYTES_MAX, handle);
    let mut found = BTreeMap::new();
    // Of a node that ended meanwhile nothing is left.
    for node in nodes.into_iter().filter(|node| *node >= cursor.node) {
        let mut place = Some(if node == cursor.node { cursor.place } else { Place::default() });
        while let Some(from) = place {
            if !room.is_left(handle) {
                return Ok((found, Some(Cursor { node, place: from })));
            }
            let page = if node == own {
                let page = NodePage::of_node(handle, &query, from, room.count, room.bytes).await;
                page.ok_or(Refusal::Internal)?
            } else {
                handle.letters().connections(handle, node, &query, from, room.count, room.bytes).await?
            };
            for (client, connection) in page.connections.into_iter().take(room.count) {
                room.take(1, connection.size());
                found.insert(client, ConnectionStats { node: node.to_string(), ..connection });
            }
            place = page.next;
        }
    }
    Ok((found, None))
}

#[cfg(test)]
mod tests {
    use model::ChannelName;

    use super::*;

    #[test]
    fn a_connection_takes_no_more_bytes_than_are_counted_and_few_less() {
        const FEW: usize = 64;
        let every: String = (0..=0x1ff).filter_map(char::from_u32).collect();
        let longest = format!("{}…", "\u{1}".repeat(limits::USER_LISTED_BYTES_MAX));
        let quotes = |count: usize| -> Vec<String> {
            let name = |number| format!("{number:03}{}", "\"".repeat(limits::CHANNEL_NAME_BYTES_MAX - 3));
            (0..count).map(name).collect()
        };
        let printable: String = (' '..='~').filter(|character| !matches!(character, '{' | '}')).collect();
        for user in ["", "alice", &every, &longest] {
            for channels in [vec![], vec![printable.clone()], quotes(1), quotes(128)] {
                let report = report(user, &channels);
                let (counted, client) = (ConnectionStats::size_of(&report), report.client.to_string());
                let told = ConnectionStats::new(report, Now::default());
                assert_eq!(told.size(), counted);
                let node = ClientId::new(u128::MAX).to_string();
                let in_answer = BTreeMap::from([(&client, ConnectionStats { node, ..told.clone() })]);
                let in_answer = written(&in_answer);
                let in_letter = written(&[(&client, &told)]);
                let connected_at = 10;
                assert!(
                    in_answer.max(in_letter) + connected_at <= counted,
                    "{in_answer} {in_letter} {counted}"
                );
                assert!(in_answer + FEW >= counted, "{in_answer} {counted}");
            }
        }
        // The largest fits into a letter that is full but for a byte.
        let largest =
            ConnectionStats::size_of(&report(&longest, &quotes(limits::CHANNELS_PER_CONNECTION_MAX)));
        assert!(limits::NODE_LETTER_BYTES_MAX + largest < limits::NODE_PAYLOAD_BYTES_MAX, "{largest}");
    }

    #[test]
    fn a_cursor_is_read_only_as_it_was_written() {
        let cursor = Cursor { node: ClientId::new(7), place: Place { worker: 3, slot: 40 } };
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        let node = ClientId::new(7);
        for wrong in ["+3.40", "3.+40", "03.40", "3.040", "3", "3.", "3.40.", "3.40 ", "-3.40", "65536.0"] {
            assert_eq!(Cursor::parse(&format!("{node}.{wrong}")), None, "{wrong}");
        }
    }

    fn report(user: &str, channels: &[String]) -> ConnectionReport {
        let named = |name: &String| (ChannelName::parse(name).expect("a name"), Origin::Api);
        ConnectionReport {
            client: ClientId::new(1),
            user: user.into(),
            transport: "websocket",
            protocol: "centrifugal_protobuf",
            opened: Moment::default(),
            channels: channels.iter().map(named).collect(),
        }
    }

    fn written(value: &impl Serialize) -> usize {
        serde_json::to_vec(value).expect("JSON").len()
    }
}
