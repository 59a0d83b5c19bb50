//! Brokers in a test: driven by hand on the test's own runtime, every wait with a deadline.

use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, BrokerEvent, PublishTerms, Ticket};
use broker_redis::{FormatVersion, Library, RedisBroker, RedisConfig, Surroundings};
use model::{ChannelName, HistoryRules, Moment, Now, Payload, Publication, Refusal, Secret};
use testkit::redis::Server;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The longest that a test waits for anything; generous, for busy machines.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a test on a runtime like the broker thread's.
pub(crate) fn run(test: impl Future<Output = ()>) {
    Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .expect("what the test is given is right")
        .block_on(test);
}

/// Settings that lead to a server.
pub(crate) fn to(server: &Server) -> RedisConfig {
    RedisConfig { url: server.url(), ..RedisConfig::default() }
}

/// Settings that lead to a server, as a user who may do anything there but `PUBLISH`.
pub(crate) fn without_publish(server: &Server) -> RedisConfig {
    let rights = ["on", ">pw", "+@all", "-publish", "~fanfare:*", "&fanfare:*"];
    server.command(&[&["ACL", "SETUSER", "node"], &rights[..]].concat());
    RedisConfig { username: "node".to_owned(), password: Secret::new("pw"), ..to(server) }
}

/// A broker and what it has told.
pub(crate) struct Rig {
    pub(crate) broker: RedisBroker,
    wake: Arc<Notify>,
    start: Instant,
    tickets: u64,
    /// Told, but not asked for yet.
    seen: Vec<BrokerEvent>,
}

impl Rig {
    /// A broker with these settings.
    pub(crate) fn new(config: &RedisConfig) -> Self {
        let wake = Arc::new(Notify::new());
        let waker = Arc::clone(&wake);
        let surroundings = Surroundings {
            wake: Arc::new(move || waker.notify_one()),
            unix_micros: Box::new(|_| 1_000_000),
            origin: "node".to_owned(),
            publication_bytes_max: Box::new(|| 64 * 1024),
            envelope: FormatVersion::of_envelope(),
            library: Library::current(),
            accepts_unsigned: Box::new(|_| false),
        };
        let broker = RedisBroker::start(config, surroundings).expect("what the test is given is right");
        Self { broker, wake, start: Instant::now(), tickets: 0, seen: Vec::new() }
    }

    /// The next event that is wanted; others are kept.
    pub(crate) async fn event<T>(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(&BrokerEvent) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut at = 0;
        loop {
            self.drain();
            let seen = &mut self.seen;
            while at < seen.len() {
                if let Some(found) = wanted(&seen[at]) {
                    seen.remove(at);
                    return found;
                }
                at += 1;
            }
            let told = format!("{:?}", seen.iter().take(20).collect::<Vec<_>>());
            if tokio::time::timeout_at(deadline, self.wake.notified()).await.is_err() {
                panic!("not in time: {what}; told were {told}; {:?}", self.broker.view().health());
            }
        }
    }

    /// Takes in what there is.
    pub(crate) fn drain(&mut self) {
        let now = Now { moment: Moment::after_start(self.start.elapsed()), ..Now::default() };
        while let Some(event) = self.broker.poll(now) {
            self.seen.push(event);
        }
    }

    /// Forgets what was told until now.
    pub(crate) fn forget(&mut self) {
        self.drain();
        self.seen.clear();
    }

    pub(crate) async fn join(&mut self, name: &str) {
        let channel = channel(name);
        self.broker.join(&channel);
        self.joined(name).await;
    }

    pub(crate) async fn joined(&mut self, name: &str) {
        let is_it = |event: &BrokerEvent| matches!(event, BrokerEvent::Joined { channel } if channel.as_str() == name);
        self.event(&format!("joined {name}"), |event| is_it(event).then_some(())).await;
    }

    pub(crate) async fn severed(&mut self, name: &str) {
        let is_it = |event: &BrokerEvent| matches!(event, BrokerEvent::Severed { channel } if channel.as_str() == name);
        self.event(&format!("severed {name}"), |event| is_it(event).then_some(())).await;
    }

    /// Starts to publish, and says under which ticket.
    pub(crate) fn start_publish(&mut self, name: &str, json: &str, terms: PublishTerms) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.broker.publish(ticket, &channel(name), publication(json), terms);
        ticket
    }

    pub(crate) async fn publish(
        &mut self,
        name: &str,
        json: &str,
        terms: PublishTerms,
    ) -> Result<Option<model::Position>, Refusal> {
        let ticket = self.start_publish(name, json, terms);
        self.published(ticket).await
    }

    pub(crate) async fn published(&mut self, wanted: Ticket) -> Result<Option<model::Position>, Refusal> {
        self.event("an answer to a publish", |event| match event {
            BrokerEvent::Published { ticket, outcome } if *ticket == wanted => Some(*outcome),
            BrokerEvent::Published { .. }
            | BrokerEvent::Joined { .. }
            | BrokerEvent::Severed { .. }
            | BrokerEvent::Announced { .. }
            | BrokerEvent::Publication { .. }
            | BrokerEvent::Read { .. }
            | BrokerEvent::Removed { .. } => None,
        })
        .await
    }

    /// A ticket for something else.
    pub(crate) fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// The next publication of a channel: payload, offset, and whether it is plain.
    pub(crate) async fn publication(&mut self, name: &str) -> (String, Option<u64>, bool) {
        self.event(&format!("a publication of {name}"), |event| match event {
            BrokerEvent::Publication { channel, position, is_plain, publication, .. }
                if channel.as_str() == name =>
            {
                let text = String::from_utf8_lossy(publication.payload.as_bytes()).into_owned();
                Some((text, position.map(|position| position.offset), *is_plain))
            }
            BrokerEvent::Publication { .. }
            | BrokerEvent::Published { .. }
            | BrokerEvent::Joined { .. }
            | BrokerEvent::Severed { .. }
            | BrokerEvent::Announced { .. }
            | BrokerEvent::Read { .. }
            | BrokerEvent::Removed { .. } => None,
        })
        .await
    }

    /// Waits until the broker's health is this.
    pub(crate) async fn until_up(&mut self, is_up: bool) {
        self.until(if is_up { "up" } else { "down" }, |broker| broker.view().health().is_up == is_up).await;
    }

    /// Waits until something holds of the broker.
    pub(crate) async fn until(&mut self, what: &str, mut holds: impl FnMut(&RedisBroker) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(&self.broker) {
            assert!(Instant::now() < deadline, "not in time: {what}; {:?}", self.broker.view().health());
            drop(tokio::time::timeout(Duration::from_millis(10), self.wake.notified()).await);
            self.drain();
        }
    }
}

pub(crate) fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).expect("what the test is given is right")
}

pub(crate) fn publication(json: &str) -> Publication {
    let payload = Payload::parse_json(json.as_bytes()).expect("what the test is given is right");
    Publication::new(payload, Moment::default())
}

pub(crate) fn rules() -> HistoryRules {
    let (ttl, meta_ttl) = (Duration::from_secs(60), Duration::from_secs(600));
    HistoryRules { size: 10, ttl, meta_ttl }
}

/// Terms that keep what is published.
pub(crate) fn kept() -> PublishTerms {
    PublishTerms { history: Some(rules()), ..PublishTerms::default() }
}

/// Terms that keep nothing.
pub(crate) fn unkept() -> PublishTerms {
    PublishTerms::default()
}
