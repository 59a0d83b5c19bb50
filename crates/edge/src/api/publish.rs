//! Publishing: to one channel or to several, whose publications are all begun before the first is awaited.

use std::collections::BTreeMap;

use broker::{PublishTerms, Version};
use model::{Payload, Position, RawJson, Refusal, Tags, limits};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::answer::{Answer, BroadcastResponse, BroadcastResult, Outcome, PublishResult};
use super::caller::{Caller, payload};
use super::fault::Fault;
use super::request::{BroadcastRequest, PublishRequest};
use super::text::Text;
use crate::handle::answered;

/// What goes to each channel of one call.
#[derive(Clone)]
struct Content {
    payload: Payload,
    tags: Tags,
    wishes: Wishes,
}

/// On what terms it goes, as far as these are the same for each channel.
#[derive(Clone)]
struct Wishes {
    skip_history: bool,
    idempotency_key: Option<Box<str>>,
    version: Option<Version>,
}

/// A publication on its way into the broker.
type Begun = oneshot::Receiver<Result<Option<Position>, Refusal>>;

impl Caller<'_> {
    pub(super) async fn publish(self, request: PublishRequest<'_>) -> Outcome {
        let PublishRequest { version, version_epoch, idempotency_key, skip_history, .. } = request;
        let wishes = Wishes::new(version, &version_epoch, &idempotency_key, skip_history)?;
        let content = self.content(request.data, &request.b64data, request.tags, wishes)?;
        let begun = self.begin("channel", &request.channel, content)?;
        let position = answered(begun, Instant::now() + limits::PUBLISH_DEADLINE).await?;
        Ok(Answer::Publish(position.into()))
    }

    pub(super) async fn broadcast(self, request: BroadcastRequest<'_>) -> Outcome {
        let BroadcastRequest { version, version_epoch, idempotency_key, skip_history, .. } = request;
        let wishes = Wishes::new(version, &version_epoch, &idempotency_key, skip_history)?;
        let channels = listed(request.channels)?;
        let content = self.content(request.data, &request.b64data, request.tags, wishes)?;
        let begin = |channel: &Text<'_>| self.begin("channels", channel, content.clone());
        let begun: Vec<Result<Begun, Fault>> = channels.iter().map(begin).collect();
        let deadline = Instant::now() + limits::PUBLISH_DEADLINE;
        let mut responses = Vec::with_capacity(begun.len());
        for begun in begun {
            let outcome = match begun {
                Ok(begun) => answered(begun, deadline).await.map_err(Fault::from),
                Err(fault) => Err(fault),
            };
            responses.push(match outcome {
                Ok(position) => BroadcastResponse::Result(PublishResult::from(position)),
                Err(fault) => BroadcastResponse::Error(self.tell(fault)),
            });
        }
        Ok(Answer::Broadcast(BroadcastResult { responses }))
    }

    fn content(
        self,
        json: Option<&RawJson>,
        base64: &str,
        tags: Option<BTreeMap<String, String>>,
        wishes: Wishes,
    ) -> Result<Content, Fault> {
        let Some(payload) = payload("data", json, base64)? else {
            return Err(Fault::field("data", "is missing or null: give data or b64data"));
        };
        let tags = Tags::from(tags.unwrap_or_default());
        let (size, beside, limit) = (payload.size(), tags.size(), self.sizes.publication);
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
        Ok(Content { payload, tags, wishes })
    }

    fn begin(self, field: &str, channel: &str, content: Content) -> Result<Begun, Fault> {
        let (channel, namespace) = self.channel(field, channel)?;
        let Content { payload, tags, wishes } = content;
        let Wishes { skip_history, idempotency_key, version } = wishes;
        let handle = &self.api.handle;
        let history = handle.rules().history(namespace).filter(|_| !skip_history);
        // There is nothing to compare a version with: the publication would not be held back.
        if version.is_some() && history.is_none() {
            let what = "needs history, which the channel's namespace does not keep: leave it out, or set \
                        history_size and history_ttl";
            return Err(Fault::field("version", what));
        }
        let terms = PublishTerms { history, idempotency_key, version };
        let trace = self.span.map(|span| {
            span.concerns(namespace);
            span.place()
        });
        Ok(handle.begin_publish(channel, payload, tags, terms, trace)?)
    }
}

impl Wishes {
    fn new(
        version: Option<u64>,
        version_epoch: &str,
        idempotency_key: &str,
        skip_history: Option<bool>,
    ) -> Result<Self, Fault> {
        let texts = [
            ("idempotency_key", idempotency_key, limits::IDEMPOTENCY_KEY_BYTES_MAX),
            ("version_epoch", version_epoch, limits::VERSION_EPOCH_BYTES_MAX),
        ];
        for (field, text, most) in texts {
            if text.len() > most {
                let what = format_args!("has {} bytes, at most {most}", text.len());
                return Err(Fault::field(field, what));
            }
        }
        let skip_history = skip_history.unwrap_or(false);
        let version = version.filter(|number| *number != 0);
        if version.is_some() && skip_history {
            let what = "needs history, which skip_history leaves out: give one of the two";
            return Err(Fault::field("version", what));
        }
        Ok(Self {
            skip_history,
            idempotency_key: (!idempotency_key.is_empty()).then(|| idempotency_key.into()),
            version: version.map(|number| Version { number, epoch: version_epoch.into() }),
        })
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
