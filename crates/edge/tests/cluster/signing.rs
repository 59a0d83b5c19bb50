//! Nodes that sign: who has rights in Redis and no key publishes nothing.

use engine::NamespaceConfig;
use model::Secret;
use serde_json::json;
use testkit::redis::{Options, Server};

use crate::edge::Running;
use crate::follower::Follower;
use crate::nodes::{adds_up, ask, becomes_up, node, publish};

const KEY: &str = "a key that no more than the nodes have";
const NEXT: &str = "the key that comes after that one, later";
const DROPPED: &str = "fanfare_redis_malformed_total";

/// A node that signs with `key` and accepts `previous`, too. Backends need not sign in `open:…`.
fn start(server: &Server, key: &str, previous: &str) -> Running {
    let node = node(&server.url()).with(|config| {
        config.redis.signing_key = Secret::new(key);
        config.redis.signing_key_previous = Secret::new(previous);
        let open = NamespaceConfig { unsigned_publish: true, ..config.channels.clone() };
        config.namespaces.insert("open".to_owned(), open);
        let kept = config.namespaces["kept"].clone();
        config
            .namespaces
            .insert("kept".to_owned(), NamespaceConfig { presence: true, join_leave: true, ..kept });
    });
    let node = node.start();
    becomes_up(&node);
    node
}

#[test]
fn nodes_that_share_a_key_hear_each_other_and_nobody_else() {
    let server = Server::start(&Options::new());
    let [a, b] = [(); 2].map(|()| start(&server, KEY, ""));
    let followers = ["news", "kept:a"].map(|channel| Follower::start(&b, channel));
    let (signed, tagged) = (json!({"channel": "news", "data": 1}), json!({"lang": "en"}));
    assert!(ask(&a, "publish", &signed)["result"].is_object());
    let request = json!({"channel": "kept:a", "data": 2, "tags": tagged});
    assert!(ask(&a, "publish", &request)["result"].is_object());
    for (follower, count) in followers.iter().zip([1, 1, 0]) {
        follower.hears(count);
    }
    // Unsigned, without and with an envelope; moved to another channel; with another tag; in a stream.
    let body = "local body = redis.call('XRANGE', 'fanfare:ch:kept:a', '-', '+')[1][2][2] ";
    let change = "body = body:gsub('\"en\"', '\"de\"') ";
    let forge = |script: &str| {
        let reply = server.command(&["EVAL", &[body, script].concat(), "0"]);
        assert!(!reply.starts_with('-'), "{reply}");
    };
    server.command(&["PUBLISH", "fanfare:ch:news", "3"]);
    forge("return redis.call('PUBLISH', 'fanfare:ch:news', '\\250\\1\\1\\0\\0\\0\\1' .. 4)");
    forge("return redis.call('PUBLISH', 'fanfare:ch:news', body)");
    forge(&[change, "return redis.call('PUBLISH', 'fanfare:ch:kept:a', body)"].concat());
    adds_up(&b, DROPPED, 4.0);
    assert_eq!(b.metrics().value("fanfare_redis_malformed_total{reason=\"signature\"}"), 4.0);
    let forged = r#"{"version":1,"from":"x","user":"follower","wish":{"unsubscribe":{"channel":"news"}}}"#;
    server.command(&["FCALL", "fanfare_publish", "1", "fanfare:ctl:ch:nodes", forged]);
    adds_up(&b, DROPPED, 5.0);
    publish(&a, "news", &json!(5));
    let news = followers[0].hears(2).publications;
    assert_eq!(news, [(0, json!(1)), (0, json!(5))]);
    followers[1].hears(1);
    // What was forged is a hole, after which nodes go on.
    let carried_out = "fanfare_directives_total{outcome=\"done\"}";
    testkit::eventually("a signed directive is carried out", || {
        assert!(ask(&a, "subscribe", &json!({"user": "nobody", "channel": "news"}))["result"].is_object());
        b.metrics().value(carried_out) > 0.0
    });
    assert_eq!(b.metrics().value("fanfare_directives_total{outcome=\"malformed\"}"), 0.0);
}

#[test]
fn what_is_forged_into_a_history_is_not_handed_out() {
    let server = Server::start(&Options::new());
    let a = start(&server, KEY, "");
    publish(&a, "kept:a", &json!("signed"));
    let reply = server.command(&["FCALL", "fanfare_publish", "1", "fanfare:ch:kept:a", "\"forged\""]);
    assert!(!reply.starts_with('-'), "{reply}");
    let page = ask(&a, "history", &json!({"channel": "kept:a", "limit": 10}))["result"].clone();
    assert_eq!((page["publications"].as_array().map(Vec::len), &page["offset"]), (Some(1), &json!(2)));
    assert_eq!(page["publications"][0]["data"], "signed");
}

#[test]
fn backends_publish_unsigned_where_the_namespace_takes_it() {
    let server = Server::start(&Options::new());
    let a = start(&server, KEY, "");
    let follower = Follower::start(&a, "open:a");
    server.command(&["PUBLISH", "fanfare:ch:open:a", "1"]);
    let tagged =
        ["FCALL", "fanfare_publish", "1", "fanfare:ch:open:a", "2", "size", "0", "tags", "{\"a\":\"b\"}"];
    assert!(!server.command(&tagged).starts_with('-'));
    publish(&a, "open:a", &json!(3));
    assert_eq!(follower.hears(3).publications, [1, 2, 3].map(|number| (0, json!(number))));
}

#[test]
fn keys_are_changed_without_a_loss_by_accepting_both_for_a_while() {
    let server = Server::start(&Options::new());
    // One node after the other first accepts the next key, then signs with it.
    let stages = [[(KEY, ""), (KEY, NEXT)], [(KEY, NEXT), (NEXT, KEY)], [(NEXT, KEY), (NEXT, "")]];
    for stage in stages {
        let nodes = stage.map(|(key, previous)| start(&server, key, previous));
        let followers = [&nodes[0], &nodes[1]].map(|node| Follower::start(node, "news"));
        nodes.iter().for_each(|node| drop(publish(node, "news", &json!(1))));
        followers.iter().for_each(|follower| drop(follower.hears(2)));
    }
    let strangers = [KEY, NEXT].map(|key| start(&server, key, ""));
    let _follower = Follower::start(&strangers[1], "news");
    publish(&strangers[0], "news", &json!(1));
    adds_up(&strangers[1], DROPPED, 1.0);
}
