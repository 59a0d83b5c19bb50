//! Settings that change while channels live: those whose history begins learn where it stands, those whose history
//! ends forget it. Subscribers stay, and nothing that is published meanwhile is lost on them.

use std::sync::Arc;

use model::Refusal;

use super::Node;
use super::channel::{Channel, Opening};
use crate::policy::Policy;

impl Node {
    pub(super) fn adopt(&mut self, policy: Arc<Policy>) {
        self.counters.publications.resize(policy.rules.count(), [0; 2]);
        self.policy = policy;
        for index in 0..self.channels.places() {
            let Some(channel) = self.channels.get(index) else {
                continue;
            };
            let keeps_history = self.policy.rules.history(channel.namespace).is_some();
            match (channel.keeps_history, keeps_history) {
                (false, true) => self.begin_history(index),
                (true, false) => self.end_history(index),
                (false, false) | (true, true) => {}
            }
        }
    }

    fn begin_history(&mut self, index: u32) {
        let Some(channel) = self.channels.get_mut(index) else {
            return;
        };
        channel.keeps_history = true;
        // Workers are to learn the position.
        channel.owes_joined = true;
        if channel.is_confirmed {
            self.begin_repair(index);
            if let Some(repair) = self.channels.get_mut(index).and_then(Channel::repair) {
                repair.opening = Opening::Unread;
            }
        }
    }

    fn end_history(&mut self, index: u32) {
        let Some(channel) = self.channels.get_mut(index) else {
            return;
        };
        channel.keeps_history = false;
        // Workers are to forget the position.
        channel.owes_joined = true;
        (channel.last, channel.mark) = (None, None);
        let work = channel.work.take().map(|work| *work).unwrap_or_default();
        if let Some(repair) = work.repair {
            self.repairs.end(&repair);
            for placed in repair.held {
                self.deliver(index, None, placed.publication);
            }
        }
        let reading = work.reading.map(|reading| reading.requests).unwrap_or_default();
        for request in work.waiting.iter().chain(&reading) {
            self.answer(request, Err(Refusal::Internal));
        }
        self.announce(index);
    }
}
