//! A node for one test, a backend that calls it, and clients that listen.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use auth::{Algorithm, Claims, Signer};
use edge::config::{AllowConfig, ApiKeyConfig, ApiMethod, Config};
use edge::{Composition, Edge, Mode, NATIVE_PATH};
use engine::NamespaceConfig;
use model::{ByteSize, Period, Secret};
use serde_json::{Value, json};
use testkit::{Client, Received};

use crate::document::Document;

pub(crate) const KEY: &str = "a key for everything";
pub(crate) const LIMITED_KEY: &str = "a key for invoices";
/// The largest payload.
pub(crate) const PUBLICATION_BYTES: usize = 1000;
const TOKEN_SECRET: &str = "a secret of at least thirty-two bytes";
/// How long a client listens for what must not come.
const SILENCE: Duration = Duration::from_millis(100);

/// A running node.
pub(crate) struct Node {
    edge: Edge,
    document: Document,
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Node {
    pub(crate) fn start(workers: u16) -> Self {
        Self::start_with(workers, |_| {})
    }

    pub(crate) fn start_with(workers: u16, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { workers, ..Config::default() };
        config.public.address = "127.0.0.2:0".parse().expect("an address");
        config.internal.address = "127.0.0.1:0".parse().expect("an address");
        config.token.hmac_secret = Secret::new(TOKEN_SECRET);
        config.api.key = Secret::new(KEY);
        config.api.publication_size = ByteSize(PUBLICATION_BYTES as u64);
        let allow = AllowConfig {
            methods: vec![ApiMethod::Publish, ApiMethod::Broadcast, ApiMethod::Channels],
            namespaces: vec!["invoices".to_owned()],
        };
        let limited = ApiKeyConfig { key: Secret::new(LIMITED_KEY), allow };
        config.api.keys.insert("billing".to_owned(), limited);
        let open = NamespaceConfig { client_subscribe: true, client_publish: true, ..Default::default() };
        config.channels = open.clone();
        for name in ["chat", "invoices"] {
            config.namespaces.insert(name.to_owned(), open.clone());
        }
        let kept = NamespaceConfig { history_size: 100, history_ttl: Period::seconds(60), ..open };
        config.namespaces.insert("kept".to_owned(), kept);
        let room = NamespaceConfig {
            client_subscribe: true,
            presence: true,
            presence_members_max: 2,
            ..Default::default()
        };
        config.namespaces.insert("room".to_owned(), room);
        change(&mut config);
        let composition = Composition::new(&config, Mode::Embedded, "1.2.3");
        let edge = Edge::start(&config, composition).expect("the node starts");
        Self { edge, document: Document::read() }
    }

    /// Calls a method with a request and gets an answer that both are as documented.
    pub(crate) fn call(&self, method: &str, request: Value) -> Value {
        if let Err(fault) = self.document.check_request(method, &request) {
            panic!("{method}: {fault}");
        }
        self.call_freely(method, request)
    }

    /// Calls a method with any request.
    pub(crate) fn call_freely(&self, method: &str, request: Value) -> Value {
        let answer =
            self.post(&format!("/api/{method}"), &[("X-API-Key", KEY)], request.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{answer:?}");
        let value = answer.json();
        if let Err(fault) = self.document.check_answer(method, 200, answer.content_type(), &value) {
            panic!("{method}: {fault}");
        }
        value
    }

    /// Calls a method that must be granted, and gets its result.
    pub(crate) fn done(&self, method: &str, request: Value) -> Value {
        let mut answer = self.call(method, request);
        assert!(answer.get("result").is_some(), "{answer}");
        answer["result"].take()
    }

    /// Posts a body.
    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.http("POST", path, headers, body)
    }

    /// Checks an answer that came by status.
    pub(crate) fn check_status(&self, method: &str, answer: &Answer) {
        let value = match answer.content_type() {
            "application/json" => answer.json(),
            _ => json!(answer.body),
        };
        if let Err(fault) = self.document.check_answer(method, answer.status, answer.content_type(), &value) {
            panic!("{method}: {fault}");
        }
    }

    pub(crate) fn http(&self, verb: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut head = format!("{verb} {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n");
        let tells_size = |name: &str| ["Content-Length", "Transfer-Encoding"].contains(&name);
        if !headers.iter().any(|(name, _)| tells_size(name)) {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut stream = TcpStream::connect(self.internal()).expect("the node accepts");
        stream.write_all(head.as_bytes()).expect("the node reads");
        stream.write_all(body).expect("the node reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the node answers");
        Answer::parse(&String::from_utf8(answer).expect("an answer is UTF-8"))
    }

    pub(crate) fn internal(&self) -> SocketAddr {
        self.edge.internal_addresses()[0]
    }

    /// A client that is connected as `user`.
    pub(crate) fn client(&self, user: &str) -> Listener {
        let signer = Signer::hmac(&Secret::new(TOKEN_SECRET), Algorithm::HS256).expect("a signer");
        let token = signer.sign(&Claims::connection(user));
        let socket = Client::connect(self.edge.public_addresses()[0], NATIVE_PATH);
        let mut listener = Listener { socket, heard: VecDeque::new(), id: String::new() };
        let connected = listener.ask(json!({"id": 1, "connect": {"token": token}}));
        listener.id = connected["connect"]["client"].as_str().expect("an id").to_owned();
        listener
    }

    /// A client that is subscribed to `channel`.
    pub(crate) fn subscriber(&self, user: &str, channel: &str) -> Listener {
        let mut listener = self.client(user);
        let subscribed = listener.ask(json!({"id": 2, "subscribe": {"channel": channel}}));
        assert!(subscribed.get("subscribe").is_some(), "{subscribed}");
        listener
    }
}

impl Answer {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn content_type(&self) -> &str {
        self.header("content-type").unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// A client of the node.
pub(crate) struct Listener {
    socket: Client,
    heard: VecDeque<Value>,
    /// Its id.
    pub(crate) id: String,
}

impl Listener {
    /// Sends a command and gets what comes next.
    pub(crate) fn ask(&mut self, command: Value) -> Value {
        self.socket.send(&command.to_string());
        self.hear()
    }

    /// What comes next.
    pub(crate) fn hear(&mut self) -> Value {
        while self.heard.is_empty() {
            let text = self.socket.text();
            self.heard.extend(text.lines().map(|line| serde_json::from_str(line).expect("JSON")));
        }
        self.heard.pop_front().expect("something was heard")
    }

    /// The data of the publication that comes next.
    pub(crate) fn publication(&mut self) -> Value {
        let mut push = self.hear();
        assert!(push["push"]["pub"].is_object(), "{push}");
        push["push"]["pub"]["data"].take()
    }

    /// Nothing comes.
    pub(crate) fn hears_nothing(&mut self) {
        assert!(self.heard.is_empty(), "{:?}", self.heard);
        let received: Option<Received> = self.socket.receive_within(SILENCE);
        assert_eq!(received, None);
    }

    /// The code and text with which the connection is closed.
    pub(crate) fn closed(mut self) -> (u16, String) {
        self.socket.closed()
    }
}
