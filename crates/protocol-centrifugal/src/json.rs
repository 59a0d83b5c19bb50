//! The protocol in JSON: text frames of objects, several in one frame joined by a line break.

mod command;
mod event;
mod object;
mod publication;

use model::{ChannelName, ClientInfo, CloseReason, Movement, Position, Publication};
use protocol::{Adapter, Event, Frame, FrameKind, Frames, Protocol, Taken};

/// The native client protocol in JSON.
#[derive(Debug, Clone, Copy, Default)]
pub struct CentrifugalJson;

impl Protocol for CentrifugalJson {
    fn label(&self) -> &'static str {
        "centrifugal_json"
    }

    fn kind(&self) -> FrameKind {
        FrameKind::Text
    }

    fn open(&self) -> Box<dyn Adapter> {
        Box::new(JsonAdapter)
    }

    fn encode(
        &self,
        channel: &ChannelName,
        publication: &Publication,
        position: Option<Position>,
        out: &mut Vec<u8>,
    ) {
        publication::write(channel, publication, position, out);
    }

    fn encode_movement(
        &self,
        channel: &ChannelName,
        movement: Movement,
        member: &ClientInfo,
        out: &mut Vec<u8>,
    ) {
        publication::write_movement(channel, movement, member, out);
    }
}

/// The wire keeps no state between frames, so this has no size and its box no heap.
struct JsonAdapter;

impl Adapter for JsonAdapter {
    // A text frame and a binary one mean the same here: client libraries send either.
    fn on_frame<'f>(
        &mut self,
        frame: Frame<'f>,
        _frames: &mut Frames<'_>,
    ) -> Result<Option<Taken<'f>>, CloseReason> {
        command::take(frame.payload).map(Some).ok_or(CloseReason::BadRequest)
    }

    fn on_event(&mut self, event: &Event<'_>, frames: &mut Frames<'_>) {
        event::write(event, frames);
    }
}
