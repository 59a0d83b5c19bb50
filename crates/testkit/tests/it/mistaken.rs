//! Brokers that make one mistake each.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, BrokerEvent, PublishTerms, Ticket};
use model::{
    ChannelName, ClientInfo, HistoryRange, HistoryRules, Mark, Marks, Movement, Now, Position, Publication,
    Refusal, Tags,
};
use testkit::Backend;

use crate::cluster::Cluster;

/// What a broker does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    AnswersTwice,
    LosesTags,
    LosesOne,
    HeedsNoLeave,
    KnowsNoKeys,
    KnowsNoVersions,
    RoundsVersions,
    KeepsOneTooMany,
    ReadsFromSinceOn,
    RefusesReads,
    RenewsNothing,
    RenewsWithoutMarks,
    LosesMarks,
    KeepsForEver,
    KnowsForEver,
    EndsByTheFirst,
    HidesTheTop,
}

/// A cluster whose brokers make a mistake.
pub(crate) struct Mistaken(pub(crate) Cluster, pub(crate) Mistake);

struct MistakenBroker {
    broker: Box<dyn Broker>,
    mistake: Mistake,
    heard: u32,
    again: VecDeque<BrokerEvent>,
}

impl Backend for Mistaken {
    fn broker(&mut self) -> Box<dyn Broker> {
        let Self(cluster, mistake) = self;
        let (broker, again) = (cluster.broker(), VecDeque::new());
        Box::new(MistakenBroker { broker, mistake: *mistake, heard: 0, again })
    }

    fn is_shared(&self) -> bool {
        self.0.is_shared()
    }

    fn wait(&mut self) {
        self.0.wait();
    }
}

impl MistakenBroker {
    fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == mistake
    }

    fn rules(&self, mut rules: HistoryRules) -> HistoryRules {
        const LONG: Duration = Duration::from_secs(1000);
        rules.size += u32::from(self.makes(Mistake::KeepsOneTooMany));
        if self.makes(Mistake::KeepsForEver) {
            rules.ttl = LONG;
        }
        if self.makes(Mistake::KnowsForEver) {
            rules.meta_ttl = LONG;
        }
        if self.makes(Mistake::EndsByTheFirst) {
            rules.meta_ttl = rules.ttl;
        }
        rules
    }

    fn terms(&self, mut terms: PublishTerms) -> PublishTerms {
        terms.history = terms.history.map(|rules| self.rules(rules));
        if self.makes(Mistake::KnowsNoKeys) {
            terms.idempotency_key = None;
        }
        if self.makes(Mistake::KnowsNoVersions) {
            terms.version = None;
        }
        if let (Some(version), true) = (&mut terms.version, self.makes(Mistake::RoundsVersions)) {
            version.number = version.number as f64 as u64;
        }
        terms
    }

    fn event(&mut self, event: BrokerEvent) -> Option<BrokerEvent> {
        match (event, self.mistake) {
            (BrokerEvent::Published { ticket, outcome }, Mistake::AnswersTwice) => {
                self.again.push_back(BrokerEvent::Published { ticket, outcome });
                Some(BrokerEvent::Published { ticket, outcome })
            }
            (
                BrokerEvent::Publication { channel, position, mut marks, is_plain, mut publication },
                mistake,
            ) => {
                self.heard += 1;
                if mistake == Mistake::LosesTags {
                    publication.tags = Tags::default();
                }
                if mistake == Mistake::LosesMarks {
                    marks = Marks::default();
                }
                let is_lost = mistake == Mistake::LosesOne && self.heard == 100;
                let event = BrokerEvent::Publication { channel, position, marks, is_plain, publication };
                (!is_lost).then_some(event)
            }
            (BrokerEvent::Read { ticket, outcome: Ok(mut page) }, Mistake::HidesTheTop) => {
                page.top.offset = page.entries.last().map_or(0, |last| last.offset);
                Some(BrokerEvent::Read { ticket, outcome: Ok(page) })
            }
            (BrokerEvent::Read { ticket, .. }, Mistake::RefusesReads) => {
                Some(BrokerEvent::Read { ticket, outcome: Err(Refusal::NotAvailable) })
            }
            (event, _) => Some(event),
        }
    }
}

impl Broker for MistakenBroker {
    fn join(&mut self, channel: &ChannelName) {
        self.broker.join(channel);
    }

    fn leave(&mut self, channel: &ChannelName) {
        if !self.makes(Mistake::HeedsNoLeave) {
            self.broker.leave(channel);
        }
    }

    fn publish(
        &mut self,
        ticket: Ticket,
        channel: &ChannelName,
        publication: Publication,
        terms: PublishTerms,
    ) {
        self.broker.publish(ticket, channel, publication, self.terms(terms));
    }

    fn read(&mut self, ticket: Ticket, channel: &ChannelName, rules: HistoryRules, range: HistoryRange) {
        let early = u64::from(self.makes(Mistake::ReadsFromSinceOn) && !range.reverse);
        let since = range.since.map(|since| since.saturating_sub(early));
        self.broker.read(ticket, channel, self.rules(rules), HistoryRange { since, ..range });
    }

    fn remove_history(&mut self, ticket: Ticket, channel: &ChannelName) {
        self.broker.remove_history(ticket, channel);
    }

    fn renew_epoch(
        &mut self,
        ticket: Ticket,
        channel: &ChannelName,
        rules: HistoryRules,
        mut last: Position,
        mut mark: Option<Mark>,
    ) {
        if self.makes(Mistake::RenewsNothing) {
            (last.offset, mark) = (0, None);
        }
        if self.makes(Mistake::RenewsWithoutMarks) {
            mark = None;
        }
        self.broker.renew_epoch(ticket, channel, self.rules(rules), last, mark);
    }

    fn announce(&mut self, channel: &ChannelName, movement: Movement, member: &Arc<ClientInfo>) {
        self.broker.announce(channel, movement, member);
    }

    fn poll(&mut self, now: Now) -> Option<BrokerEvent> {
        if let Some(event) = self.again.pop_front() {
            return Some(event);
        }
        let event = self.broker.poll(now)?;
        self.event(event)
    }
}
