//! Joining, publishing and leaving, on one server.

use std::time::Duration;

use broker::Broker as _;
use testkit::redis::{Options, Server};
use tokio::time::Instant;

use crate::rig::{Rig, channel, kept, run, to, unkept};

#[test]
fn what_one_node_publishes_reaches_every_node_that_joined() {
    run(async {
        let server = Server::start(&Options::new());
        let (mut one, mut two) = (Rig::new(&to(&server)), Rig::new(&to(&server)));
        one.join("news").await;
        two.join("news").await;
        assert_eq!(one.publish("news", r#"{"a":1}"#, unkept()).await, Ok(None));
        for rig in [&mut one, &mut two] {
            assert_eq!(rig.publication("news").await, (r#"{"a":1}"#.to_owned(), None, false));
        }
    });
}

#[test]
fn publications_of_a_channel_arrive_in_the_order_in_which_they_were_published() {
    run(async {
        let server = Server::start(&Options::new());
        let mut rig = Rig::new(&to(&server));
        rig.join("news").await;
        for number in 0..10_000 {
            rig.start_publish("news", &number.to_string(), unkept());
        }
        for number in 0..10_000 {
            assert_eq!(rig.publication("news").await.0, number.to_string());
        }
    });
}

#[test]
fn a_backend_publishes_with_nothing_but_redis_cli() {
    run(async {
        let server = Server::start(&Options::new());
        let mut rig = Rig::new(&to(&server));
        rig.join("news").await;
        assert_eq!(server.command(&["PUBLISH", "fanfare:ch:news", "{\"a\":\n1}"]), "1");
        assert_eq!(rig.publication("news").await, ("{\"a\":1}".to_owned(), None, true));
    });
}

#[test]
fn what_is_no_publication_is_dropped_and_counted_and_harms_nobody() {
    run(async {
        let server = Server::start(&Options::new());
        let mut rig = Rig::new(&to(&server));
        rig.join("news").await;
        let hostile =
            ["hello", "{}}\n{\"push\":{}}", "", "\u{fa}\u{1}", &format!("\"{}\"", "x".repeat(100_000))];
        for payload in hostile {
            assert_eq!(server.command(&["PUBLISH", "fanfare:ch:news", payload]), "1");
        }
        server.command(&["PUBLISH", "fanfare:ch:news", "1"]);
        assert_eq!(rig.publication("news").await, ("1".to_owned(), None, true));
        let counters = rig.broker.view().counters();
        assert_eq!(counters.malformed.iter().sum::<u64>(), hostile.len() as u64);
        assert_eq!((counters.publications, counters.subscribers.lost), (1, 0));
    });
}

#[test]
fn twenty_thousand_channels_are_joined_by_few_commands() {
    run(async {
        let server = Server::start(&Options::new());
        let mut rig = Rig::new(&to(&server));
        rig.join("first").await;
        let names: Vec<String> = (0..20_000).map(|number| format!("news:{number}")).collect();
        for name in &names {
            rig.broker.join(&channel(name));
        }
        let mut joined = 0;
        while joined < names.len() {
            rig.event("a channel that is joined", |event| {
                matches!(event, broker::BrokerEvent::Joined { .. }).then_some(())
            })
            .await;
            joined += 1;
        }
        let calls = server.command(&["INFO", "commandstats"]);
        let calls = calls.lines().find_map(|line| line.strip_prefix("cmdstat_subscribe:calls=")).unwrap();
        let calls: usize = calls.split(',').next().unwrap().parse().unwrap();
        assert!(calls <= 1 + names.len() / 100, "{calls} commands");
    });
}

#[test]
fn a_channel_that_was_left_lingers_and_is_joined_again_at_once() {
    run(async {
        let server = Server::start(&Options::new());
        let mut rig = Rig::new(&to(&server));
        let subscribers = || server.command(&["PUBSUB", "NUMSUB", "fanfare:ch:news"]).ends_with('1');
        rig.join("news").await;
        rig.join("mark").await;
        let left = Instant::now();
        rig.broker.leave(&channel("news"));
        rig.publish("news", "1", kept()).await.unwrap();
        // What is published behind it comes behind it.
        rig.publish("mark", "1", unkept()).await.unwrap();
        rig.publication("mark").await;
        rig.broker.leave(&channel("mark"));
        assert!(subscribers());
        rig.broker.join(&channel("news"));
        rig.drain();
        rig.joined("news").await;
        rig.publish("news", "2", unkept()).await.unwrap();
        assert_eq!(rig.publication("news").await.0, "2", "nothing is handed on while nobody wants it");
        rig.broker.leave(&channel("news"));
        rig.until("unsubscribed", |_| !subscribers()).await;
        assert!(left.elapsed() >= Duration::from_secs(5));
        rig.until("forgotten", |broker| broker.view().health().channels == 0).await;
        rig.join("news").await;
    });
}
