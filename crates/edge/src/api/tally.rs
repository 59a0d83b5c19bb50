//! What became of requests to the server API, for metrics and for the operator who reads the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use axum::http::StatusCode;
use model::{Moment, Refusal};
use transport::Throttle;

use super::Endpoint;
use super::method::Method;

/// Counts of requests by endpoint and outcome. The control thread alone writes it.
pub(crate) struct Tally {
    counts: [[AtomicU64; Self::OUTCOMES.len()]; Self::ENDPOINTS],
    throttle: Mutex<Throttle<{ Tally::OUTCOMES.len() }>>,
}

impl Tally {
    /// Labels of outcomes. `answered` counts requests that were understood, whether granted or refused; `failed`
    /// those of which something could not be done although nothing was wrong with it.
    pub(crate) const OUTCOMES: [&'static str; 7] =
        ["answered", "unauthorized", "forbidden", "malformed", "too_large", "busy", "failed"];
    const ENDPOINTS: usize = Method::ALL.len() + 2;

    pub(crate) fn new() -> Self {
        Self { counts: Default::default(), throttle: Mutex::new(Throttle::new()) }
    }

    /// Counts an answered request: its status, and the code in the answer if it has one.
    pub(super) fn count(&self, endpoint: Endpoint, status: StatusCode, code: Option<u16>, now: Moment) {
        let outcome = match status {
            _ if code == Some(Refusal::Internal.code()) => 6,
            StatusCode::UNAUTHORIZED => 1,
            StatusCode::FORBIDDEN => 2,
            StatusCode::PAYLOAD_TOO_LARGE => 4,
            StatusCode::SERVICE_UNAVAILABLE => 5,
            // In the mode that tells failures by status, refusals of calls share this one.
            StatusCode::BAD_REQUEST | StatusCode::REQUEST_TIMEOUT => 3,
            _ => 0,
        };
        self.counts[index(endpoint)][outcome].fetch_add(1, Ordering::Relaxed);
        if matches!(outcome, 1 | 2 | 5) {
            let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(unsaid) = throttle.admit(outcome, now) {
                let (method, reason) = (label(endpoint), Self::OUTCOMES[outcome]);
                tracing::warn!(method, reason, setting = "api.key, api.keys", unsaid, "API request refused");
            }
        }
    }

    /// Every count with its method's and its outcome's label.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let endpoints =
            Method::ALL.map(Endpoint::Method).into_iter().chain([Endpoint::Batch, Endpoint::Legacy]);
        endpoints.zip(&self.counts).flat_map(|(endpoint, counts)| {
            let counts = counts.iter().map(|count| count.load(Ordering::Relaxed));
            Self::OUTCOMES.iter().zip(counts).map(move |(outcome, count)| (label(endpoint), *outcome, count))
        })
    }
}

fn index(endpoint: Endpoint) -> usize {
    match endpoint {
        Endpoint::Method(method) => method as usize,
        Endpoint::Batch => Method::ALL.len(),
        Endpoint::Legacy => Method::ALL.len() + 1,
    }
}

fn label(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Method(method) => method.name(),
        Endpoint::Batch => "batch",
        Endpoint::Legacy => "legacy",
    }
}
