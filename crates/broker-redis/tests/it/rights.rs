//! What the node's user may not do is found out at once, by name, and leaves nothing behind.

use std::collections::BTreeSet;

use broker_redis::{RedisBroker, RedisConfig};
use model::Secret;
use testkit::redis::{Options, Server};

use crate::rig::{Rig, kept, run, to};

const DOCS: &str = include_str!("../../../../docs/redis.md");
/// What is done without, or asked for elsewhere where it matters.
const NOT_TRIED: [&str; 4] = ["+info", "+client|setname", "+unsubscribe", "+function|load"];

#[test]
fn every_word_of_the_least_rights_is_missed_by_its_command() {
    run(async {
        let server = Server::start(&Options::new());
        let words = least("+fcall");
        let mut rig = Rig::new(&user(&server, &[]));
        let needed: BTreeSet<String> = words
            .iter()
            .filter(|word| !NOT_TRIED.contains(&word.as_str()))
            .map(|word| word[1..].to_ascii_uppercase())
            .collect();
        assert!(needed.len() > 20, "{needed:?}");
        rig.until("all is missed", |broker| forbidden(broker) == needed).await;
        let health = rig.broker.view().health();
        assert!(health.is_forbidden && !health.is_up, "{health:?}");
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        server.command(&[&["ACL", "SETUSER", "node"], words.as_slice()].concat());
        rig.until_up(true).await;
        let health = rig.broker.view().health();
        assert!(!health.is_forbidden && health.detail.is_empty(), "{health:?}");
        assert_eq!(server.command(&["DBSIZE"]), "0", "what is tried leaves nothing behind");
        assert!(rig.publish("news", "1", kept()).await.is_ok());
    });
}

#[test]
fn scripts_that_may_be_loaded_but_not_called_are_missed() {
    run(async {
        let server = Server::start(&Options::new());
        let words = least("+evalsha");
        let all_but_one: Vec<&str> =
            words.iter().map(String::as_str).filter(|word| *word != "+evalsha").collect();
        let mut rig = Rig::new(&user(&server, &all_but_one));
        rig.until("it is missed", |broker| forbidden(broker) == ["EVALSHA".to_owned()].into()).await;
        server.command(&["ACL", "SETUSER", "node", "+evalsha"]);
        rig.until_up(true).await;
    });
}

/// The words that the docs recommend, of the line that contains `marker`.
fn least(marker: &str) -> Vec<String> {
    let lines = DOCS.lines().filter(|line| line.starts_with("ACL SETUSER"));
    let line = lines.clone().find(|line| line.contains(marker)).expect("the docs have such a line");
    line.split(' ').filter(|word| word.starts_with('+')).map(str::to_owned).collect()
}

/// Settings for a user who may do nothing but this.
fn user(server: &Server, words: &[&str]) -> RedisConfig {
    let bare = ["ACL", "SETUSER", "node", "reset", "on", ">pw", "~fanfare:*", "&fanfare:*"];
    assert_eq!(server.command(&[&bare, words].concat()), "OK");
    RedisConfig { username: "node".to_owned(), password: Secret::new("pw"), ..to(server) }
}

/// What the broker says is forbidden.
fn forbidden(broker: &RedisBroker) -> BTreeSet<String> {
    let detail = broker.view().health().detail;
    let list =
        detail.split_once(" forbids ").and_then(|(_, rest)| rest.split_once(": ")).map(|(list, _)| list);
    list.map(|list| list.split(", ").map(str::to_owned).collect()).unwrap_or_default()
}
