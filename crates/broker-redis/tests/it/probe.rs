//! The node's own probe: it shows that pub/sub connections deliver, and heals those that only seem to.

use std::time::Duration;

use broker::Broker as _;
use broker_redis::{RedisConfig, RedisHealth};

use testkit::redis::{Muffle, Options, Server};
use tokio::time::Instant;

use crate::rig::{Rig, channel, run, to, unkept, without_publish};

/// Healthy probes are never older, even on a busy machine.
const FRESH: Duration = Duration::from_secs(3);
/// What may come later than it would if nobody else used the machine.
const LATE_MAX: Duration = Duration::from_secs(2);

fn health(rig: &Rig) -> RedisHealth {
    rig.broker.view().health()
}

/// How many probes came back.
fn back(rig: &Rig) -> u64 {
    rig.broker.view().counters().probes.latency.count()
}

#[test]
fn probes_come_back_each_second_though_another_node_has_the_same_name() {
    run(async {
        let server = Server::start(&Options::new());
        let (mut one, mut two) = (Rig::new(&to(&server)), Rig::new(&to(&server)));
        one.until_up(true).await;
        let begun = Instant::now();
        one.until("three probes", |one| {
            two.drain();
            assert!(one.view().health().probe_age < FRESH);
            one.view().counters().probes.latency.count() >= 3
        })
        .await;
        assert!(begun.elapsed() >= Duration::from_millis(1_500), "{:?}", begun.elapsed());
        assert!(back(&two) >= 2 && health(&two).probe_age < FRESH);
        assert_eq!(server.command(&["PUBSUB", "NUMSUB", "fanfare:probe:node"]), "fanfare:probe:node\n2");
        let counters = one.broker.view().counters();
        assert_eq!((counters.probes.missed, counters.probes.rebuilds, counters.publications), (0, 0, 0));
        assert_eq!(counters.malformed.iter().sum::<u64>(), 0);
    });
}

#[test]
fn a_connection_that_seems_healthy_but_delivers_nothing_is_rebuilt_until_it_delivers() {
    run(async {
        let server = Server::start(&Options::new());
        let muffle = Muffle::start(server.port());
        let mut rig = Rig::new(&RedisConfig { url: muffle.url(), ..RedisConfig::default() });
        rig.join("news").await;
        rig.until("a probe", |broker| broker.view().counters().probes.latency.count() > 0).await;
        muffle.set(true);
        let muffled = Instant::now();
        let told = |broker: &broker_redis::RedisBroker| broker.view().health().detail;
        rig.until("told at once", |broker| told(broker).ends_with("own probe")).await;
        assert!(muffled.elapsed() < Duration::from_secs(3) + LATE_MAX, "{:?}", muffled.elapsed());
        rig.severed("news").await;
        let rebuilt = Instant::now();
        assert!(muffled.elapsed() < Duration::from_secs(5) + LATE_MAX, "{:?}", muffled.elapsed());
        let counters = rig.broker.view().counters();
        assert_eq!((counters.probes.missed, counters.probes.rebuilds, counters.subscribers.lost), (3, 1, 1));
        assert_eq!(counters.callers.lost, 0);
        rig.joined("news").await;
        assert!(!health(&rig).is_up, "that it is connected does not mean that it delivers");
        assert_eq!(rig.publish("news", "1", unkept()).await, Ok(None), "commands are answered");
        rig.until("this node's fault", |broker| broker.view().health().is_deaf).await;
        assert!(rebuilt.elapsed() >= Duration::from_secs(10), "{:?}", rebuilt.elapsed());
        assert!(rebuilt.elapsed() < Duration::from_secs(12) + LATE_MAX, "{:?}", rebuilt.elapsed());
        assert_eq!(rig.broker.view().counters().probes.rebuilds, 2, "after twice as many misses");
        muffle.set(false);
        rig.until("all is well", |broker| broker.view().health().is_up).await;
        let health = health(&rig);
        assert!(!health.is_deaf && health.detail.is_empty() && health.probe_age < FRESH, "{health:?}");
        rig.publish("news", "2", unkept()).await.unwrap();
        assert_eq!(rig.publication("news").await.0, "2");
    });
}

#[test]
fn forged_probes_count_for_nothing_and_a_forbidden_one_harms_nobody() {
    run(async {
        let server = Server::start(&Options::new());
        let mut rig = Rig::new(&without_publish(&server));
        let begun = Instant::now();
        rig.join("news").await;
        while begun.elapsed() < Duration::from_secs(5) {
            let read = rig.broker.view().counters().bytes_read;
            for payload in ["1 00000000000000000000000000000000", "1", "", "{}", "\u{fa}\u{1}"] {
                assert_eq!(server.command(&["PUBLISH", "fanfare:probe:node", payload]), "1");
            }
            rig.until("taken in", |broker| broker.view().counters().bytes_read > read).await;
        }
        let (health, counters) = (health(&rig), rig.broker.view().counters());
        assert!(health.probe_age >= Duration::from_secs(4), "{:?}", health.probe_age);
        assert!(health.is_forbidden && !health.is_up && !health.is_deaf, "{health:?}");
        assert_eq!((back(&rig), counters.probes.missed, counters.subscribers.lost), (0, 0, 0));
        assert_eq!(counters.malformed.iter().sum::<u64>(), 0);
        server.command(&["PUBLISH", "fanfare:ch:news", "1"]);
        assert_eq!(rig.publication("news").await.0, "1");
    });
}

#[test]
fn the_probe_of_a_redis_that_was_away_for_everyone_is_nobodys_fault_and_comes_back() {
    run(async {
        let server = Server::start(&Options::new());
        let mut rig = Rig::new(&to(&server));
        rig.until_up(true).await;
        server.kill();
        let away = Instant::now();
        rig.until("long enough", |broker| {
            let health = broker.view().health();
            assert!(!health.is_deaf, "{health:?}");
            away.elapsed() > Duration::from_secs(13)
        })
        .await;
        assert!(health(&rig).probe_age >= Duration::from_secs(12), "{:?}", health(&rig));
        server.restart();
        rig.until("a probe", |broker| {
            let health = broker.view().health();
            assert!(!health.is_deaf, "{health:?}");
            health.probe_age < FRESH
        })
        .await;
        assert_eq!(rig.broker.view().counters().probes.rebuilds, 0);
        rig.broker.join(&channel("news"));
        rig.joined("news").await;
    });
}
