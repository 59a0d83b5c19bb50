//! HTTP around calls: bodies within their bounds, answers, and what is refused before a call begins.

use std::fmt::Write as _;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as _;
use model::limits;
use serde::Serialize;
use tokio::time::timeout;

use super::Endpoint;
use super::answer::{Answer, PublishResult};
use super::fault::{ErrorObject, Fault, status};
use super::method::Method;
use crate::config::ErrorMode;

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// Headers by which one request chooses how failures are told: our name, and the one that libraries know.
const ERROR_MODE: [HeaderName; 2] =
    [HeaderName::from_static("x-fanfare-error-mode"), HeaderName::from_static("x-centrifugo-error-mode")];
/// The answer to nearly every call.
const DONE: &[u8] = br#"{"result":{}}"#;

/// Why a request is not answered by a call.
#[derive(Debug)]
pub(super) enum Rejection {
    Unauthorized,
    Forbidden(String),
    NoSuchMethod,
    Malformed(String),
    TooLarge { limit: usize },
    Unreadable,
    Slow,
    Busy,
}

/// How large bodies may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// The largest payload of one publication.
    pub(super) publication: usize,
    /// A body with one publication.
    single: usize,
    /// A body with many channels or calls.
    bulk: usize,
}

impl Sizes {
    pub(super) fn new(publication: usize) -> Self {
        // Base64 makes four characters of three bytes.
        let encoded = (publication / 3).saturating_add(1).saturating_mul(4);
        let single = encoded.saturating_add(limits::API_OVERHEAD_BYTES);
        Self { publication, single, bulk: single.saturating_add(limits::API_BULK_BYTES) }
    }

    pub(super) fn of(self, endpoint: Endpoint) -> usize {
        match endpoint {
            Endpoint::Batch | Endpoint::Legacy | Endpoint::Method(Method::Broadcast) => self.bulk,
            Endpoint::Method(_) => self.single,
        }
    }
}

/// Reads a body.
pub(super) async fn read(mut body: Body, limit: usize) -> Result<Bytes, Rejection> {
    let declared = body.size_hint().lower();
    if declared <= limit as u64 {
        match timeout(limits::API_BODY_DEADLINE, Limited::new(&mut body, limit).collect()).await {
            Ok(Ok(whole)) => return Ok(whole.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {}
            Ok(Err(_)) => return Err(Rejection::Unreadable),
            Err(_) => return Err(Rejection::Slow),
        }
    }
    let bearable = limit.saturating_add(limits::API_BULK_BYTES);
    if declared <= bearable as u64 {
        // The socket of a client that still sends when we close is reset, and the client misses the answer.
        let rest = discard(Limited::new(body, bearable));
        drop(timeout(limits::API_BODY_DEADLINE, rest).await);
    }
    Err(Rejection::TooLarge { limit })
}

async fn discard(mut body: Limited<Body>) {
    while let Some(Ok(_)) = body.frame().await {}
}

/// How this request wants failures told, if it says so.
pub(super) fn error_mode(headers: &HeaderMap) -> Option<ErrorMode> {
    let mode = ERROR_MODE.iter().find_map(|name| headers.get(name))?;
    mode.as_bytes().eq_ignore_ascii_case(b"transport").then_some(ErrorMode::Transport)
}

/// Answers a call that was granted.
pub(super) fn success(answer: &Answer) -> Response {
    #[derive(Serialize)]
    struct Success<'a> {
        result: &'a Answer,
    }
    match answer {
        Answer::Empty(_) | Answer::Publish(PublishResult { offset: None, epoch: None }) => {
            json(StatusCode::OK, Bytes::from_static(DONE))
        }
        Answer::Publish(_)
        | Answer::Broadcast(_)
        | Answer::History(_)
        | Answer::Presence(_)
        | Answer::PresenceStats(_)
        | Answer::Channels(_)
        | Answer::Connections(_)
        | Answer::Info(_) => json(StatusCode::OK, encode(&Success { result: answer })),
    }
}

/// Answers a call that failed.
pub(super) fn failure(fault: Fault, mode: ErrorMode) -> Result<Response, Rejection> {
    #[derive(Serialize)]
    struct Failure {
        error: ErrorObject,
    }
    let Fault::Refused(refusal, _) = &fault else {
        return Err(Rejection::from(fault));
    };
    let status = status(*refusal);
    let error = fault.into_object();
    Ok(match mode {
        ErrorMode::Default => json(StatusCode::OK, encode(&Failure { error })),
        ErrorMode::Transport => json(status, encode(&error)),
    })
}

/// An answer in JSON.
pub(super) fn json(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// A value as JSON.
pub(super) fn encode(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("answers have texts as keys").into()
}

impl Rejection {
    fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NoSuchMethod => StatusCode::NOT_FOUND,
            Self::Malformed(_) | Self::Unreadable => StatusCode::BAD_REQUEST,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        match self {
            Self::Unauthorized => text.push_str(
                "unauthorized: send a key of the server API as `X-API-Key: KEY` or `Authorization: apikey KEY`",
            ),
            Self::Forbidden(what) => text.push_str(what),
            Self::NoSuchMethod => text.push_str("not found: the methods are in /api/openapi.json"),
            Self::Malformed(what) => {
                let _ = write!(text, "bad request: {what}");
            }
            Self::TooLarge { limit } => {
                let _ = write!(
                    text,
                    "body too large: at most {limit} bytes, which follow from the setting api.publication_size"
                );
            }
            Self::Unreadable => text.push_str("bad request: the body cannot be read"),
            Self::Slow => {
                let _ = write!(
                    text,
                    "timeout: the body was not whole after {} s",
                    limits::API_BODY_DEADLINE.as_secs()
                );
            }
            Self::Busy => text.push_str("busy: too many requests are under way on this node"),
        }
        text.push('\n');
        text
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let mut response = (self.status(), [(CONTENT_TYPE, TEXT)], self.text()).into_response();
        match self {
            Self::Unauthorized => {
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("apikey"));
            }
            Self::Busy => {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::Forbidden(_)
            | Self::NoSuchMethod
            | Self::Malformed(_)
            | Self::TooLarge { .. }
            | Self::Unreadable
            | Self::Slow => {}
        }
        response
    }
}

impl From<Fault> for Rejection {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Malformed(what) => Self::Malformed(what),
            Fault::Forbidden(what) => Self::Forbidden(what),
            Fault::Refused(_, text) => Self::Malformed(text.into_owned()),
        }
    }
}
