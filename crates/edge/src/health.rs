//! Health: is the process alive, should it get traffic, has it started. Each check is told by name.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use transport::Pulse;

use crate::broker_thread::BrokerLink;
use crate::drain::Progress;
use crate::handle::Handle;

/// What health is judged by. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Health {
    handle: Handle,
    broker: BrokerLink,
    control: Arc<Pulse>,
    drain: Arc<Progress>,
}

#[derive(Serialize)]
struct Report {
    status: &'static str,
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct Check {
    name: String,
    ok: bool,
    detail: String,
}

impl Health {
    pub(crate) fn new(handle: Handle, broker: BrokerLink) -> Self {
        Self { handle, broker, control: Arc::default(), drain: Arc::default() }
    }

    /// The control thread's own sign of life.
    pub(crate) fn beat(&self) {
        self.control.beat(self.handle.clock().moment());
    }

    /// How far the node's end is: once that has begun, it wants no more traffic.
    pub(crate) fn drain(&self) -> &Progress {
        &self.drain
    }

    /// Whether `/readyz` is green.
    pub(crate) fn is_ready(&self) -> bool {
        self.readiness().iter().all(|check| check.ok)
    }

    /// `/livez`, `/readyz`, `/startupz` and `/health`.
    pub(crate) fn router(self) -> Router {
        let (live, ready, started) = (self.clone(), self.clone(), self);
        Router::new()
            .route("/livez", get(async move || live.report(live.threads())))
            .route("/readyz", get(async move || ready.report(ready.readiness())))
            // Whoever can ask is past the start: listeners answer last.
            .route("/startupz", get(async move || started.report(Vec::new())))
            .route("/health", get(async || ([(header::CONTENT_TYPE, "application/json")], "{}")))
    }

    fn threads(&self) -> Vec<Check> {
        let workers = self.handle.workers().iter().enumerate();
        let workers = workers.map(|(index, link)| self.thread(format!("worker-{index}"), &link.pulse));
        let others = [("broker-thread", &*self.broker.pulse), ("control", &*self.control)];
        workers.chain(others.map(|(name, pulse)| self.thread(name.to_owned(), pulse))).collect()
    }

    fn thread(&self, name: String, pulse: &Pulse) -> Check {
        let now = self.handle.clock().moment();
        let detail = format!("ticked {} ms ago", pulse.silence(now).as_millis());
        Check { name, ok: pulse.is_alive(now), detail }
    }

    fn readiness(&self) -> Vec<Check> {
        let words = self.drain.words(self.handle.clock().moment());
        let (ok, detail) = (words.is_none(), words.unwrap_or_else(|| "taking connections".to_owned()));
        let drain = Check { name: "draining".to_owned(), ok, detail };
        let status = self.broker.status();
        let state = if status.is_up { "up" } else { "down" };
        let detail = format!("{}: {state} {}", status.name, status.detail).trim_end().to_owned();
        let broker = Check { name: "broker".to_owned(), ok: status.is_ready(), detail };
        self.threads().into_iter().chain([drain, broker]).collect()
    }

    fn report(&self, checks: Vec<Check>) -> Response {
        let is_well = checks.iter().all(|check| check.ok);
        let (code, status) =
            if is_well { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "failing") };
        (code, Json(Report { status, checks })).into_response()
    }
}
