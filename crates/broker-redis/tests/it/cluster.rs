//! A Redis Cluster of six nodes: sharded pub/sub, slots that move, primaries that die.

use std::time::Duration;

use broker::Broker as _;
use broker_redis::RedisConfig;
use model::HistoryRange;
use testkit::redis::{Cluster, Server};
use tokio::time::Instant;

use crate::history::offsets;
use crate::rig::{Rig, channel, kept, run, unkept};

const ALL: HistoryRange = HistoryRange { since: None, limit: 100, reverse: false };

fn to(cluster: &Cluster) -> RedisConfig {
    RedisConfig { url: cluster.url(), ..RedisConfig::default() }
}

#[test]
fn every_channel_of_a_cluster_is_joined_and_heard_where_it_is_at_home() {
    run(async {
        let cluster = Cluster::start();
        let (mut one, mut two) = (Rig::new(&to(&cluster)), Rig::new(&to(&cluster)));
        let names: Vec<String> = (0..300).map(|number| format!("news:{number}")).collect();
        names.iter().for_each(|name| two.broker.join(&channel(name)));
        for name in &names {
            two.joined(name).await;
        }
        assert_eq!(two.broker.view().health().primaries, 3);
        for name in &names {
            assert_eq!(one.publish(name, "1", unkept()).await, Ok(None));
            assert_eq!(one.publish(name, "2", kept()).await.unwrap().unwrap().offset, 1);
            assert_eq!(two.publication(name).await, ("1".to_owned(), None, false));
            assert_eq!(two.publication(name).await, ("2".to_owned(), Some(1), false));
        }
        let home = cluster.server(cluster.primary_of_slot(cluster.slot_of("news:7")));
        assert_eq!(home.command(&["SPUBLISH", "fanfare:ch:{news:7}", "3"]), "1");
        assert_eq!(two.publication("news:7").await, ("3".to_owned(), None, true));
        for primary in cluster.primaries() {
            cluster.server(primary).command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        }
        for name in &names {
            two.severed(name).await;
            two.joined(name).await;
            one.publish(name, "4", unkept()).await.unwrap();
            assert_eq!(two.publication(name).await.0, "4");
        }
    });
}

#[test]
fn a_channel_follows_its_slot_to_another_primary_with_its_history() {
    run(async {
        let cluster = Cluster::start();
        let mut rig = Rig::new(&to(&cluster));
        rig.join("news").await;
        rig.join("other").await;
        rig.publish("news", "1", kept()).await.unwrap();
        let slot = cluster.slot_of("news");
        let to = (cluster.primary_of_slot(slot) + 1) % 3;
        let from = cluster.begin_migration(slot, to);
        assert_eq!(rig.publish("news", "2", kept()).await.unwrap().unwrap().offset, 2);
        cluster.move_keys(slot, from, to);
        assert_eq!(rig.publish("news", "3", kept()).await.unwrap().unwrap().offset, 3, "asked at the other");
        cluster.finish_migration(slot, to);
        rig.severed("news").await;
        rig.joined("news").await;
        rig.forget();
        assert_eq!(rig.publish("news", "4", kept()).await.unwrap().unwrap().offset, 4);
        assert_eq!(rig.publication("news").await, ("4".to_owned(), Some(4), false));
        assert_eq!(offsets(&rig.read("news", ALL).await.unwrap()), [1, 2, 3, 4]);
        assert_eq!(rig.broker.view().counters().severed, 1, "the other channel stayed where it was");
    });
}

#[test]
fn when_a_primary_dies_its_channels_are_joined_at_the_replica_that_takes_over() {
    run(async {
        let cluster = Cluster::start();
        let mut rig = Rig::new(&to(&cluster));
        let names: Vec<String> = (0..60).map(|number| format!("news:{number}")).collect();
        for name in &names {
            rig.join(name).await;
        }
        cluster.kill_primary(cluster.primary_of_slot(cluster.slot_of("news:0")));
        rig.severed("news:0").await;
        rig.joined("news:0").await;
        let severed = rig.broker.view().counters().severed as usize;
        assert!(severed < names.len(), "those at home elsewhere stay");
        rig.until("all is well", |broker| broker.view().health().is_up).await;
        for name in &names {
            rig.publish(name, "1", unkept()).await.unwrap();
            assert_eq!(rig.publication(name).await.0, "1");
        }
    });
}

#[test]
fn each_primary_has_a_probe_of_its_own_which_goes_on_when_its_slot_moves() {
    run(async {
        const FRESH: Duration = Duration::from_secs(3);
        let cluster = Cluster::start();
        let mut rig = Rig::new(&to(&cluster));
        rig.until_up(true).await;
        let probes = |server: &Server| server.command(&["PUBSUB", "SHARDCHANNELS", "fanfare:probe:node:*"]);
        let primaries = [0, 1, 2].map(|index| cluster.server(index));
        rig.until("one at each", |_| primaries.iter().all(|primary| !probes(primary).is_empty())).await;
        let names: Vec<String> = primaries.iter().map(|primary| probes(primary)).collect();
        rig.until("three came back", |broker| broker.view().counters().probes.latency.count() >= 3).await;
        assert!(rig.broker.view().health().probe_age < FRESH);
        cluster.migrate_slot(cluster.slot_of(&names[0]), 1);
        let moved = Instant::now();
        rig.until("another channel", |_| {
            let now = probes(primaries[0]);
            !now.is_empty() && now != names[0]
        })
        .await;
        rig.until("five more seconds", |_| moved.elapsed() > Duration::from_secs(5)).await;
        let (health, counters) = (rig.broker.view().health(), rig.broker.view().counters());
        assert!(health.probe_age < FRESH && health.is_up, "{health:?}");
        assert_eq!((counters.probes.rebuilds, counters.subscribers.lost), (0, 0));
        assert_eq!(probes(primaries[1]), names[1], "the others stay where they were");
    });
}
