//! What a node lives through: servers that die, stand still, are not there yet, or turn it down.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use broker::Broker as _;
use broker_redis::RedisConfig;
use model::{Refusal, Secret, limits};
use testkit::redis::{Options, Server, old_server};
use tokio::time::Instant;

use crate::rig::{Rig, channel, kept, run, to, unkept, without_publish};

/// What an answer may come later than its deadline on a busy machine.
const LATE_MAX: Duration = Duration::from_secs(2);
const REFUSED: Result<Option<model::Position>, Refusal> = Err(Refusal::Internal);

#[test]
fn after_a_restart_of_redis_every_channel_is_joined_again() {
    run(async {
        let server = Server::start(&Options::new().append_only());
        let mut rig = Rig::new(&to(&server));
        rig.join("news").await;
        rig.join("sport").await;
        let first = rig.publish("news", "1", kept()).await.unwrap().unwrap();
        server.kill();
        rig.severed("news").await;
        rig.severed("sport").await;
        assert!(!rig.broker.view().health().is_up);
        let asked = Instant::now();
        assert_eq!(rig.publish("news", "2", unkept()).await, REFUSED);
        assert!(asked.elapsed() < limits::PUBLISH_DEADLINE + LATE_MAX, "{:?}", asked.elapsed());
        server.restart();
        rig.joined("news").await;
        rig.joined("sport").await;
        rig.until_up(true).await;
        rig.forget();
        let second = rig.publish("news", "3", kept()).await.unwrap().unwrap();
        assert_eq!((second.epoch, second.offset), (first.epoch, 2));
        assert_eq!(rig.publication("news").await.0, "3");
    });
}

#[test]
fn a_node_starts_without_redis_says_why_and_heals() {
    run(async {
        let server = Server::start(&Options::new());
        server.kill();
        let mut rig = Rig::new(&to(&server));
        rig.broker.join(&channel("news"));
        let asked = Instant::now();
        assert_eq!(rig.publish("news", "1", kept()).await, REFUSED);
        assert!(asked.elapsed() < limits::PUBLISH_DEADLINE + LATE_MAX, "{:?}", asked.elapsed());
        let health = rig.broker.view().health();
        assert!(!health.is_up && health.detail.contains("cannot connect"), "{health:?}");
        server.restart();
        rig.joined("news").await;
        rig.until_up(true).await;
        assert_eq!(rig.broker.view().health().detail, "");
        assert!(rig.publish("news", "2", kept()).await.is_ok());
    });
}

#[test]
fn while_redis_stands_still_publishes_are_refused_in_time_and_all_heals_after() {
    run(async {
        let server = Server::start(&Options::new());
        let mut rig = Rig::new(&to(&server));
        rig.join("news").await;
        server.pause();
        let stopped = Instant::now();
        let mut tickets: Vec<_> = (0..100).map(|_| rig.start_publish("news", "1", unkept())).collect();
        for ticket in tickets.drain(..) {
            assert_eq!(rig.published(ticket).await, REFUSED);
        }
        assert!(stopped.elapsed() < limits::PUBLISH_DEADLINE + LATE_MAX, "{:?}", stopped.elapsed());
        rig.severed("news").await;
        assert!(stopped.elapsed() < limits::REDIS_SILENCE_MAX + LATE_MAX, "{:?}", stopped.elapsed());
        server.resume();
        rig.joined("news").await;
        rig.until_up(true).await;
        rig.forget();
        assert_eq!(rig.publish("news", "2", unkept()).await, Ok(None));
        // What was refused may have been published all the same.
        while rig.publication("news").await.0 != "2" {}
    });
}

#[test]
fn killed_pubsub_connections_are_told_and_made_again() {
    run(async {
        let server = Server::start(&Options::new());
        let mut rig = Rig::new(&to(&server));
        rig.join("news").await;
        for round in 0..3 {
            server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
            rig.severed("news").await;
            rig.joined("news").await;
            rig.publish("news", &round.to_string(), unkept()).await.unwrap();
            assert_eq!(rig.publication("news").await.0, round.to_string());
        }
        assert_eq!(rig.broker.view().counters().severed, 3);
        assert_eq!(rig.broker.view().counters().subscribers.lost, 3);
    });
}

#[test]
fn a_node_that_redis_finds_too_slow_is_told_that_it_missed_some() {
    run(async {
        let server = Server::start(&Options::new().set("client-output-buffer-limit", "pubsub 1mb 0 0"));
        let (mut slow, mut publisher) = (Rig::new(&to(&server)), Rig::new(&to(&server)));
        slow.join("news").await;
        let payload = format!("\"{}\"", "x".repeat(50_000));
        // Nothing is taken in meanwhile: buffers fill up, then the kernel's, then those of Redis.
        for _ in 0..1000 {
            assert_eq!(publisher.publish("news", &payload, unkept()).await, Ok(None));
        }
        assert!(slow.broker.view().counters().bytes_read < 1 << 20);
        slow.severed("news").await;
        slow.joined("news").await;
        slow.forget();
        publisher.publish("news", "1", unkept()).await.unwrap();
        assert_eq!(slow.publication("news").await.0, "1");
    });
}

#[test]
fn a_command_connection_that_is_killed_is_made_again() {
    run(async {
        let server = Server::start(&Options::new());
        let mut rig = Rig::new(&to(&server));
        rig.until_up(true).await;
        for _ in 0..3 {
            let lost = rig.broker.view().counters().callers.lost;
            server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
            rig.until("noticed", |broker| broker.view().counters().callers.lost > lost).await;
            rig.until_up(true).await;
            assert_eq!(rig.publish("news", "1", unkept()).await, Ok(None));
        }
    });
}

#[test]
fn the_password_is_read_anew_at_each_connect() {
    run(async {
        let server = Server::start(&Options::new().set("requirepass", "one"));
        let file = std::env::temp_dir().join(format!("fanfare-password-{}", server.port()));
        fs::write(&file, "wrong\n").unwrap();
        let config = RedisConfig { password_file: file.clone(), ..to(&server) };
        let mut rig = Rig::new(&config);
        rig.broker.join(&channel("news"));
        rig.until("the wrong password is told", |broker| broker.view().health().detail.contains("WRONGPASS"))
            .await;
        fs::write(&file, "one\n").unwrap();
        rig.joined("news").await;
        let told = server.command(&["CONFIG", "SET", "requirepass", "two"]);
        assert_eq!(told, "OK");
        fs::write(&file, "two").unwrap();
        server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        rig.severed("news").await;
        rig.joined("news").await;
        fs::remove_file(file).unwrap();
    });
}

#[test]
fn a_password_that_is_missing_is_told() {
    run(async {
        let server = Server::start(&Options::new().set("requirepass", "one"));
        let mut rig = Rig::new(&to(&server));
        rig.until("told", |broker| broker.view().health().detail.contains("NOAUTH")).await;
        let config = RedisConfig { password: Secret::new("one"), ..to(&server) };
        Rig::new(&config).join("news").await;
    });
}

#[test]
fn a_redis_that_turns_every_connection_down_is_told_with_the_reason() {
    run(async {
        for (said, told) in [
            ("-DENIED Redis is running in protected mode because …", "redis.password"),
            ("-ERR max number of clients reached", "maxclients"),
        ] {
            let closed = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            let url = format!("redis://{}", closed.local_addr().unwrap());
            // Ends with the test process: it owns nothing.
            std::thread::spawn(move || {
                for mut socket in closed.incoming().map(Result::unwrap) {
                    // What was asked is read, so that the close does not overtake the answer.
                    drop(socket.write_all(format!("{said}\r\n").as_bytes()));
                    drop(socket.read(&mut [0; 4096]));
                }
            });
            let mut rig = Rig::new(&RedisConfig { url, ..RedisConfig::default() });
            rig.until("told", |broker| broker.view().health().detail.contains(told)).await;
        }
    });
}

#[test]
fn a_command_that_the_acl_forbids_is_refused_and_the_rest_works() {
    run(async {
        let server = Server::start(&Options::new());
        let mut rig = Rig::new(&without_publish(&server));
        rig.join("news").await;
        assert_eq!(rig.publish("news", "1", unkept()).await, REFUSED);
        let permission = broker_redis::Fault::Permission.index();
        assert_eq!(rig.broker.view().counters().faults[permission], 1);
        assert!(
            rig.read("news", model::HistoryRange { since: None, limit: 1, reverse: false }).await.is_ok()
        );
    });
}

#[test]
fn a_redis_without_memory_refuses_and_nothing_is_half_written() {
    run(async {
        let server = Server::start(&Options::new());
        let mut rig = Rig::new(&to(&server));
        rig.publish("news", "1", kept()).await.unwrap();
        server.command(&["CONFIG", "SET", "maxmemory", "1"]);
        assert_eq!(rig.publish("news", "2", kept()).await, REFUSED);
        server.command(&["CONFIG", "SET", "maxmemory", "0"]);
        assert_eq!(rig.publish("news", "3", kept()).await.unwrap().unwrap().offset, 2);
        assert_eq!(rig.broker.view().counters().faults[broker_redis::Fault::Memory.index()], 1);
    });
}

#[test]
fn a_server_that_accepts_and_never_answers_is_told_and_given_up() {
    run(async {
        let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("redis://{}", silent.local_addr().unwrap());
        let mut rig = Rig::new(&RedisConfig { url, ..RedisConfig::default() });
        assert_eq!(rig.publish("news", "1", unkept()).await, REFUSED);
        rig.until("told", |broker| broker.view().health().detail.contains("no answer within")).await;
    });
}

#[test]
fn a_redis_that_is_too_old_is_named() {
    run(async {
        let mut rig = Rig::new(&RedisConfig { url: old_server(), ..RedisConfig::default() });
        rig.until("told", |broker| broker.view().health().detail.contains("Redis 6.2 is too old")).await;
        assert!(!rig.broker.view().health().is_up);
    });
}
