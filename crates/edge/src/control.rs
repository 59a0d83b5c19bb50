//! The control thread: the internal listener with everything behind it, signals, and the node's end.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::service::TowerToHyperService;
use model::Moment;
use protocol::Encoders;
use tokio::runtime::{Builder, Handle as RuntimeHandle, Runtime};
use tokio::sync::Semaphore;
use transport::Fallback;

use crate::api::{self, Api, Tally};
use crate::broker_thread::BrokerLink;
use crate::composition::Mode;
use crate::config::Config;
use crate::handle::Handle;
use crate::health::Health;
use crate::nodes::directives::Directives;
use crate::nodes::identity::NodeIdentity;
use crate::nodes::roster;
use crate::reload::{Hangups, Reload, Targets};
use crate::spans::Spans;
use crate::start_error::StartError;
use crate::stop::Stop;
use crate::threads;
use crate::{console, demo, drain, internal, metrics};

/// What the control thread works with.
pub(crate) struct Control {
    pub(crate) config: Config,
    pub(crate) handle: Handle,
    pub(crate) health: Health,
    pub(crate) targets: Targets,
    pub(crate) reload: Reload,
    pub(crate) encoders: Encoders,
    pub(crate) version: &'static str,
    pub(crate) public: Vec<SocketAddr>,
    pub(crate) directives: Directives,
    pub(crate) spans: Spans,
}

/// The control thread's runtime, and the signals to the node: heard from here on, however long the start takes.
pub(crate) struct Ground {
    runtime: Runtime,
    stop: Stop,
    hangups: Hangups,
}

impl Ground {
    pub(crate) fn prepare(asked: Arc<Semaphore>, mode: Mode) -> Result<Self, StartError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(system)?;
        let listening = {
            let _entered = runtime.enter();
            Stop::listen(asked, mode).and_then(|stop| Ok((stop, Hangups::listen(mode)?)))
        };
        let (stop, hangups) = listening.map_err(system)?;
        Ok(Self { runtime, stop, hangups })
    }
}

fn system(cause: io::Error) -> StartError {
    StartError::System { what: "the control thread", cause }
}

/// Starts the control thread. Without a listener of its own, the workers hand requests to the fallback that
/// comes back.
pub(crate) fn spawn(
    control: Control,
    listeners: Option<Vec<TcpListener>>,
    broker: BrokerLink,
    Ground { runtime, stop, hangups }: Ground,
) -> Result<(Option<Fallback>, JoinHandle<()>), StartError> {
    let identity = control.identity();
    let router = control.router(broker.clone(), identity.clone());
    let fallback = listeners.is_none().then(|| fallback(router.clone(), runtime.handle().clone()));
    let listeners = listeners.unwrap_or_default();
    let body = move || {
        let ended = runtime.block_on(control.run((identity, hangups), router, listeners, broker, stop));
        // A look at files on a disk that hangs is not waited for.
        runtime.shutdown_background();
        ended
    };
    let thread = threads::spawn("control".to_owned(), body).map_err(system)?;
    Ok((fallback, thread))
}

impl Control {
    fn router(&self, broker: BrokerLink, identity: NodeIdentity) -> Router {
        let tally = Arc::new(Tally::new());
        let metrics = metrics::Scrape::new(self, Arc::clone(&tally), broker);
        let (access, error_mode) = (Arc::clone(&self.targets.access), self.config.api.error_mode);
        let tracer = self.spans.tracer().cloned();
        let api = Api::new(self.handle.clone(), access, error_mode, identity, tally, tracer);
        let mut router =
            Router::new().merge(self.health.clone().router()).merge(metrics.router()).merge(api::router(api));
        if self.config.console.enabled {
            router = router.merge(console::router());
        }
        if self.config.demo.enabled {
            router = router.merge(demo::router(self.public.first().map_or(0, SocketAddr::port)));
        }
        router
    }

    fn identity(&self) -> NodeIdentity {
        let (name, now) = (self.handle.roster().name(), self.handle.clock().moment());
        NodeIdentity::new(name, &self.public, self.version, now)
    }

    async fn run(
        self,
        (identity, hangups): (NodeIdentity, Hangups),
        router: Router,
        listeners: Vec<TcpListener>,
        broker: BrokerLink,
        stop: Stop,
    ) -> io::Result<()> {
        let handle = self.handle.clone();
        let mut internal = internal::Listeners::new(router, listeners)?;
        let is_drained = tokio::select! {
            is_drained = self.live_and_drain(stop) => is_drained,
            never = internal.serve() => match never {},
            never = self.beat() => match never {},
            never = handle.hand_over() => match never {},
            never = self.directives.carry_out(&handle) => match never {},
            never = handle.letters().exchange(&handle) => match never {},
            never = roster::keep(&handle, &identity) => match never {},
            never = self.reload.keep(hangups, &self.targets) => match never {},
        };
        roster::leave(&handle);
        for worker in self.handle.workers() {
            worker.stop();
        }
        if is_drained {
            // Probes are answered meanwhile, and the last scrape finds nothing under way.
            tokio::select! {
                () = drain::flush(&handle) => {}
                never = internal.serve() => match never {},
                never = self.beat() => match never {},
                never = handle.hand_over() => match never {},
            }
        }
        // Requests that are under way may still publish.
        tokio::select! {
            () = internal.close() => {}
            never = handle.hand_over() => match never {},
        }
        broker.stop();
        Ok(())
    }

    /// Serves until the node is told to end, and then until its clients are gone or its time is up. False when it was
    /// told a second time.
    async fn live_and_drain(&self, mut stop: Stop) -> bool {
        stop.told().await;
        let terms = self.targets.drain.now();
        tokio::select! {
            () = stop.told() => {
                tracing::warn!("told to end a second time: closing at once");
                false
            }
            () = drain::run(&self.handle, self.health.drain(), &terms) => true,
        }
    }

    async fn beat(&self) -> std::convert::Infallible {
        /// Ticks between two signs of life.
        const EVERY: u32 = 5;
        let mut ticker = tokio::time::interval(Moment::TICK * EVERY);
        ticker.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticker.tick().await;
            self.health.beat();
        }
    }
}

/// Answers on the control thread what a worker's listener received.
fn fallback(router: Router, control: RuntimeHandle) -> Fallback {
    let service = TowerToHyperService::new(router);
    Arc::new(move |request: Request<Incoming>| {
        let service = service.clone();
        let answer = control.spawn(async move { service.call(request.map(Body::new)).await });
        Box::pin(async move {
            match answer.await {
                Ok(Ok(response)) => response.map(|body| body.map_err(Into::into).boxed_unsync()),
                Ok(Err(never)) => match never {},
                Err(_) => unanswered(),
            }
        })
    })
}

/// The answer when answering panicked, or the control thread is ending.
fn unanswered() -> Response<transport::Body> {
    let body = http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
    response
}
