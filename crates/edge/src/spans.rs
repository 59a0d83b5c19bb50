//! Spans on their way to the collector: a thread of its own gathers those that have ended, sends them, and counts
//! what becomes of them. Nobody waits for it, and a collector that is away costs spans and nothing else.

mod encoding;
mod post;

use std::hash::RandomState;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use bytes::Bytes;
use encoding::Encoding;
pub(crate) use encoding::Identity;
use engine::{Span, Tracer};
use model::limits;
use post::{Post, PostError};
use tokio::runtime::Builder;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};
use transport::{Clock, Throttle};

use crate::config::TracingConfig;
use crate::start_error::StartError;
use crate::threads;

/// What becomes of spans, as other threads see it. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Spans {
    tracer: Option<Arc<Tracer>>,
    counts: Arc<Counts>,
}

/// Spans that the collector took, and those that it did not.
#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    failed: AtomicU64,
}

/// The thread that sends spans.
pub(crate) struct Exporter {
    /// Until when it may go on, once the node ends.
    end: watch::Sender<Option<Instant>>,
    thread: JoinHandle<()>,
}

/// What the thread works with.
struct Export {
    spans: Spans,
    tracer: Arc<Tracer>,
    post: Post,
    encoding: Encoding,
    clock: Clock,
    wake: Arc<Notify>,
    end: watch::Receiver<Option<Instant>>,
    throttle: Throttle<1>,
}

impl Spans {
    /// Labels of what becomes of a span.
    pub(crate) const OUTCOMES: [&'static str; 3] = ["sent", "failed", "dropped"];

    /// Starts sending spans if there is a collector.
    pub(crate) fn start(
        config: &TracingConfig,
        identity: Identity,
        clock: Clock,
    ) -> Result<(Self, Option<Exporter>), StartError> {
        let wrong = |(setting, reason)| StartError::Tracing { setting, reason };
        let Some(collector) = config.verify().map_err(wrong)? else {
            return Ok((Self::default(), None));
        };
        let post = Post::new(collector, config).map_err(wrong)?;
        let wake: Arc<Notify> = Arc::default();
        let waker = Arc::clone(&wake);
        let waker = Box::new(move || waker.notify_one());
        let tracer = Arc::new(Tracer::new(config.sample_ratio.last_of_all(), RandomState::new(), waker));
        let spans = Self { tracer: Some(Arc::clone(&tracer)), counts: Arc::default() };
        let (end, ends) = watch::channel(None);
        let encoding = Encoding::new(identity, clock);
        let (throttle, known) = (Throttle::new(), spans.clone());
        let export = Export { spans: known, tracer, post, encoding, clock, wake, end: ends, throttle };
        let system = |cause| StartError::System { what: "the thread for traces", cause };
        let thread = threads::spawn("traces".to_owned(), move || export.run()).map_err(system)?;
        Ok((spans, Some(Exporter { end, thread })))
    }

    /// Begins and ends spans, if anybody wants to see any.
    pub(crate) fn tracer(&self) -> Option<&Arc<Tracer>> {
        self.tracer.as_ref()
    }

    /// How many became what, in the order of [`Self::OUTCOMES`].
    pub(crate) fn counts(&self) -> [u64; 3] {
        let Counts { sent, failed } = &*self.counts;
        let dropped = self.tracer.as_ref().map_or(0, |tracer| tracer.dropped());
        [sent.load(Ordering::Relaxed), failed.load(Ordering::Relaxed), dropped]
    }
}

impl Exporter {
    /// Sends what has ended, for [`limits::SPAN_FLUSH_DEADLINE`] at most.
    pub(crate) fn finish(self) {
        self.end.send_replace(Some(Instant::now() + limits::SPAN_FLUSH_DEADLINE));
        // A thread that panicked has ended the process.
        drop(self.thread.join());
    }
}

impl Export {
    fn run(mut self) -> io::Result<()> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            while !self.is_ending() {
                let wake = Arc::clone(&self.wake);
                self.unless_ending(wake.notified()).await;
                self.unless_ending(sleep(limits::SPAN_EXPORT_PERIOD)).await;
                self.send_all().await;
            }
            self.send_all().await;
        });
        Ok(())
    }

    /// Whether the node ends, or did not even begin.
    fn is_ending(&self) -> bool {
        self.end.borrow().is_some() || self.end.has_changed().is_err()
    }

    /// Waits for something, but not beyond the begin of the node's end.
    async fn unless_ending(&mut self, wait: impl Future<Output = ()>) {
        tokio::select! {
            () = wait => {}
            // Whoever is to say so may be gone: it ends as well.
            _ = self.end.wait_for(Option::is_some) => {}
        }
    }

    async fn send_all(&mut self) {
        let mut ended = Vec::new();
        self.tracer.take(&mut ended);
        for spans in ended.chunks(limits::SPANS_PER_EXPORT_MAX) {
            self.send(spans).await;
        }
    }

    async fn send(&mut self, spans: &[Span]) {
        let count = spans.len() as u64;
        let body = Bytes::from(self.encoding.request(spans));
        let mut pause = limits::SPAN_EXPORT_PAUSE_MIN;
        for repeats in 0.. {
            let was_ending = self.is_ending();
            let error = match self.post_in_time(&body).await {
                Ok(rejected) => {
                    let rejected = rejected.min(count);
                    return self.note(count - rejected, rejected);
                }
                Err(error) => error,
            };
            if was_ending || !error.may_pass() || repeats == limits::SPAN_EXPORT_REPEATS_MAX {
                self.note(0, count);
                return self.say(&error, count);
            }
            self.unless_ending(sleep(pause)).await;
            pause *= 2;
        }
    }

    async fn post_in_time(&mut self, body: &Bytes) -> Result<u64, PostError> {
        let mut end = self.end.clone();
        let over = async {
            // Whoever is to say so is gone, and nobody waits any longer.
            let until = end.wait_for(Option::is_some).await.ok().and_then(|until| *until);
            sleep_until(until.unwrap_or_else(Instant::now)).await;
        };
        tokio::select! {
            outcome = self.post.send(body.clone()) => outcome,
            () = sleep(limits::SPAN_EXPORT_DEADLINE) => Err(PostError::TimedOut),
            () = over => Err(PostError::TimedOut),
        }
    }

    fn note(&self, sent: u64, failed: u64) {
        self.spans.counts.sent.fetch_add(sent, Ordering::Relaxed);
        self.spans.counts.failed.fetch_add(failed, Ordering::Relaxed);
    }

    fn say(&mut self, error: &PostError, spans: u64) {
        let Some(unsaid) = self.throttle.admit(0, self.clock.moment()) else { return };
        let collector = self.post.collector();
        tracing::warn!(collector, %error, spans, unsaid, setting = "tracing.url", "traces were not taken");
    }
}
