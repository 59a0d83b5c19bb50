//! Who translates: a protocol opens one adapter per connection.

use model::{ChannelName, ClientInfo, CloseReason, Movement, Position, Publication, RequestId};

use crate::{Command, Event, Frame, FrameKind, Frames};

/// One client protocol in one encoding. Holds no state of any connection.
pub trait Protocol: Send + Sync {
    /// The protocol's and encoding's part of a variant's label, like `centrifugal_json`.
    fn label(&self) -> &'static str;

    /// What the protocol's frames carry.
    fn kind(&self) -> FrameKind;

    /// Starts translating for one connection.
    fn open(&self) -> Box<dyn Adapter>;

    /// Writes a publication as subscribers receive it: the payload of one frame, shared by all of them.
    fn encode(
        &self,
        channel: &ChannelName,
        publication: &Publication,
        position: Option<Position>,
        out: &mut Vec<u8>,
    );

    /// Writes that somebody came to a channel or went, as subscribers who want to know receive it: the payload of
    /// one frame, shared by all of them.
    fn encode_movement(
        &self,
        channel: &ChannelName,
        movement: Movement,
        member: &ClientInfo,
        out: &mut Vec<u8>,
    );
}

/// The translator of one connection.
pub trait Adapter {
    /// Takes the next command out of a frame. `None` when the frame holds no further one; what the protocol
    /// itself has to answer goes to `frames`. Decodes no further than the command it returns.
    fn on_frame<'f>(
        &mut self,
        frame: Frame<'f>,
        frames: &mut Frames<'_>,
    ) -> Result<Option<Taken<'f>>, CloseReason>;

    /// Puts into the protocol's words what the client is told.
    fn on_event(&mut self, event: &Event<'_>, frames: &mut Frames<'_>);
}

/// A command and what follows it in its frame.
#[derive(Debug)]
pub struct Taken<'f> {
    /// The client's number for the command; 0 when it expects no answer.
    pub request: RequestId,
    /// The command.
    pub command: Command<'f>,
    /// The undecoded rest of the frame; empty when nothing follows.
    pub rest: &'f [u8],
}
