//! Nodes know each other, and answer together for what there is on any of them.

use std::time::{Duration, Instant};

use model::{ByteSize, limits};
use serde_json::{Value, json};
use testkit::eventually;
use testkit::redis::{Options, Server};

use crate::edge::{Running, token_with_channels};
use crate::nodes::{ask, becomes_down, becomes_up, node};
use crate::user::User;

/// How often nodes of these tests look for each other.
const PERIOD: Duration = Duration::from_millis(100);

/// Two nodes that know each other.
fn acquainted(server: &Server, workers: u16) -> [Running; 2] {
    let start =
        || node(&server.url()).workers(workers).composed(|parts| parts.with_formats(1, 1, PERIOD)).start();
    let nodes = [start(), start()];
    nodes.iter().for_each(|node| knows(node, 2.0));
    nodes
}

fn knows(node: &Running, count: f64) {
    eventually("the node knows how many there are", || node.metrics().value("fanfare_nodes") == count);
}

fn nodes(node: &Running) -> Vec<Value> {
    let answer = ask(node, "info", &json!({}));
    answer["result"]["nodes"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
}

#[test]
fn a_node_tells_what_the_others_hold_until_they_end() {
    let server = Server::start(&Options::new());
    for workers in [1, 4] {
        let [a, b] = acquainted(&server, workers);
        let mut alice = b.client("alice");
        let _also = b.client("alice");
        ["news", "chat:1"].iter().for_each(|channel| alice.subscribe(channel));
        let held = |node: &Value| {
            ["num_clients", "num_users", "num_channels", "num_subs"].map(|name| node[name].as_u64())
        };
        let own = nodes(&b)[0].clone();
        assert_eq!(held(&own), [2, 1, 2, 2].map(Some));
        eventually("the other node tells the same", || held(&nodes(&a)[1]) == held(&own));
        let told = nodes(&a);
        assert_eq!((told.len(), &told[1]["uid"], &told[1]["name"]), (2, &own["uid"], &own["name"]));
        assert_eq!(held(&told[0]), [0, 0, 0, 0].map(Some));
        drop(b);
        let begun = Instant::now();
        knows(&a, 1.0);
        assert!(begun.elapsed() < limits::NODE_TTL * 3 / 4, "it was forgotten, but did not say that it ends");
        assert_eq!(nodes(&a).len(), 1);
    }
}

#[test]
fn channels_are_those_of_all_nodes_with_the_sum_of_their_subscribers() {
    let server = Server::start(&Options::new());
    for workers in [1, 4] {
        let [a, b] = acquainted(&server, workers);
        // More than one part of an answer takes.
        let long: Vec<String> = (0..400).map(|number| format!("{number:03}{}", "x".repeat(240))).collect();
        let mut crowd: Vec<_> = (0..4).map(|number| b.client(&format!("user{number}"))).collect();
        for (channel, number) in long.iter().zip((0..4).cycle()) {
            crowd[number].subscribe(channel);
        }
        let [mut alice, mut bob, mut carol] = [a.client("alice"), b.client("bob"), b.client("carol")];
        for user in [&mut alice, &mut bob, &mut carol] {
            user.subscribe("news");
        }
        bob.subscribe("chat:1");
        for node in [&a, &b] {
            let listed =
                |pattern: &str| ask(node, "channels", &json!({"pattern": pattern}))["result"].clone();
            let some = json!({"chat:1": {"num_clients": 1}, "news": {"num_clients": 3}});
            assert_eq!(listed("*e*")["channels"], json!({"news": {"num_clients": 3}}));
            let all = listed("");
            let names = all["channels"].as_object().expect("channels");
            assert_eq!((names.len(), all.get("truncated")), (402, None));
            assert!(long.iter().all(|name| names[name]["num_clients"] == 1));
            assert!(["chat:1", "news"].iter().all(|name| names[*name] == some[*name]));
        }
    }
}

#[test]
fn connections_are_those_of_all_nodes_a_page_at_a_time() {
    let server = Server::start(&Options::new());
    for workers in [1, 4] {
        let [a, b] = acquainted(&server, workers);
        let mut users: Vec<_> =
            (0..10).map(|number| [&a, &b][number % 2].client(&format!("user{}", number / 2))).collect();
        users[0].subscribe("news");
        for node in [&a, &b] {
            let told = |request: &Value| {
                let answer = ask(node, "connections", request);
                let connections = answer["result"]["connections"].as_object();
                let connections = connections.unwrap_or_else(|| panic!("{answer}")).clone();
                (connections, answer["result"]["cursor"].as_str().map(str::to_owned))
            };
            let (own, cursor) = told(&json!({"user": "user0"}));
            let mut places: Vec<&Value> = own.values().map(|connection| &connection["node"]).collect();
            let all = nodes(node);
            let mut uids: Vec<&Value> = all.iter().map(|node| &node["uid"]).collect();
            places.sort_by_key(|uid| uid.to_string());
            uids.sort_by_key(|uid| uid.to_string());
            assert_eq!((places, cursor), (uids, None));
            let (of_channel, _) = told(&json!({"channel": "news"}));
            let channels: Vec<&Value> =
                of_channel.values().map(|found| &found["state"]["channels"]).collect();
            assert_eq!(channels, [&json!({"news": {}})]);
            let (mut found, mut request) = (Vec::new(), json!({"limit": 3}));
            while found.len() <= 10 {
                let (page, cursor) = told(&request);
                assert!(page.len() <= 3);
                found.extend(page.into_iter().map(|(client, _)| client));
                let Some(cursor) = cursor else { break };
                request["cursor"] = json!(cursor);
            }
            found.sort();
            found.dedup();
            assert_eq!(found.len(), 10);
        }
    }
}

#[test]
fn pages_go_on_where_a_letter_between_nodes_is_full() {
    const USERS: usize = 200;
    let server = Server::start(&Options::new());
    let start = |workers| {
        let setup = node(&server.url()).workers(workers).with(|config| {
            (config.api.publication_size, config.client.publication_size) = (ByteSize(1), ByteSize::kib(1));
        });
        setup.composed(|parts| parts.with_formats(1, 1, PERIOD)).start()
    };
    let [a, b] = [start(1), start(2)];
    [&a, &b].into_iter().for_each(|node| knows(node, 2.0));
    // Quotes take two bytes each.
    let names: Vec<String> = (0..12).map(|number| format!("{number:02}{}", "\"".repeat(250))).collect();
    let token = |user: &str| token_with_channels(user, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let crowd: Vec<User> =
        (0..USERS).map(|number| connect(&b, &token(&format!("user{number:03}")))).collect();
    // One alone has more than a letter usually takes.
    let busy = connect(&b, &token("busy"));
    for number in 0..limits::CHANNELS_PER_CONNECTION_MAX - names.len() {
        let channel = format!("{number:03}{}", "\"".repeat(limits::CHANNEL_NAME_BYTES_MAX - 3));
        let done = ask(&b, "subscribe", &json!({"user": "busy", "channel": channel}));
        assert!(done["result"].is_object(), "{done}");
    }
    for node in [&a, &b] {
        let (mut found, mut pages, mut request) = (Vec::new(), 0, json!({"limit": 1000}));
        loop {
            let answer = ask(node, "connections", &request);
            let page = answer["result"]["connections"].as_object().unwrap_or_else(|| panic!("{answer}"));
            let bytes = answer["result"]["connections"].to_string().len();
            assert!(bytes < limits::CONNECTIONS_LISTED_BYTES_MAX + (70 << 10), "{bytes}");
            found.extend(page.values().map(|connection| {
                let channels = connection["state"]["channels"].as_object().expect("channels");
                (connection["user"].as_str().expect("a name").to_owned(), channels.len())
            }));
            pages += 1;
            let Some(cursor) = answer["result"].get("cursor") else { break };
            request["cursor"] = cursor.clone();
        }
        found.sort();
        assert_eq!((found.len(), pages), (USERS + 1, 2));
        assert_eq!(found[0], ("busy".to_owned(), limits::CHANNELS_PER_CONNECTION_MAX));
        for (number, found) in found[1..].iter().enumerate() {
            assert_eq!(*found, (format!("user{number:03}"), names.len()));
        }
        assert_eq!(node.metrics().sum("fanfare_redis_malformed_total"), 0.0);
    }
    drop((crowd, busy));
}

/// A user whose token says more than a name.
fn connect(node: &Running, token: &str) -> User {
    let mut user = User::new(node.stranger());
    let reply = user.ask(&format!("\"connect\":{{\"token\":\"{token}\"}}"));
    assert!(reply["connect"]["client"].is_string(), "{reply}");
    user
}

#[test]
fn while_a_node_that_is_known_does_not_answer_nobody_is_told_half_of_the_channels() {
    const MUTE: &str = "00000000-0000-4000-8000-000000000007";
    let server = Server::start(&Options::new());
    let [a, _b] = acquainted(&server, 1);
    let holds = json!({"uid": MUTE, "name": "mute", "version": "1", "num_clients": 9, "num_users": 9,
        "num_channels": 9, "num_subs": 9, "uptime": 9, "later": {}});
    let said = json!({"envelope": 1, "directive": 1, "holds": holds, "later": 1});
    let member = json!({"user": "", "client": MUTE, "conn_info": said}).to_string();
    let key = "fanfare:ctl:ch:nodes";
    let reply = server.command(&["FCALL", "fanfare_enter", "1", key, "60000", MUTE, "", &member]);
    assert!(!reply.starts_with('-'), "{reply}");
    knows(&a, 3.0);
    assert!(nodes(&a).iter().any(|node| node["name"] == "mute" && node["num_clients"] == 9));
    for method in ["channels", "connections"] {
        assert_eq!(ask(&a, method, &json!({}))["error"]["code"], 100);
    }
    server.command(&["FCALL", "fanfare_exit", "1", key, MUTE]);
    knows(&a, 2.0);
    assert_eq!(ask(&a, "channels", &json!({}))["result"], json!({"channels": {}}));
}

#[test]
fn while_redis_is_away_the_others_are_forgotten_and_channels_are_not_told() {
    let server = Server::start(&Options::new());
    let [a, b] = acquainted(&server, 1);
    server.kill();
    [&a, &b].into_iter().for_each(becomes_down);
    assert_eq!(ask(&a, "channels", &json!({}))["error"]["code"], 100);
    knows(&a, 1.0);
    assert_eq!(nodes(&a).len(), 1);
    assert_eq!(ask(&a, "channels", &json!({}))["error"]["code"], 100);
    server.restart();
    [&a, &b].into_iter().for_each(becomes_up);
    for node in [&a, &b] {
        knows(node, 2.0);
        assert_eq!(ask(node, "channels", &json!({}))["result"], json!({"channels": {}}));
    }
}
