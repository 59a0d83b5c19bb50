//! `serve --dev`, with `publish`, `subscribe`, `probe` and the demo page against it; and what keeps `serve` from
//! starting.

use std::net::TcpListener;

use crate::process::{Run, Running, SECRET, fanfare};

/// A node in development mode, and what it printed.
struct Node {
    process: Running,
    clients: String,
    chat: String,
    token: String,
    publish: String,
}

#[test]
fn what_is_published_is_printed() {
    let node = Node::start();
    let subscriber = node.subscribe("chat news --count 2").start();
    for channel in ["chat", "news"] {
        subscriber.err.after(&format!("subscribed to {channel}"));
    }
    assert_eq!(node.publish("chat", r#"{"text": "hi",  "n": 1.50}"#).finish().succeeded(), "{}\n");
    node.publish("news", "-").finish_with("[1,\n2]\n").succeeded();
    let run = subscriber.finish();
    let lines = "{\"channel\":\"chat\",\"data\":{\"text\": \"hi\",  \"n\": 1.50}}\n\
                 {\"channel\":\"news\",\"data\":[1,2]}\n";
    assert_eq!((run.code, run.out.as_str()), (Some(0), lines), "{}", run.err);
}

#[test]
fn the_printed_command_publishes() {
    let node = Node::start();
    let subscriber = node.subscribe("chat --count 1").start();
    subscriber.err.after("subscribed to chat");
    assert!(node.publish.starts_with("curl -f http://127.0.0.1:"), "{}", node.publish);
    let words: Vec<&str> = node.publish.split('\'').collect();
    let [curl, key, _, content, _, body, ..] = words.as_slice() else {
        panic!("{}", node.publish);
    };
    let url = curl.split_whitespace().nth(2).expect("a URL");
    let mut request = ureq::post(url);
    for header in [key, content] {
        let (name, value) = header.split_once(": ").expect("a header");
        request = request.header(name, value);
    }
    assert_eq!(request.send(*body).expect("an answer").status(), 200);
    let run = subscriber.finish();
    assert_eq!(run.out, "{\"channel\":\"chat\",\"data\":{\"text\":\"Hello from curl\"}}\n", "{}", run.err);
}

#[test]
fn the_printed_page_is_there() {
    let node = Node::start();
    let (page, token) = node.chat.split_once("#token=").expect("a fragment");
    assert_eq!(token.split('.').count(), 3);
    let mut answer = ureq::get(page).call().expect("the page");
    let policy = answer.headers()["content-security-policy"].to_str().expect("text").to_owned();
    let (_, port) = node.clients.trim_end_matches("/connection/websocket").rsplit_once(':').expect("a port");
    let origin = format!("ws://127.0.0.1:{port}");
    assert!(policy.contains(&format!("connect-src {origin};")), "{policy}");
    let text = answer.body_mut().read_to_string().expect("text");
    assert!(text.contains(&format!("\"{origin}/connection/websocket\"")), "{text}");
}

#[test]
fn a_probe_hears_itself_or_fails() {
    let [node, other] = [(); 2].map(|()| Node::start_as(with_keys("serve --dev")));
    let probe = |arguments: &str| {
        with_keys(&format!("probe {arguments} --url {} --timeout 20s", node.clients))
            .arg("--api")
            .arg(node.api())
    };
    let out = probe("").finish().succeeded();
    assert!(out.starts_with("{\"connect_ms\":") && out.contains("\"publish_to_arrival_ms\":"), "{out}");
    probe("").env("FANFARE__API__KEY", "wrong").finish().failed(1, &["401"]);
    probe("").env("FANFARE__TOKEN__HMAC_SECRET", "wrong").finish().failed(1, &["closed by the node: 3500 "]);
    fanfare("probe").finish().failed(2, &["FANFARE__API__KEY"]);
    fanfare("probe").env("FANFARE__API__KEY", "a-key").finish().failed(2, &["FANFARE__TOKEN__HMAC_SECRET"]);
    // Two nodes without a Redis hear nothing of each other.
    let split = format!("probe --timeout 2s --url {} --api {}", node.clients, other.api());
    with_keys(&split).finish().failed(1, &["the publication did not come within --timeout"]);
    let silent = TcpListener::bind("127.0.0.1:0").expect("an address");
    let address = silent.local_addr().expect("its address");
    let answerless = format!("probe --timeout 1s --url {} --api http://{address}", node.clients);
    with_keys(&answerless).finish().failed(1, &["did not answer in time"]);
    with_keys(&format!("probe --timeout 1s --url ws://{address}"))
        .finish()
        .failed(1, &["handshake", "in time"]);
}

#[test]
fn a_refusal_is_told_with_its_code() {
    let node = Node::start();
    let subscribe = |arguments: &str| fanfare(&format!("subscribe {arguments} --url {}", node.clients));
    subscribe("chat").finish().failed(1, &["3501", "no token was given"]);
    subscribe("chat").env("FANFARE_TOKEN", "nonsense").finish().failed(1, &["closed by the node: 3500 "]);
    node.subscribe("$private").finish().failed(1, &["subscribing to $private was refused: 103 "]);
    node.subscribe("none:a").finish().failed(1, &["102"]);

    node.publish("none:a", "1").finish().failed(1, &["refused: 102 "]);
    let url = node.api();
    fanfare(&format!("publish chat 1 --key wrong --url {url}")).finish().failed(1, &["401", "key"]);
    fanfare(&format!("publish chat 1 --url {url}")).finish().failed(2, &["FANFARE__API__KEY", "--key-file"]);
    node.publish("chat", "hello").finish().failed(2, &["not JSON"]);
}

#[test]
fn time_may_run_out() {
    let node = Node::start();
    let counting = node.subscribe("chat --timeout 2s --count 1").start();
    let watching = node.subscribe("chat --timeout 2s").start();
    let run = counting.finish();
    assert_eq!((run.code, run.out.as_str()), (Some(1), ""), "{}", run.err);
    assert!(run.err.ends_with("error: 0 of 1 publications came within --timeout\n"), "{}", run.err);
    let run = watching.finish();
    assert_eq!((run.code, run.out.as_str()), (Some(0), ""), "{}", run.err);
}

#[test]
fn a_node_that_ends_says_why() {
    let node = Node::start();
    let subscriber = node.subscribe("chat").start();
    subscriber.err.after("subscribed to chat");
    node.process.terminate();
    let run = subscriber.finish();
    assert_eq!(run.code, Some(1), "{}", run.err);
    assert!(run.err.contains("error: closed by the node: 3001 "), "{}", run.err);
    assert_eq!(node.process.finish().code, Some(0));
}

#[test]
fn a_taken_port_is_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    for (flag, other) in
        [("--public-address", "--internal-address"), ("--internal-address", "--public-address")]
    {
        let run = with_keys(&format!("serve {flag} {address} {other} localhost:0")).finish();
        run.failed(2, &[&flag[2..8], &address, "in use"]);
    }
}

#[test]
fn keys_are_not_made_up_unless_asked_for() {
    let run = fanfare("serve --public-address localhost:0 --internal-address localhost:0").finish();
    run.failed(2, &["token.hmac_secret", "FANFARE__TOKEN__HMAC_SECRET", "--dev"]);
}

#[test]
fn what_cannot_be_reached_is_told_apart_from_a_refusal() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    fanfare(&format!("publish a 1 --key k --url http://{closed}")).finish().failed(2, &["cannot reach"]);
    fanfare(&format!("subscribe a --url ws://{closed}")).finish().failed(2, &["cannot connect"]);
    fanfare("publish a 1 --key k --url https://a").finish().failed(2, &["TLS"]);
    fanfare("subscribe a --url wss://a").finish().failed(2, &["TLS"]);
    fanfare("subscribe a --url http://a").finish().failed(2, &["ws://"]);
}

impl Node {
    fn start() -> Self {
        Self::start_as(fanfare("serve --dev"))
    }

    fn start_as(command: Run) -> Self {
        let addresses = ["--workers=2", "--public-address=localhost:0", "--internal-address=127.0.0.1:0"];
        let process = addresses
            .into_iter()
            .fold(command, Run::arg)
            .env("FANFARE__DRAIN__DELAY", "0")
            .env("FANFARE__DRAIN__WINDOW", "0")
            .start();
        let clients = process.out.after("clients  ");
        let chat = process.out.after("chat     ");
        let token = process.out.after("token    ");
        let publish = process.out.after("publish  ");
        Self { process, clients, chat, token, publish }
    }

    fn api(&self) -> &str {
        self.chat.split_once("/demo").expect("the page").0
    }

    fn subscribe(&self, arguments: &str) -> Run {
        fanfare(&format!("subscribe {arguments} --url {}", self.clients)).env("FANFARE_TOKEN", &self.token)
    }

    fn publish(&self, channel: &str, data: &str) -> Run {
        let key = self.publish.split_once("X-API-Key: ").and_then(|(_, rest)| rest.split_once('\''));
        let run = fanfare(&format!("publish --url {} {channel}", self.api())).arg(data);
        run.env("FANFARE__API__KEY", key.expect("a key").0)
    }
}

fn with_keys(arguments: &str) -> Run {
    fanfare(arguments).env("FANFARE__TOKEN__HMAC_SECRET", SECRET).env("FANFARE__API__KEY", "a-key")
}
