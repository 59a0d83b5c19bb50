//! The port: what the sequencer asks of a broker and what it hears back.

use model::{ChannelName, Position, Publication, Refusal};

/// The sequencer's number for a publish it awaits the outcome of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

/// Carries publications between nodes and numbers them per channel.
///
/// Calls never block. Events of one channel come in the order of the channel's positions, unless the broker
/// lost or repeated some: the sequencer checks.
pub trait Broker: Send {
    /// Starts to hand on a channel's publications; answered by [`BrokerEvent::Joined`].
    fn join(&mut self, channel: &ChannelName);

    /// Stops handing on a channel's publications.
    fn leave(&mut self, channel: &ChannelName);

    /// Publishes; answered by [`BrokerEvent::Published`], once and always: what is never answered is kept.
    fn publish(&mut self, ticket: Ticket, channel: &ChannelName, publication: Publication);

    /// The next thing that happened, if anything did.
    fn poll(&mut self) -> Option<BrokerEvent>;
}

/// What a broker reports.
#[derive(Debug)]
pub enum BrokerEvent {
    /// Publications after `last` will be handed on.
    Joined {
        /// The channel.
        channel: ChannelName,
        /// The channel's position at that point.
        last: Position,
    },
    /// A publish was accepted, or will never be.
    Published {
        /// Which one.
        ticket: Ticket,
        /// Whether it was accepted.
        outcome: Result<(), Refusal>,
    },
    /// A publication of a joined channel.
    Publication {
        /// The channel.
        channel: ChannelName,
        /// Its number.
        position: Position,
        /// The publication.
        publication: Publication,
    },
}
