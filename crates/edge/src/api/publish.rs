//! Publishing: to one channel or to several, whose publications are all begun before the first is awaited.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Payload, RawJson, Refusal, Tags, limits};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::answer::{Answer, BroadcastResponse, BroadcastResult, EmptyResult, Outcome};
use super::caller::{Caller, payload};
use super::fault::Fault;
use super::repeats::Attempt;
use super::request::{BroadcastRequest, PublishRequest};
use super::text::Text;

/// What goes to each channel of one call.
#[derive(Clone)]
struct Content {
    payload: Payload,
    tags: Tags,
}

/// A publication on its way into the broker.
enum Begun {
    Once(oneshot::Receiver<Result<(), Refusal>>),
    Repeatable(Arc<Attempt>),
}

impl Caller<'_> {
    pub(super) async fn publish(self, request: PublishRequest<'_>) -> Outcome {
        refuse_version(request.version)?;
        let content = self.content(request.data, &request.b64data, request.tags)?;
        let begun = self.begin("channel", &request.channel, content, &request.idempotency_key)?;
        self.finish(begun, Instant::now() + limits::PUBLISH_DEADLINE).await?;
        Ok(Answer::EMPTY)
    }

    pub(super) async fn broadcast(self, request: BroadcastRequest<'_>) -> Outcome {
        refuse_version(request.version)?;
        let channels = listed(request.channels)?;
        let content = self.content(request.data, &request.b64data, request.tags)?;
        let begin =
            |channel: &Text<'_>| self.begin("channels", channel, content.clone(), &request.idempotency_key);
        let begun: Vec<Result<Begun, Fault>> = channels.iter().map(begin).collect();
        let deadline = Instant::now() + limits::PUBLISH_DEADLINE;
        let mut responses = Vec::with_capacity(begun.len());
        for begun in begun {
            let outcome = match begun {
                Ok(begun) => self.finish(begun, deadline).await.map_err(Fault::from),
                Err(fault) => Err(fault),
            };
            responses.push(match outcome {
                Ok(()) => BroadcastResponse::Result(EmptyResult {}),
                Err(fault) => BroadcastResponse::Error(fault.into_object()),
            });
        }
        Ok(Answer::Broadcast(BroadcastResult { responses }))
    }

    fn content(
        self,
        json: Option<&RawJson>,
        base64: &str,
        tags: Option<BTreeMap<String, String>>,
    ) -> Result<Content, Fault> {
        let Some(payload) = payload("data", json, base64)? else {
            return Err(Fault::field("data", "is missing or null: give data or b64data"));
        };
        let tags = Tags::from(tags.unwrap_or_default());
        let (size, beside, limit) = (payload.size(), tags.size(), self.api.sizes.publication);
        let advice = "publish less, or raise the setting api.publication_size";
        if size > limit {
            let what = format_args!("has {size} bytes, at most {limit}: {advice}");
            return Err(Fault::field("data", what));
        }
        if size + beside > limit {
            let what = format_args!(
                "has {beside} bytes as JSON beside {size} of data, at most {limit} together: {advice}"
            );
            return Err(Fault::field("tags", what));
        }
        Ok(Content { payload, tags })
    }

    fn begin(self, field: &str, channel: &str, content: Content, key: &str) -> Result<Begun, Fault> {
        let (channel, _) = self.channel(field, channel)?;
        let handle = &self.api.handle;
        let Content { payload, tags } = content;
        if key.is_empty() {
            return Ok(Begun::Once(handle.begin_publish(channel, payload, tags)?));
        }
        let print = self.api.repeats.print(&channel, key);
        let publish = || handle.begin_publish(channel, payload, tags);
        Ok(Begun::Repeatable(self.api.repeats.begin(print, handle.clock().moment(), publish)?))
    }

    /// Awaits the outcome. Past the deadline the publication may or may not have been accepted.
    async fn finish(self, begun: Begun, deadline: Instant) -> Result<(), Refusal> {
        match begun {
            Begun::Once(outcome) => match timeout_at(deadline, outcome).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) | Err(_) => Err(Refusal::Internal),
            },
            Begun::Repeatable(attempt) => {
                let outcome = timeout_at(deadline, attempt.outcome()).await;
                if let Ok(Err(_)) = outcome {
                    self.api.repeats.forget(&attempt);
                }
                outcome.unwrap_or(Err(Refusal::Internal))
            }
        }
    }
}

/// Without history there is nothing to compare a version with: the publication would not be held back.
fn refuse_version(version: Option<u64>) -> Result<(), Fault> {
    match version {
        None | Some(0) => Ok(()),
        Some(_) => Err(Fault::field("version", "needs history, which no channel has: leave it out")),
    }
}

fn listed(channels: Option<Vec<Text<'_>>>) -> Result<Vec<Text<'_>>, Fault> {
    match channels {
        Some(channels) if channels.len() > limits::API_BATCH_MAX => {
            let what = format_args!("has {} channels, at most {}", channels.len(), limits::API_BATCH_MAX);
            Err(Fault::field("channels", what))
        }
        Some(channels) if !channels.is_empty() => Ok(channels),
        Some(_) | None => Err(Fault::field("channels", "is missing or empty: list at least one channel")),
    }
}
