//! The memory broker with faults. By channel: `late` is joined once something is published to `release`,
//! `overdue` at the third poll that finds nothing else. By payload: `twice` is handed on twice, `lost` not at
//! all, `refused` is not accepted, `answered again` is answered a second time at the next publish. By command
//! of the test: connections break, histories cannot be read or are read late.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use broker::{Broker, BrokerEvent, MemoryBroker, PublishTerms, Ticket};
use model::{
    ChannelName, ClientInfo, HistoryRange, HistoryRules, Mark, Marks, Movement, Now, Position, Publication,
    Refusal,
};

/// What a test does to its broker. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    injected: VecDeque<BrokerEvent>,
    cannot_read: bool,
    reads_late: bool,
    late_reads: VecDeque<BrokerEvent>,
    cannot_hand_on: bool,
    hands_on_twice: bool,
    reads: usize,
    mark: Option<Mark>,
}

pub(crate) struct FaultyBroker {
    inner: MemoryBroker,
    faults: Faults,
    events: VecDeque<BrokerEvent>,
    late: VecDeque<BrokerEvent>,
    overdue: Option<BrokerEvent>,
    again: Option<Ticket>,
    idle_polls: u32,
    now: Now,
}

impl Faults {
    /// The broker loses sight of a channel.
    pub(crate) fn sever(&self, channel: &ChannelName) {
        self.state(|state| state.injected.push_back(BrokerEvent::Severed { channel: channel.clone() }));
    }

    /// The broker joins a channel anew.
    pub(crate) fn join(&self, channel: &ChannelName) {
        self.state(|state| state.injected.push_back(BrokerEvent::Joined { channel: channel.clone() }));
    }

    /// The mark of what was handed on last.
    pub(crate) fn mark(&self) -> Option<Mark> {
        self.state(|state| state.mark)
    }

    /// Something is handed on that the broker never accepted.
    pub(crate) fn forge(
        &self,
        channel: &ChannelName,
        position: Option<Position>,
        marks: Marks,
        publication: Publication,
    ) {
        let (channel, is_plain) = (channel.clone(), position.is_none());
        let event = BrokerEvent::Publication { channel, position, marks, is_plain, publication };
        self.state(|state| state.injected.push_back(event));
    }

    /// Whether questions about histories fail.
    pub(crate) fn cannot_read(&self, cannot: bool) {
        self.state(|state| state.cannot_read = cannot);
    }

    /// Whether answers about histories wait; those that do come when it ends.
    pub(crate) fn read_late(&self, is_late: bool) {
        self.state(|state| {
            state.reads_late = is_late;
            if !is_late {
                let late = std::mem::take(&mut state.late_reads);
                state.injected.extend(late);
            }
        });
    }

    /// How often a history was asked for since this was last called.
    pub(crate) fn reads(&self) -> usize {
        self.state(|state| std::mem::take(&mut state.reads))
    }

    /// Whether publications are accepted and kept, but not handed on.
    pub(crate) fn cannot_hand_on(&self, cannot: bool) {
        self.state(|state| state.cannot_hand_on = cannot);
    }

    /// Whether publications are handed on twice.
    pub(crate) fn hand_on_twice(&self, twice: bool) {
        self.state(|state| state.hands_on_twice = twice);
    }

    fn state<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().expect("nobody panicked"))
    }
}

impl FaultyBroker {
    pub(crate) fn new(faults: Faults) -> Self {
        Self {
            inner: MemoryBroker::new(1),
            faults,
            events: VecDeque::new(),
            late: VecDeque::new(),
            overdue: None,
            again: None,
            idle_polls: 0,
            now: Now::default(),
        }
    }

    /// Takes on what the memory broker reports, faults applied.
    fn take_over(&mut self, fault: &str) {
        while let Some(event) = self.inner.poll(self.now) {
            let (is_late, copies) = self.faults.state(|state| {
                let copies = 1 + u32::from(state.hands_on_twice);
                (state.reads_late, if state.cannot_hand_on { 0 } else { copies })
            });
            match event {
                BrokerEvent::Joined { ref channel } if channel.as_str() == "late" => {
                    self.late.push_back(event);
                }
                BrokerEvent::Joined { ref channel } if channel.as_str() == "overdue" => {
                    self.overdue = Some(event);
                }
                BrokerEvent::Publication { channel, position, marks, is_plain, publication } => {
                    let count = match fault {
                        "\"twice\"" => 2,
                        "\"lost\"" => 0,
                        _ => copies,
                    };
                    for _ in 0..count {
                        let (channel, publication) = (channel.clone(), publication.clone());
                        let again =
                            BrokerEvent::Publication { channel, position, marks, is_plain, publication };
                        self.events.push_back(again);
                    }
                }
                BrokerEvent::Published { ticket, .. } if fault == "\"refused\"" => {
                    self.events.push_back(BrokerEvent::Published { ticket, outcome: Err(Refusal::Internal) });
                }
                event @ BrokerEvent::Read { .. } if is_late => {
                    self.faults.state(|state| state.late_reads.push_back(event));
                }
                event @ (BrokerEvent::Joined { .. }
                | BrokerEvent::Severed { .. }
                | BrokerEvent::Read { .. }
                | BrokerEvent::Removed { .. }
                | BrokerEvent::Announced { .. }
                | BrokerEvent::Published { .. }) => self.events.push_back(event),
            }
        }
    }
}

impl Broker for FaultyBroker {
    fn join(&mut self, channel: &ChannelName) {
        self.inner.join(channel);
        self.take_over("");
    }

    fn leave(&mut self, channel: &ChannelName) {
        self.inner.leave(channel);
    }

    fn publish(
        &mut self,
        ticket: Ticket,
        channel: &ChannelName,
        publication: Publication,
        terms: PublishTerms,
    ) {
        if let Some(ticket) = self.again.take() {
            self.events.push_back(BrokerEvent::Published { ticket, outcome: Ok(None) });
        }
        let fault = String::from_utf8_lossy(publication.payload.as_bytes()).into_owned();
        if channel.as_str() == "release" {
            self.events.append(&mut self.late);
        }
        if fault == "\"answered again\"" {
            self.again = Some(ticket);
        }
        self.inner.publish(ticket, channel, publication, terms);
        self.take_over(&fault);
    }

    fn read(&mut self, ticket: Ticket, channel: &ChannelName, rules: HistoryRules, range: HistoryRange) {
        let cannot_read = self.faults.state(|state| {
            state.reads += 1;
            state.cannot_read
        });
        if cannot_read {
            self.events.push_back(BrokerEvent::Read { ticket, outcome: Err(Refusal::Internal) });
            return;
        }
        self.inner.read(ticket, channel, rules, range);
        self.take_over("");
    }

    fn remove_history(&mut self, ticket: Ticket, channel: &ChannelName) {
        self.inner.remove_history(ticket, channel);
        self.take_over("");
    }

    fn renew_epoch(
        &mut self,
        ticket: Ticket,
        channel: &ChannelName,
        rules: HistoryRules,
        last: Position,
        mark: Option<Mark>,
    ) {
        self.inner.renew_epoch(ticket, channel, rules, last, mark);
        self.take_over("");
    }

    fn announce(&mut self, channel: &ChannelName, movement: Movement, member: &Arc<ClientInfo>) {
        self.inner.announce(channel, movement, member);
    }

    fn poll(&mut self, now: Now) -> Option<BrokerEvent> {
        self.now = now;
        self.take_over("");
        let injected = self.faults.state(|state| state.injected.pop_front());
        let event = injected.or_else(|| self.events.pop_front());
        if let Some(BrokerEvent::Publication { marks, .. }) = &event {
            self.faults.state(|state| state.mark = marks.own);
        }
        if event.is_none() && self.overdue.is_some() {
            self.idle_polls += 1;
        }
        event.or_else(|| self.overdue.take_if(|_| self.idle_polls > 2))
    }
}
