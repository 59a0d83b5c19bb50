//! The port: what the sequencer asks of a broker and what it hears back.

use std::sync::Arc;

use model::{
    ChannelName, ClientInfo, HistoryPage, HistoryRange, HistoryRules, Mark, Marks, Movement, Now, Position,
    Publication, Refusal,
};

/// The sequencer's number for something whose outcome it awaits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

/// How a publication is to be published, besides to its channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublishTerms {
    /// Keep it in the channel's history, by these rules. Without them it gets no position.
    pub history: Option<HistoryRules>,
    /// A publication of this channel with the same key that was accepted within
    /// [`model::limits::IDEMPOTENCY_PERIOD`] stands for this one, which is not published then.
    pub idempotency_key: Option<Box<str>>,
    /// Publish only what is newer; needs `history`.
    pub version: Option<Version>,
}

/// The publisher's own number for what a channel shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Greater is newer. A publication that is not newer than the last one accepted is not published.
    pub number: u64,
    /// Numbers of different epochs are not compared: a publication of another epoch is newer. Empty: of any.
    pub epoch: Box<str>,
}

/// Carries publications between nodes, numbers and keeps those of channels with history.
///
/// Calls never block; what has an outcome is answered under its ticket once and always, within
/// [`model::limits::PUBLISH_DEADLINE`]: with [`Refusal::Internal`] at the latest, in which case it may or may
/// not have been done. Events of one channel come in order, unless the broker lost or repeated some: the
/// sequencer checks.
pub trait Broker {
    /// Starts to hand on a channel's publications; [`BrokerEvent::Joined`] says from when on.
    fn join(&mut self, channel: &ChannelName);

    /// Stops handing on a channel's publications.
    fn leave(&mut self, channel: &ChannelName);

    /// Publishes; answered by [`BrokerEvent::Published`].
    fn publish(
        &mut self,
        ticket: Ticket,
        channel: &ChannelName,
        publication: Publication,
        terms: PublishTerms,
    );

    /// Reads a channel's history, which begins by being read; answered by [`BrokerEvent::Read`].
    fn read(&mut self, ticket: Ticket, channel: &ChannelName, rules: HistoryRules, range: HistoryRange);

    /// Drops what is kept of a channel; its epoch and top stay. Answered by [`BrokerEvent::Removed`].
    fn remove_history(&mut self, ticket: Ticket, channel: &ChannelName);

    /// Begins a new epoch where the present one has lost what was handed out: it does not reach up to `last`, or
    /// has another publication there than the one with `mark`. Answered by [`BrokerEvent::Read`], with the top
    /// alone, whether it was the present epoch's.
    fn renew_epoch(
        &mut self,
        ticket: Ticket,
        channel: &ChannelName,
        rules: HistoryRules,
        last: Position,
        mark: Option<Mark>,
    );

    /// Tells a channel's subscribers that somebody came or went; has no position, and no answer.
    fn announce(&mut self, channel: &ChannelName, movement: Movement, member: &Arc<ClientInfo>);

    /// The next thing that happened, if anything did.
    fn poll(&mut self, now: Now) -> Option<BrokerEvent>;
}

/// What a broker reports.
#[derive(Debug)]
pub enum BrokerEvent {
    /// A channel's publications are handed on from here on. Comes again after [`Self::Severed`], and then some
    /// in between may be missing.
    Joined {
        /// The channel.
        channel: ChannelName,
    },
    /// A joined channel's publications are not handed on until it is joined again, which the broker sees to.
    Severed {
        /// The channel.
        channel: ChannelName,
    },
    /// A publish was accepted, or will never be.
    Published {
        /// Which one.
        ticket: Ticket,
        /// Its position if it is kept, or that of the one that stood for it.
        outcome: Result<Option<Position>, Refusal>,
    },
    /// A publication of a joined channel.
    Publication {
        /// The channel.
        channel: ChannelName,
        /// Its place in the channel's history, if it has one.
        position: Option<Position>,
        /// What tells it apart, if it has a place there.
        marks: Marks,
        /// Published by somebody who cannot give it a position, like a bare Redis command.
        is_plain: bool,
        /// The publication.
        publication: Publication,
    },
    /// Somebody came to a joined channel, or went.
    Announced {
        /// The channel.
        channel: ChannelName,
        /// Which of the two.
        movement: Movement,
        /// Who.
        member: Arc<ClientInfo>,
    },
    /// A history was read, or its epoch renewed.
    Read {
        /// Which question.
        ticket: Ticket,
        /// What was found.
        outcome: Result<HistoryPage, Refusal>,
    },
    /// A history was dropped.
    Removed {
        /// Which one.
        ticket: Ticket,
        /// Whether it was.
        outcome: Result<(), Refusal>,
    },
}
