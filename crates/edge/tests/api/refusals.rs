//! What is turned down, and how that is told.

use serde_json::json;

use crate::node::{KEY, LIMITED_KEY, Node, PUBLICATION_BYTES};

#[test]
fn a_failed_call_is_told_in_the_body() {
    let node = Node::start(1);
    for (method, request, code, message) in [
        ("publish", r#"{"channel":"unknown:1","data":1}"#, 102, "unknown channel"),
        ("publish", r#"{"data":1}"#, 107, "bad request: channel: is missing or empty"),
        ("publish", r#"{"channel":null,"data":1}"#, 107, "bad request: channel: is missing or empty"),
        ("publish", r#"{"channel":"a}","data":1}"#, 107, "bad request: channel: has a character"),
        ("publish", r#"{"channel":"a"}"#, 107, "bad request: data: is missing"),
        ("publish", r#"{"channel":"a","data":null}"#, 107, "bad request: data: is missing"),
        ("publish", r#"{"channel":"a","b64data":"!"}"#, 107, "bad request: b64data: is not base64"),
        ("publish", r#"{"channel":"a","b64data":"aGk="}"#, 107, "bad request: b64data: does not hold one"),
        ("publish", r#"{"channel":"a","data":1,"version":2}"#, 107, "bad request: version: needs history"),
        (
            "publish",
            r#"{"channel":"kept:a","data":1,"version":2,"skip_history":true}"#,
            107,
            "bad request: version: needs history, which skip_history leaves out",
        ),
        ("broadcast", r#"{"data":1}"#, 107, "bad request: channels: is missing"),
        ("broadcast", r#"{"channels":[],"data":1}"#, 107, "bad request: channels: is missing"),
        (
            "broadcast",
            r#"{"channels":["a"],"data":1,"version":2,"skip_history":true}"#,
            107,
            "bad request: version: ",
        ),
        ("history", "{}", 107, "bad request: channel: is missing"),
        ("history", r#"{"channel":"news"}"#, 108, "not available"),
        ("history", r#"{"channel":"unknown:1"}"#, 102, "unknown channel"),
        (
            "history",
            r#"{"channel":"kept:a","since":{},"reverse":true}"#,
            107,
            "bad request: since.offset: is 0",
        ),
        ("history", r#"{"channel":"kept:a","since":{"epoch":"x"}}"#, 112, "unrecoverable position"),
        ("history", r#"{"channel":"kept:a","since":{"epoch":"00000001"}}"#, 112, "unrecoverable position"),
        ("history_remove", "{}", 107, "bad request: channel: is missing"),
        ("history_remove", r#"{"channel":"news"}"#, 108, "not available"),
        ("history_remove", r#"{"channel":"unknown:1"}"#, 102, "unknown channel"),
        ("subscribe", r#"{"channel":"a"}"#, 107, "bad request: user: is missing"),
        ("subscribe", r#"{"user":"a"}"#, 107, "bad request: channel: is missing"),
        ("subscribe", r#"{"user":"a","channel":"unknown:1"}"#, 102, "unknown channel"),
        ("subscribe", r#"{"user":"a","channel":"a","b64info":"aGk="}"#, 107, "bad request: b64info: "),
        ("unsubscribe", r#"{"user":"a"}"#, 107, "bad request: channel: is missing"),
        ("unsubscribe", r#"{"user":"a","channel":"unknown:1"}"#, 102, "unknown channel"),
        ("disconnect", "{}", 107, "bad request: user: is missing"),
        ("disconnect", r#"{"user":"a","disconnect":{"code":5000}}"#, 107, "bad request: disconnect.code: "),
        ("refresh", "{}", 107, "bad request: user: is missing"),
        ("refresh", r#"{"user":"a","expire_at":-1}"#, 107, "bad request: expire_at: "),
    ] {
        let answer = node.call_freely(method, serde_json::from_str(request).expect("JSON"));
        let told = answer["error"]["message"].as_str().expect("an error");
        assert!(told.starts_with(message), "{method} {request}: {told}");
        assert_eq!(answer["error"]["code"], code, "{method} {request}");
    }
}

#[test]
fn features_that_are_off_are_told_as_such() {
    let node = Node::start(1);
    let post = |method: &str, body: &str| {
        let answer = node.post(&format!("/api/{method}"), &[("X-API-Key", KEY)], body.as_bytes());
        assert_eq!(answer.status, 200);
        answer.json()["error"]["code"].as_u64().expect("an error")
    };
    for method in ["presence", "presence_stats"] {
        assert_eq!(post(method, r#"{"channel":"kept:a"}"#), 108, "{method}");
        assert_eq!(post(method, r#"{"channel":"unknown:1"}"#), 102, "{method}");
        assert_eq!(post(method, "{}"), 107, "{method}");
    }
    assert_eq!(post("rpc", r#"{"method":"a","params":{}}"#), 104);
}

#[test]
fn what_is_no_request_is_told_by_status() {
    let node = Node::start(1);
    for (body, complaint) in [
        ("", "not a JSON object"),
        ("[]", "not a JSON object"),
        ("5", "not a JSON object"),
        ("{", "EOF while parsing"),
        ("{} {}", "trailing characters"),
        (r#"{"channel":5}"#, "channel: invalid type: integer `5`, expected a string at line 1 column 12"),
        (r#"{"channel":"a","data":nul}"#, "expected"),
        (r#"{"channel":"a","channel":"b"}"#, "duplicate field `channel`"),
        (r#"{"channel":"a","data":1,"tags":{"a":1}}"#, "tags.a: invalid type"),
    ] {
        let answer = node.post("/api/publish", &[("X-API-Key", KEY)], body.as_bytes());
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.body.starts_with("bad request: "), "{}", answer.body);
        assert!(answer.body.contains(complaint), "{body}: {}", answer.body);
        node.check_status("publish", &answer);
    }
    for (method, body, complaint) in [
        ("connections", r#"{"limit":-1}"#, "limit: invalid value: integer `-1`, expected u32"),
        ("connections", r#"{"limit":4294967296}"#, "limit: invalid value"),
        ("connections", r#"{"user":5}"#, "user: invalid type: integer `5`, expected a string"),
        ("broadcast", r#"{"channels":["a",5],"data":{"b":[1]}}"#, "channels[1]: invalid type: integer `5`"),
        ("history", r#"{"channel":"a","since":{"epoch":"x","offset":"1"}}"#, "since.offset: invalid type"),
        ("disconnect", r#"{"user":"a","disconnect":{"code":-1}}"#, "disconnect.code: invalid value"),
        ("refresh", r#"{"user":"a","info":{"a":1},"expired":1}"#, "expired: invalid type"),
        ("batch", r#"{"commands":[{}],"parallel":"x"}"#, "parallel: invalid type"),
    ] {
        let answer = node.post(&format!("/api/{method}"), &[("X-API-Key", KEY)], body.as_bytes());
        assert_eq!(answer.status, 400, "{body}");
        let told = answer.body.strip_prefix("bad request: ");
        assert!(told.is_some_and(|told| told.starts_with(complaint)), "{body}: {}", answer.body);
    }
    let not_text = node.post("/api/publish", &[("X-API-Key", KEY)], b"{\"channel\":\"a\",\"data\":\"\xff\"}");
    assert_eq!(not_text.status, 400);
}

#[test]
fn paths_and_verbs_are_those_of_the_document() {
    let node = Node::start(1);
    let key = [("X-API-Key", KEY)];
    for path in ["/api/dance", "/api/publish/now", "/api/map_publish", "/api/Publish"] {
        let answer = node.post(path, &key, b"{}");
        assert_eq!(answer.status, 404, "{path}");
    }
    for (path, verb) in
        [("/api/publish", "GET"), ("/api/info", "PUT"), ("/api", "GET"), ("/api/batch", "DELETE")]
    {
        let answer = node.http(verb, path, &key, b"");
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{verb} {path}");
    }
    let document = node.http("GET", "/api/openapi.json", &[], b"");
    assert_eq!((document.status, document.content_type()), (200, "application/json"));
    assert_eq!(document.json()["openapi"], "3.1.0");
}

#[test]
fn bodies_have_bounds() {
    let node = Node::start(1);
    let key = [("X-API-Key", KEY)];
    let of_size = |size: usize| {
        let request = json!({"channel": "news", "data": 1, "ignored": "x".repeat(size)});
        request.to_string().into_bytes()
    };
    // Base64 of the largest payload, and what may stand beside it.
    let single = PUBLICATION_BYTES.div_ceil(3) * 4 + 64 * 1024;
    let frame = of_size(0).len();
    for method in ["publish", "info"] {
        let path = format!("/api/{method}");
        assert_eq!(node.post(&path, &key, &of_size(single - frame)).status, 200, "{method}");
        let refused = node.post(&path, &key, &of_size(single - frame + 1));
        assert_eq!(refused.status, 413, "{method}");
        assert!(refused.body.contains("api.publication_size"), "{}", refused.body);
        node.check_status(method, &refused);
    }
    let many = json!({"channels": ["news"], "data": 1, "ignored": "x".repeat(single)});
    assert_eq!(node.post("/api/broadcast", &key, many.to_string().as_bytes()).status, 200);
    let chunked = [key[0], ("Transfer-Encoding", "chunked")];
    let body = format!("{:x}\r\n{}\r\n0\r\n\r\n", single + 1, " ".repeat(single + 1));
    assert_eq!(node.post("/api/publish", &chunked, body.as_bytes()).status, 413);
    // Refused by its head alone.
    let declared = [key[0], ("Content-Length", "1000000000")];
    assert_eq!(node.post("/api/broadcast", &declared, b"").status, 413);
}

#[test]
fn failures_are_told_by_status_on_demand() {
    let cases = [(r#"{"channel":"unknown:1","data":1}"#, 404, 102), (r#"{"channel":"","data":1}"#, 400, 107)];
    let by_header = Node::start(1);
    for header in ["X-Centrifugo-Error-Mode", "X-Fanfare-Error-Mode"] {
        for (body, status, code) in cases {
            let headers = [("X-API-Key", KEY), (header, "transport")];
            let answer = by_header.post("/api/publish", &headers, body.as_bytes());
            assert_eq!((answer.status, &answer.json()["code"]), (status, &json!(code)), "{header}");
            by_header.check_status("publish", &answer);
        }
    }
    let by_setting = Node::start_with(1, |config| config.api.error_mode = edge::config::ErrorMode::Transport);
    for (body, status, code) in cases {
        let answer = by_setting.post("/api/publish", &[("X-API-Key", KEY)], body.as_bytes());
        assert_eq!((answer.status, &answer.json()["code"]), (status, &json!(code)));
    }
    for (method, status) in [("presence", 400), ("rpc", 404), ("history", 416), ("history_remove", 400)] {
        let path = format!("/api/{method}");
        let channel = if method == "history" { "kept:a" } else { "news" };
        let request = json!({"channel": channel, "since": {"epoch": "another"}});
        let answer = by_setting.post(&path, &[("X-API-Key", KEY)], request.to_string().as_bytes());
        if method.starts_with("history") {
            by_setting.check_status(method, &answer);
        }
        assert_eq!(answer.status, status, "{method}");
    }
    let batch = by_setting.post("/api/batch", &[("X-API-Key", KEY)], br#"{"commands":[{"rpc":{}}]}"#);
    assert_eq!(batch.status, 200);
    assert_eq!(batch.body, r#"{"replies":[{"error":{"code":104,"message":"method not found"}}]}"#);
}

#[test]
fn without_a_key_nothing_is_answered() {
    let node = Node::start(1);
    for headers in [
        &[][..],
        &[("X-API-Key", "wrong")],
        &[("X-API-Key", ""), ("Authorization", "Bearer x")],
        &[("Authorization", "apikey wrong")],
    ] {
        for path in ["/api/publish", "/api/batch", "/api", "/api/presence"] {
            let answer = node.post(path, headers, br#"{"channel":"news","data":1}"#);
            assert_eq!(answer.status, 401, "{path} {headers:?}");
            assert!(answer.body.contains("X-API-Key"), "{}", answer.body);
            assert!(answer.body.contains("Authorization"), "{}", answer.body);
        }
        node.check_status("publish", &node.post("/api/publish", headers, b"{}"));
    }
    for (path, headers) in [
        ("/api/info".to_owned(), vec![("Authorization", format!("ApiKey {KEY}"))]),
        (format!("/api/info?api_key={}", KEY.replace(' ', "%20")), vec![]),
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(node.post(&path, &headers, b"{}").status, 200, "{path}");
    }
    let keyless = Node::start_with(1, |config| {
        config.api.key = model::Secret::default();
        config.api.keys.clear();
    });
    assert_eq!(keyless.post("/api/info", &[("X-API-Key", "")], b"{}").status, 401);
    assert_eq!(keyless.post("/api/info?api_key=", &[], b"{}").status, 401);
}

#[test]
fn a_limited_key_is_held_to_what_it_is_for() {
    let node = Node::start(1);
    let post = |method: &str, body: &str| {
        node.post(&format!("/api/{method}"), &[("X-API-Key", LIMITED_KEY)], body.as_bytes())
    };
    assert_eq!(post("publish", r#"{"channel":"invoices:1","data":1}"#).body, r#"{"result":{}}"#);
    assert_eq!(post("channels", "{}").status, 200);
    for (method, body, setting) in [
        ("publish", r#"{"channel":"news","data":1}"#, "api.keys.billing.allow.namespaces"),
        ("publish", r#"{"channel":"chat:1","data":1}"#, "api.keys.billing.allow.namespaces"),
        ("disconnect", r#"{"user":"alice"}"#, "api.keys.billing.allow.methods"),
        ("info", "{}", "api.keys.billing.allow.methods"),
        ("history", r#"{"channel":"invoices:1"}"#, "api.keys.billing.allow.methods"),
        ("history_remove", r#"{"channel":"invoices:1"}"#, "api.keys.billing.allow.methods"),
    ] {
        let answer = post(method, body);
        assert_eq!((answer.status, answer.content_type()), (403, "text/plain; charset=utf-8"), "{method}");
        assert!(answer.body.contains(setting), "{}", answer.body);
        assert!(!answer.body.contains(LIMITED_KEY), "{}", answer.body);
        node.check_status(method, &answer);
    }
    let broadcast = post("broadcast", r#"{"channels":["invoices:1","news"],"data":1}"#).json();
    let responses = &broadcast["result"]["responses"];
    assert_eq!(responses[0], json!({"result": {}}));
    assert_eq!(responses[1]["error"]["code"], 103);
}

#[test]
fn one_listener_serves_everything() {
    let node = Node::start_with(4, |config| config.internal.address = config.public.address);
    let mut subscriber = node.subscriber("alice", "news");
    node.done("publish", json!({"channel": "news", "data": 1}));
    assert_eq!(subscriber.publication(), json!(1));
}
