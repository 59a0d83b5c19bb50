//! What backends want of a user's connections, on whichever nodes they are: carried out here, and handed to the
//! other nodes through the broker, in the order of positions, so that a node that was cut off misses nothing.

use std::sync::Arc;

use auth::ServerGrant;
use engine::{Expiry, Order, Target};
use model::{ChannelName, ClientId, CloseReason, Payload, RawJson, UnixTime};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::roster::Roster;

/// The newest version, of letters, too; there is no other so far. A node ignores members that it does not know.
pub(crate) const VERSION: u8 = 1;

/// One directive.
#[derive(Debug, Clone)]
pub(crate) struct Directive {
    pub(crate) target: Target,
    pub(crate) wish: Wish,
}

/// What is wanted of the connections.
#[derive(Debug, Clone)]
pub(crate) enum Wish {
    Disconnect { reason: CloseReason, spared: Arc<[ClientId]> },
    Subscribe { grant: Arc<ServerGrant>, expires: Option<UnixTime> },
    Unsubscribe { channel: ChannelName },
    Refresh { expiry: Expiry, info: Option<Box<RawJson>> },
}

/// A directive as nodes write it down for each other.
#[derive(Serialize, Deserialize)]
struct Written {
    version: u8,
    /// The node that wrote it, which has carried it out already.
    from: String,
    user: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    wish: WrittenWish,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WrittenWish {
    Disconnect {
        code: u16,
        text: String,
        spared: Vec<String>,
    },
    Subscribe {
        channel: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        info: Option<Box<RawJson>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<Box<RawJson>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<i64>,
    },
    Unsubscribe {
        channel: String,
    },
    Refresh {
        is_over: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<i64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        info: Option<Box<RawJson>>,
    },
}

impl Directive {
    /// The order for one worker.
    pub(crate) fn order(&self, reply: oneshot::Sender<()>) -> Order {
        let target = self.target.clone();
        match &self.wish {
            Wish::Disconnect { reason, spared } => {
                Order::Disconnect { target, reason: reason.clone(), spared: Arc::clone(spared), reply }
            }
            Wish::Subscribe { grant, expires } => {
                Order::Subscribe { target, grant: Arc::clone(grant), expires: *expires, reply }
            }
            Wish::Unsubscribe { channel } => Order::Unsubscribe { target, channel: channel.clone(), reply },
            Wish::Refresh { expiry, info } => {
                Order::Refresh { target, expiry: *expiry, info: info.clone(), reply }
            }
        }
    }

    /// What other nodes are handed.
    pub(crate) fn write(&self, roster: &Roster) -> Payload {
        let wish = match &self.wish {
            Wish::Disconnect { reason, spared } => WrittenWish::Disconnect {
                code: reason.code(),
                text: reason.text().into_owned(),
                spared: spared.iter().map(ClientId::to_string).collect(),
            },
            Wish::Subscribe { grant, expires } => WrittenWish::Subscribe {
                channel: grant.channel.as_str().to_owned(),
                info: grant.info.clone(),
                data: grant.data.clone(),
                expires: expires.map(|at| at.0),
            },
            Wish::Unsubscribe { channel } => {
                WrittenWish::Unsubscribe { channel: channel.as_str().to_owned() }
            }
            Wish::Refresh { expiry, info } => {
                let expires = if let Expiry::At(at) = expiry { Some(at.0) } else { None };
                WrittenWish::Refresh { is_over: *expiry == Expiry::Now, expires, info: info.clone() }
            }
        };
        let client = self.target.client.map(|client| client.to_string());
        let (version, from) = (roster.directive().written(), roster.name().to_owned());
        let user = self.target.user.to_string();
        let json = serde_json::to_vec(&Written { version, from, user, client, wish });
        Payload::parse_json(&json.expect("texts and numbers are JSON")).expect("what was written is JSON")
    }

    /// Reads what a node was handed; `None` when it is its own, or nothing that it understands.
    pub(crate) fn read(payload: &Payload, roster: &Roster) -> Result<Option<Self>, Misread> {
        let written: Written = serde_json::from_slice(payload.as_bytes()).map_err(|_| Misread)?;
        if !roster.directive().reads(written.version) {
            return Err(Misread);
        }
        if written.from == roster.name() {
            return Ok(None);
        }
        let client = written.client.map(|client| ClientId::parse(&client).ok_or(Misread)).transpose()?;
        let target = Target { user: written.user.into(), client };
        Ok(Some(Self { target, wish: written.wish.read()? }))
    }
}

/// It is no directive, or of another version.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misread;

impl WrittenWish {
    fn read(self) -> Result<Wish, Misread> {
        let parse = |channel: &str| ChannelName::parse(channel).map_err(|_| Misread);
        Ok(match self {
            Self::Disconnect { code, text, spared } => Wish::Disconnect {
                reason: CloseReason::Requested { code, text: text.into() },
                spared: spared.iter().filter_map(|client| ClientId::parse(client)).collect(),
            },
            Self::Subscribe { channel, info, data, expires } => Wish::Subscribe {
                grant: Arc::new(ServerGrant { channel: parse(&channel)?, info, data }),
                expires: expires.map(UnixTime),
            },
            Self::Unsubscribe { channel } => Wish::Unsubscribe { channel: parse(&channel)? },
            Self::Refresh { is_over, expires, info } => {
                let expiry = match (is_over, expires) {
                    (true, _) => Expiry::Now,
                    (false, Some(at)) => Expiry::At(UnixTime(at)),
                    (false, None) => Expiry::Never,
                };
                Wish::Refresh { expiry, info }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::roster::Formats;

    fn roster(id: u128) -> Roster {
        Roster::new(ClientId::new(id), true, Formats::new())
    }

    #[test]
    fn a_directive_survives_its_writing() {
        let channel = ChannelName::parse("news").expect("a name");
        let json = |text: &str| RawJson::from_string(text.to_owned()).ok();
        let spared = Arc::from([ClientId::new(7)]);
        for wish in [
            Wish::Disconnect { reason: CloseReason::Disconnected, spared },
            Wish::Subscribe {
                grant: Arc::new(ServerGrant { channel: channel.clone(), info: json("[1]"), data: None }),
                expires: Some(UnixTime(5)),
            },
            Wish::Unsubscribe { channel },
            Wish::Refresh { expiry: Expiry::At(UnixTime(9)), info: json("{}") },
            Wish::Refresh { expiry: Expiry::Now, info: None },
            Wish::Refresh { expiry: Expiry::Never, info: None },
        ] {
            let target = Target { user: "alice".into(), client: Some(ClientId::new(3)) };
            let payload = Directive { target, wish }.write(&roster(1));
            assert!(matches!(Directive::read(&payload, &roster(1)), Ok(None)), "it is the node's own");
            let read = Directive::read(&payload, &roster(2)).expect("understood").expect("another's");
            assert_eq!(read.write(&roster(1)).as_bytes(), payload.as_bytes());
        }
    }

    #[test]
    fn what_is_no_directive_is_turned_down() {
        for wrong in [
            "1",
            "{}",
            r#"{"version":2,"from":"a","user":"","wish":{"unsubscribe":{"channel":"x"}}}"#,
            r#"{"version":1,"from":"a","user":"","wish":{"unsubscribe":{"channel":"{x}"}}}"#,
            r#"{"version":1,"from":"a","user":"","client":"x","wish":{"unsubscribe":{"channel":"x"}}}"#,
            r#"{"version":1,"from":"a","user":"","wish":{"explode":{}}}"#,
        ] {
            let payload = Payload::parse_json(wrong.as_bytes()).expect("JSON");
            assert_eq!(Directive::read(&payload, &roster(2)).err(), Some(Misread), "{wrong}");
        }
        let newer =
            r#"{"version":1,"from":"a","user":"","more":1,"wish":{"unsubscribe":{"channel":"x","more":1}}}"#;
        let payload = Payload::parse_json(newer.as_bytes()).expect("JSON");
        assert!(Directive::read(&payload, &roster(2)).is_ok_and(|read| read.is_some()));
    }
}
