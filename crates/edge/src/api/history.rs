//! Histories: reading a part of one, and dropping what is kept.

use std::sync::atomic::Ordering;

use model::{ClaimedEpoch, HistoryPage, HistoryRange, Refusal, limits};

use super::answer::{Answer, Outcome};
use super::caller::Caller;
use super::fault::Fault;
use super::request::{ChannelRequest, HistoryRequest};

impl Caller<'_> {
    pub(super) async fn history(self, request: HistoryRequest<'_>) -> Outcome {
        let (channel, _) = self.channel("channel", &request.channel)?;
        let all = limits::HISTORY_PUBLICATIONS_MAX;
        // Below zero stands for as many as may be asked for.
        let limit = u32::try_from(request.limit.unwrap_or(0)).map_or(all, |limit| limit.min(all));
        let reverse = request.reverse.unwrap_or(false);
        let (since, epoch) = match request.since {
            Some(since) => (Some(since.offset.unwrap_or(0)), ClaimedEpoch::parse(&since.epoch)),
            None => (None, ClaimedEpoch::Any),
        };
        if reverse && since == Some(0) {
            let what = "is 0, which nothing precedes: leave since out to read from the newest";
            return Err(Fault::field("since.offset", what));
        }
        let range = HistoryRange { since, limit, reverse };
        let page = self.api.handle.history(channel, range, epoch).await?;
        self.make_room_for(&page)?;
        Ok(Answer::History(page.into()))
    }

    pub(super) async fn remove_history(self, request: ChannelRequest<'_>) -> Outcome {
        let (channel, _) = self.channel("channel", &request.channel)?;
        self.api.handle.remove_history(channel).await?;
        Ok(Answer::EMPTY)
    }

    /// Takes a page into the answer, unless the histories of one answer would be too large.
    fn make_room_for(self, page: &HistoryPage) -> Result<(), Fault> {
        let size: usize = page.entries.iter().map(|entry| entry.publication.size()).sum();
        let take = |room: usize| room.checked_sub(size);
        let taken = self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.map(drop).map_err(|_| {
            let refusal = Refusal::LimitExceeded;
            let most = limits::API_HISTORY_BYTES_MAX;
            let text = format!("{}: limit: an answer holds at most {most} bytes of history", refusal.text());
            Fault::Refused(refusal, text.into())
        })
    }
}
