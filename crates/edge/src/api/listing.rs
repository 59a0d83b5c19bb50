//! What there is: channels, connections and nodes, gathered from every node.

use std::collections::BTreeMap;

use model::{ChannelName, ClientId, Refusal, limits};

use engine::ConnectionQuery;

use super::answer::{Answer, ChannelStats, ChannelsResult, ConnectionsResult, InfoResult, Outcome};
use super::caller::Caller;
use super::fault::Fault;
use super::request::{ChannelsRequest, ConnectionsRequest, InfoRequest};
use crate::nodes::connections::{self, Cursor};

impl Caller<'_> {
    pub(super) async fn channels(self, request: ChannelsRequest<'_>) -> Outcome {
        let handle = &self.api.handle;
        let pattern = &*request.pattern;
        if pattern.len() > limits::PATTERN_BYTES_MAX {
            let what = format_args!("has {} bytes, at most {}", pattern.len(), limits::PATTERN_BYTES_MAX);
            return Err(Fault::field("pattern", what));
        }
        let listing = handle.letters().channels(handle, pattern).await?;
        let (rules, mut channels) = (handle.rules(), BTreeMap::new());
        for (name, num_clients) in listing.channels {
            if rules.of(&name).is_ok_and(|namespace| self.key.sees(namespace)) {
                channels.insert(name, ChannelStats { num_clients });
            }
        }
        Ok(Answer::Channels(ChannelsResult { channels, truncated: listing.is_cut }))
    }

    pub(super) async fn connections(self, request: ConnectionsRequest<'_>) -> Outcome {
        const LIMIT: usize = 100;
        let handle = &self.api.handle;
        let channel = match &*request.channel {
            "" => self.key.may_touch_all().map(|()| None)?,
            name => Some(self.channel("channel", name)?.0),
        };
        let cursor = match &*request.cursor {
            "" => None,
            text => Some(Cursor::parse(text).ok_or_else(|| {
                Fault::field("cursor", "is none that an answer had: leave it out to begin anew")
            })?),
        };
        let client = match &*request.client {
            "" => None,
            text => match ClientId::parse(text) {
                Some(client) => Some(client),
                // Nobody is called that.
                None => return Ok(Answer::Connections(ConnectionsResult::default())),
            },
        };
        let count = match request.limit {
            None | Some(0) => LIMIT,
            Some(limit) => (limit as usize).min(limits::CONNECTIONS_LISTED_MAX),
        };
        let query = ConnectionQuery { user: request.user.map(|user| Box::from(&*user)), channel, client };
        let (mut page, cursor) = connections::of_all(handle, query, cursor, count).await?;
        let is_seen = |name: &String| {
            let namespace = ChannelName::parse(name).ok().and_then(|name| handle.rules().of(&name).ok());
            namespace.is_some_and(|namespace| self.key.sees(namespace))
        };
        page.values_mut().for_each(|connection| connection.state.channels.retain(|name, _| is_seen(name)));
        let cursor = cursor.map(|cursor| cursor.to_string());
        Ok(Answer::Connections(ConnectionsResult { connections: page, cursor }))
    }

    pub(super) async fn info(self, _: InfoRequest) -> Outcome {
        let handle = &self.api.handle;
        let own = self.api.node.stats(handle, u64::MAX).await.ok_or(Refusal::Internal)?;
        let others = handle.roster().others(handle.clock().moment());
        Ok(Answer::Info(InfoResult { nodes: std::iter::once(own).chain(others).collect() }))
    }
}
