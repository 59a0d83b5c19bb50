//! The embedded broker: one node, nothing kept. Counts a channel's publications while somebody is joined.

use std::collections::{HashMap, VecDeque};

use model::{ChannelName, Position, Publication};

use crate::{Broker, BrokerEvent, Ticket};

/// A broker inside the process. Publications to channels that nobody joined are accepted and forgotten.
pub struct MemoryBroker {
    epoch: u32,
    last_offset_by_channel: HashMap<ChannelName, u64>,
    events: VecDeque<BrokerEvent>,
}

impl MemoryBroker {
    /// A broker whose positions belong to `epoch`, which should differ at each start.
    pub fn new(epoch: u32) -> Self {
        Self { epoch, last_offset_by_channel: HashMap::new(), events: VecDeque::new() }
    }
}

impl Broker for MemoryBroker {
    fn join(&mut self, channel: &ChannelName) {
        let offset = *self.last_offset_by_channel.entry(channel.clone()).or_insert(0);
        let last = Position { epoch: self.epoch, offset };
        self.events.push_back(BrokerEvent::Joined { channel: channel.clone(), last });
    }

    fn leave(&mut self, channel: &ChannelName) {
        self.last_offset_by_channel.remove(channel);
    }

    fn publish(&mut self, ticket: Ticket, channel: &ChannelName, publication: Publication) {
        if let Some(last) = self.last_offset_by_channel.get_mut(channel) {
            *last += 1;
            let position = Position { epoch: self.epoch, offset: *last };
            self.events.push_back(BrokerEvent::Publication {
                channel: channel.clone(),
                position,
                publication,
            });
        }
        self.events.push_back(BrokerEvent::Published { ticket, outcome: Ok(()) });
    }

    fn poll(&mut self) -> Option<BrokerEvent> {
        self.events.pop_front()
    }
}
