//! Commands out of JSON frames, one at a time. Texts are borrowed from the frame where nothing is escaped.

use std::borrow::Cow;

use model::{Payload, RawJson, RequestId};
use protocol::{Command, CommandKind, Taken};
use serde::Deserialize;
use serde::de::IgnoredAny;

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
    connect: Option<Object<Tokened<'f>>>,
    #[serde(borrow)]
    subscribe: Option<Object<Channeled<'f>>>,
    #[serde(borrow)]
    unsubscribe: Option<Object<Channeled<'f>>>,
    #[serde(borrow)]
    publish: Option<Object<Published<'f>>>,
    #[serde(borrow)]
    presence: Option<Object<Channeled<'f>>>,
    #[serde(borrow)]
    presence_stats: Option<Object<Channeled<'f>>>,
    #[serde(borrow)]
    history: Option<Object<Channeled<'f>>>,
    rpc: Option<Object<IgnoredAny>>,
    send: Option<Object<IgnoredAny>>,
    #[serde(borrow)]
    refresh: Option<Object<Tokened<'f>>>,
    #[serde(borrow)]
    sub_refresh: Option<Object<Channeled<'f>>>,
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
            Command::Connect { token: given(connect.token) }
        } else if let Some(Object(subscribe)) = self.subscribe {
            Command::Subscribe { channel: given(subscribe.channel)?, token: given(subscribe.token) }
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
            inquiry(CommandKind::History, history)?
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

fn inquiry(kind: CommandKind, asked: Channeled<'_>) -> Option<Command<'_>> {
    let channel = given(asked.channel)?;
    Some(Command::Inquire { kind, channel })
}

/// An empty text means the same as none.
fn given(text: Option<Text<'_>>) -> Option<Cow<'_, str>> {
    text.map(|Text(text)| text).filter(|text| !text.is_empty())
}
