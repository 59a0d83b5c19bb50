//! The embedded broker: one node, everything in memory. Owns who is joined and in which order things happen;
//! histories and remembered keys have modules of their own.

mod epochs;
mod histories;
mod history;
mod prints;
mod repeats;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use model::{
    ChannelName, ClientInfo, HistoryRange, HistoryRules, Mark, Moment, Movement, Now, Position, Publication,
    Refusal, limits,
};

use crate::{Broker, BrokerEvent, PublishTerms, Ticket};
use histories::{Bounds, Histories, Kept};
use prints::Prints;
use repeats::Repeats;

/// A broker inside the process. Publications to channels that nobody joined and that keep no history are
/// accepted and forgotten.
///
/// What is asked is done by the next [`Broker::poll`], at the time that it is told, in the order asked; so the
/// sequencer's own bound on what it asks between two polls is the bound of what waits here. At
/// [`limits::MEMORY_CHANNELS_MAX`] histories the use of a further one is refused, and beyond
/// [`limits::MEMORY_HISTORY_BYTES_MAX`] a publication that is to be kept, both with
/// [`Refusal::LimitExceeded`] and without a trace.
pub struct MemoryBroker {
    now: Moment,
    asked: VecDeque<Asked>,
    joined: HashSet<ChannelName>,
    histories: Histories,
    repeats: Repeats,
    prints: Prints,
    events: VecDeque<BrokerEvent>,
}

enum Asked {
    Join(ChannelName),
    Leave(ChannelName),
    Publish { ticket: Ticket, channel: ChannelName, publication: Publication, terms: PublishTerms },
    Read { ticket: Ticket, channel: ChannelName, rules: HistoryRules, range: HistoryRange },
    Remove { ticket: Ticket, channel: ChannelName },
    Renew { ticket: Ticket, channel: ChannelName, rules: HistoryRules, last: Position, mark: Option<Mark> },
    Announce { channel: ChannelName, movement: Movement, member: Arc<ClientInfo> },
}

impl MemoryBroker {
    /// A broker whose epochs follow from `seed`, which should differ at each start.
    pub fn new(seed: u32) -> Self {
        let bounds =
            Bounds { channels: limits::MEMORY_CHANNELS_MAX, bytes: limits::MEMORY_HISTORY_BYTES_MAX };
        Self {
            now: Moment::default(),
            asked: VecDeque::new(),
            joined: HashSet::new(),
            histories: Histories::new(seed, bounds),
            repeats: Repeats::new(limits::IDEMPOTENCY_KEYS_MAX),
            prints: Prints::new(),
            events: VecDeque::new(),
        }
    }

    fn carry_out(&mut self, asked: Asked) {
        let now = self.now;
        let event = match asked {
            Asked::Join(channel) => {
                self.joined.insert(channel.clone());
                BrokerEvent::Joined { channel }
            }
            Asked::Leave(channel) => {
                self.joined.remove(&channel);
                return;
            }
            Asked::Publish { ticket, channel, publication, terms } => {
                let outcome = self.publish_now(channel, publication, terms);
                BrokerEvent::Published { ticket, outcome }
            }
            Asked::Read { ticket, channel, rules, range } => {
                let outcome = self.histories.read(now, &channel, rules, range);
                BrokerEvent::Read { ticket, outcome }
            }
            Asked::Remove { ticket, channel } => {
                self.histories.remove(now, &channel);
                BrokerEvent::Removed { ticket, outcome: Ok(()) }
            }
            Asked::Renew { ticket, channel, rules, last, mark } => {
                let outcome = self.histories.renew_epoch(now, &channel, rules, (last, mark));
                BrokerEvent::Read { ticket, outcome }
            }
            Asked::Announce { channel, movement, member } => {
                if !self.joined.contains(&channel) {
                    return;
                }
                BrokerEvent::Announced { channel, movement, member }
            }
        };
        self.events.push_back(event);
    }

    fn publish_now(
        &mut self,
        channel: ChannelName,
        publication: Publication,
        terms: PublishTerms,
    ) -> Result<Option<Position>, Refusal> {
        let PublishTerms { history, idempotency_key, version } = terms;
        let print = idempotency_key.map(|key| self.prints.of((channel.as_str(), key)));
        if let Some(first) = print.and_then(|print| self.repeats.first(self.now, print)) {
            return Ok(first);
        }
        let position = match (history, version) {
            (Some(rules), version) => {
                let version = version.map(|version| self.prints.of_version(&version));
                match self.histories.publish(self.now, &channel, &publication, rules, version)? {
                    Kept::At(position) => Some(position),
                    Kept::NotNewer(top) => return Ok(Some(top)),
                }
            }
            (None, None) => None,
            // Where nothing is known of the last one, nothing can be told to be newer.
            (None, Some(_)) => return Err(Refusal::NotAvailable),
        };
        if let Some(print) = print {
            self.repeats.remember(self.now, print, position);
        }
        if self.joined.contains(&channel) {
            let marks = position.map(history::marks).unwrap_or_default();
            let event = BrokerEvent::Publication { channel, position, marks, is_plain: false, publication };
            self.events.push_back(event);
        }
        Ok(position)
    }
}

impl Broker for MemoryBroker {
    fn join(&mut self, channel: &ChannelName) {
        self.asked.push_back(Asked::Join(channel.clone()));
    }

    fn leave(&mut self, channel: &ChannelName) {
        self.asked.push_back(Asked::Leave(channel.clone()));
    }

    fn publish(
        &mut self,
        ticket: Ticket,
        channel: &ChannelName,
        publication: Publication,
        terms: PublishTerms,
    ) {
        let channel = channel.clone();
        self.asked.push_back(Asked::Publish { ticket, channel, publication, terms });
    }

    fn read(&mut self, ticket: Ticket, channel: &ChannelName, rules: HistoryRules, range: HistoryRange) {
        self.asked.push_back(Asked::Read { ticket, channel: channel.clone(), rules, range });
    }

    fn remove_history(&mut self, ticket: Ticket, channel: &ChannelName) {
        self.asked.push_back(Asked::Remove { ticket, channel: channel.clone() });
    }

    fn renew_epoch(
        &mut self,
        ticket: Ticket,
        channel: &ChannelName,
        rules: HistoryRules,
        last: Position,
        mark: Option<Mark>,
    ) {
        self.asked.push_back(Asked::Renew { ticket, channel: channel.clone(), rules, last, mark });
    }

    fn announce(&mut self, channel: &ChannelName, movement: Movement, member: &Arc<ClientInfo>) {
        let (channel, member) = (channel.clone(), Arc::clone(member));
        self.asked.push_back(Asked::Announce { channel, movement, member });
    }

    fn poll(&mut self, now: Now) -> Option<BrokerEvent> {
        self.now = self.now.max(now.moment);
        self.histories.sweep(self.now);
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let asked = self.asked.pop_front()?;
            self.carry_out(asked);
        }
    }
}
