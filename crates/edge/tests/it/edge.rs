//! A node inside the test's process: how it is set up, published to and looked at.

use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::Duration;

use auth::{Algorithm, Claims, Signer};
use edge::config::Config;
use edge::{Composition, Edge, Mode, StartError};
use engine::{Order, ShardCounters};
use model::{ChannelName, Period, Secret, UnixTime};
use serde_json::{Value, json};
use testkit::{Client, Metrics, eventually, example, holds_within, http};

use crate::user::User;

pub(crate) const API_KEY: &str = "key-of-the-tests";
const SECRET: &str = "a secret of thirty-two bytes or more";

/// A node to be.
pub(crate) struct Setup {
    pub(crate) config: Config,
    compose: Vec<Box<dyn FnOnce(Composition) -> Composition>>,
}

/// A node that runs until it is dropped.
pub(crate) struct Running {
    edge: Option<Edge>,
    public: Vec<SocketAddr>,
    internal: SocketAddr,
}

/// A node with a key for tokens, a key for the API, and channels that named users may use.
pub(crate) fn edge() -> Setup {
    let mut config = Config { workers: 1, ..Config::default() };
    // Equal addresses would mean one listener.
    config.public.address = "127.0.0.1:0".parse().expect("an address");
    config.internal.address = "127.0.0.2:0".parse().expect("an address");
    config.token.hmac_secret = Secret::new(SECRET);
    config.api.key = Secret::new(API_KEY);
    config.channels.client_subscribe = true;
    config.channels.client_publish = true;
    config.namespaces.insert("chat".to_owned(), config.channels.clone());
    (config.drain.delay, config.drain.window) = (Period::seconds(0), Period::seconds(0));
    Setup { config, compose: Vec::new() }
}

/// A node in a process of its own whose parts can fail on request: see the example `faulty`. Its settings are those
/// of [`edge`], as far as it takes.
pub(crate) fn faulty() -> Command {
    let mut command = Command::new(example("faulty"));
    command.envs([
        ("FANFARE__WORKERS", "1"),
        ("FANFARE__PUBLIC__ADDRESS", "127.0.0.1:0"),
        ("FANFARE__INTERNAL__ADDRESS", "127.0.0.2:0"),
        ("FANFARE__TOKEN__HMAC_SECRET", SECRET),
        ("FANFARE__API__KEY", API_KEY),
        ("FANFARE__CHANNELS__CLIENT_SUBSCRIBE", "true"),
        ("FANFARE__CHANNELS__CLIENT_PUBLISH", "true"),
        ("FANFARE__DRAIN__DELAY", "0s"),
        ("FANFARE__DRAIN__WINDOW", "0s"),
    ]);
    command
}

/// A token for a user, without an end.
pub(crate) fn token(user: &str) -> String {
    sign(SECRET, &Claims::connection(user))
}

/// A token that subscribes its user to channels.
pub(crate) fn token_with_channels(user: &str, channels: &[&str]) -> String {
    let names: Vec<ChannelName> =
        channels.iter().map(|name| ChannelName::parse(name).expect("a name")).collect();
    sign(SECRET, &Claims::connection(user).channels(&names))
}

/// A token whose time is over.
pub(crate) fn expired_token() -> String {
    sign(SECRET, &Claims::connection("late").expires(UnixTime(1_000_000_000)))
}

/// A token that somebody else signed.
pub(crate) fn forged_token(user: &str) -> String {
    sign("another secret of thirty-two bytes", &Claims::connection(user))
}

/// A token for a channel.
pub(crate) fn subscription_token(user: &str, channel: &str) -> String {
    sign(SECRET, &Claims::subscription(user, &ChannelName::parse(channel).expect("a name")))
}

fn sign(secret: &str, claims: &Claims) -> String {
    Signer::hmac(&Secret::new(secret), Algorithm::HS256).expect("a secret").sign(claims)
}

impl Setup {
    pub(crate) fn workers(self, workers: u16) -> Self {
        self.with(|config| config.workers = workers)
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    pub(crate) fn composed(mut self, change: impl FnOnce(Composition) -> Composition + 'static) -> Self {
        self.compose.push(Box::new(change));
        self
    }

    pub(crate) fn start(self) -> Running {
        self.try_start().expect("a node")
    }

    pub(crate) fn try_start(self) -> Result<Running, StartError> {
        let composition = Composition::new(&self.config, Mode::Embedded, "test");
        let composition = self.compose.into_iter().fold(composition, |parts, change| change(parts));
        let edge = Edge::start(&self.config, composition)?;
        let (public, internal) = (edge.public_addresses().to_vec(), edge.internal_addresses()[0]);
        Ok(Running { edge: Some(edge), public, internal })
    }
}

impl Running {
    pub(crate) fn address(&self) -> SocketAddr {
        self.public[0]
    }

    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.public
    }

    pub(crate) fn internal(&self) -> SocketAddr {
        self.internal
    }

    /// A connected user.
    pub(crate) fn client(&self, user: &str) -> User {
        User::connect(self.address(), edge::NATIVE_PATH, user)
    }

    /// A connection that has sent nothing but its handshake.
    pub(crate) fn stranger(&self) -> Client {
        Client::connect(self.address(), edge::NATIVE_PATH)
    }

    /// Connected users, enough that every worker serves two of them.
    pub(crate) fn crowd(&self) -> Vec<User> {
        let mut crowd = Vec::new();
        while self.counters().iter().any(|worker| worker.connections < 2) {
            assert!(crowd.len() < 500, "a worker gets no connections");
            crowd.push(self.client(&format!("user{}", crowd.len())));
        }
        crowd
    }

    /// Publishes through the server API.
    pub(crate) fn publish(&self, channel: &str, payload: &str) {
        let body = format!("{{\"channel\":\"{channel}\",\"data\":{payload}}}");
        assert_eq!(self.call("publish", &body), json!({"result": {}}));
    }

    /// Calls the server API.
    pub(crate) fn call(&self, method: &str, body: &str) -> Value {
        let key = format!("X-API-Key: {API_KEY}\r\n");
        let answer = http::post(self.internal, &format!("/api/{method}"), &key, body).expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_str(&answer.body).expect("JSON")
    }

    pub(crate) fn metrics(&self) -> Metrics {
        Metrics::scrape(self.internal)
    }

    /// Waits until a series has a value.
    pub(crate) fn settles(&self, series: &str, value: f64) {
        eventually(&format!("{series} becomes {value}"), || self.metrics().value(series) == value);
    }

    /// What each worker counts.
    pub(crate) fn counters(&self) -> Vec<ShardCounters> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(self.running().handle().gather(Order::Count)).answers
    }

    /// Tells the node to end.
    pub(crate) fn stop(&self) {
        self.running().stop();
    }

    /// Whether the node ends in time.
    pub(crate) fn ends_within(mut self, patience: Duration) -> bool {
        let edge = self.edge.take().expect("a node");
        let ended = thread::spawn(move || edge.wait());
        holds_within(patience, || ended.is_finished())
    }

    fn running(&self) -> &Edge {
        self.edge.as_ref().expect("a node runs until it is dropped")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(edge) = self.edge.take() {
            edge.stop();
            edge.stop();
            edge.wait();
        }
    }
}
