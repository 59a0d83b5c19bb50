//! Histories as backends use them: positions of what was published, history, history_remove, versions, and
//! publications that are repeated.

use serde_json::{Value, json};

use crate::node::{KEY, LIMITED_KEY, Node, PUBLICATION_BYTES};

#[test]
fn what_is_kept_is_answered_with_its_position() {
    for workers in [1, 4] {
        let node = Node::start(workers);
        let first = publish(&node, json!({"channel": "kept:a", "data": 1}));
        let epoch = first["epoch"].as_str().expect("an epoch").to_owned();
        assert_eq!(first, json!({"offset": 1, "epoch": epoch}));
        for offset in 2..20 {
            let position = publish(&node, json!({"channel": "kept:a", "data": offset}));
            assert_eq!(position, json!({"offset": offset, "epoch": epoch}));
        }
        let passing = json!({"channel": "kept:a", "data": "passing", "skip_history": true});
        assert_eq!(publish(&node, passing), json!({}));
        assert_eq!(publish(&node, json!({"channel": "news", "data": 1, "skip_history": true})), json!({}));
        assert_eq!(publish(&node, json!({"channel": "kept:a", "data": 20}))["offset"], 20);
    }
}

#[test]
fn a_broadcast_tells_each_channels_position() {
    let node = Node::start(1);
    publish(&node, json!({"channel": "kept:a", "data": 1}));
    let request = json!({"channels": ["kept:a", "news", "kept:b", "unknown:1"], "data": 2});
    let responses = node.done("broadcast", request);
    let offsets: Vec<&Value> =
        (0..4).map(|index| &responses["responses"][index]["result"]["offset"]).collect();
    assert_eq!(offsets, [&json!(2), &json!(null), &json!(1), &json!(null)]);
    assert_eq!(responses["responses"][1], json!({"result": {}}));
    let versioned = json!({"channels": ["news", "kept:a"], "data": 3, "version": 1});
    let responses = node.done("broadcast", versioned);
    let told = responses["responses"][0]["error"]["message"].as_str().expect("refused");
    assert!(told.starts_with("bad request: version: needs history, which the channel's namespace"), "{told}");
    assert_eq!(responses["responses"][1]["result"]["offset"], 3);
}

#[test]
fn a_history_is_read_in_parts_and_both_ways() {
    let node = Node::start(1);
    for number in 1..=5 {
        publish(&node, json!({"channel": "kept:a", "data": number}));
    }
    let since = |offset: u64| json!({"offset": offset});
    for (request, expected) in [
        (json!({}), &[][..]),
        (json!({"limit": 0}), &[]),
        (json!({"limit": 2}), &[1, 2]),
        (json!({"limit": -1}), &[1, 2, 3, 4, 5]),
        (json!({"limit": 301}), &[1, 2, 3, 4, 5]),
        (json!({"limit": 2, "reverse": true}), &[5, 4]),
        (json!({"limit": 2, "since": since(2)}), &[3, 4]),
        (json!({"limit": -1, "since": since(0)}), &[1, 2, 3, 4, 5]),
        (json!({"limit": -1, "since": since(5)}), &[]),
        (json!({"limit": -1, "since": since(3), "reverse": true}), &[2, 1]),
        (json!({"limit": -1, "since": {"offset": 3, "epoch": ""}}), &[4, 5]),
    ] {
        let page = read(&node, "kept:a", request.clone());
        assert_eq!(offsets(&page), expected, "{request}");
        assert_eq!(page["offset"], 5, "{request}");
    }
}

#[test]
fn a_history_holds_what_was_published_and_by_whom() {
    let node = Node::start(1);
    let mut alice = node.client("alice");
    let published = alice.ask(json!({"id": 2, "publish": {"channel": "kept:a", "data": {"a": [1, null]}}}));
    assert!(published.get("publish").is_some(), "{published}");
    publish(&node, json!({"channel": "kept:a", "data": "x", "tags": {"k": "v"}}));
    let page = read(&node, "kept:a", json!({"limit": 10}));
    let expected = json!([
        {"data": {"a": [1, null]}, "info": {"user": "alice", "client": alice.id}, "offset": 1},
        {"data": "x", "offset": 2, "tags": {"k": "v"}},
    ]);
    assert_eq!(page["publications"], expected);
}

#[test]
fn a_history_begins_by_being_read_and_its_epoch_stays() {
    let node = Node::start(1);
    let page = read(&node, "kept:new", json!({"limit": 10}));
    let epoch = page["epoch"].as_str().expect("an epoch");
    assert_eq!(page, json!({"publications": [], "epoch": epoch, "offset": 0}));
    let position = publish(&node, json!({"channel": "kept:new", "data": 1}));
    assert_eq!(position, json!({"offset": 1, "epoch": epoch}));
    let page = read(&node, "kept:new", json!({"limit": 1, "since": {"offset": 0, "epoch": epoch}}));
    assert_eq!(offsets(&page), [1]);
}

#[test]
fn what_is_removed_leaves_the_position() {
    let node = Node::start(1);
    publish(&node, json!({"channel": "kept:a", "data": 1}));
    let second = publish(&node, json!({"channel": "kept:a", "data": 2}));
    assert_eq!(node.done("history_remove", json!({"channel": "kept:a"})), json!({}));
    let page = read(&node, "kept:a", json!({"limit": 10}));
    assert_eq!(page, json!({"publications": [], "epoch": second["epoch"], "offset": 2}));
    let third = publish(&node, json!({"channel": "kept:a", "data": 3}));
    assert_eq!(third, json!({"offset": 3, "epoch": second["epoch"]}));
}

#[test]
fn what_is_not_newer_is_not_published() {
    let node = Node::start(1);
    let mut subscriber = node.subscriber("alice", "kept:a");
    let versioned = |number: u64, epoch: &str, data: u64| {
        let request = json!({"channel": "kept:a", "data": data, "version": number, "version_epoch": epoch});
        publish(&node, request)["offset"].as_u64().expect("a position")
    };
    let answered = [
        versioned(5, "x", 1),
        versioned(5, "x", 2),
        versioned(4, "x", 3),
        versioned(6, "x", 4),
        versioned(1, "y", 5),
        versioned(0, "y", 6),
    ];
    assert_eq!(answered, [1, 1, 1, 2, 3, 4]);
    let heard: Vec<Value> = (0..4).map(|_| subscriber.publication()).collect();
    assert_eq!(heard, [json!(1), json!(4), json!(5), json!(6)]);
}

#[test]
fn a_repetition_is_answered_as_the_first_was() {
    let node = Node::start(1);
    let mut subscriber = node.subscriber("alice", "kept:a");
    let request = |data: u64| json!({"channel": "kept:a", "data": data, "idempotency_key": "one"});
    let first = publish(&node, request(1));
    publish(&node, json!({"channel": "kept:a", "data": 2}));
    assert_eq!(publish(&node, request(3)), first);
    let broadcast = json!({"channels": ["kept:a", "kept:b"], "data": 4, "idempotency_key": "one"});
    let responses = node.done("broadcast", broadcast);
    assert_eq!(responses["responses"][0]["result"], first);
    assert_eq!(responses["responses"][1]["result"]["offset"], 1);
    // A refused attempt stands for nothing.
    let refused =
        json!({"channel": "kept:c", "data": 1, "idempotency_key": "two", "version_epoch": "x".repeat(256)});
    assert_eq!(node.call_freely("publish", refused)["error"]["code"], 107);
    assert_eq!(
        publish(&node, json!({"channel": "kept:c", "data": 1, "idempotency_key": "two"}))["offset"],
        1
    );
    assert_eq!([subscriber.publication(), subscriber.publication()], [json!(1), json!(2)]);
    subscriber.hears_nothing();
}

#[test]
fn repetitions_that_are_sent_at_once_are_one_publication() {
    let node = Node::start(1);
    let command = json!({"publish": {"channel": "kept:a", "data": 1, "idempotency_key": "one"}});
    let commands = vec![command; 50];
    for parallel in [true, false] {
        let answer = node.call("batch", json!({"commands": commands, "parallel": parallel}));
        let replies = answer["replies"].as_array().expect("replies");
        assert_eq!(replies.len(), 50);
        assert!(replies.iter().all(|reply| reply["publish"]["offset"] == 1), "{answer}");
    }
}

#[test]
fn keys_and_epochs_have_bounds() {
    let node = Node::start(1);
    for field in ["idempotency_key", "version_epoch"] {
        for method in ["publish", "broadcast"] {
            let request = |size: usize| {
                let mut request = json!({"channel": "kept:a", "channels": ["kept:a"], "data": 1});
                request[field] = json!("k".repeat(size));
                request
            };
            node.done(method, request(255));
            let answer = node.call_freely(method, request(256));
            let expected = format!("bad request: {field}: has 256 bytes, at most 255");
            assert_eq!(answer["error"], json!({"code": 107, "message": expected}), "{method}");
        }
    }
}

#[test]
fn batches_and_old_libraries_read_histories() {
    let node = Node::start(1);
    let batch = json!({"commands": [
        {"publish": {"channel": "kept:a", "data": 1}},
        {"history": {"channel": "kept:a", "limit": 5}},
        {"history_remove": {"channel": "kept:a"}},
        {"history": {"channel": "kept:a", "limit": 5}},
        {"history": {"channel": "kept:a", "since": {"epoch": "another"}}},
    ]});
    let replies = node.call("batch", batch)["replies"].take();
    let epoch = replies[0]["publish"]["epoch"].clone();
    let expected = json!([
        {"publish": {"offset": 1, "epoch": epoch}},
        {"history": {"publications": [{"data": 1, "offset": 1}], "epoch": epoch, "offset": 1}},
        {"history_remove": {}},
        {"history": {"publications": [], "epoch": epoch, "offset": 1}},
        {"error": {"code": 112, "message": "unrecoverable position"}},
    ]);
    assert_eq!(replies, expected);
    let lines = r#"{"id":1,"method":"publish","params":{"channel":"kept:a","data":2}}
{"id":2,"method":6,"params":{"channel":"kept:a","limit":1}}
{"id":3,"method":"HISTORY_REMOVE","params":{"channel":"kept:a"}}
{"id":4,"method":7,"params":{"channel":"news"}}"#;
    let answer = node.post("/api", &[("X-API-Key", KEY)], lines.as_bytes());
    let expected = [
        json!({"id": 1, "result": {"offset": 2, "epoch": epoch}}),
        json!({"id": 2, "result": {"publications": [{"data": 2, "offset": 2}], "epoch": epoch, "offset": 2}}),
        json!({"id": 3, "result": {}}),
        json!({"id": 4, "error": {"code": 108, "message": "not available"}}),
    ];
    let told: Vec<Value> =
        answer.body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(told, expected);
}

#[test]
fn one_answer_holds_a_bounded_part_of_histories() {
    let node = Node::start_with(1, |config| {
        config.client.outbox_size = model::ByteSize::kib(4 * 1024);
        config.api.publication_size = model::ByteSize::kib(1024);
    });
    let megabyte = "x".repeat((1 << 20) - 2);
    for _ in 0..33 {
        publish(&node, json!({"channel": "kept:a", "data": megabyte}));
    }
    let all = json!({"history": {"channel": "kept:a", "limit": -1}});
    let answer = node.call("batch", json!({"commands": [all, all]}));
    assert_eq!(offsets(&answer["replies"][0]["history"]).len(), 33);
    let refused = &answer["replies"][1]["error"];
    let expected = "limit exceeded: limit: an answer holds at most 67108864 bytes of history";
    assert_eq!(refused, &json!({"code": 106, "message": expected}));
    // The next request has its own room.
    assert_eq!(offsets(&read(&node, "kept:a", json!({"limit": 40}))).len(), 33);
}

#[test]
fn a_key_may_be_limited_to_histories() {
    let node = Node::start_with(1, |config| {
        let key = config.api.keys.get_mut("billing").expect("a key");
        key.allow.methods = vec![edge::config::ApiMethod::History];
        key.allow.namespaces = vec!["kept".to_owned()];
    });
    let post = |method: &str, channel: &str| {
        let body = json!({"channel": channel, "data": 1}).to_string();
        node.post(&format!("/api/{method}"), &[("X-API-Key", LIMITED_KEY)], body.as_bytes()).status
    };
    assert_eq!(post("history", "kept:a"), 200);
    assert_eq!(post("history", "news"), 403);
    assert_eq!(post("history_remove", "kept:a"), 403);
    assert_eq!(post("publish", "kept:a"), 403);
}

#[test]
fn the_largest_publication_comes_back_whole() {
    let node = Node::start(1);
    let largest = json!("x".repeat(PUBLICATION_BYTES - 2));
    publish(&node, json!({"channel": "kept:a", "data": largest}));
    assert_eq!(read(&node, "kept:a", json!({"limit": 1}))["publications"][0]["data"], largest);
}

fn publish(node: &Node, request: Value) -> Value {
    node.done("publish", request)
}

fn read(node: &Node, channel: &str, mut request: Value) -> Value {
    request["channel"] = json!(channel);
    node.done("history", request)
}

fn offsets(page: &Value) -> Vec<u64> {
    let publications = page["publications"].as_array().unwrap_or_else(|| panic!("no list: {page}"));
    publications.iter().map(|one| one["offset"].as_u64().expect("a number")).collect()
}
