//! What the node's user may not do at one primary. Every command that nodes need is tried there without effect,
//! at each connect and again while one is forbidden, so that operators read its name before it is missed.

use std::cell::{Cell, RefCell};

use redis::{Pipeline, Value};

use crate::counters::Fault;
use crate::exchange::{Exchange, ExchangeError, error_text};
use crate::explain;
use crate::names::Names;
use crate::request::Dialect;
use crate::target::Endpoint;

/// What is forbidden, as far as is known.
#[derive(Default)]
pub(crate) struct Rights {
    /// Of what is sent as commands.
    commands: RefCell<Vec<&'static str>>,
    /// Of what is sent on the pub/sub connection.
    subscribing: Cell<Option<&'static str>>,
    is_doubted: Cell<bool>,
    is_due: Cell<bool>,
}

impl Rights {
    /// A command was turned down for a permission.
    pub(crate) fn doubt(&self) {
        self.is_doubted.set(true);
    }

    /// A second has passed: what is forbidden is tried again.
    pub(crate) fn on_time(&self) {
        if self.is_doubted.take() || !self.commands.borrow().is_empty() {
            self.is_due.set(true);
        }
    }

    /// Whether the commands are to be tried; from here on that is under way.
    pub(crate) fn take_due(&self) -> bool {
        self.is_due.take()
    }

    /// Notes which commands are forbidden.
    pub(crate) fn found(&self, forbidden: Vec<&'static str>, endpoint: &Endpoint, prefix: &str) {
        let is_news = *self.commands.borrow() != forbidden;
        *self.commands.borrow_mut() = forbidden;
        if is_news {
            self.tell(endpoint, prefix);
        }
    }

    /// Notes whether subscribing is forbidden, and by which command that was seen.
    pub(crate) fn found_subscribing(
        &self,
        forbidden: Option<&'static str>,
        endpoint: &Endpoint,
        prefix: &str,
    ) {
        if self.subscribing.replace(forbidden) != forbidden {
            self.tell(endpoint, prefix);
        }
    }

    /// Every command that is forbidden.
    pub(crate) fn forbidden(&self) -> Vec<&'static str> {
        self.commands.borrow().iter().copied().chain(self.subscribing.get()).collect()
    }

    fn tell(&self, endpoint: &Endpoint, prefix: &str) {
        let forbidden = self.forbidden();
        if forbidden.is_empty() {
            tracing::info!(target: "fanfare::redis", %endpoint, "Redis allows all that is needed");
        } else {
            let (commands, fix) = (forbidden.join(" "), explain::missing(&forbidden, prefix));
            tracing::warn!(target: "fanfare::redis", %endpoint, commands, fix, "Redis forbids what is needed");
        }
    }
}

/// Which of the commands that nodes need are forbidden, those of the library among them: Redis judges what a
/// function calls like what a user sends.
pub(crate) async fn forbidden(
    exchange: &mut Exchange,
    dialect: &Dialect,
    names: &Names,
    node: &str,
) -> Result<Vec<&'static str>, ExchangeError> {
    let key = names.probe(node, None);
    let (of_kind, of_dialect): (&[&str], &[&str]) = match (names.is_cluster, dialect) {
        (true, Dialect::Functions) => (&IN_CLUSTER, &[]),
        (true, Dialect::Scripts(_)) => (&IN_CLUSTER, &IN_SCRIPTS),
        (false, Dialect::Functions) => (&ALONE, &[]),
        (false, Dialect::Scripts(_)) => (&ALONE, &IN_SCRIPTS),
    };
    let lines: Vec<&'static str> = [&WITHIN, of_kind, of_dialect].concat();
    let mut pipeline = Pipeline::new();
    for line in &lines {
        let mut words = line.split(' ');
        pipeline.cmd(words.next().unwrap_or_default());
        for word in words {
            match word {
                "KEY" => pipeline.arg(key.as_slice()),
                _ => pipeline.arg(word),
            };
        }
    }
    let replies = exchange.ask_all(&pipeline).await?;
    let is_forbidden = |reply: &Value| {
        matches!(reply, Value::ServerError(error)
            if explain::fault(&error_text(error)) == Fault::Permission)
    };
    let tried = lines.into_iter().zip(&replies);
    let names = tried.filter(|(_, reply)| is_forbidden(reply)).map(|(line, _)| line);
    Ok(names.map(|line| line.split(' ').next().unwrap_or_default()).collect())
}

/// What the library calls, on a key that nothing is at: no line leaves anything behind, and rights are looked at
/// before anything else that may be wrong.
const WITHIN: [&str; 18] = [
    "TIME",
    "HMGET KEY a",
    // One word too many, which Redis finds out last.
    "HSET KEY a b c",
    "HDEL KEY a",
    "HLEN KEY",
    "GET KEY",
    "SET KEY a XX",
    "DEL KEY",
    "PEXPIRE KEY 1",
    "PTTL KEY",
    "XADD KEY NOMKSTREAM * a b",
    "XRANGE KEY - + COUNT 1",
    "XREVRANGE KEY + - COUNT 1",
    "ZADD KEY XX 1 a",
    "ZREM KEY a",
    "ZSCORE KEY a",
    "ZCOUNT KEY 0 0",
    "ZRANGEBYSCORE KEY 0 0",
];
/// What else is needed of a server alone. What is published here is no probe, and counts for nothing.
const ALONE: [&str; 2] = ["PING", "PUBLISH KEY -"];
/// What else is needed in a cluster.
const IN_CLUSTER: [&str; 3] = ["ASKING", "PING", "SPUBLISH KEY -"];
/// What else is needed where the library is scripts. None has this digest.
const IN_SCRIPTS: [&str; 1] = ["EVALSHA 0000000000000000000000000000000000000000 0"];
