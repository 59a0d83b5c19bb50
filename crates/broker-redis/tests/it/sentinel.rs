//! Sentinels that name the primary, and change their mind.

use broker_redis::RedisConfig;
use testkit::redis::{Options, Sentinels, Server};

use crate::rig::{Rig, kept, run};

fn to(group: &Sentinels) -> RedisConfig {
    RedisConfig { url: group.url(), ..RedisConfig::default() }
}

#[test]
fn after_a_failover_the_node_follows_to_the_new_primary() {
    run(async {
        let group = Sentinels::start();
        let mut rig = Rig::new(&to(&group));
        rig.join("news").await;
        let first = rig.publish("news", "1", kept()).await.unwrap().unwrap();
        group.primary().wait_for_replication();
        group.primary().kill();
        rig.severed("news").await;
        rig.joined("news").await;
        rig.until_up(true).await;
        rig.forget();
        let second = rig.publish("news", "2", kept()).await.unwrap().unwrap();
        assert_eq!((second.epoch, second.offset), (first.epoch, 2));
        assert_eq!(rig.publication("news").await.0, "2");
    });
}

#[test]
fn a_stale_primary_that_still_answers_is_left_when_the_sentinels_name_another() {
    run(async {
        let (group, other) = (Sentinels::start(), Server::start(&Options::new()));
        let mut rig = Rig::new(&to(&group));
        rig.join("news").await;
        rig.until_up(true).await;
        // Two of three are as good as all; the stale primary goes on as before.
        for sentinel in [1, 2].map(|index| group.sentinel(index)) {
            let (name, port) = (group.master_name(), other.port().to_string());
            assert_eq!(sentinel.command(&["SENTINEL", "REMOVE", name]), "OK");
            assert_eq!(sentinel.command(&["SENTINEL", "MONITOR", name, "127.0.0.1", &port, "2"]), "OK");
        }
        rig.severed("news").await;
        rig.joined("news").await;
        rig.forget();
        assert_eq!(group.primary().command(&["PUBLISH", "fanfare:ch:news", "6"]), "0");
        assert_eq!(other.command(&["PUBLISH", "fanfare:ch:news", "7"]), "1");
        assert_eq!(rig.publication("news").await.0, "7");
        rig.until_up(true).await;
        assert!(rig.publish("news", "8", kept()).await.is_ok());
        assert_eq!(rig.broker.view().health().primaries, 1);
    });
}

#[test]
fn a_name_that_the_sentinels_do_not_know_is_told() {
    run(async {
        let group = Sentinels::start();
        let url = group.url().replace(group.master_name(), "other");
        let mut rig = Rig::new(&RedisConfig { url, ..RedisConfig::default() });
        rig.until("told", |broker| broker.view().health().detail.contains("knows no primary named other"))
            .await;
    });
}
