//! Several calls in one request: batch, and the endpoint of old libraries.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::node::{KEY, LIMITED_KEY, Node};

#[test]
fn a_batch_is_answered_in_order() {
    for parallel in [json!(null), json!(false), json!(true)] {
        let node = Node::start(4);
        let mut subscriber = node.subscriber("alice", "news");
        let request = json!({"parallel": parallel, "commands": [
            {"publish": {"channel": "news", "data": 1}},
            {"publish": {"channel": "unknown:1", "data": 1}},
            {"broadcast": {"channels": ["news", "unknown:1"], "data": 2}},
            {"channels": {"pattern": "n*"}},
            {"publish": {"channel": "news", "data": 3}},
            {"disconnect": {"user": "bob"}},
        ]});
        let expected = json!({"replies": [
            {"publish": {}},
            {"error": {"code": 102, "message": "unknown channel"}},
            {"broadcast": {"responses": [
                {"result": {}},
                {"error": {"code": 102, "message": "unknown channel"}},
            ]}},
            {"channels": {"channels": {"news": {"num_clients": 1}}}},
            {"publish": {}},
            {"disconnect": {}},
        ]});
        assert_eq!(node.call("batch", request), expected);
        let heard: Vec<Value> = (0..3).map(|_| subscriber.publication()).collect();
        assert_eq!(heard, [json!(1), json!(2), json!(3)]);
    }
}

#[test]
fn a_large_batch_is_carried_out_whole() {
    let node = Node::start(1);
    let mut subscriber = node.subscriber("alice", "news");
    let commands: Vec<Value> =
        (0..2000).map(|number| json!({"publish": {"channel": "news", "data": number}})).collect();
    let answer = node.call("batch", json!({"commands": commands, "parallel": true}));
    let replies = answer["replies"].as_array().expect("replies");
    assert_eq!(replies.len(), 2000);
    assert!(replies.iter().all(|reply| *reply == json!({"publish": {}})));
    for number in 0..2000 {
        assert_eq!(subscriber.publication(), json!(number));
    }
}

#[test]
fn a_command_that_fails_does_not_fail_the_batch() {
    let node = Node::start(1);
    let request = json!({"commands": [
        {"presence": {"channel": "news"}},
        {"history": {"channel": "unknown:1"}},
        {"rpc": {"method": "a"}},
        {"dance": {}},
        {"batch": {"commands": []}},
        {"publish": {"channel": 5}},
        {"publish": {"channel": "news"}, "info": {}},
        [],
        {"info": null},
    ]});
    let answer = node.call_freely("batch", request);
    let codes: Vec<u64> = answer["replies"]
        .as_array()
        .expect("replies")
        .iter()
        .map(|reply| reply["error"]["code"].as_u64().expect("an error"))
        .collect();
    assert_eq!(codes, [108, 102, 104, 104, 104, 107, 107, 107, 107]);
    assert_eq!(node.call("batch", json!({"commands": []})), json!({"replies": []}));
    let many: Vec<Value> = (0..10_001).map(|_| json!({"info": {}})).collect();
    for refused in [json!({}), json!({"commands": null}), json!({"commands": many})] {
        let answer = node.call_freely("batch", refused);
        let message = answer["error"]["message"].as_str().expect("an error");
        assert!(message.starts_with("bad request: commands: "), "{message}");
    }
}

#[test]
fn a_batch_holds_what_the_key_may_call() {
    let node = Node::start(1);
    let body = json!({"commands": [
        {"publish": {"channel": "invoices:1", "data": 1}},
        {"publish": {"channel": "news", "data": 1}},
        {"disconnect": {"user": "alice"}},
    ]});
    let answer = node.post("/api/batch", &[("X-API-Key", LIMITED_KEY)], body.to_string().as_bytes());
    let replies = &answer.json()["replies"];
    assert_eq!(replies[0], json!({"publish": {}}));
    for (reply, setting) in [(&replies[1], "allow.namespaces"), (&replies[2], "allow.methods")] {
        assert_eq!(reply["error"]["code"], 103);
        let message = reply["error"]["message"].as_str().expect("an error");
        assert!(message.contains(&format!("api.keys.billing.{setting}")), "{message}");
    }
}

#[test]
fn old_libraries_are_answered_line_by_line() {
    let node = Node::start(4);
    let mut subscriber = node.subscriber("alice", "news");
    let body = concat!(
        r#"{"method":"publish","params":{"channel":"news","data":{"a":1}},"id":1}"#,
        "\n",
        r#"{"method":"PUBLISH","params":{"channel":"unknown:1","data":1},"id":2}"#,
        "\n",
        r#"{"method":1,"params":{"channels":["news"],"data":2}}"#,
        "\n",
        r#"{"method":"presence","params":{"channel":"news"},"id":4}"#,
        "\n",
        r#"{"method":"rpc","params":{},"id":5}"#,
        "\n",
        r#"{"method":"subscribe","params":{"user":"bob","channel":"news","presence":true,"recover":false}}"#,
        "\n",
        r#"{"method":"channels","id":7}"#,
        "\n",
        r#"{"params":{},"id":8}"#,
        "\n",
    );
    let answer = node.post("/api", &[("Authorization", &format!("apikey {KEY}"))], body.as_bytes());
    assert_eq!((answer.status, answer.content_type()), (200, "application/json"));
    let expected = concat!(
        r#"{"id":1,"result":{}}"#,
        "\n",
        r#"{"id":2,"error":{"code":102,"message":"unknown channel"}}"#,
        "\n",
        r#"{"result":{"responses":[{"result":{}}]}}"#,
        "\n",
        r#"{"id":4,"error":{"code":108,"message":"not available"}}"#,
        "\n",
        r#"{"id":5,"error":{"code":104,"message":"method not found"}}"#,
        "\n",
        r#"{"result":{}}"#,
        "\n",
        r#"{"id":7,"result":{"channels":{"news":{"num_clients":1}}}}"#,
        "\n",
        r#"{"id":8,"error":{"code":104,"message":"method not found"}}"#,
        "\n",
    );
    assert_eq!(answer.body, expected);
    assert_eq!(subscriber.publication(), json!({"a": 1}));
    assert_eq!(subscriber.publication(), json!(2));
}

#[test]
fn a_request_of_an_old_library_has_commands() {
    let node = Node::start(1);
    let mut many = String::new();
    for _ in 0..10_001 {
        let _ = writeln!(many, "{{\"method\":\"info\"}}");
    }
    for (body, complaint) in
        [("", "no command"), ("{\"method\":\"info\"}\n{", "EOF"), (many.as_str(), "more than 10000 commands")]
    {
        let answer = node.post("/api", &[("X-API-Key", KEY)], body.as_bytes());
        assert_eq!((answer.status, answer.content_type()), (400, "text/plain; charset=utf-8"));
        assert!(answer.body.contains(complaint), "{}", answer.body);
    }
}
