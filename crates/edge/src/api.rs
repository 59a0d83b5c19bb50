//! The server API over HTTP: who calls, what is asked, what is answered. Publishing goes to the broker thread,
//! everything about connections goes to the workers as orders; nothing here knows a client protocol.

mod answer;
mod batch;
mod caller;
mod connections;
mod exchange;
mod fault;
mod history;
mod keys;
mod legacy;
mod listing;
mod method;
mod openapi;
mod presence;
mod publish;
mod request;
mod span;
mod tally;
mod text;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use engine::{Rules, Tracer};
use model::{Refusal, limits};
use tokio::sync::Semaphore;

use crate::config::{ApiConfig, ErrorMode};
use crate::handle::Handle;
use crate::live::Live;
use crate::nodes::identity::NodeIdentity;
use caller::Caller;
use exchange::{Rejection, Sizes};
use fault::Fault;
use keys::{Key, Keys};
use method::Method;
use span::RequestSpan;

pub(crate) use tally::Tally;

/// The server API of one node.
pub(crate) struct Api {
    handle: Handle,
    node: NodeIdentity,
    access: Arc<Live<Access>>,
    error_mode: ErrorMode,
    slots: Semaphore,
    tally: Arc<Tally>,
    tracer: Option<Arc<Tracer>>,
}

/// Who may call, and how much a call may hold.
#[derive(Debug)]
pub(crate) struct Access {
    keys: Keys,
    sizes: Sizes,
}

impl Access {
    pub(crate) fn new(config: &ApiConfig, rules: &Rules) -> Self {
        Self { keys: Keys::new(config, rules), sizes: Sizes::new(config.publication_size.as_usize()) }
    }

    /// What a key may do, for tests to compare.
    #[cfg(test)]
    pub(crate) fn rights(&self, key: &str) -> Option<String> {
        let request = axum::http::Request::builder().header("x-api-key", key);
        let (head, ()) = request.body(()).expect("a request").into_parts();
        self.keys.of(&head).map(|key| format!("{key:?}"))
    }
}

/// What a path stands for.
#[derive(Debug, Clone, Copy)]
enum Endpoint {
    Method(Method),
    Batch,
    Legacy,
}

impl Api {
    pub(crate) fn new(
        handle: Handle,
        access: Arc<Live<Access>>,
        error_mode: ErrorMode,
        node: NodeIdentity,
        tally: Arc<Tally>,
        tracer: Option<Arc<Tracer>>,
    ) -> Self {
        let slots = Semaphore::new(limits::API_REQUESTS_MAX);
        Self { handle, node, access, error_mode, slots, tally, tracer }
    }

    /// Answers a request, and counts it.
    async fn answer(&self, endpoint: Endpoint, request: Request) -> Response {
        let (code, response) = self.trace(endpoint, request).await;
        self.tally.count(endpoint, response.status(), code, self.handle.clock().moment());
        response
    }

    async fn trace(&self, endpoint: Endpoint, request: Request) -> (Option<u16>, Response) {
        let (head, body) = request.into_parts();
        let access = self.access.now();
        let Some(key) = access.keys.of(&head) else {
            return (None, Rejection::Unauthorized.into_response());
        };
        let now = || self.handle.clock().moment();
        let span = RequestSpan::begin(self.tracer.as_ref(), endpoint, &head.headers, now());
        let (code, response) =
            self.carry_out(endpoint, &head, body, (&access.sizes, key), span.as_ref()).await;
        let response = response.unwrap_or_else(IntoResponse::into_response);
        if let Some(span) = span {
            span.end(response.status(), code, now());
        }
        (code, response)
    }

    /// The answer, and its code if it has one. Of several calls it is that of the node's own faults.
    async fn carry_out(
        &self,
        endpoint: Endpoint,
        head: &Parts,
        body: Body,
        (sizes, key): (&Sizes, &Key),
        span: Option<&RequestSpan>,
    ) -> (Option<u16>, Result<Response, Rejection>) {
        let Ok(_slot) = self.slots.try_acquire() else {
            return (None, Err(Rejection::Busy));
        };
        let body = match exchange::read(body, sizes.of(endpoint)).await {
            Ok(body) => body,
            Err(rejection) => return (None, Err(rejection)),
        };
        let room = AtomicUsize::new(limits::API_HISTORY_BYTES_MAX);
        let has_failed = AtomicBool::new(false);
        let caller = Caller { api: self, key, sizes, room: &room, span, has_failed: &has_failed };
        let (granted, outcome) = match endpoint {
            Endpoint::Method(method) => {
                (Some(0), caller.call(method, &body).await.map(|answer| exchange::success(&answer)))
            }
            Endpoint::Batch => (None, caller.batch(&body).await),
            Endpoint::Legacy => (None, caller.legacy(&body).await),
        };
        let code = outcome.as_ref().map_or_else(|fault| Some(fault.code()), |_| granted);
        let response = outcome.or_else(|fault| match endpoint {
            Endpoint::Method(_) | Endpoint::Batch => self.refuse(fault, head),
            // Old libraries read lines, and know no other answer.
            Endpoint::Legacy => Err(fault.into()),
        });
        let failed = has_failed.into_inner().then(|| Refusal::Internal.code());
        (failed.or(code), response)
    }

    fn refuse(&self, fault: Fault, head: &Parts) -> Result<Response, Rejection> {
        let mode = exchange::error_mode(&head.headers).unwrap_or(self.error_mode);
        exchange::failure(fault, mode)
    }
}

/// Everything below `/api`.
pub(crate) fn router(api: Api) -> Router {
    let api = Arc::new(api);
    let serve = |endpoint| {
        let api = Arc::clone(&api);
        post(async move |request: Request| api.answer(endpoint, request).await)
    };
    let mut router = Router::new()
        .route("/api", serve(Endpoint::Legacy))
        .route("/api/batch", serve(Endpoint::Batch))
        .route("/api/openapi.json", get(document))
        .route("/api/{*method}", any(async || Rejection::NoSuchMethod));
    for method in Method::ALL {
        router = router.route(&format!("/api/{}", method.name()), serve(Endpoint::Method(method)));
    }
    router
}

async fn document() -> Response {
    ([(CONTENT_TYPE, exchange::JSON)], Bytes::from_static(openapi::document().as_bytes())).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use engine::{Mailbox, NamespaceConfig, NodeRequest};
    use http_body_util::BodyExt;
    use model::{ClientId, Period, Secret};
    use transport::{Clock, WorkerLink};

    use super::*;
    use crate::nodes::roster::{Formats, Roster};

    const UNANSWERED: &str = r#"{"error":{"code":100,"message":"internal server error"}}"#;

    #[tokio::test(flavor = "current_thread")]
    async fn threads_that_do_not_answer_are_not_waited_for() {
        let (api, begun) = (api(1), tokio::time::Instant::now());
        let repeatable = r#"{"channel":"a","data":1,"idempotency_key":"k"}"#;
        let commands = r#"{"commands":[{"info":{}},{"publish":{"channel":"a","data":1}}],"parallel":true}"#;
        let answers = tokio::join!(
            post(&api, Endpoint::Method(Method::Publish), r#"{"channel":"a","data":1}"#),
            post(&api, Endpoint::Method(Method::Publish), repeatable),
            post(&api, Endpoint::Method(Method::Disconnect), r#"{"user":"a"}"#),
            post(&api, Endpoint::Method(Method::Channels), "{}"),
            post(&api, Endpoint::Method(Method::Info), "{}"),
            post(&api, Endpoint::Method(Method::History), r#"{"channel":"kept:a"}"#),
            post(&api, Endpoint::Method(Method::HistoryRemove), r#"{"channel":"kept:a"}"#),
            post(&api, Endpoint::Batch, commands),
        );
        let unanswered = (200, UNANSWERED.to_owned());
        for answer in [&answers.0, &answers.1, &answers.2, &answers.3, &answers.4, &answers.5, &answers.6] {
            assert_eq!(answer, &unanswered);
        }
        assert_eq!(answers.7, (200, format!(r#"{{"replies":[{UNANSWERED},{UNANSWERED}]}}"#)));
        assert!(begun.elapsed() < limits::PUBLISH_DEADLINE * 3 / 2);
        let counted = |wanted| {
            let counts = api.tally.counts().filter(|(_, outcome, _)| *outcome == wanted);
            counts.map(|(_, _, count)| count).sum::<u64>()
        };
        assert_eq!((counted("failed"), counted("answered")), (8, 0));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_nobody_waits_for_any_longer_is_not_published() {
        let api = api(0);
        let publish = Endpoint::Method(Method::Publish);
        let request = r#"{"channel":"a","data":1}"#;
        assert_eq!(post(&api, publish, request).await, (200, UNANSWERED.to_owned()));
        assert!(!api.handle.hand_over_once(), "something is still to be handed over");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn requests_under_way_are_bounded() {
        let api = api(1);
        let taken = api.slots.try_acquire_many(limits::API_REQUESTS_MAX as u32).expect("nobody else asks");
        let request = || Request::post("/").header("X-API-Key", "key").body(Body::from("{}")).expect("valid");
        let refused = api.answer(Endpoint::Method(Method::Rpc), request()).await;
        assert_eq!(refused.status(), 503);
        assert_eq!(refused.headers()["retry-after"], "1");
        drop(taken);
        assert_eq!(api.answer(Endpoint::Method(Method::Rpc), request()).await.status(), 200);
    }

    /// The server API of a node whose threads do not run.
    fn api(mailbox_entries: usize) -> Api {
        let mailbox: Mailbox<NodeRequest> = Mailbox::new(mailbox_entries * 8, 1024, Box::new(|| {}));
        let kept = NamespaceConfig {
            history_size: 1,
            history_ttl: Period::seconds(1),
            ..NamespaceConfig::default()
        };
        let namespaces = BTreeMap::from([("kept".to_owned(), kept)]);
        let rules = Arc::new(Rules::new(&NamespaceConfig::default(), &namespaces, false));
        let clock = Clock::start();
        let roster = Arc::new(Roster::new(ClientId::new(1), false, Formats::new()));
        let handle = Handle::new(Arc::new(mailbox), Arc::new([WorkerLink::new()]), rules, clock, roster);
        let config = ApiConfig { key: Secret::new("key"), ..ApiConfig::default() };
        let access = Arc::new(Live::new(Arc::new(Access::new(&config, &handle.rules()))));
        let node = NodeIdentity::new("a", &[], "1.2.3", clock.moment());
        Api::new(handle, access, ErrorMode::Default, node, Arc::new(Tally::new()), None)
    }

    async fn post(api: &Api, endpoint: Endpoint, body: &'static str) -> (u16, String) {
        let request = Request::post("/").header("X-API-Key", "key").body(Body::from(body)).expect("valid");
        let answer = tokio::select! {
            answer = api.answer(endpoint, request) => answer,
            never = api.handle.hand_over() => match never {},
        };
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        (status, String::from_utf8(body.into()).expect("UTF-8"))
    }
}
