//! A user as client libraries are: connects with a token, subscribes, publishes, answers pings.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};

use serde_json::Value;
use testkit::{Client, Received};

use crate::edge::token;

/// One connection of a user. Derefs to the client, which can misbehave.
pub(crate) struct User {
    client: Client,
    request: u32,
    lines: VecDeque<String>,
}

impl User {
    pub(crate) fn connect(address: SocketAddr, path: &str, user: &str) -> Self {
        let mut connected = Self::new(Client::connect(address, path));
        let reply = connected.ask(&format!("\"connect\":{{\"token\":\"{}\"}}", token(user)));
        assert!(reply["connect"]["client"].is_string(), "{reply}");
        connected
    }

    /// A user on a connection that is open already.
    pub(crate) fn new(client: Client) -> Self {
        Self { client, request: 0, lines: VecDeque::new() }
    }

    pub(crate) fn subscribe(&mut self, channel: &str) {
        let reply = self.ask(&format!("\"subscribe\":{{\"channel\":\"{channel}\"}}"));
        assert!(reply["subscribe"].is_object(), "{reply}");
    }

    pub(crate) fn unsubscribe(&mut self, channel: &str) {
        let reply = self.ask(&format!("\"unsubscribe\":{{\"channel\":\"{channel}\"}}"));
        assert!(reply["unsubscribe"].is_object(), "{reply}");
    }

    pub(crate) fn publish(&mut self, channel: &str, payload: &str) {
        let reply = self.ask(&format!("\"publish\":{{\"channel\":\"{channel}\",\"data\":{payload}}}"));
        assert!(reply["publish"].is_object(), "{reply}");
    }

    /// Sends a command and returns its reply; publications that come before it are kept.
    pub(crate) fn ask(&mut self, command: &str) -> Value {
        self.request += 1;
        let request = self.request;
        self.client.send(&format!("{{\"id\":{request},{command}}}"));
        let mut before = VecDeque::new();
        loop {
            let line = self.line();
            let reply: Value = serde_json::from_str(&line).expect("JSON");
            if reply["id"] == request {
                before.append(&mut self.lines);
                self.lines = before;
                return reply;
            }
            before.push_back(line);
        }
    }

    /// The next push.
    pub(crate) fn push(&mut self) -> Value {
        serde_json::from_str(&self.line()).expect("JSON")
    }

    /// The next publication: its channel and its payload as it was published.
    pub(crate) fn publication(&mut self) -> (String, String) {
        let push = self.push();
        let payload = &push["push"]["pub"]["data"];
        assert!(!payload.is_null(), "a publication was expected, not {push}");
        (push["push"]["channel"].as_str().unwrap_or_default().to_owned(), payload.to_string())
    }

    /// Whether nothing waits: what is asked next is answered next.
    pub(crate) fn has_nothing(&mut self) -> bool {
        let reply = self.ask("\"rpc\":{}");
        assert_eq!(reply["error"]["code"], 108, "{reply}");
        self.lines.is_empty()
    }

    pub(crate) fn into_client(self) -> Client {
        self.client
    }

    /// The next push, or how the connection was closed.
    pub(crate) fn push_or_close(&mut self) -> Result<Value, (u16, String)> {
        self.line_or_close().map(|line| serde_json::from_str(&line).expect("JSON"))
    }

    fn line(&mut self) -> String {
        self.line_or_close().unwrap_or_else(|closed| panic!("a text frame was expected, not {closed:?}"))
    }

    fn line_or_close(&mut self) -> Result<String, (u16, String)> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Ok(line);
            }
            match self.client.receive() {
                Received::Text(text) if text == "{}" => self.client.send("{}"),
                Received::Text(text) => self.lines.extend(text.split('\n').map(str::to_owned)),
                Received::Close(code, text) => return Err((code, text)),
                other @ (Received::Binary(_)
                | Received::Ping(_)
                | Received::Pong(_)
                | Received::End
                | Received::Reset) => panic!("a text frame was expected, not {other:?}"),
            }
        }
    }
}

impl Deref for User {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for User {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}
