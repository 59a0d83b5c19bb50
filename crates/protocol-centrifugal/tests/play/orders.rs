//! What a backend asks for, in the words of a transcript: `api publish news {"a":1}`,
//! `api subscribe alice news {"data":1}`, `api unsubscribe alice news`, `api disconnect alice 4000 text`,
//! `api refresh alice +60s`, `api channels pattern`, `api count`, `api drain 10s`.

use std::sync::Arc;

use auth::ServerGrant;
use broker::PublishTerms;
use engine::{Expiry, NodeRequest, Order, PublishRequest, Publisher, Target, WorkerMail};
use model::{ChannelName, CloseReason, Payload, Position, Publication, RawJson, Refusal};
use tokio::sync::oneshot::{self, Receiver};

use crate::script::period;
use crate::tokens::{self, channel, time};
use crate::world::World;

/// An answer that may still be to come.
pub(crate) enum Answer {
    None,
    Done(Receiver<()>),
    Published(Receiver<Result<Option<Position>, Refusal>>),
    Refused(Refusal),
    Channels(Receiver<Vec<(ChannelName, usize)>>),
    Gauges,
}

impl World {
    pub(crate) fn order(&mut self, words: &[&str]) -> Answer {
        let (reply, done) = oneshot::channel();
        let order = match words {
            ["publish", name, payload] => return self.publish(name, payload),
            ["count"] => return Answer::Gauges,
            ["channels", pattern @ ..] => {
                let (reply, list) = oneshot::channel();
                self.give(Order::Channels { pattern: pattern.concat().into(), reply });
                return Answer::Channels(list);
            }
            ["drain", window] => {
                self.give(Order::Drain { window: period(window) });
                return Answer::None;
            }
            ["subscribe", user, name, data @ ..] => Order::Subscribe {
                target: target(user),
                grant: Arc::new(ServerGrant {
                    channel: channel(name),
                    info: None,
                    data: data.first().map(|data| json(data)),
                }),
                expires: None,
                reply,
            },
            ["subscribe-until", user, name, until] => Order::Subscribe {
                target: target(user),
                grant: Arc::new(ServerGrant { channel: channel(name), info: None, data: None }),
                expires: Some(time(until, self.now().unix)),
                reply,
            },
            ["unsubscribe", user, name] => {
                Order::Unsubscribe { target: target(user), channel: channel(name), reply }
            }
            ["disconnect", user, reason @ ..] => Order::Disconnect {
                target: target(user),
                reason: close_reason(reason),
                spared: Arc::new([]),
                reply,
            },
            ["refresh", user, when, info @ ..] => {
                let expiry = match *when {
                    "now" => Expiry::Now,
                    "never" => Expiry::Never,
                    when => Expiry::At(time(when, self.now().unix)),
                };
                Order::Refresh {
                    target: target(user),
                    expiry,
                    info: info.first().map(|info| json(info)),
                    reply,
                }
            }
            _ => panic!("the API does not know {words:?}"),
        };
        self.give(order);
        Answer::Done(done)
    }

    fn give(&self, order: Order) {
        self.worker_mail.answer(WorkerMail::Order(Box::new(order)));
    }

    fn publish(&self, name: &str, payload: &str) -> Answer {
        let channel = channel(name);
        let namespace = match self.policy.rules.of(&channel) {
            Ok(namespace) => namespace,
            Err(refusal) => return Answer::Refused(refusal),
        };
        let (reply, outcome) = oneshot::channel();
        let payload = tokens::fill(payload, self.now().unix, &|_| panic!("a backend knows no client"));
        let payload = Payload::parse_json(payload.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        let publication = Publication::new(payload, self.now().moment);
        let terms = PublishTerms { history: self.policy.rules.history(namespace), ..PublishTerms::default() };
        let publisher = Publisher::Api(reply);
        let request = PublishRequest { channel, namespace, publication, terms, publisher };
        let offered = self.node_mail.offer(NodeRequest::Publish(Box::new(request)), 0);
        assert!(offered.is_ok(), "the node's mailbox has room");
        Answer::Published(outcome)
    }
}

impl Answer {
    /// The answer as it is written down; no line while it is to come.
    pub(crate) fn said(self, world: &mut World) -> Option<String> {
        match self {
            Self::None => None,
            Self::Done(mut done) => done.try_recv().ok().map(|()| "= ok".to_owned()),
            Self::Published(mut outcome) => outcome.try_recv().ok().map(|outcome| match outcome {
                Ok(None) => "= ok".to_owned(),
                Ok(Some(position)) => format!("= ok {}", position.offset),
                Err(refusal) => refused(refusal),
            }),
            Self::Refused(refusal) => Some(refused(refusal)),
            Self::Channels(mut list) => list.try_recv().ok().map(|mut list| {
                list.sort();
                let list: Vec<String> = list.iter().map(|(name, count)| format!("{name} {count}")).collect();
                format!("= {}", list.join(", "))
            }),
            Self::Gauges => {
                let [connections, users, subscriptions, channels, bytes, node] = world.gauges();
                Some(format!(
                    "= connections {connections}, users {users}, subscriptions {subscriptions}, \
                     channels {channels}, outbox bytes {bytes}, channels of the node {node}"
                ))
            }
        }
    }
}

fn refused(refusal: Refusal) -> String {
    format!("= refused {} {}", refusal.code(), refusal.text())
}

/// Who is meant; `nobody` is a user without a name.
fn target(user: &str) -> Target {
    let user = if user == "nobody" { "" } else { user };
    Target { user: user.into(), client: None }
}

fn close_reason(words: &[&str]) -> CloseReason {
    match words {
        [] => CloseReason::Disconnected,
        [code, text @ ..] => {
            CloseReason::Requested { code: code.parse().expect("a code"), text: text.join(" ").into() }
        }
    }
}

fn json(text: &str) -> Box<RawJson> {
    RawJson::from_string(text.to_owned()).unwrap_or_else(|error| panic!("{text}: {error}"))
}
