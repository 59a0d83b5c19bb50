//! Faults on request: a protocol whose adapter panics, a broker that panics in its thread's own loop.

use broker::{Broker, BrokerEvent, MemoryBroker, Ticket};
use model::{ChannelName, CloseReason, Position, Publication};
use protocol::{Adapter, Event, Frame, FrameKind, Frames, Protocol, Taken};

use crate::Echo;

/// Echoes, but panics over a frame that begins with `panic`.
pub struct PanickyProtocol;

struct PanickyAdapter(Box<dyn Adapter>);

impl Protocol for PanickyProtocol {
    fn label(&self) -> &'static str {
        "panicky"
    }

    fn kind(&self) -> FrameKind {
        Echo.kind()
    }

    fn open(&self) -> Box<dyn Adapter> {
        Box::new(PanickyAdapter(Echo.open()))
    }

    fn encode(
        &self,
        channel: &ChannelName,
        publication: &Publication,
        position: Option<Position>,
        out: &mut Vec<u8>,
    ) {
        Echo.encode(channel, publication, position, out);
    }
}

impl Adapter for PanickyAdapter {
    fn on_frame<'f>(
        &mut self,
        frame: Frame<'f>,
        frames: &mut Frames<'_>,
    ) -> Result<Option<Taken<'f>>, CloseReason> {
        assert!(!frame.payload.starts_with(b"panic"), "a test asked for this panic");
        self.0.on_frame(frame, frames)
    }

    fn on_event(&mut self, event: &Event<'_>, frames: &mut Frames<'_>) {
        self.0.on_event(event, frames);
    }
}

/// The memory broker, but it panics over a publication to the channel `panic`.
pub struct PanickyBroker(MemoryBroker);

impl Default for PanickyBroker {
    fn default() -> Self {
        Self(MemoryBroker::new(1))
    }
}

impl Broker for PanickyBroker {
    fn join(&mut self, channel: &ChannelName) {
        self.0.join(channel);
    }

    fn leave(&mut self, channel: &ChannelName) {
        self.0.leave(channel);
    }

    fn publish(&mut self, ticket: Ticket, channel: &ChannelName, publication: Publication) {
        assert!(channel.as_str() != "panic", "a test asked for this panic");
        self.0.publish(ticket, channel, publication);
    }

    fn poll(&mut self) -> Option<BrokerEvent> {
        self.0.poll()
    }
}
