//! The broker thread: the loop that owns the sequencer, with the broker behind it, and how others reach it. It
//! sleeps until somebody asks something or the broker has something to say.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use broker::{Broker, MemoryPresence, Presence};
use broker_redis::{
    FormatVersion, Library, RedisBroker, RedisConfig, RedisCounters, RedisHealth, RedisView, Surroundings,
};
use engine::{Mailbox, Node, NodeRequest, Policy};
use model::{Moment, limits};
use tokio::runtime::LocalRuntime;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;
use transport::{Clock, Pulse};

use crate::start_error::StartError;

/// Where a node's publications go.
pub(crate) enum BrokerSource {
    /// Into this process alone.
    Embedded(&'static str, Box<dyn Broker + Send>),
    /// To Redis, and so to every node that uses it.
    Redis(Box<RedisPlan>),
}

/// What the broker over Redis is made from.
pub(crate) struct RedisPlan {
    pub(crate) config: RedisConfig,
    /// The node's own name.
    pub(crate) origin: String,
    pub(crate) envelope: FormatVersion,
    pub(crate) library: Library,
}

/// Puts the sequencer together in its thread.
pub(crate) type NodeMaker = Box<dyn FnOnce((Box<dyn Broker>, Box<dyn Presence>), Arc<Policy>) -> Node + Send>;

/// How other threads reach the broker thread.
#[derive(Clone)]
pub(crate) struct BrokerLink {
    pub(crate) mailbox: Arc<Mailbox<NodeRequest>>,
    pub(crate) pulse: Arc<Pulse>,
    waker: Arc<Waker>,
    stop: Arc<AtomicBool>,
    status: Arc<Mutex<BrokerStatus>>,
}

/// How the broker fares.
#[derive(Debug, Clone, Default)]
pub(crate) struct BrokerStatus {
    pub(crate) name: &'static str,
    pub(crate) is_up: bool,
    /// Whether it ever was up.
    pub(crate) was_up: bool,
    /// What is wrong, for operators.
    pub(crate) detail: String,
    pub(crate) redis: Option<(RedisCounters, RedisHealth)>,
}

/// Wakes the thread, whichever way it sleeps.
#[derive(Default)]
struct Waker {
    thread: OnceLock<Thread>,
    task: Notify,
}

impl BrokerSource {
    /// Whether other nodes may use it, too.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Redis(_))
    }

    /// What operators call it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Embedded(name, _) => name,
            Self::Redis(_) => "redis",
        }
    }
}

impl BrokerStatus {
    /// Whether the node should get traffic, as far as this is about its broker. An empty load balancer would help
    /// nobody while Redis is down for every node; one that leaves out a node which alone is deaf helps, or one
    /// whose user may not do what is needed.
    pub(crate) fn is_ready(&self) -> bool {
        let is_unfit = |health: &RedisHealth| health.is_deaf || health.is_forbidden;
        self.was_up && !self.redis.as_ref().is_some_and(|(_, health)| is_unfit(health))
    }
}

impl Waker {
    fn wake(&self) {
        // Without a thread yet there is nobody to wake: it looks into its mailbox first.
        match self.thread.get() {
            Some(thread) => thread.unpark(),
            None => self.task.notify_one(),
        }
    }
}

impl BrokerLink {
    /// A link to a broker thread that has yet to start.
    pub(crate) fn new() -> Self {
        let waker: Arc<Waker> = Arc::default();
        let wake = Arc::clone(&waker);
        let (entries, bytes) = (limits::NODE_MAILBOX_ENTRIES_MAX, limits::NODE_MAILBOX_BYTES_MAX);
        let mailbox = Arc::new(Mailbox::new(entries, bytes, Box::new(move || wake.wake())));
        Self { mailbox, pulse: Arc::default(), waker, stop: Arc::default(), status: Arc::default() }
    }

    /// Ends the broker thread once its mailbox is empty.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// How the broker fares.
    pub(crate) fn status(&self) -> BrokerStatus {
        self.lock_status().clone()
    }

    fn lock_status(&self) -> MutexGuard<'_, BrokerStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The broker thread's body. Says by `started` whether it could begin.
    pub(crate) fn run(
        &self,
        source: BrokerSource,
        (node, policy): (NodeMaker, Arc<Policy>),
        clock: Clock,
        started: &SyncSender<Result<(), StartError>>,
    ) -> io::Result<()> {
        match source {
            BrokerSource::Embedded(name, broker) => {
                let detail = "in this process".to_owned();
                *self.lock_status() = BrokerStatus { name, is_up: true, was_up: true, detail, redis: None };
                // Whoever waited for it may have given up.
                started.send(Ok(())).ok();
                let presence = Box::new(MemoryPresence::new());
                self.serve_embedded(node((broker, presence), policy), clock);
                Ok(())
            }
            BrokerSource::Redis(plan) => {
                let runtime = LocalRuntime::new()?;
                runtime.block_on(self.serve_redis(*plan, (node, policy), clock, started));
                Ok(())
            }
        }
    }

    fn serve_embedded(&self, mut node: Node, clock: Clock) {
        /// Time between signs of life when nothing is asked.
        const PATIENCE: Duration = Duration::from_secs(1);
        drop(self.waker.thread.set(thread::current()));
        loop {
            node.on_requests(&self.mailbox, clock.now());
            self.pulse.beat(clock.moment());
            if self.stop.load(Ordering::Acquire) && self.mailbox.waiting().entries == 0 {
                return;
            }
            thread::park_timeout(PATIENCE);
        }
    }

    async fn serve_redis(
        &self,
        plan: RedisPlan,
        (node, policy): (NodeMaker, Arc<Policy>),
        clock: Clock,
        started: &SyncSender<Result<(), StartError>>,
    ) {
        let allowed = Rc::new(RefCell::new(Arc::clone(&policy)));
        let (for_size, for_channels) = (Rc::clone(&allowed), Rc::clone(&allowed));
        let waker = Arc::clone(&self.waker);
        let surroundings = Surroundings {
            wake: Arc::new(move || waker.wake()),
            unix_micros: Box::new(move |moment| clock.unix_micros(moment)),
            origin: plan.origin,
            publication_bytes_max: Box::new(move || for_size.borrow().publication_bytes_max),
            envelope: plan.envelope,
            library: plan.library,
            accepts_unsigned: Box::new(move |channel| {
                let rules = &for_channels.borrow().rules;
                rules.known(channel).is_some_and(|namespace| rules.takes_unsigned(namespace))
            }),
        };
        let broker = match RedisBroker::start(&plan.config, surroundings) {
            Ok(broker) => broker,
            Err(error) => {
                started.send(Err(StartError::Redis(error))).ok();
                return;
            }
        };
        let view = broker.view();
        self.report(&view);
        started.send(Ok(())).ok();
        let presence = broker.presence();
        let mut node = node((Box::new(broker), Box::new(presence)), policy);
        let mut ticker = tokio::time::interval(Moment::TICK);
        ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stopping_since = None;
        loop {
            node.on_requests(&self.mailbox, clock.now());
            if !Arc::ptr_eq(&allowed.borrow(), node.policy()) {
                allowed.replace(Arc::clone(node.policy()));
            }
            let now = clock.moment();
            self.pulse.beat(now);
            if self.stop.load(Ordering::Acquire) && self.mailbox.waiting().entries == 0 {
                let since = *stopping_since.get_or_insert(now);
                // What was asked last is still to be answered by Redis.
                if node.is_quiet() || now.since(since) > limits::PUBLISH_DEADLINE {
                    return;
                }
            }
            tokio::select! {
                // Tasks that are ready have their turn even if this one always is.
                () = self.waker.task.notified() => tokio::task::yield_now().await,
                _ = ticker.tick() => self.report(&view),
            }
        }
    }

    fn report(&self, view: &RedisView) {
        let (counters, health) = (view.counters(), view.health());
        let mut status = self.lock_status();
        let was_up = status.was_up || health.is_up;
        *status = BrokerStatus {
            name: "redis",
            is_up: health.is_up,
            was_up,
            detail: health.detail.clone(),
            redis: Some((counters, health)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_was_ready_stays_so_while_redis_is_away_but_not_while_it_alone_is_unfit() {
        let status = |was_up: bool, is_up: bool, is_deaf: bool| BrokerStatus {
            is_up,
            was_up,
            redis: Some((RedisCounters::default(), RedisHealth { is_up, is_deaf, ..RedisHealth::default() })),
            ..BrokerStatus::default()
        };
        assert!(!status(false, false, false).is_ready());
        assert!(status(true, true, false).is_ready());
        assert!(status(true, false, false).is_ready());
        assert!(!status(true, false, true).is_ready());
        let mut forbidden = status(true, false, false);
        forbidden.redis.as_mut().expect("there is a Redis").1.is_forbidden = true;
        assert!(!forbidden.is_ready());
    }
}
