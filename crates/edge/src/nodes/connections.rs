//! Connections, a page at a time: node after node in the order of their ids, worker after worker, slot after slot.
//! What a page holds is bounded, and so is the time that is spent on it; a cursor says where the next one begins.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use engine::{ConnectionPage, ConnectionQuery, ConnectionReport, Order, Origin};
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
        Some(Self { node, place })
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

    fn take(&mut self, bytes: usize) {
        self.count = self.count.saturating_sub(1);
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
    ) -> Option<Self> {
        // Names may take twice as many bytes as JSON.
        let mut room = Room::new(count, limits::NODE_LETTER_BYTES_MAX / 2, handle);
        let (mut page, mut place) = (Self::default(), from);
        while usize::from(place.worker) < handle.workers().len() {
            if !room.is_left(handle) {
                page.next = Some(place);
                break;
            }
            let order = |reply| {
                let query = Arc::clone(query);
                Order::Connections { query, from: place.slot, count: room.count, reply }
            };
            let ConnectionPage { connections, next } = handle.ask_worker(place.worker, order).await?;
            let now = handle.clock().now();
            for report in connections {
                room.take(report.size() + ConnectionStats::AROUND);
                page.connections.push((report.client.to_string(), ConnectionStats::new(report, now)));
            }
            place = match next {
                Some(slot) => Place { slot, ..place },
                None => Place { worker: place.worker + 1, slot: 0 },
            };
        }
        Some(page)
    }
}

impl ConnectionStats {
    /// Bytes of JSON around a connection's names, roughly.
    const AROUND: usize = 128;

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

    fn size(&self) -> usize {
        self.user.len() + self.state.channels.keys().map(String::len).sum::<usize>() + Self::AROUND
    }
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
                NodePage::of_node(handle, &query, from, room.count).await.ok_or(Refusal::Internal)?
            } else {
                handle.letters().connections(handle, node, &query, from, room.count).await?
            };
            for (client, connection) in page.connections.into_iter().take(room.count) {
                room.take(connection.size());
                found.insert(client, ConnectionStats { node: node.to_string(), ..connection });
            }
            place = page.next;
        }
    }
    Ok((found, None))
}
