//! What there is: channels and nodes, gathered from every node.

use std::collections::BTreeMap;

use model::{Refusal, limits};

use super::answer::{Answer, ChannelStats, ChannelsResult, InfoResult, Outcome};
use super::caller::Caller;
use super::fault::Fault;
use super::request::{ChannelsRequest, InfoRequest};

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

    pub(super) async fn info(self, _: InfoRequest) -> Outcome {
        let handle = &self.api.handle;
        let own = self.api.node.stats(handle, u64::MAX).await.ok_or(Refusal::Internal)?;
        let others = handle.roster().others(handle.clock().moment());
        Ok(Answer::Info(InfoResult { nodes: std::iter::once(own).chain(others).collect() }))
    }
}
