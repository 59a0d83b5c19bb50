//! What a backend asks of one node about a user's connections is done on every node.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::redis::{Options, Server};
use testkit::{Received, eventually};

use crate::edge::Running;
use crate::nodes::{ask, becomes_down, becomes_up, pair, publish};
use crate::user::User;

#[test]
fn connections_of_a_user_are_subscribed_and_unsubscribed_on_every_node() {
    let server = Server::start(&Options::new());
    for workers in [1, 4] {
        let [a, b] = pair(&server.url(), workers);
        let mut users = [&a, &b].map(|node| node.client("alice"));
        done(&a, "subscribe", &json!({"user": "alice", "channel": "alerts"}));
        for user in &mut users {
            let added = user.push();
            assert_eq!(added["push"]["channel"], "alerts", "{added}");
            assert!(added["push"]["subscribe"].is_object(), "{added}");
        }
        publish(&b, "alerts", &json!(1));
        for user in &mut users {
            assert_eq!(user.publication(), ("alerts".to_owned(), "1".to_owned()));
        }
        done(&b, "unsubscribe", &json!({"user": "alice", "channel": "alerts"}));
        for user in &mut users {
            let ended = user.push();
            assert_eq!(ended["push"]["unsubscribe"]["code"], 2000, "{ended}");
        }
    }
}

#[test]
fn connections_of_a_user_are_closed_on_every_node_save_those_spared() {
    let server = Server::start(&Options::new());
    let [a, b] = pair(&server.url(), 2);
    let [alice, also] = [&a, &b].map(|node| node.client("alice"));
    let mut bob = b.client("bob");
    let reason = json!({"code": 4321, "reason": "go away"});
    done(&a, "disconnect", &json!({"user": "alice", "disconnect": reason}));
    for user in [alice, also] {
        assert_eq!(close_of(user), (4321, "go away".to_owned()));
    }
    assert!(bob.has_nothing());
    done(&a, "refresh", &json!({"user": "bob", "expired": true}));
    assert_eq!(close_of(bob).0, 3005);
    carried_out(&b, 2.0);
}

#[test]
fn what_is_asked_of_connections_may_be_as_long_as_a_request() {
    let server = Server::start(&Options::new());
    let [a, b] = pair(&server.url(), 1);
    let mut spared = b.client("alice");
    let told = ask(&b, "connections", &json!({"user": "alice"}));
    let id = told["result"]["connections"].as_object().and_then(|found| found.keys().next()).expect("an id");
    let alice = b.client("alice");
    // More than the largest publication.
    let strangers = (0..8000).map(|number| format!("00000000-0000-4000-8000-{number:012}"));
    let whitelist: Vec<String> = strangers.chain([id.clone()]).collect();
    done(&a, "disconnect", &json!({"user": "alice", "whitelist": whitelist}));
    assert_eq!(close_of(alice).0, 3503);
    assert!(spared.has_nothing());
    carried_out(&b, 1.0);
}

#[test]
fn a_node_that_was_cut_off_carries_out_what_it_missed() {
    let server = Server::start(&Options::new().append_only());
    let [a, b] = pair(&server.url(), 1);
    let alice = b.client("alice");
    // Both lose their Redis; only one hears of it first again, since nobody else can write.
    server.kill();
    becomes_down(&a);
    becomes_down(&b);
    assert_eq!(ask(&a, "disconnect", &json!({"user": "alice"}))["error"]["code"], 100);
    server.restart();
    becomes_up(&a);
    becomes_up(&b);
    for _ in 0..3 {
        server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        done(&a, "disconnect", &json!({"user": "nobody"}));
    }
    server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    done(&a, "disconnect", &json!({"user": "alice"}));
    assert_eq!(close_of(alice).0, 3503);
    carried_out(&b, 4.0);
}

#[test]
fn what_is_no_directive_is_counted_and_harms_nobody() {
    let server = Server::start(&Options::new());
    let [a, b] = pair(&server.url(), 1);
    let mut alice = b.client("alice");
    for wrong in ["{}", "[1]", r#"{"version":9,"from":"x","user":"alice","wish":{"disconnect":{}}}"#] {
        let reply = server.command(&["FCALL", "fanfare_publish", "1", "fanfare:ctl:ch:nodes", wrong]);
        assert!(!reply.starts_with('-'), "{reply}");
    }
    eventually("they were looked at", || {
        a.metrics().value("fanfare_directives_total{outcome=\"malformed\"}") == 3.0
    });
    assert!(alice.has_nothing());
    done(&a, "disconnect", &json!({"user": "alice"}));
    assert_eq!(close_of(alice).0, 3503);
}

fn done(node: &Running, method: &str, request: &Value) {
    let answer = ask(node, method, request);
    assert!(answer["result"].is_object(), "{method}: {answer}");
}

fn carried_out(node: &Running, count: f64) {
    let done = || node.metrics().value("fanfare_directives_total{outcome=\"done\"}");
    eventually("the node has carried them out", || done() == count);
}

/// How a connection is closed, which must be soon.
fn close_of(user: User) -> (u16, String) {
    const SOON: Duration = Duration::from_secs(1);
    let mut client = user.into_client();
    let begun = std::time::Instant::now();
    loop {
        if let Received::Close(code, text) = client.receive() {
            assert!(begun.elapsed() < 5 * SOON, "closed after {:?}", begun.elapsed());
            return (code, text);
        }
    }
}
