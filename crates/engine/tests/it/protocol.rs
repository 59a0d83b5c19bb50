//! A protocol of plain words, one line a frame: `7 subscribe news` is answered by `7 subscribed`.

use model::{ChannelName, CloseReason, Payload, Position, Publication, RequestId};
use protocol::{Adapter, Command, Event, Frame, FrameKind, Frames, Framing, Protocol, Taken};

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
        let payload = std::str::from_utf8(publication.payload.as_bytes()).expect("JSON is UTF-8");
        out.extend_from_slice(format!("{channel} says {payload}").as_bytes());
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
            "connect" => Command::Connect { token: None },
            "subscribe" => Command::Subscribe { channel, token: None },
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
            Event::Subscribed { request, .. } => format!("{} subscribed", request.0),
            Event::Unsubscribed { request } => format!("{} unsubscribed", request.0),
            Event::Published { request } => format!("{} published", request.0),
            Event::Refused { request, refusal } => format!("{} refused {}", request.0, refusal.code()),
            Event::SubscriptionAdded(added) => format!("{} added", added.channel),
            Event::SubscriptionEnded { channel, .. } => format!("{channel} ended"),
            Event::Closed(reason) => return frames.close(reason.code(), &reason.text()),
            Event::Ping
            | Event::Refreshed { .. }
            | Event::SubscriptionRefreshed { .. }
            | Event::ExpiryChanged { .. } => "other".to_owned(),
        };
        frames.push(FrameKind::Text, text.as_bytes());
    }
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
