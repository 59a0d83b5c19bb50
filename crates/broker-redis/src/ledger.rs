//! Tickets that await their answer. Answering takes a ticket out, so each is answered exactly once; what is
//! not answered by its deadline is refused.

use std::collections::VecDeque;
use std::time::Duration;

use broker::{BrokerEvent, PresenceEvent, Ticket};
use model::{Refusal, limits};
use tokio::time::Instant;

/// What a ticket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Publish,
    Read,
    Remove,
    /// Nobody awaits what comes of it.
    Announce,
    Change,
    Members,
    Count,
}

/// An answer, for whoever asked.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The broker was asked.
    Broker(BrokerEvent),
    /// The presence was asked.
    Presence(PresenceEvent),
}

impl From<BrokerEvent> for Answer {
    fn from(event: BrokerEvent) -> Self {
        Self::Broker(event)
    }
}

impl From<PresenceEvent> for Answer {
    fn from(event: PresenceEvent) -> Self {
        Self::Presence(event)
    }
}

/// A ticket that awaits its answer.
#[derive(Debug)]
pub(crate) struct Asked {
    ticket: Ticket,
    kind: Kind,
    deadline: Instant,
    bytes: usize,
}

impl Asked {
    /// The number that the answer carries.
    pub(crate) fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// The answer that it failed, if one is awaited.
    pub(crate) fn refused(&self) -> Option<Answer> {
        let (ticket, refusal) = (self.ticket, Refusal::Internal);
        Some(match self.kind {
            Kind::Publish => BrokerEvent::Published { ticket, outcome: Err(refusal) }.into(),
            Kind::Read => BrokerEvent::Read { ticket, outcome: Err(refusal) }.into(),
            Kind::Remove => BrokerEvent::Removed { ticket, outcome: Err(refusal) }.into(),
            Kind::Announce => return None,
            Kind::Change => PresenceEvent::Changed { ticket, outcome: Err(refusal) }.into(),
            Kind::Members => PresenceEvent::Members { ticket, outcome: Err(refusal) }.into(),
            Kind::Count => PresenceEvent::Counted { ticket, outcome: Err(refusal) }.into(),
        })
    }
}

/// Place of a ticket in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(u64);

/// All tickets that await their answers, in the order of their deadlines.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    first: u64,
    asked: VecDeque<Option<Asked>>,
    open: usize,
    bytes: usize,
}

impl Ledger {
    /// Enters a ticket, unless too many are open.
    pub(crate) fn enter(
        &mut self,
        ticket: Ticket,
        kind: Kind,
        bytes: usize,
        now: Instant,
    ) -> Result<Key, Asked> {
        /// What is left of the deadline for handing the answer over.
        const MARGIN: Duration = Duration::from_millis(100);
        let asked = Asked { ticket, kind, deadline: now + limits::PUBLISH_DEADLINE - MARGIN, bytes };
        let is_full = self.open >= limits::REDIS_COMMANDS_MAX
            || (self.open > 0 && self.bytes + bytes > limits::REDIS_COMMANDS_BYTES_MAX);
        if is_full {
            return Err(asked);
        }
        self.open += 1;
        self.bytes += bytes;
        self.asked.push_back(Some(asked));
        Ok(Key(self.first + self.asked.len() as u64 - 1))
    }

    /// Whether a ticket still awaits its answer.
    pub(crate) fn is_open(&self, key: Key) -> bool {
        self.place(key).is_some_and(|place| self.asked.get(place).is_some_and(Option::is_some))
    }

    /// Takes a ticket out, if it is still there.
    pub(crate) fn close(&mut self, key: Key) -> Option<Asked> {
        let place = self.place(key)?;
        let asked = self.asked.get_mut(place)?.take()?;
        self.open -= 1;
        self.bytes -= asked.bytes;
        while self.asked.front().is_some_and(Option::is_none) {
            self.asked.pop_front();
            self.first += 1;
        }
        Some(asked)
    }

    /// Takes a ticket out whose time is over.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Asked> {
        self.next_deadline().filter(|deadline| *deadline <= now)?;
        self.close(Key(self.first))
    }

    /// When the time of the first ticket is over.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        // The front is open: what is closed there is dropped at once.
        self.asked.front().and_then(Option::as_ref).map(|asked| asked.deadline)
    }

    /// How many tickets await their answers.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    fn place(&self, key: Key) -> Option<usize> {
        usize::try_from(key.0.checked_sub(self.first)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_ticket_is_answered_once_by_its_answer_or_by_its_deadline() {
        let mut ledger = Ledger::default();
        let start = Instant::now();
        let keys: Vec<Key> =
            (0..3).map(|number| ledger.enter(Ticket(number), Kind::Read, 10, start).unwrap()).collect();
        assert_eq!(ledger.close(keys[1]).unwrap().ticket(), Ticket(1));
        assert!(ledger.close(keys[1]).is_none());
        assert!(ledger.expire(start).is_none());
        let over = start + limits::PUBLISH_DEADLINE;
        assert_eq!(ledger.expire(over).unwrap().ticket(), Ticket(0));
        assert!(!ledger.is_open(keys[0]) && ledger.is_open(keys[2]));
        assert_eq!(ledger.expire(over).unwrap().ticket(), Ticket(2));
        assert!(ledger.expire(over).is_none());
        assert!(keys.iter().all(|key| ledger.close(*key).is_none()));
        assert_eq!((ledger.open, ledger.bytes, ledger.asked.len()), (0, 0, 0));
    }

    #[tokio::test]
    async fn a_full_ledger_hands_tickets_back() {
        let mut ledger = Ledger::default();
        let now = Instant::now();
        for number in 0..limits::REDIS_COMMANDS_MAX as u64 {
            assert!(ledger.enter(Ticket(number), Kind::Publish, 0, now).is_ok());
        }
        assert!(ledger.enter(Ticket(0), Kind::Publish, 0, now).is_err());
        let mut ledger = Ledger::default();
        assert!(ledger.enter(Ticket(0), Kind::Publish, limits::REDIS_COMMANDS_BYTES_MAX + 1, now).is_ok());
        assert!(ledger.enter(Ticket(1), Kind::Publish, 1, now).is_err());
    }
}
