//! A Redis Cluster of six nodes: sharded pub/sub, slots that move, primaries that die.

use std::collections::HashSet;
use std::time::Duration;

use broker::Broker as _;
use broker_redis::RedisConfig;
use model::HistoryRange;
use tokio::time::Instant;

use crate::history::offsets;
use crate::rig::{Rig, channel, kept, run, unkept, wait_until};
use crate::server::Server;

const ALL: HistoryRange = HistoryRange { since: None, limit: 100, reverse: false };

struct Cluster {
    servers: Vec<Server>,
}

impl Cluster {
    fn start() -> Self {
        let arguments = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1500"];
        let arguments = [&arguments[..], &["--repl-diskless-sync-delay", "0"]].concat();
        let servers: Vec<Server> = (0..6).map(|_| Server::start(&arguments)).collect();
        let places: Vec<String> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        let mut create: Vec<&str> = vec!["--cluster", "create"];
        create.extend(places.iter().map(String::as_str));
        create.extend(["--cluster-replicas", "1", "--cluster-yes"]);
        servers[0].cli(&create);
        let is_ok = |server: &Server| server.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok");
        wait_until("the cluster is whole", || servers.iter().all(is_ok));
        let is_linked = |server: &Server| {
            let info = server.cli(&["INFO", "replication"]);
            info.contains("role:master") || info.contains("master_link_status:up")
        };
        wait_until("the replicas follow", || servers.iter().all(is_linked));
        Self { servers }
    }

    fn config(&self) -> RedisConfig {
        let places: Vec<String> =
            self.servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        RedisConfig { url: format!("redis://{}", places.join(",")), ..RedisConfig::default() }
    }

    fn slot(&self, key: &str) -> String {
        self.servers[0].cli(&["CLUSTER", "KEYSLOT", key])
    }

    /// The servers that are primaries and answer, the owner of the slot first.
    fn primaries(&self, slot: &str) -> Vec<&Server> {
        let is_primary = |server: &&Server| server.cli(&["INFO", "replication"]).contains("role:master");
        let mut primaries: Vec<&Server> = self.servers.iter().filter(is_primary).collect();
        let owns = |server: &Server| {
            !server.cli(&["CLUSTER", "COUNTKEYSINSLOT", slot]).is_empty()
                && self.owner(server, slot) == server.port
        };
        primaries.sort_by_key(|server| !owns(server));
        primaries
    }

    /// Who owns a slot, as one server sees it.
    fn owner(&self, server: &Server, slot: &str) -> u16 {
        let slot: u16 = slot.parse().expect("what redis-cli prints");
        let text = server.cli(&["CLUSTER", "NODES"]);
        let owns = |line: &&str| {
            line.split_ascii_whitespace().skip(8).any(|range| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                let bounds = first.parse::<u16>().ok().zip(last.parse::<u16>().ok());
                bounds.is_some_and(|(first, last)| (first..=last).contains(&slot))
            })
        };
        let line = text.lines().find(owns).expect("what redis-cli prints");
        let place = line.split_ascii_whitespace().nth(1).expect("what redis-cli prints");
        place
            .split('@')
            .next()
            .expect("what redis-cli prints")
            .rsplit_once(':')
            .expect("what redis-cli prints")
            .1
            .parse()
            .expect("what redis-cli prints")
    }
}

#[test]
fn every_channel_of_a_cluster_is_joined_and_heard_where_it_is_at_home() {
    run(async {
        let cluster = Cluster::start();
        let (mut one, mut two) = (Rig::new(&cluster.config()), Rig::new(&cluster.config()));
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
        let said = cluster.servers[0].cli(&["-c", "SPUBLISH", "fanfare:ch:{news:7}", "3"]);
        assert!(said.ends_with('1'), "{said}");
        assert_eq!(two.publication("news:7").await, ("3".to_owned(), None, true));
        for server in &cluster.servers {
            server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
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
        let mut rig = Rig::new(&cluster.config());
        rig.join("news").await;
        rig.join("other").await;
        rig.publish("news", "1", kept()).await.unwrap();
        let slot = cluster.slot("fanfare:ch:{news}");
        let primaries = cluster.primaries(&slot);
        let (from, to) = (primaries[0], primaries[1]);
        let ids: Vec<String> = primaries.iter().map(|server| server.cli(&["CLUSTER", "MYID"])).collect();
        to.cli(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &ids[0]]);
        from.cli(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &ids[1]]);
        assert_eq!(rig.publish("news", "2", kept()).await.unwrap().unwrap().offset, 2);
        let keys = from.cli(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]);
        let port = to.port.to_string();
        let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
        migrate.extend(keys.lines());
        assert_eq!(from.cli(&migrate), "OK");
        assert_eq!(rig.publish("news", "3", kept()).await.unwrap().unwrap().offset, 3, "asked at the other");
        for server in [to, from, primaries[2]] {
            server.cli(&["CLUSTER", "SETSLOT", &slot, "NODE", &ids[1]]);
        }
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
        let mut cluster = Cluster::start();
        let mut rig = Rig::new(&cluster.config());
        let names: Vec<String> = (0..60).map(|number| format!("news:{number}")).collect();
        for name in &names {
            rig.join(name).await;
        }
        let victim = cluster.primaries(&cluster.slot("fanfare:ch:{news:0}"))[0].port;
        cluster.servers.iter_mut().find(|server| server.port == victim).unwrap().kill();
        rig.severed("news:0").await;
        rig.joined("news:0").await;
        let severed = rig.broker.view().counters().severed as usize;
        assert!(severed < names.len(), "those at home elsewhere stay");
        rig.until("all is well", |broker| broker.view().health().is_up).await;
        let distinct: HashSet<&String> = names.iter().collect();
        for name in distinct {
            rig.publish(name, "1", unkept()).await.unwrap();
            assert_eq!(rig.publication(name).await.0, "1");
        }
    });
}

#[test]
fn each_primary_has_a_probe_of_its_own_which_goes_on_when_its_slot_moves() {
    run(async {
        const FRESH: Duration = Duration::from_secs(2);
        let cluster = Cluster::start();
        let mut rig = Rig::new(&cluster.config());
        rig.until_up(true).await;
        let probes = |server: &Server| server.cli(&["PUBSUB", "SHARDCHANNELS", "fanfare:probe:node:*"]);
        let primaries = cluster.primaries("0");
        assert_eq!(primaries.len(), 3);
        rig.until("one at each", |_| primaries.iter().all(|primary| !probes(primary).is_empty())).await;
        let names: Vec<String> = primaries.iter().map(|primary| probes(primary)).collect();
        rig.until("three came back", |broker| broker.view().counters().probes.latency.count() >= 3).await;
        assert!(rig.broker.view().health().probe_age < FRESH);
        let slot = cluster.slot(&names[0]);
        let ids: Vec<String> = primaries.iter().map(|server| server.cli(&["CLUSTER", "MYID"])).collect();
        primaries[1].cli(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &ids[0]]);
        primaries[0].cli(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &ids[1]]);
        for server in [primaries[1], primaries[0], primaries[2]] {
            assert_eq!(server.cli(&["CLUSTER", "SETSLOT", &slot, "NODE", &ids[1]]), "OK");
        }
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
