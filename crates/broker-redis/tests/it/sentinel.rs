//! Sentinels that name the primary, and change their mind.

use broker_redis::RedisConfig;
use std::fs;

use crate::rig::{Rig, kept, run, wait_until};
use crate::server::Server;

struct Setup {
    servers: Vec<Server>,
    sentinels: Vec<Server>,
}

impl Setup {
    fn start() -> Self {
        let primary = Server::start(&[]);
        let port = primary.port.to_string();
        let replica =
            || Server::start(&["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"]);
        let servers = vec![replica(), replica(), primary];
        let is_linked =
            |server: &Server| server.cli(&["INFO", "replication"]).contains("master_link_status:up");
        wait_until("the replicas follow", || servers[..2].iter().all(is_linked));
        let sentinels: Vec<Server> = (0..3).map(|_| sentinel(&port)).collect();
        let knows_all = |server: &Server| {
            let text = server.cli(&["INFO", "sentinel"]);
            text.contains("slaves=2,sentinels=3")
        };
        wait_until("the Sentinels know each other", || sentinels.iter().all(knows_all));
        Self { servers, sentinels }
    }

    fn config(&self) -> RedisConfig {
        let places: Vec<String> =
            self.sentinels.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        RedisConfig { url: format!("redis+sentinel://{}/main", places.join(",")), ..RedisConfig::default() }
    }

    fn primary(&mut self) -> &mut Server {
        self.servers.last_mut().expect("the servers are there")
    }
}

fn sentinel(primary: &str) -> Server {
    let mut server = Server::planned(&["sentinel.conf", "--sentinel"]);
    let port = server.port;
    let lines = [
        format!("port {port}"),
        "bind 127.0.0.1".to_owned(),
        format!("sentinel monitor main 127.0.0.1 {primary} 2"),
        "sentinel down-after-milliseconds main 500".to_owned(),
        "sentinel failover-timeout main 3000".to_owned(),
    ];
    fs::write(server.directory().join("sentinel.conf"), lines.join("\n")).expect("the servers are there");
    server.restart();
    server
}

#[test]
fn after_a_failover_the_node_follows_to_the_new_primary() {
    run(async {
        let mut setup = Setup::start();
        let mut rig = Rig::new(&setup.config());
        rig.join("news").await;
        let first = rig.publish("news", "1", kept()).await.unwrap().unwrap();
        setup.primary().kill();
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
        let (stale, other) = (Server::start(&[]), Server::start(&[]));
        let sentinels: Vec<Server> = (0..3).map(|_| sentinel(&stale.port.to_string())).collect();
        let setup = Setup { servers: vec![stale], sentinels };
        let mut rig = Rig::new(&setup.config());
        rig.join("news").await;
        rig.until_up(true).await;
        // Two of three are as good as all; the stale primary goes on as before.
        for sentinel in &setup.sentinels[1..] {
            assert_eq!(sentinel.cli(&["SENTINEL", "REMOVE", "main"]), "OK");
            let port = other.port.to_string();
            assert_eq!(sentinel.cli(&["SENTINEL", "MONITOR", "main", "127.0.0.1", &port, "2"]), "OK");
        }
        rig.severed("news").await;
        rig.joined("news").await;
        rig.forget();
        assert_eq!(setup.servers[0].cli(&["PUBLISH", "fanfare:ch:news", "6"]), "0");
        assert_eq!(other.cli(&["PUBLISH", "fanfare:ch:news", "7"]), "1");
        assert_eq!(rig.publication("news").await.0, "7");
        rig.until_up(true).await;
        assert!(rig.publish("news", "8", kept()).await.is_ok());
        assert_eq!(rig.broker.view().health().primaries, 1);
    });
}

#[test]
fn a_name_that_the_sentinels_do_not_know_is_told() {
    run(async {
        let primary = Server::start(&[]);
        let sentinel = sentinel(&primary.port.to_string());
        let url = format!("redis+sentinel://127.0.0.1:{}/other", sentinel.port);
        let mut rig = Rig::new(&RedisConfig { url, ..RedisConfig::default() });
        rig.until("told", |broker| broker.view().health().detail.contains("knows no primary named other"))
            .await;
    });
}
