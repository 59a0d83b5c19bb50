//! The door of a worker: accepts sockets, reads one bounded request head from each, and takes over those that
//! ask for a client path. What is not a client path is answered by the fallback.

mod accepting;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use engine::Mailbox;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Version, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use model::{WorkerId, limits};
use protocol::Variant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::Clock;
use crate::admission::{Admission, Rejection};
use crate::log::Throttle;
use crate::proxied::{self, Nobody};

/// What HTTP answers carry.
pub type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;
/// Answers requests for paths that are not a client's.
pub type Fallback = Arc<dyn Fn(Request<Incoming>) -> BoxFuture<Response<Body>> + Send + Sync>;
/// A future that stays on its thread.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// A path that clients connect to.
#[derive(Debug, Clone)]
pub struct Route {
    /// The whole path.
    pub path: &'static str,
    /// What is spoken there.
    pub variant: Variant,
    /// The WebSocket subprotocols that name it; the first one a client offers is echoed.
    pub subprotocols: &'static [&'static str],
}

/// A socket whose handshake is done.
pub(crate) struct Arrival {
    pub(crate) socket: TcpStream,
    pub(crate) variant: Variant,
    /// The response head, to be sent first.
    pub(crate) greeting: Bytes,
    /// What the client sent beyond its request.
    pub(crate) early: Bytes,
}

/// What all tasks of the door share.
pub(crate) struct Door {
    pub(crate) worker: WorkerId,
    pub(crate) clock: Clock,
    pub(crate) routes: Arc<[Route]>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) fallback: Option<Fallback>,
    /// Where sockets for other workers go, by worker.
    pub(crate) adopted: Vec<Arc<Mailbox<TcpStream>>>,
    pub(crate) arrivals: RefCell<VecDeque<Arrival>>,
    pub(crate) wake: Arc<Notify>,
    pub(crate) handshakes: RefCell<JoinSet<()>>,
    pub(crate) throttle: RefCell<Throttle<{ Rejection::LABELS.len() }>>,
    /// A task for each listening socket.
    pub(crate) acceptors: RefCell<JoinSet<()>>,
    /// Whether they are to end when nobody waits there.
    pub(crate) closing: watch::Sender<bool>,
}

/// What a request turned out to be.
struct Takeover {
    variant: Variant,
    greeting: Bytes,
}

impl Door {
    /// Handshakes under way.
    pub(crate) fn handshake_count(&self) -> u32 {
        let mut handshakes = self.handshakes.borrow_mut();
        while handshakes.try_join_next().is_some() {}
        handshakes.len() as u32
    }

    fn begin(self: &Rc<Self>, stream: tokio::net::TcpStream, peer: SocketAddr) {
        let handshakes = self.handshake_count() as usize;
        if handshakes >= limits::HANDSHAKES_PER_WORKER_MAX || self.admission.is_crowded() {
            return self.reject(Rejection::Overload, "connection_limit", Some(peer.ip()));
        }
        self.admission.begin_handshake(self.worker);
        let handshake = Rc::clone(self).shake_hands(stream, peer.ip().to_canonical());
        self.handshakes.borrow_mut().spawn_local(handshake);
    }

    /// Serves HTTP on a socket until it is taken over or ends.
    async fn shake_hands(self: Rc<Self>, mut stream: tokio::net::TcpStream, peer: IpAddr) {
        let begun = self.clock.moment();
        let client = if self.admission.expects_proxy_header() {
            // Boxed, so that handshakes without one need no room for it.
            Box::pin(self.client_behind(&mut stream, peer)).await
        } else {
            Some(peer)
        };
        let Some(client) = client else {
            return self.wake.notify_one();
        };
        let left = limits::HTTP_HEAD_DEADLINE.saturating_sub(self.clock.moment().since(begun));
        let takeover: Rc<Cell<Option<Takeover>>> = Rc::default();
        let service = {
            let (door, takeover) = (Rc::clone(&self), Rc::clone(&takeover));
            service_fn(move |request| door.answer(request, client, &takeover))
        };
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(left)
            .max_headers(limits::HTTP_HEADERS_MAX)
            .max_buf_size(limits::HTTP_HEAD_BYTES_MAX)
            .half_close(false)
            .serve_connection(TokioIo::new(stream), service);
        let taken = poll_fn(|context| {
            let ended = connection.poll_without_shutdown(context);
            match takeover.take() {
                Some(takeover) => Poll::Ready(Some(takeover)),
                None => ended.map(|_| None),
            }
        })
        .await;
        // However it ended, the worker counts it no longer as under way.
        self.wake.notify_one();
        let parts = connection.into_parts();
        let Some(Takeover { variant, greeting }) = taken else {
            // Boxed, so that handshakes that succeed need no room for it.
            return Box::pin(part_from(parts.io.into_inner())).await;
        };
        // Leaves tokio, and with it the memory that tokio keeps per socket.
        if let Ok(socket) = parts.io.into_inner().into_std() {
            let early = parts.read_buf;
            self.arrivals.borrow_mut().push_back(Arrival { socket, variant, greeting, early });
        }
    }

    /// The client on whose behalf a proxy connects, as its header says.
    async fn client_behind(&self, stream: &mut tokio::net::TcpStream, peer: IpAddr) -> Option<IpAddr> {
        if !self.admission.may_proxy(peer) {
            self.reject(Rejection::ProxyHeader, "trusted_proxies", Some(peer));
            return None;
        }
        let header = proxied::client_address(stream, peer);
        let client = tokio::time::timeout(limits::HTTP_HEAD_DEADLINE, header).await;
        match client.unwrap_or(Err(Nobody::NoHeader)) {
            Ok(client) => Some(client.to_canonical()),
            Err(Nobody::Gone) => None,
            Err(Nobody::NoHeader) => {
                self.reject(Rejection::ProxyHeader, "public.proxy_protocol", Some(peer));
                None
            }
        }
    }

    fn answer(
        &self,
        mut request: Request<Incoming>,
        peer: IpAddr,
        takeover: &Cell<Option<Takeover>>,
    ) -> BoxFuture<Result<Response<Body>, Infallible>> {
        let Some(route) = self.routes.iter().find(|route| route.path == request.uri().path()) else {
            return match &self.fallback {
                Some(fallback) => {
                    let answer = fallback(request);
                    Box::pin(async { Ok(answer.await) })
                }
                None => ready(text(StatusCode::NOT_FOUND, self.routes_hint())),
            };
        };
        match self.take_over(route, &mut request, peer) {
            Ok(taken) => {
                takeover.set(Some(taken));
                Box::pin(pending())
            }
            Err(response) => ready(*response),
        }
    }

    fn take_over(
        &self,
        route: &Route,
        request: &mut Request<Incoming>,
        peer: IpAddr,
    ) -> Result<Takeover, Box<Response<Body>>> {
        if let Err(rejection) = self.admission.require_place() {
            return Err(self.turn_away(rejection, "connection_limit", peer, request.headers()));
        }
        if let Err(response) = require_upgrade(request) {
            self.admission.reject(Rejection::Handshake);
            return Err(response);
        }
        if let Err(rejection) = self.admission.admit_origin(request.headers()) {
            self.reject_origin(rejection, request.headers(), peer);
            return Err(Box::new(text(StatusCode::FORBIDDEN, "origin not allowed\n".into())));
        }
        let accepted = fastwebsockets::upgrade::upgrade(&mut *request).map_err(|error| {
            self.admission.reject(Rejection::Handshake);
            Box::new(text(StatusCode::BAD_REQUEST, format!("{error}\n")))
        })?;
        if let Err(rejection) = self.admission.require_rate(self.clock.moment()) {
            return Err(self.turn_away(rejection, "connect_rate_limit", peer, request.headers()));
        }
        let subprotocol = offered(request.headers(), route.subprotocols);
        Ok(Takeover { variant: route.variant, greeting: greeting(accepted.0.headers(), subprotocol) })
    }

    /// Refuses a client that may be welcome in a moment, or on another node.
    fn turn_away(
        &self,
        rejection: Rejection,
        setting: &'static str,
        peer: IpAddr,
        headers: &HeaderMap,
    ) -> Box<Response<Body>> {
        self.reject(rejection, setting, Some(self.admission.client_address(peer, headers)));
        let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "too many connections\n".into());
        response.headers_mut().insert(header::RETRY_AFTER, self.retry_after());
        Box::new(response)
    }

    fn reject(&self, rejection: Rejection, setting: &'static str, client: Option<IpAddr>) {
        self.admission.reject(rejection);
        if let Some(unsaid) = self.throttle.borrow_mut().admit(rejection.index(), self.clock.moment()) {
            let reason = Rejection::LABELS[rejection.index()];
            let client = client.map(tracing::field::display);
            tracing::warn!(reason, setting, client, unsaid, "connection refused");
        }
    }

    fn reject_origin(&self, rejection: Rejection, headers: &HeaderMap, peer: IpAddr) {
        self.admission.reject(rejection);
        let origin = headers.get(header::ORIGIN).map(|origin| String::from_utf8_lossy(origin.as_bytes()));
        if let Some(unsaid) = self.throttle.borrow_mut().admit(rejection.index(), self.clock.moment()) {
            let origin = origin.as_deref().unwrap_or_default();
            let client = self.admission.client_address(peer, headers);
            let setting = "allowed_origins";
            tracing::warn!(reason = "origin", setting, origin, %client, unsaid, "connection refused");
        }
    }

    /// Spreads those who come back over a few seconds.
    fn retry_after(&self) -> header::HeaderValue {
        let seconds = 1 + self.clock.moment().millis() % 5;
        header::HeaderValue::from(seconds)
    }

    fn routes_hint(&self) -> String {
        let paths: Vec<&str> = self.routes.iter().map(|route| route.path).collect();
        format!("not found: clients connect at {}\n", paths.join(", "))
    }
}

/// Ends a connection that was not taken over. Its peer may still be sending, and a socket that is dropped with
/// unread input resets: then the peer would never see the answer.
async fn part_from(mut stream: tokio::net::TcpStream) {
    /// Quiet after which nothing more is on its way.
    const QUIET: Duration = Duration::from_secs(1);
    let mut unwanted = [0; 4096];
    let part = async {
        stream.shutdown().await.ok();
        let mut came = true;
        while came {
            let read = tokio::time::timeout(QUIET, stream.read(&mut unwanted)).await;
            came = read.is_ok_and(|read| read.is_ok_and(|count| count > 0));
        }
    };
    // Whoever has not noticed by then is reset.
    drop(tokio::time::timeout(2 * QUIET, part).await);
}

fn ready(response: Response<Body>) -> BoxFuture<Result<Response<Body>, Infallible>> {
    Box::pin(std::future::ready(Ok(response)))
}

/// What the handshake asks of a request, up to its key.
fn require_upgrade(request: &Request<Incoming>) -> Result<(), Box<Response<Body>>> {
    const VERSION: &str = "13";
    // The bytes of a body would be taken for frames.
    let is_plain = request.method() == Method::GET && request.body().is_end_stream();
    if !is_plain || request.version() < Version::HTTP_11 {
        let body = "a WebSocket handshake is a GET request of HTTP/1.1 without a body\n";
        return Err(Box::new(text(StatusCode::BAD_REQUEST, body.into())));
    }
    let version = request.headers().get(header::SEC_WEBSOCKET_VERSION);
    let is_upgrade = fastwebsockets::upgrade::is_upgrade_request(request);
    if is_upgrade && version.is_some_and(|version| version == VERSION) {
        return Ok(());
    }
    let body = "this path speaks WebSocket, version 13\n";
    let mut response = text(StatusCode::UPGRADE_REQUIRED, body.into());
    let wanted = [(header::UPGRADE, "websocket"), (header::SEC_WEBSOCKET_VERSION, VERSION)];
    for (name, value) in wanted {
        response.headers_mut().insert(name, header::HeaderValue::from_static(value));
    }
    // Beside `close`, which is there already: the header above is about this hop alone.
    response.headers_mut().append(header::CONNECTION, header::HeaderValue::from_static("upgrade"));
    Err(Box::new(response))
}

/// A plain answer, and the last one on its connection: who is refused holds no descriptor.
fn text(status: StatusCode, body: String) -> Response<Body> {
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let plain = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    response
}

/// The first of the client's subprotocols that is among `known`.
fn offered(headers: &HeaderMap, known: &'static [&'static str]) -> Option<&'static str> {
    let offers =
        headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    offers
        .flat_map(|value| value.split(','))
        .find_map(|offer| known.iter().copied().find(|known| *known == offer.trim()))
}

/// The response head of an accepted upgrade.
fn greeting(headers: &HeaderMap, subprotocol: Option<&str>) -> Bytes {
    let mut head = b"HTTP/1.1 101 Switching Protocols\r\n".to_vec();
    let protocol = subprotocol.map(|name| ("sec-websocket-protocol", name.as_bytes()));
    let lines = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    for (name, value) in lines.chain(protocol) {
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    Bytes::from(head)
}
