//! Both suites in every kind of Redis, each time with the rights that `docs/redis.md` names and no others: the
//! `default` user is off, and every right is used.

use std::thread;

use broker_redis::RedisConfig;
use model::Secret;
use testkit::redis::{Binary, Cluster, Options, Sentinels, Server, valkey};
use testkit::{check_broker, check_presence};

use crate::rig::Rig;

const PAGE: &str = include_str!("../../../../docs/redis.md");
const PASSWORD: &str = "secret";
/// What nodes need only where slots move, and some time after they left a channel.
const LATER: [&str; 3] = ["+asking", "+unsubscribe", "+sunsubscribe"];

/// The lines of the page: the rights by functions, by scripts, and in a cluster.
fn least_rights() -> [Vec<&'static str>; 3] {
    let lines = PAGE.lines().filter(|line| line.starts_with("ACL SETUSER fanfare "));
    let commands = lines.map(|line| line.split(' ').collect());
    commands.collect::<Vec<_>>().try_into().expect("the page names the rights three times")
}

/// Runs both suites as a user of these rights, who lacks none and has none in vain.
fn pass_both(servers: &[&Server], rights: &[&str], config: RedisConfig) {
    let allow: Vec<String> = rights.iter().map(|word| word.replace("PASSWORD", PASSWORD)).collect();
    let allow: Vec<&str> = allow.iter().map(String::as_str).collect();
    for server in servers {
        assert_eq!(server.command(&allow), "OK");
        server.command(&["CONFIG", "RESETSTAT"]);
    }
    let config = RedisConfig { username: "fanfare".to_owned(), password: Secret::new(PASSWORD), ..config };
    thread::scope(|scope| {
        scope.spawn(|| check_broker(&mut Rig::new(config.clone())));
        scope.spawn(|| check_presence(&mut Rig::new(config.clone())));
    });
    let called: Vec<String> =
        servers.iter().map(|server| server.command(&["INFO", "commandstats"])).collect();
    let is_called = |right: &&str| {
        let statistic = format!("cmdstat_{}:calls", right.trim_start_matches('+'));
        called.iter().any(|called| called.contains(&statistic))
    };
    let rights = rights.iter().filter(|word| word.starts_with('+'));
    let vain: Vec<_> = rights.filter(|right| !is_called(right) && !LATER.contains(right)).collect();
    assert!(vain.is_empty(), "nodes do not need {vain:?}");
    for server in servers {
        let log = server.command(&["ACL", "LOG"]);
        let refused = log.split("\nobject\n").skip(1).filter_map(|entry| entry.lines().next());
        // Where functions are forbidden, nodes find that out by trying.
        let refused: Vec<&str> =
            refused.filter(|command| !matches!(*command, "fcall" | "function|load")).collect();
        assert!(refused.is_empty(), "nodes need {refused:?}");
    }
}

fn secluded() -> Options {
    Options::new().user("default off")
}

fn at(url: String) -> RedisConfig {
    RedisConfig { url, ..RedisConfig::default() }
}

#[test]
fn both_pass_in_one_redis() {
    let [rights, ..] = least_rights();
    let server = Server::start(&secluded());
    pass_both(&[&server], &rights, at(server.url()));
}

#[test]
fn both_pass_where_functions_are_forbidden() {
    let [_, rights, _] = least_rights();
    let server = Server::start(&secluded());
    pass_both(&[&server], &rights, at(server.url()));
}

#[test]
fn both_pass_over_tls_with_certificates_on_either_side() {
    let [rights, ..] = least_rights();
    let server = Server::start(&secluded().mutual_tls());
    let files = server.certificates();
    let config = RedisConfig {
        ca_file: files.ca.clone(),
        client_cert_file: files.client.clone(),
        client_key_file: files.client_key.clone(),
        server_name: "localhost".to_owned(),
        ..at(server.url())
    };
    pass_both(&[&server], &rights, config);
}

#[test]
fn both_pass_in_valkey() {
    let [rights, ..] = least_rights();
    let server = Server::start(&secluded().binary(Binary::Valkey(valkey())));
    pass_both(&[&server], &rights, at(server.url()));
}

#[test]
fn both_pass_under_sentinels() {
    let [rights, ..] = least_rights();
    assert!(PAGE.contains("`+sentinel|get-master-addr-by-name` is enough"));
    let group = Sentinels::start_with(&secluded());
    for index in 0..3 {
        let allow = ["ACL", "SETUSER", "asker", "on", ">asked", "-@all", "+sentinel|get-master-addr-by-name"];
        assert_eq!(group.sentinel(index).command(&allow), "OK");
        // A busy machine is no reason to replace the primary.
        let patient = ["SENTINEL", "SET", group.master_name(), "down-after-milliseconds", "60000"];
        assert_eq!(group.sentinel(index).command(&patient), "OK");
    }
    let servers = [0, 1, 2].map(|index| group.server(index));
    let config = RedisConfig {
        sentinel_username: "asker".to_owned(),
        sentinel_password: Secret::new("asked"),
        ..at(group.url())
    };
    pass_both(&servers, &rights, config);
}

#[test]
fn both_pass_in_a_cluster_of_six() {
    let [.., rights] = least_rights();
    let cluster = Cluster::start_with(&secluded());
    let servers = [0, 1, 2, 3, 4, 5].map(|index| cluster.server(index));
    // Neither is it one here.
    for server in servers {
        assert_eq!(server.command(&["CONFIG", "SET", "cluster-node-timeout", "60000"]), "OK");
    }
    pass_both(&servers, &rights, at(cluster.url()));
}
