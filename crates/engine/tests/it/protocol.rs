//! A protocol of plain words, one line a frame: `7 subscribe news` is answered by `7 subscribed`.

use model::{
    ChannelName, ClaimedEpoch, ClientInfo, CloseReason, HistoryEntry, Movement, Payload, Position,
    Publication, RequestId, Since,
};
use protocol::{
    Adapter, Command, CommandKind, Event, Frame, FrameKind, Frames, Framing, Protocol, Recovered, Recovery,
    SubscriptionTerms, Taken, UnsubscribeReason,
};

/// The protocol.
pub(crate) struct Words;

struct WordsAdapter;

/// One line, one frame.
pub(crate) struct Lines;

impl Protocol for Words {
    fn label(&self) -> &'static str {
        "words"
    }

    fn kind(&self) -> FrameKind {
        FrameKind::Text
    }

    fn open(&self) -> Box<dyn Adapter> {
        Box::new(WordsAdapter)
    }

    fn encode(
        &self,
        channel: &ChannelName,
        publication: &Publication,
        _: Option<Position>,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(format!("{channel} says {}", text(publication)).as_bytes());
    }

    fn encode_movement(
        &self,
        channel: &ChannelName,
        movement: Movement,
        member: &ClientInfo,
        out: &mut Vec<u8>,
    ) {
        let verb = match movement {
            Movement::Join => "joins",
            Movement::Leave => "leaves",
        };
        out.extend_from_slice(format!("{} {verb} {channel}", member.client).as_bytes());
    }
}

impl Adapter for WordsAdapter {
    fn on_frame<'f>(
        &mut self,
        frame: Frame<'f>,
        _: &mut Frames<'_>,
    ) -> Result<Option<Taken<'f>>, CloseReason> {
        let text = std::str::from_utf8(frame.payload).map_err(|_| CloseReason::InvalidText)?;
        let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let [request, word, arguments @ ..] = &words[..] else {
            return Err(CloseReason::BadRequest);
        };
        let channel = (*arguments.first().unwrap_or(&"")).into();
        let command = match *word {
            "connect" => Command::Connect { token: None, recoveries: Vec::new() },
            "subscribe" => {
                Command::Subscribe { channel, token: None, recovery: None, wants_movements: false }
            }
            "watch" => Command::Subscribe { channel, token: None, recovery: None, wants_movements: true },
            "who" => Command::Inquire { kind: CommandKind::Presence, channel },
            "count" => Command::Inquire { kind: CommandKind::PresenceStats, channel },
            "recover" | "recover!" => {
                let since = since(arguments.get(1).unwrap_or(&""));
                let recovery = Recovery { since, is_strict: *word == "recover!" };
                Command::Subscribe { channel, token: None, recovery: Some(recovery), wants_movements: false }
            }
            "history" => {
                let since = arguments.get(1).map(|text| since(text));
                Command::History { channel, since, limit: None, reverse: false }
            }
            "unsubscribe" => Command::Unsubscribe { channel },
            "publish" => {
                let payload = arguments.get(1).map(|payload| Payload::parse_json(payload.as_bytes()));
                Command::Publish { channel, payload: payload.and_then(Result::ok) }
            }
            "rpc" => Command::Rpc,
            _ => return Err(CloseReason::BadRequest),
        };
        let request = RequestId(request.parse().map_err(|_| CloseReason::BadRequest)?);
        Ok(Some(Taken { request, command, rest: rest.as_bytes() }))
    }

    fn on_event(&mut self, event: &Event<'_>, frames: &mut Frames<'_>) {
        let text = match event {
            Event::Connected { request, client, .. } => format!("{} connected {client}", request.0),
            Event::Subscribed { request, terms } => format!("{} subscribed{}", request.0, told(terms)),
            Event::History { request, page } => {
                format!("{} history {} {}", request.0, page.top.offset, list(&page.entries))
            }
            Event::Unsubscribed { request } => format!("{} unsubscribed", request.0),
            Event::Published { request } => format!("{} published", request.0),
            Event::Refused { request, refusal } => format!("{} refused {}", request.0, refusal.code()),
            Event::SubscriptionAdded(added) => format!("{} added", added.channel),
            Event::Presence { request, members } => format!("{} members {}", request.0, members.len()),
            Event::PresenceCounted { request, clients, users } => {
                format!("{} counted {clients} {users}", request.0)
            }
            Event::SubscriptionEnded { channel, reason: UnsubscribeReason::Requested } => {
                format!("{channel} ended")
            }
            Event::SubscriptionEnded { channel, reason } => format!("{channel} ended {}", reason.code()),
            Event::Closed(reason) => return frames.close(reason.code(), &reason.text()),
            Event::Ping
            | Event::Refreshed { .. }
            | Event::SubscriptionRefreshed { .. }
            | Event::ExpiryChanged { .. } => "other".to_owned(),
        };
        frames.push(FrameKind::Text, text.as_bytes());
    }
}

/// A position: `3`, of whatever epoch, or `3@EPOCH`.
fn since(text: &str) -> Since {
    let (offset, epoch) = text.split_once('@').unwrap_or((text, ""));
    Since { offset: offset.parse().unwrap_or(0), epoch: ClaimedEpoch::parse(epoch) }
}

/// What a subscription is told about positions: ` at 3 whole [4 5]`.
fn told(terms: &SubscriptionTerms<'_>) -> String {
    let position = terms.position.map_or(String::new(), |position| format!(" at {}", position.offset));
    let recovery = match terms.recovery {
        None => String::new(),
        Some(Recovered::Whole(entries)) => format!(" whole {}", list(entries)),
        Some(Recovered::Last(entry)) => format!(" last {}", list(entry.map_or(&[], std::slice::from_ref))),
        Some(Recovered::Failed) => " failed".to_owned(),
    };
    position + &recovery
}

fn list(entries: &[HistoryEntry]) -> String {
    let texts: Vec<String> = entries.iter().map(|entry| text(&entry.publication).to_owned()).collect();
    format!("[{}]", texts.join(" "))
}

fn text(publication: &Publication) -> &str {
    std::str::from_utf8(publication.payload.as_bytes()).expect("JSON is UTF-8")
}

impl Framing for Lines {
    fn label(&self) -> &'static str {
        "lines"
    }

    fn wrap(&self, _: FrameKind, payload: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(payload);
        out.push(b'\n');
    }

    fn close(&self, code: u16, _: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("closed {code}\n").as_bytes());
    }
}
