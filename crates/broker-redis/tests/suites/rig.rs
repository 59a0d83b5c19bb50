//! Nodes of one Redis, whichever it is, on the test's own runtime, driven by the suites.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use broker::{Broker, Presence, PresenceEvent, Ticket};
use broker_redis::{FormatVersion, Library, RedisBroker, RedisConfig, RedisPresence, Surroundings};
use model::{ChannelName, ClientId, ClientInfo, Moment, Now};
use testkit::{Backend, PresenceBackend, eventually};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::Notify;

/// The longest that nodes are left to their tasks before they are looked at again.
const LOOK: Duration = Duration::from_millis(5);
/// How long members are remembered where that is waited for; long enough for a busy machine.
const BRIEF_TTL: Duration = Duration::from_secs(3);

/// A thread's runtime, on which the nodes live.
pub(crate) struct Rig {
    runtime: LocalRuntime,
    wake: Arc<Notify>,
    config: RedisConfig,
    begun: Instant,
}

impl Rig {
    /// Nodes with these settings.
    pub(crate) fn new(config: RedisConfig) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        let runtime = runtime.expect("a runtime");
        Self { runtime, wake: Arc::default(), config, begun: Instant::now() }
    }

    /// A node's broker, which has found its Redis: deadlines of what it is asked run at once.
    pub(crate) fn start(&self) -> RedisBroker {
        let wake = Arc::clone(&self.wake);
        let surroundings = Surroundings {
            wake: Arc::new(move || wake.notify_one()),
            unix_micros: Box::new(|_| 1_000_000),
            origin: "node".to_owned(),
            publication_bytes_max: Box::new(|| 64 * 1024),
            envelope: FormatVersion::of_envelope(),
            library: Library::current(),
            accepts_unsigned: Box::new(|_| false),
        };
        let start = async { RedisBroker::start(&self.config, surroundings) };
        let mut broker = self.runtime.block_on(start).expect("good settings");
        eventually("the node has its Redis", || {
            self.wait_for_wake(LOOK);
            // What comes of its own probe is taken in there, too.
            assert!(broker.poll(self.time()).is_none(), "nothing was asked");
            broker.view().health().is_up
        });
        broker
    }

    /// Lets tasks run until a node wakes its loop.
    pub(crate) fn wait_for_wake(&self, patience: Duration) -> bool {
        self.runtime.block_on(async { tokio::time::timeout(patience, self.wake.notified()).await.is_ok() })
    }

    pub(crate) fn time(&self) -> Now {
        Now { moment: Moment::after_start(self.begun.elapsed()), ..Now::default() }
    }
}

impl Backend for Rig {
    fn broker(&mut self) -> Box<dyn Broker> {
        Box::new(self.start())
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn wait(&mut self) {
        self.wait_for_wake(LOOK);
    }
}

impl PresenceBackend for Rig {
    fn presence(&mut self) -> Box<dyn Presence> {
        let broker = self.start();
        Box::new(Node { presence: broker.presence(), broker })
    }

    fn brief_presence(&mut self) -> Box<dyn Presence> {
        let broker = self.start();
        Box::new(Node { presence: broker.presence().with_ttl(BRIEF_TTL), broker })
    }

    fn brief_ttl(&self) -> Duration {
        BRIEF_TTL
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn now(&self) -> Now {
        self.time()
    }

    fn wait(&mut self) {
        self.wait_for_wake(LOOK);
    }

    fn pass(&mut self, span: Duration) {
        thread::sleep(span);
    }
}

/// A node of which the presence alone is asked.
struct Node {
    presence: RedisPresence,
    broker: RedisBroker,
}

impl Presence for Node {
    fn enter(&mut self, ticket: Ticket, channel: &ChannelName, member: &Arc<ClientInfo>) {
        self.presence.enter(ticket, channel, member);
    }

    fn exit(&mut self, ticket: Ticket, channel: &ChannelName, client: ClientId) {
        self.presence.exit(ticket, channel, client);
    }

    fn members(&mut self, ticket: Ticket, channel: &ChannelName, limit: u32) {
        self.presence.members(ticket, channel, limit);
    }

    fn count(&mut self, ticket: Ticket, channel: &ChannelName) {
        self.presence.count(ticket, channel);
    }

    fn poll(&mut self, now: Now) -> Option<PresenceEvent> {
        assert!(self.broker.poll(now).is_none(), "the broker was not asked");
        self.presence.poll(now)
    }
}
