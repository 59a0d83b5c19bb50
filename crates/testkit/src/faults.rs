//! Faults on request: a protocol that panics over one connection or in its worker's own loop, one that holds its
//! worker up, a broker that panics in its thread's own loop or holds it up.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use broker::{Broker, BrokerEvent, MemoryBroker, PublishTerms, Ticket};
use model::{
    ChannelName, ClientInfo, CloseReason, HistoryRange, HistoryRules, Mark, Movement, Now, Position,
    Publication,
};
use protocol::{Adapter, Event, Frame, FrameKind, Frames, Protocol, Taken};

/// Another protocol, with a fault over what its subscribers' worker encodes; and it panics over a frame that
/// begins with `panic`.
pub struct FaultyProtocol<P> {
    inner: P,
    before_encoding: Box<dyn Fn(&Publication) + Send + Sync>,
}

impl<P> FaultyProtocol<P> {
    /// It panics over a publication of `"panic"`.
    pub fn panicking(inner: P) -> Self {
        let before_encoding = |publication: &Publication| {
            assert!(publication.payload.as_bytes() != b"\"panic\"", "a test asked for this panic");
        };
        Self { inner, before_encoding: Box::new(before_encoding) }
    }

    /// While a test holds the lock, a worker that encodes stands still.
    pub fn held(inner: P, gate: Arc<Mutex<()>>) -> Self {
        Self { inner, before_encoding: Box::new(move |_| drop(gate.lock())) }
    }
}

struct PanickyAdapter(Box<dyn Adapter>);

impl<P: Protocol> Protocol for FaultyProtocol<P> {
    fn label(&self) -> &'static str {
        "faulty"
    }

    fn kind(&self) -> FrameKind {
        self.inner.kind()
    }

    fn open(&self) -> Box<dyn Adapter> {
        Box::new(PanickyAdapter(self.inner.open()))
    }

    fn encode(
        &self,
        channel: &ChannelName,
        publication: &Publication,
        position: Option<Position>,
        out: &mut Vec<u8>,
    ) {
        (self.before_encoding)(publication);
        self.inner.encode(channel, publication, position, out);
    }

    fn encode_movement(
        &self,
        channel: &ChannelName,
        movement: Movement,
        member: &ClientInfo,
        out: &mut Vec<u8>,
    ) {
        self.inner.encode_movement(channel, movement, member, out);
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

/// The memory broker, but it panics over a publication to the channel `panic`, and does nothing for
/// [`Self::HANG`] over one to `hang`.
pub struct FaultyBroker(MemoryBroker);

impl FaultyBroker {
    /// How long it holds its thread up: longer than a thread may be silent, and no longer than a test wants to
    /// wait.
    pub const HANG: Duration = Duration::from_secs(12);
}

impl Default for FaultyBroker {
    fn default() -> Self {
        Self(MemoryBroker::new(1))
    }
}

impl Broker for FaultyBroker {
    fn join(&mut self, channel: &ChannelName) {
        self.0.join(channel);
    }

    fn leave(&mut self, channel: &ChannelName) {
        self.0.leave(channel);
    }

    fn publish(
        &mut self,
        ticket: Ticket,
        channel: &ChannelName,
        publication: Publication,
        terms: PublishTerms,
    ) {
        match channel.as_str() {
            "panic" => panic!("a test asked for this panic"),
            "hang" => thread::sleep(Self::HANG),
            _ => {}
        }
        self.0.publish(ticket, channel, publication, terms);
    }

    fn read(&mut self, ticket: Ticket, channel: &ChannelName, rules: HistoryRules, range: HistoryRange) {
        self.0.read(ticket, channel, rules, range);
    }

    fn remove_history(&mut self, ticket: Ticket, channel: &ChannelName) {
        self.0.remove_history(ticket, channel);
    }

    fn renew_epoch(
        &mut self,
        ticket: Ticket,
        channel: &ChannelName,
        rules: HistoryRules,
        last: Position,
        mark: Option<Mark>,
    ) {
        self.0.renew_epoch(ticket, channel, rules, last, mark);
    }

    fn announce(&mut self, channel: &ChannelName, movement: Movement, member: &Arc<ClientInfo>) {
        self.0.announce(channel, movement, member);
    }

    fn poll(&mut self, now: Now) -> Option<BrokerEvent> {
        self.0.poll(now)
    }
}
