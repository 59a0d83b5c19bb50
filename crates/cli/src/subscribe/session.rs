//! The client's side of the native protocol, as far as a subscriber needs it: texts in, steps out. Knows no
//! socket and no clock.

use std::collections::BTreeMap;
use std::time::Duration;

use model::Secret;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use crate::failure::Failure;

/// Time beyond the announced ping interval after which a node is taken for dead, as SDKs do.
const PING_SLACK: Duration = Duration::from_secs(10);
const CONNECT: u64 = 1;

/// What is to be done because of a reply.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Nothing,
    Send(String),
    /// A publication, for standard output.
    Print(String),
    /// What has changed, for standard error.
    Note(String),
}

pub(crate) struct Session {
    /// Channels whose subscription is under way, by the command's number.
    pending_by_command: BTreeMap<u64, String>,
    is_connected: bool,
    ping: Option<Duration>,
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(default)]
    id: u64,
    error: Option<Fault>,
    connect: Option<Connected>,
    #[serde(borrow)]
    push: Option<Push<'a>>,
}

#[derive(Deserialize)]
struct Fault {
    code: u32,
    message: String,
}

#[derive(Deserialize)]
struct Connected {
    #[serde(default)]
    ping: u64,
}

#[derive(Deserialize)]
struct Push<'a> {
    #[serde(default)]
    channel: String,
    #[serde(borrow, rename = "pub")]
    publication: Option<Published<'a>>,
    unsubscribe: Option<Ended>,
    disconnect: Option<Ended>,
}

#[derive(Deserialize)]
struct Ended {
    code: u32,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct Published<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(borrow)]
    info: Option<&'a RawValue>,
    #[serde(borrow)]
    tags: Option<&'a RawValue>,
    offset: Option<u64>,
}

/// A publication as it is printed.
#[derive(Serialize)]
struct Line<'a> {
    channel: &'a str,
    data: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
}

impl Session {
    /// A session, and what it sends first.
    pub(crate) fn new(channels: Vec<String>, token: Option<&Secret>) -> (Self, String) {
        let token = token.map_or("", Secret::reveal);
        let connect = json!({ "id": CONNECT, "connect": { "token": token, "name": "fanfare-cli" } });
        let pending_by_command = (CONNECT + 1..).zip(channels).collect();
        (Self { pending_by_command, is_connected: false, ping: None }, connect.to_string())
    }

    /// How long the node may say nothing at all.
    pub(crate) fn silence_max(&self) -> Option<Duration> {
        match (self.is_connected, self.ping) {
            (false, _) => Some(PING_SLACK),
            (true, ping) => ping.map(|ping| ping + PING_SLACK),
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Takes one reply or push in.
    pub(crate) fn on_reply(&mut self, line: &str) -> Result<Step, Failure> {
        let reply: Reply<'_> = serde_json::from_str(line).map_err(|error| {
            Failure::refused(format!(
                "the node sent what is not the native protocol ({error}): does --url name it?"
            ))
        })?;
        match reply {
            Reply { error: Some(fault), id, .. } => Err(self.refused(id, &fault)),
            Reply { push: Some(push), .. } => on_push(&push),
            Reply { connect: Some(connected), .. } => Ok(self.on_connected(&connected)),
            Reply { id: 0, .. } => Ok(Step::Send("{}".to_owned())),
            Reply { id, .. } => Ok(self.on_subscribed(id)),
        }
    }

    fn on_connected(&mut self, connected: &Connected) -> Step {
        self.is_connected = true;
        self.ping = (connected.ping > 0).then(|| Duration::from_secs(connected.ping));
        if self.pending_by_command.is_empty() {
            return Step::Nothing;
        }
        let commands = self.pending_by_command.iter();
        let commands = commands
            .map(|(id, channel)| json!({ "id": id, "subscribe": { "channel": channel } }).to_string());
        Step::Send(commands.collect::<Vec<_>>().join("\n"))
    }

    fn on_subscribed(&mut self, id: u64) -> Step {
        match self.pending_by_command.remove(&id) {
            Some(channel) => Step::Note(format!("subscribed to {channel}")),
            None => Step::Nothing,
        }
    }

    fn refused(&self, id: u64, fault: &Fault) -> Failure {
        let what = match self.pending_by_command.get(&id) {
            Some(channel) => format!("subscribing to {channel}"),
            None => "connecting".to_owned(),
        };
        Failure::refused(format!("{what} was refused: {} {}", fault.code, fault.message))
    }
}

fn on_push(push: &Push<'_>) -> Result<Step, Failure> {
    let ended = |what: &str, end: &Ended| Failure::refused(format!("{what}: {} {}", end.code, end.reason));
    if let Some(end) = &push.disconnect {
        return Err(ended("closed by the node", end));
    }
    if let Some(end) = &push.unsubscribe {
        return Err(ended(&format!("unsubscribed from {}", push.channel), end));
    }
    let Some(publication) = &push.publication else {
        return Ok(Step::Nothing);
    };
    let Published { data, info, tags, offset } = *publication;
    let line = Line { channel: &push.channel, data, info, tags, offset };
    Ok(Step::Print(serde_json::to_string(&line).expect("texts, numbers and JSON")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_connects_subscribes_and_prints() {
        let (mut session, first) = session();
        assert_eq!(first, r#"{"connect":{"name":"fanfare-cli","token":"t"},"id":1}"#);
        assert_eq!(session.silence_max(), Some(PING_SLACK));
        let subscribes =
            "{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}\n{\"id\":3,\"subscribe\":{\"channel\":\"b\"}}";
        let connected = r#"{"id":1,"connect":{"client":"c","version":"1","ping":25,"pong":true}}"#;
        check(&mut session, connected, Step::Send(subscribes.to_owned()));
        assert_eq!(session.silence_max(), Some(Duration::from_secs(35)));
        check(&mut session, r#"{"id":2,"subscribe":{}}"#, Step::Note("subscribed to a".to_owned()));
        check(&mut session, "{}", Step::Send("{}".to_owned()));
        let publication = r#"{"push":{"channel":"a","pub":{"data":{"z":1.50,"a":1},"info":{"user":"u","client":"c"},"offset":5}}}"#;
        let line = r#"{"channel":"a","data":{"z":1.50,"a":1},"info":{"user":"u","client":"c"},"offset":5}"#;
        check(&mut session, publication, Step::Print(line.to_owned()));
        check(&mut session, r#"{"push":{"channel":"a","join":{"info":{}}}}"#, Step::Nothing);
    }

    #[test]
    fn a_session_whose_token_subscribes_has_nothing_to_send() {
        let (mut session, _) = Session::new(Vec::new(), Some(&Secret::new("t")));
        check(&mut session, r#"{"id":1,"connect":{"client":"c","subs":{"a":{}}}}"#, Step::Nothing);
        assert!(session.is_connected());
    }

    #[test]
    fn a_node_without_pings_may_be_silent() {
        let (mut session, _) = session();
        session.on_reply(r#"{"id":1,"connect":{"client":"c"}}"#).expect("connected");
        assert_eq!(session.silence_max(), None);
    }

    #[test]
    fn refusals_and_ends_have_code_and_text() {
        let ended = |line: &str| format!("{:?}", session().0.on_reply(line).expect_err(line));
        for (line, text) in [
            (
                r#"{"id":1,"error":{"code":109,"message":"token expired"}}"#,
                "connecting was refused: 109 token expired",
            ),
            (r#"{"id":3,"error":{"code":103,"message":"no"}}"#, "subscribing to b was refused: 103 no"),
            (
                r#"{"push":{"channel":"a","unsubscribe":{"code":2000,"reason":"r"}}}"#,
                "unsubscribed from a: 2000 r",
            ),
            (r#"{"push":{"disconnect":{"code":3503,"reason":"r"}}}"#, "closed by the node: 3503 r"),
            ("nonsense", "not the native protocol"),
        ] {
            assert!(ended(line).contains(text) && ended(line).contains("code: 1,"), "{}", ended(line));
        }
    }

    fn session() -> (Session, String) {
        Session::new(vec!["a".to_owned(), "b".to_owned()], Some(&Secret::new("t")))
    }

    fn check(session: &mut Session, line: &str, step: Step) {
        assert_eq!(session.on_reply(line).expect(line), step);
    }
}
