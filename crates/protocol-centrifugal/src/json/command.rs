//! Commands out of JSON frames, one at a time. Texts are borrowed from the frame where nothing is escaped.

use std::borrow::Cow;
use std::fmt;

use model::limits::CHANNELS_PER_CONNECTION_MAX;
use model::{ClaimedEpoch, Payload, RawJson, RequestId, Since};
use protocol::{Command, CommandKind, Recovery, Taken};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::object::Object;

/// Takes the first command. `None` when it is malformed or missing: an empty line is neither a command nor
/// the end of a frame, except that one line break may end the last command.
pub(super) fn take(payload: &[u8]) -> Option<Taken<'_>> {
    let (line, rest) = match payload.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&payload[..end], &payload[end + 1..]),
        None => (payload, &payload[payload.len()..]),
    };
    // Checked here, and not by the parser: it lets invalid text pass in members that it ignores.
    let text = std::str::from_utf8(line).ok()?;
    let Object(wire) = serde_json::from_str::<Object<Wire<'_>>>(text).ok()?;
    let (request, command) = wire.into_command()?;
    Some(Taken { request: RequestId(request), command, rest })
}

/// A command as it is written. `null` stands for an absent member, here and in the objects below.
#[derive(Deserialize)]
struct Wire<'f> {
    id: Option<u32>,
    #[serde(borrow)]
    connect: Option<Object<Connected<'f>>>,
    #[serde(borrow)]
    subscribe: Option<Object<Subscribed<'f>>>,
    #[serde(borrow)]
    unsubscribe: Option<Object<Channeled<'f>>>,
    #[serde(borrow)]
    publish: Option<Object<Published<'f>>>,
    #[serde(borrow)]
    presence: Option<Object<Channeled<'f>>>,
    #[serde(borrow)]
    presence_stats: Option<Object<Channeled<'f>>>,
    #[serde(borrow)]
    history: Option<Object<Remembered<'f>>>,
    rpc: Option<Object<IgnoredAny>>,
    send: Option<Object<IgnoredAny>>,
    #[serde(borrow)]
    refresh: Option<Object<Tokened<'f>>>,
    #[serde(borrow)]
    sub_refresh: Option<Object<Channeled<'f>>>,
}

#[derive(Deserialize)]
struct Connected<'f> {
    #[serde(borrow)]
    token: Option<Text<'f>>,
    #[serde(borrow)]
    subs: Option<Recoveries<'f>>,
}

#[derive(Deserialize)]
struct Subscribed<'f> {
    #[serde(borrow)]
    channel: Option<Text<'f>>,
    #[serde(borrow)]
    token: Option<Text<'f>>,
    recover: Option<bool>,
    offset: Option<u64>,
    #[serde(borrow)]
    epoch: Option<Text<'f>>,
    flag: Option<i64>,
    join_leave: Option<bool>,
}

#[derive(Deserialize)]
struct Remembered<'f> {
    #[serde(borrow)]
    channel: Option<Text<'f>>,
    #[serde(borrow)]
    since: Option<Object<Seen<'f>>>,
    limit: Option<i32>,
    reverse: Option<bool>,
}

#[derive(Deserialize)]
struct Seen<'f> {
    offset: Option<u64>,
    #[serde(borrow)]
    epoch: Option<Text<'f>>,
}

#[derive(Deserialize)]
struct Tokened<'f> {
    #[serde(borrow)]
    token: Option<Text<'f>>,
}

#[derive(Deserialize)]
struct Channeled<'f> {
    #[serde(borrow)]
    channel: Option<Text<'f>>,
    #[serde(borrow)]
    token: Option<Text<'f>>,
}

#[derive(Deserialize)]
struct Published<'f> {
    #[serde(borrow)]
    channel: Option<Text<'f>>,
    #[serde(borrow)]
    data: Option<&'f RawJson>,
}

/// A text of its own type, because serde borrows in `Cow` but not in `Option<Cow>`.
#[derive(Deserialize)]
struct Text<'f>(#[serde(borrow)] Cow<'f, str>);

impl<'f> Wire<'f> {
    /// The command and its number; of several commands in one object the first in this order counts.
    fn into_command(self) -> Option<(u32, Command<'f>)> {
        let request = self.id.unwrap_or(0);
        if request == 0 {
            let command = if self.send.is_some() { Command::Send } else { Command::Pong };
            return Some((0, command));
        }
        let command = if let Some(Object(connect)) = self.connect {
            let recoveries = connect.subs.map_or_else(Vec::new, |Recoveries(list)| list);
            Command::Connect { token: given(connect.token), recoveries }
        } else if let Some(Object(subscribe)) = self.subscribe {
            let recovery = subscribe.recovery();
            Command::Subscribe {
                channel: given(subscribe.channel)?,
                token: given(subscribe.token),
                recovery,
                wants_movements: subscribe.join_leave.unwrap_or(false),
            }
        } else if let Some(Object(unsubscribe)) = self.unsubscribe {
            Command::Unsubscribe { channel: given(unsubscribe.channel)? }
        } else if let Some(Object(publish)) = self.publish {
            Command::Publish {
                channel: given(publish.channel)?,
                payload: publish.data.map(Payload::from_json),
            }
        } else if let Some(Object(presence)) = self.presence {
            inquiry(CommandKind::Presence, presence)?
        } else if let Some(Object(stats)) = self.presence_stats {
            inquiry(CommandKind::PresenceStats, stats)?
        } else if let Some(Object(history)) = self.history {
            history.into_command()?
        } else if self.rpc.is_some() {
            Command::Rpc
        } else if self.send.is_some() {
            return Some((0, Command::Send));
        } else if let Some(Object(refresh)) = self.refresh {
            Command::Refresh { token: given(refresh.token)? }
        } else {
            let Object(refresh) = self.sub_refresh?;
            Command::RefreshSubscription {
                channel: given(refresh.channel)?,
                token: given(refresh.token).unwrap_or_default(),
            }
        };
        Some((request, command))
    }
}

impl Subscribed<'_> {
    /// Bit of `flag`: the client wants a refusal in place of a subscription with something missing.
    const STRICT: i64 = 2;

    fn recovery(&self) -> Option<Recovery> {
        let is_strict = self.flag.unwrap_or(0) & Self::STRICT != 0;
        let since = since(self.offset, self.epoch.as_ref());
        self.recover.unwrap_or(false).then_some(Recovery { since, is_strict })
    }
}

impl<'f> Remembered<'f> {
    fn into_command(self) -> Option<Command<'f>> {
        Some(Command::History {
            channel: given(self.channel)?,
            since: self.since.map(|Object(seen)| since(seen.offset, seen.epoch.as_ref())),
            // Below zero stands for as many as may be asked for.
            limit: u32::try_from(self.limit.unwrap_or(0)).ok(),
            reverse: self.reverse.unwrap_or(false),
        })
    }
}

fn since(offset: Option<u64>, epoch: Option<&Text<'_>>) -> Since {
    let epoch = epoch.map_or(ClaimedEpoch::Any, |Text(text)| ClaimedEpoch::parse(text));
    Since { offset: offset.unwrap_or(0), epoch }
}

fn inquiry(kind: CommandKind, asked: Channeled<'_>) -> Option<Command<'_>> {
    let channel = given(asked.channel)?;
    Some(Command::Inquire { kind, channel })
}

/// An empty text means the same as none.
fn given(text: Option<Text<'_>>) -> Option<Cow<'_, str>> {
    text.map(|Text(text)| text).filter(|text| !text.is_empty())
}

/// What a client last saw, by channel. A connection cannot hold more channels than are kept of these.
struct Recoveries<'f>(Vec<(Cow<'f, str>, Since)>);

impl<'de: 'f, 'f> Deserialize<'de> for Recoveries<'f> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RecoveriesVisitor)
    }
}

struct RecoveriesVisitor;

impl<'de> Visitor<'de> for RecoveriesVisitor {
    type Value = Recoveries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some((Text(channel), wish)) = members.next_entry::<_, Option<Object<Subscribed<'de>>>>()? {
            let Some(recovery) = wish.and_then(|Object(wish)| wish.recovery()) else { continue };
            if list.len() < CHANNELS_PER_CONNECTION_MAX {
                list.push((channel, recovery.since));
            }
        }
        Ok(Recoveries(list))
    }
}
