//! publish and broadcast.

use serde_json::{Value, json};

use crate::node::{Node, PUBLICATION_BYTES};

#[test]
fn what_is_published_reaches_the_subscribers_of_the_channel() {
    for workers in [1, 4] {
        let node = Node::start(workers);
        let mut subscribers: Vec<_> = (0..8).map(|_| node.subscriber("alice", "news")).collect();
        let mut other = node.subscriber("alice", "chat:1");
        assert_eq!(node.done("publish", json!({"channel": "news", "data": {"a": [1, null]}})), json!({}));
        node.done("publish", json!({"channel": "news", "data": 0, "b64data": "WzEsIDJd"}));
        node.done("publish", json!({"channel": "news", "data": "x", "tags": {"k": "v"}, "delta": true}));
        for subscriber in &mut subscribers {
            assert_eq!(subscriber.publication(), json!({"a": [1, null]}));
            assert_eq!(subscriber.publication(), json!([1, 2]));
            let push = subscriber.hear();
            let expected = json!({"push": {"channel": "news", "pub": {"data": "x", "tags": {"k": "v"}}}});
            assert_eq!(push, expected);
        }
        other.hears_nothing();
    }
}

#[test]
fn publications_of_one_channel_arrive_in_order() {
    let node = Node::start(4);
    let mut subscriber = node.subscriber("alice", "news");
    for number in 0..50 {
        node.done("publish", json!({"channel": "news", "data": number}));
    }
    for number in 0..50 {
        assert_eq!(subscriber.publication(), json!(number));
    }
}

#[test]
fn a_broadcast_tells_what_became_of_each_channel() {
    for workers in [1, 4] {
        let node = Node::start(workers);
        let mut news = node.subscriber("alice", "news");
        let mut chat = node.subscriber("bob", "chat:1");
        let request = json!({"channels": ["news", "unknown:1", "a{b", "chat:1", "nobody"], "data": {"a": 1}});
        let responses = node.done("broadcast", request);
        let expected = json!({"responses": [
            {"result": {}},
            {"error": {"code": 102, "message": "unknown channel"}},
            {"error": {
                "code": 107,
                "message": "bad request: channels: has a character other than printable ASCII without { and }",
            }},
            {"result": {}},
            {"result": {}},
        ]});
        assert_eq!(responses, expected);
        assert_eq!(news.publication(), json!({"a": 1}));
        assert_eq!(chat.publication(), json!({"a": 1}));
    }
}

#[test]
fn a_repeated_publication_is_delivered_once() {
    let node = Node::start(1);
    let (mut news, mut chat) = (node.subscriber("alice", "news"), node.subscriber("alice", "chat:1"));
    let publish = |channel: &str, key: &str, number: u32| {
        let request = json!({"channel": channel, "data": number, "idempotency_key": key});
        assert_eq!(node.done("publish", request), json!({}));
    };
    publish("news", "one", 1);
    publish("news", "one", 2);
    publish("chat:1", "one", 3);
    publish("news", "two", 4);
    publish("news", "", 5);
    publish("news", "", 6);
    let request = json!({"channels": ["news", "chat:1", "chat:1"], "data": 7, "idempotency_key": "two"});
    assert_eq!(node.done("broadcast", request)["responses"].as_array().map(Vec::len), Some(3));
    node.done("broadcast", json!({"channels": ["news", "chat:1"], "data": "end"}));
    let heard = |listener: &mut crate::node::Listener| {
        std::iter::from_fn(|| Some(listener.publication()))
            .take_while(|data| data != "end")
            .collect::<Vec<Value>>()
    };
    assert_eq!(heard(&mut news), [json!(1), json!(4), json!(5), json!(6)]);
    assert_eq!(heard(&mut chat), [json!(3), json!(7)]);
}

#[test]
fn a_payload_may_be_as_large_as_the_setting_says() {
    let node = Node::start(1);
    let mut subscriber = node.subscriber("alice", "news");
    // The quotes are part of the payload.
    let largest = json!("x".repeat(PUBLICATION_BYTES - 2));
    node.done("publish", json!({"channel": "news", "data": largest}));
    assert_eq!(subscriber.publication(), largest);
    let larger = json!("x".repeat(PUBLICATION_BYTES - 1));
    for method in ["publish", "broadcast"] {
        let answer = node.call(method, json_for(method, &larger));
        let message = answer["error"]["message"].as_str().expect("an error");
        assert!(message.starts_with("bad request: data: has 1001 bytes, at most 1000"), "{message}");
        assert!(message.contains("api.publication_size"), "{message}");
        assert_eq!(answer["error"]["code"], 107);
    }
    subscriber.hears_nothing();
}

#[test]
fn tags_count_into_a_publications_size() {
    let node = Node::start(1);
    let mut subscriber = node.subscriber("alice", "news");
    let tags = |size: usize| json!({"tag": "x".repeat(size - "{\"tag\":\"\"}".len())});
    for method in ["publish", "broadcast"] {
        let mut request = json_for(method, &json!("payload"));
        request["tags"] = tags(PUBLICATION_BYTES - "\"payload\"".len());
        node.done(method, request.clone());
        assert_eq!(subscriber.hear()["push"]["pub"]["tags"], request["tags"]);
        request["tags"] = tags(PUBLICATION_BYTES - "\"payload\"".len() + 1);
        let answer = node.call(method, request);
        assert_eq!(answer["error"]["code"], 107);
        let message = answer["error"]["message"].as_str().expect("an error");
        let told = "bad request: tags: has 992 bytes as JSON beside 9 of data, at most 1000 together: ";
        assert!(message.starts_with(told) && message.contains("api.publication_size"), "{message}");
        // As the text that subscribers would get, each of these is six bytes.
        let mut request = json_for(method, &json!(1));
        request["tags"] = json!({"tag": "\u{1}".repeat(200)});
        assert_eq!(node.call(method, request)["error"]["code"], 107);
    }
    subscriber.hears_nothing();
}

fn json_for(method: &str, data: &Value) -> Value {
    match method {
        "publish" => json!({"channel": "news", "data": data}),
        _ => json!({"channels": ["news"], "data": data}),
    }
}
