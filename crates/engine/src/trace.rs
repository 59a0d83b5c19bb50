//! Spans of the traces that are sampled: begun by whoever publishes, ended when the last subscriber's bytes are
//! taken, and queued for whoever sends them to a collector. What is not sampled costs the look at an `Option`.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use model::{Moment, Publication, TraceParent, limits};

use crate::mailbox::Mailbox;
use crate::rules::NamespaceId;

/// Begins spans and queues those that have ended.
pub struct Tracer {
    ended: Mailbox<Span>,
    dropped: AtomicU64,
    /// Rolls up to it begin a trace; absent when none do.
    roll_max: Option<u64>,
    dice: RandomState,
    rolls: AtomicU64,
}

/// A part of a trace that has ended.
#[derive(Debug)]
pub struct Span {
    /// What was done.
    pub kind: SpanKind,
    /// Its place in the trace.
    pub place: Arc<TraceParent>,
    /// The span beneath which it is; 0 for the first of a trace.
    pub parent: u64,
    /// The namespace that it was about, if it was one.
    pub namespace: Option<NamespaceId>,
    /// When it began.
    pub began: Moment,
    /// When it ended.
    pub ended: Moment,
}

/// What was done in a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// A backend's request was answered.
    Request {
        /// Its path.
        route: &'static str,
        /// The HTTP status.
        status: u16,
        /// The code in the answer, 0 when granted; absent where there are several.
        code: Option<u16>,
    },
    /// A client published.
    Command {
        /// The code in the answer, 0 when granted.
        code: u16,
    },
    /// A publication was handed to this node's subscribers.
    Delivery {
        /// How many there were.
        subscribers: u32,
        /// For how many of them the kernel took every byte.
        deliveries: u32,
    },
}

impl Tracer {
    /// Begins traces for that part of what comes without one, of 2⁶⁴; absent: for none. `wake` is called when there
    /// is something to be taken.
    pub fn new(part: Option<u64>, dice: RandomState, wake: Box<dyn Fn() + Send + Sync>) -> Self {
        let ended = Mailbox::new(limits::SPANS_WAITING_MAX, usize::MAX, wake);
        Self { ended, dropped: AtomicU64::new(0), roll_max: part, dice, rolls: AtomicU64::new(0) }
    }

    /// The first span of a trace, if a random number says so.
    pub fn begin(&self, roll: u64) -> Option<Arc<TraceParent>> {
        let is_sampled = self.roll_max.is_some_and(|most| roll <= most);
        let trace = || (u128::from(self.roll()) << 64) | u128::from(self.roll());
        is_sampled.then(|| Arc::new(TraceParent::begun(trace(), self.roll())))
    }

    /// A new span of a trace that somebody began.
    pub fn beneath(&self, parent: &TraceParent) -> Arc<TraceParent> {
        Arc::new(parent.with_span(self.roll()))
    }

    /// Queues a span that has ended. At the bound it is dropped, and counted.
    pub fn end(&self, span: Span) {
        if self.ended.offer(span, 0).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Moves the spans that have ended into the empty `into`.
    pub fn take(&self, into: &mut Vec<Span>) {
        self.ended.take(into);
    }

    /// Spans dropped because too many waited.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// A random number. Threads that publish much without being sampled have dice of their own.
    pub fn roll(&self) -> u64 {
        self.dice.hash_one(self.rolls.fetch_add(1, Ordering::Relaxed))
    }
}

/// The span of one delivery on this node. It ends when nothing of the delivery waits for a worker or in an outbox,
/// whichever way the last of it went.
pub(crate) struct DeliverySpan {
    tracer: Arc<Tracer>,
    parent: Arc<TraceParent>,
    namespace: NamespaceId,
    began: Moment,
    subscribers: AtomicU32,
    deliveries: AtomicU32,
    /// Nanoseconds from its begin to the last that happened.
    lasted: AtomicU64,
}

impl DeliverySpan {
    /// Begins when the node got the publication, if that is sampled.
    pub(crate) fn begin(
        tracer: Option<&Arc<Tracer>>,
        publication: &Publication,
        namespace: NamespaceId,
    ) -> Option<Arc<Self>> {
        let (parent, tracer) = (publication.trace.as_ref()?, tracer?);
        Some(Arc::new(Self {
            tracer: Arc::clone(tracer),
            parent: Arc::clone(parent),
            namespace,
            began: publication.accepted,
            subscribers: AtomicU32::new(0),
            deliveries: AtomicU32::new(0),
            lasted: AtomicU64::new(0),
        }))
    }

    /// It was appended to so many outboxes.
    pub(crate) fn appended(&self, subscribers: usize, now: Moment) {
        self.subscribers.fetch_add(u32::try_from(subscribers).unwrap_or(u32::MAX), Ordering::Relaxed);
        self.lasts_until(now);
    }

    /// The kernel took the last byte for a subscriber.
    pub(crate) fn taken(&self, now: Moment) {
        self.deliveries.fetch_add(1, Ordering::Relaxed);
        self.lasts_until(now);
    }

    fn lasts_until(&self, now: Moment) {
        let nanos = now.since(self.began).as_nanos();
        self.lasted.fetch_max(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Drop for DeliverySpan {
    fn drop(&mut self) {
        let kind = SpanKind::Delivery {
            subscribers: *self.subscribers.get_mut(),
            deliveries: *self.deliveries.get_mut(),
        };
        self.tracer.end(Span {
            kind,
            place: self.tracer.beneath(&self.parent),
            parent: self.parent.span(),
            namespace: Some(self.namespace),
            began: self.began,
            ended: self.began + Duration::from_nanos(*self.lasted.get_mut()),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_beyond_the_bound_are_dropped_and_counted() {
        let tracer = tracer(None);
        let place = tracer.beneath(&TraceParent::begun(1, 2));
        for _ in 0..limits::SPANS_WAITING_MAX + 3 {
            tracer.end(Span {
                kind: SpanKind::Command { code: 0 },
                place: Arc::clone(&place),
                parent: 2,
                namespace: None,
                began: Moment::default(),
                ended: Moment::default(),
            });
        }
        let mut ended = Vec::new();
        tracer.take(&mut ended);
        assert_eq!((ended.len(), tracer.dropped()), (limits::SPANS_WAITING_MAX, 3));
    }

    #[test]
    fn a_trace_begins_for_its_part_of_all_rolls() {
        for (part, roll, begins) in
            [(None, 0, false), (Some(9), 9, true), (Some(9), 10, false), (Some(u64::MAX), u64::MAX, true)]
        {
            assert_eq!(tracer(part).begin(roll).is_some(), begins, "{roll} of {part:?}");
        }
        let tracer = tracer(Some(u64::MAX));
        let [one, other] = [0, 0].map(|roll| tracer.begin(roll).expect("it begins"));
        assert!(one.is_sampled() && one.trace() != other.trace());
    }

    #[test]
    fn a_delivery_ends_with_the_last_that_knows_of_it() {
        let tracer = Arc::new(tracer(None));
        let began = Moment::after_start(Duration::from_secs(1));
        let trace = Some(Arc::new(TraceParent::begun(1, 2)));
        let payload = model::Payload::parse_json(b"1").expect("a payload");
        let untraced = Publication::new(payload, began);
        let traced = Publication { trace, ..untraced.clone() };
        let begin = |tracer, publication| DeliverySpan::begin(tracer, publication, NamespaceId::default());
        assert!(begin(Some(&tracer), &untraced).is_none() && begin(None, &traced).is_none());
        let span = begin(Some(&tracer), &traced).expect("it is sampled");
        let other = Arc::clone(&span);
        let later = |millis| began + Duration::from_millis(millis);
        span.appended(2, later(1));
        span.taken(later(5));
        other.taken(later(3));
        drop(span);
        let mut ended = Vec::new();
        tracer.take(&mut ended);
        assert!(ended.is_empty());
        drop(other);
        tracer.take(&mut ended);
        let [Span { kind, place, parent, began: first, ended: last, .. }] = &ended[..] else { panic!("one") };
        assert_eq!(*kind, SpanKind::Delivery { subscribers: 2, deliveries: 2 });
        assert_eq!((place.trace(), *parent, *first, *last), (1, 2, began, later(5)));
    }

    fn tracer(part: Option<u64>) -> Tracer {
        Tracer::new(part, RandomState::new(), Box::new(|| {}))
    }
}
