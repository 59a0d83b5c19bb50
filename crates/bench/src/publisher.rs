//! Who publishes to the node: one connection by HTTP, by WebSocket or to Redis, one request, frame or pipeline
//! at a time.

use crate::client::Table;
use crate::connection::{Event, Speech};
use crate::error::Fault;
use crate::http::Api;
use crate::join::Clients;
use crate::stage::Stage;
use crate::{BenchError, Options, PublisherKind, redis, wire};

/// One publisher, whose connection stands in the table.
pub(crate) struct Publisher {
    index: usize,
    kind: PublisherKind,
    api: Api,
    redis_prefix: String,
    next_id: u32,
    /// Answers still to come; it publishes again when there are none.
    unanswered: usize,
}

impl Publisher {
    pub(crate) fn open(
        table: &mut Table,
        options: &Options,
        token: &dyn Fn(usize) -> String,
        stage: &mut Stage,
    ) -> Result<Self, BenchError> {
        let api = Api { address: options.api(), key: options.node.api_key.clone() };
        let index = match options.deliveries.publisher {
            PublisherKind::Http => open_http(table, &api, stage)?,
            PublisherKind::Ws => {
                let clients = Clients { count: 1, token, channel: None };
                clients.join(table, options, stage)?.start
            }
            PublisherKind::Redis => open_redis(table, options, stage)?,
        };
        let redis_prefix = options.cluster.redis_prefix.clone();
        Ok(Self { index, kind: options.deliveries.publisher, api, redis_prefix, next_id: 10, unanswered: 0 })
    }

    pub(crate) fn is_free(&self) -> bool {
        self.unanswered == 0
    }

    /// Publishes `count` times the same, at once: one request, or one frame of commands.
    pub(crate) fn publish(
        &mut self,
        table: &mut Table,
        stage: &Stage,
        channel: &str,
        payload: &str,
        count: usize,
    ) -> Result<(), BenchError> {
        let bytes = match (self.kind, count) {
            (PublisherKind::Http, 1) => self.api.publish(channel, payload),
            (PublisherKind::Http, _) => self.api.batch(channel, payload, count),
            (PublisherKind::Ws, _) => {
                let ids = (0..count).map(|_| self.take_id());
                let commands: Vec<String> = ids.map(|id| wire::publish(id, channel, payload)).collect();
                wire::text(commands.join("\n").as_bytes())
            }
            (PublisherKind::Redis, _) => {
                let key = format!("{}:ch:{channel}", self.redis_prefix);
                redis::command(&[b"PUBLISH", key.as_bytes(), payload.as_bytes()]).repeat(count)
            }
        };
        self.unanswered = match self.kind {
            PublisherKind::Http => 1,
            PublisherKind::Ws | PublisherKind::Redis => count,
        };
        table.send(self.index, &bytes, stage)
    }

    /// Takes note of answers; what is not for it is left alone.
    pub(crate) fn on_event(&mut self, index: usize, event: &Event<'_>) -> Result<(), Fault> {
        if index != self.index {
            return Ok(());
        }
        match event {
            Event::Reply { code: 0, .. } | Event::Response { .. } => {
                self.unanswered = self.unanswered.saturating_sub(1);
                Ok(())
            }
            Event::Reply { code, .. } => Err(Fault::Refused(format!(
                "publish was answered with error {code} (103: client_publish; 111: the command rate)"
            ))),
            Event::Unsubscribed { .. } => Err(event.surprise()),
            Event::Upgraded | Event::Push { .. } => Ok(()),
        }
    }

    fn take_id(&mut self) -> u32 {
        self.next_id = self.next_id.wrapping_add(1).max(10);
        self.next_id
    }
}

fn open_redis(table: &mut Table, options: &Options, stage: &Stage) -> Result<usize, BenchError> {
    let address = options.cluster.redis.expect("whoever publishes to Redis was asked where it is");
    table.open(address, Speech::Redis, Vec::new()).map_err(|error| Fault::Io(error).at(stage.name()))
}

/// A keep-alive connection to the server API.
pub(crate) fn open_http(table: &mut Table, api: &Api, stage: &Stage) -> Result<usize, BenchError> {
    table.open(api.address, Speech::Http, Vec::new()).map_err(|error| Fault::Io(error).at(stage.name()))
}
