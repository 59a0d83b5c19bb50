//! A protocol that sends back what it gets: what conformance suites of the transport talk to.

use model::{ChannelName, ClientInfo, CloseReason, Movement, Position, Publication};
use protocol::{Adapter, Event, Frame, FrameKind, Frames, Protocol, Taken};

/// Every frame comes back as it is. There are no commands, so nobody can connect, subscribe or publish.
pub struct Echo;

struct EchoAdapter;

impl Protocol for Echo {
    fn label(&self) -> &'static str {
        "echo"
    }

    fn kind(&self) -> FrameKind {
        FrameKind::Binary
    }

    fn open(&self) -> Box<dyn Adapter> {
        Box::new(EchoAdapter)
    }

    fn encode(&self, _: &ChannelName, publication: &Publication, _: Option<Position>, out: &mut Vec<u8>) {
        out.extend_from_slice(publication.payload.as_bytes());
    }

    fn encode_movement(&self, _: &ChannelName, _: Movement, member: &ClientInfo, out: &mut Vec<u8>) {
        out.extend_from_slice(member.user.as_bytes());
    }
}

impl Adapter for EchoAdapter {
    fn on_frame<'f>(
        &mut self,
        frame: Frame<'f>,
        frames: &mut Frames<'_>,
    ) -> Result<Option<Taken<'f>>, CloseReason> {
        frames.push(frame.kind, frame.payload);
        Ok(None)
    }

    fn on_event(&mut self, event: &Event<'_>, frames: &mut Frames<'_>) {
        if let Event::Closed(reason) = event {
            frames.close(reason.code(), &reason.text());
        }
    }
}
