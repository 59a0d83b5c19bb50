//! Who is subscribed to a channel, over all nodes.

use super::answer::{Answer, Client, Outcome, PresenceResult, PresenceStatsResult};
use super::caller::Caller;
use super::request::ChannelRequest;

impl Caller<'_> {
    pub(super) async fn presence(self, request: ChannelRequest<'_>) -> Outcome {
        let (channel, _) = self.channel("channel", &request.channel)?;
        let members = self.api.handle.members(channel).await?;
        let presence = members.iter().map(|member| (member.client.to_string(), Client::from(&**member)));
        Ok(Answer::Presence(PresenceResult { presence: presence.collect() }))
    }

    pub(super) async fn presence_stats(self, request: ChannelRequest<'_>) -> Outcome {
        let (channel, _) = self.channel("channel", &request.channel)?;
        let attendance = self.api.handle.attendance(channel).await?;
        let (num_clients, num_users) = (attendance.clients, attendance.users);
        Ok(Answer::PresenceStats(PresenceStatsResult { num_clients, num_users }))
    }
}
