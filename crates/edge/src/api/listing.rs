//! What there is: channels and nodes, gathered from every thread.

use std::collections::BTreeMap;
use std::hash::RandomState;

use engine::Order;
use model::{Refusal, limits};
use transport::resident_bytes;

use super::answer::{Answer, ChannelStats, ChannelsResult, InfoResult, NodeStats, Outcome, ProcessStats};
use super::caller::Caller;
use super::request::{ChannelsRequest, InfoRequest};

impl Caller<'_> {
    pub(super) async fn channels(self, request: ChannelsRequest<'_>) -> Outcome {
        let handle = &self.api.handle;
        let pattern = &*request.pattern;
        let order = |reply| Order::Channels { pattern: pattern.into(), reply };
        let gathered = handle.gather(order).await;
        if gathered.is_partial {
            return Err(Refusal::Internal.into());
        }
        let is_cut = |listed: &Vec<_>| listed.len() > limits::CHANNELS_LISTED_MAX;
        let mut truncated = gathered.answers.iter().any(is_cut);
        let mut channels: BTreeMap<_, ChannelStats> = BTreeMap::new();
        for (name, subscribers) in gathered.answers.into_iter().flatten() {
            if handle.rules().of(&name).is_ok_and(|namespace| self.key.sees(namespace)) {
                channels.entry(name).or_default().num_clients += subscribers;
            }
        }
        while channels.len() > limits::CHANNELS_LISTED_MAX {
            channels.pop_last();
            truncated = true;
        }
        Ok(Answer::Channels(ChannelsResult { channels, truncated }))
    }

    pub(super) async fn info(self, _: InfoRequest) -> Outcome {
        let handle = &self.api.handle;
        let hasher = RandomState::new();
        let list_users = |reply| Order::Users { hasher: hasher.clone(), reply };
        let (counters, users, node) =
            tokio::join!(handle.gather(Order::Count), handle.gather(list_users), handle.count_node());
        let (false, false, Some(node)) = (counters.is_partial, users.is_partial, node) else {
            return Err(Refusal::Internal.into());
        };
        let mut users = users.answers.concat();
        users.sort_unstable();
        users.dedup();
        let identity = &self.api.node;
        let stats = NodeStats {
            uid: identity.uid.clone(),
            name: identity.name.clone(),
            version: identity.version.clone(),
            num_clients: counters.answers.iter().map(|worker| worker.connections).sum(),
            num_users: users.len() as u64,
            num_channels: node.channels,
            num_subs: counters.answers.iter().map(|worker| worker.subscriptions).sum(),
            uptime: handle.clock().moment().since(identity.started).as_secs(),
            process: resident_bytes().map(|rss| ProcessStats { rss }),
        };
        Ok(Answer::Info(InfoResult { nodes: vec![stats] }))
    }
}
