//! Whatever is asked and however time passes, the memory broker answers as the model does.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use broker::{Broker, BrokerEvent, MemoryBroker, PublishTerms, Ticket, Version};
use model::{
    ChannelName, Epoch, HistoryRange, HistoryRules, Moment, Now, Payload, Position, Publication, UnixTime,
};
use proptest::prelude::*;

use crate::naive::{Model, Place};

#[derive(Debug, Clone)]
enum Step {
    Join(u8),
    Leave(u8),
    Publish { name: u8, rules: Option<HistoryRules>, key: Option<u8>, version: Option<Version> },
    Read { name: u8, rules: HistoryRules, range: HistoryRange },
    Remove(u8),
    Renew { name: u8, rules: HistoryRules, is_lost: bool },
    Pass(Duration),
}

const HALF_SECOND: Duration = Duration::from_millis(500);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = 0..3_u8;
    let range = (prop::option::of(0..12_u64), 0..8_u32, any::<bool>())
        .prop_map(|(since, limit, reverse)| HistoryRange { since, limit, reverse });
    let version = (0..6_u64, prop::sample::select(vec!["", "a", "b"]))
        .prop_map(|(number, epoch)| Version { number, epoch: epoch.into() });
    let publish = (name.clone(), rules(), 0..9_u8, prop::option::weighted(0.2, version));
    let publish = publish.prop_map(|(name, rules, key, version)| {
        let rules = (key % 4 != 0 || version.is_some()).then_some(rules);
        Step::Publish { name, rules, key: (key < 3).then_some(key), version }
    });
    let step = prop_oneof![
        1 => name.clone().prop_map(Step::Join),
        1 => name.clone().prop_map(Step::Leave),
        8 => publish,
        4 => (name.clone(), rules(), range).prop_map(|(name, rules, range)| Step::Read { name, rules, range }),
        1 => name.clone().prop_map(Step::Remove),
        1 => (name, rules(), any::<bool>())
            .prop_map(|(name, rules, is_lost)| Step::Renew { name, rules, is_lost }),
        3 => (0..4_u32, 1..8_u32).prop_map(|(scale, count)| Step::Pass(HALF_SECOND * count * 6_u32.pow(scale))),
    ];
    prop::collection::vec(step, 1..120)
}

fn rules() -> impl Strategy<Value = HistoryRules> {
    let usual = HistoryRules { size: 4, ttl: Duration::from_secs(5), meta_ttl: Duration::from_secs(40) };
    let any = (1..6_u32, 1..10_u64, 0..60_u64).prop_map(|(size, ttl, longer)| HistoryRules {
        size,
        ttl: Duration::from_secs(ttl),
        meta_ttl: Duration::from_secs(ttl + longer),
    });
    prop_oneof![4 => Just(usual), 1 => any]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_memory_broker_does_what_the_model_does(steps in steps()) {
        let mut run = Run::new();
        for (number, step) in (1..).zip(steps) {
            run.step(number, step)?;
        }
    }
}

struct Run {
    broker: MemoryBroker,
    model: Model,
    joined: HashSet<u8>,
    now: Duration,
    /// Which of the model's epochs each epoch is.
    epochs: HashMap<Epoch, u32>,
}

impl Run {
    fn new() -> Self {
        let (broker, model) = (MemoryBroker::new(7), Model::default());
        Self { broker, model, joined: HashSet::new(), now: Duration::ZERO, epochs: HashMap::new() }
    }

    fn step(&mut self, number: u64, step: Step) -> Result<(), TestCaseError> {
        let ticket = Ticket(number);
        match step {
            Step::Join(name) => {
                self.joined.insert(name);
                self.broker.join(&channel(name));
                let event = self.poll();
                prop_assert!(matches!(event, Some(BrokerEvent::Joined { .. })), "{:?}", event);
            }
            Step::Leave(name) => {
                self.joined.remove(&name);
                self.broker.leave(&channel(name));
            }
            Step::Publish { name, rules, key, version } => self.publish(ticket, name, rules, key, version)?,
            Step::Read { name, rules, range } => {
                self.broker.read(ticket, &channel(name), rules, range);
                let expected = self.model.read(self.now, name, rules, range);
                self.expect_page(ticket, expected)?;
            }
            Step::Remove(name) => {
                self.broker.remove_history(ticket, &channel(name));
                self.model.remove(self.now, name);
                let event = self.poll();
                let is_done = matches!(event, Some(BrokerEvent::Removed { outcome: Ok(()), .. }));
                prop_assert!(is_done, "{:?}", event);
            }
            Step::Renew { name, rules, is_lost } => self.renew(ticket, name, rules, is_lost)?,
            Step::Pass(span) => {
                // The broker hears of it when it is asked the next time.
                self.now += span;
                return Ok(());
            }
        }
        let rest = self.poll();
        prop_assert!(rest.is_none(), "{:?}", rest);
        Ok(())
    }

    fn publish(
        &mut self,
        ticket: Ticket,
        name: u8,
        rules: Option<HistoryRules>,
        key: Option<u8>,
        version: Option<Version>,
    ) -> Result<(), TestCaseError> {
        let terms = PublishTerms {
            history: rules,
            idempotency_key: key.map(|key| key.to_string().into()),
            version: version.clone(),
        };
        self.broker.publish(ticket, &channel(name), publication(ticket.0), terms);
        let (expected, is_new) = self.model.publish(self.now, name, ticket.0, rules, key, version);
        if is_new && self.joined.contains(&name) {
            let Some(BrokerEvent::Publication { position, publication, is_plain, .. }) = self.poll() else {
                return Err(TestCaseError::fail("it was not handed on"));
            };
            prop_assert_eq!(position.map(|position| self.place(position)), expected);
            prop_assert_eq!((number(&publication), is_plain), (ticket.0, false));
        }
        let Some(BrokerEvent::Published { ticket: answered, outcome }) = self.poll() else {
            return Err(TestCaseError::fail("it was not answered"));
        };
        prop_assert_eq!(answered, ticket);
        prop_assert_eq!(outcome.map(|position| position.map(|position| self.place(position))), Ok(expected));
        Ok(())
    }

    fn renew(
        &mut self,
        ticket: Ticket,
        name: u8,
        rules: HistoryRules,
        is_lost: bool,
    ) -> Result<(), TestCaseError> {
        let top_alone = HistoryRange { since: None, limit: 0, reverse: false };
        self.broker.read(ticket, &channel(name), rules, top_alone);
        let Some(BrokerEvent::Read { outcome: Ok(page), .. }) = self.poll() else {
            return Err(TestCaseError::fail("it was not read"));
        };
        let (top, _) = self.model.read(self.now, name, rules, top_alone);
        prop_assert_eq!(self.place(page.top), top);
        let missed = u64::from(is_lost);
        let last = Position { offset: page.top.offset + missed, ..page.top };
        self.broker.renew_epoch(ticket, &channel(name), rules, last, page.mark);
        let expected = self.model.renew(self.now, name, rules, Place { offset: top.offset + missed, ..top });
        self.expect_page(ticket, (expected, Vec::new()))
    }

    fn expect_page(
        &mut self,
        ticket: Ticket,
        expected: (Place, Vec<(u64, u64)>),
    ) -> Result<(), TestCaseError> {
        let Some(BrokerEvent::Read { ticket: answered, outcome: Ok(page) }) = self.poll() else {
            return Err(TestCaseError::fail("it was not read"));
        };
        let entries: Vec<_> =
            page.entries.iter().map(|entry| (entry.offset, number(&entry.publication))).collect();
        prop_assert_eq!(answered, ticket);
        prop_assert_eq!((self.place(page.top), entries), expected);
        Ok(())
    }

    /// The position in the model's words: the n-th epoch that is seen is its n-th.
    fn place(&mut self, position: Position) -> Place {
        let next = self.epochs.len() as u32 + 1;
        let epoch = *self.epochs.entry(position.epoch).or_insert(next);
        Place { epoch, offset: position.offset }
    }

    fn poll(&mut self) -> Option<BrokerEvent> {
        let moment = Moment::after_start(self.now);
        self.broker.poll(Now { moment, unix: UnixTime::default() })
    }
}

fn channel(name: u8) -> ChannelName {
    ChannelName::parse(&format!("c{name}")).expect("a channel name")
}

fn publication(number: u64) -> Publication {
    let payload = Payload::parse_json(number.to_string().as_bytes()).expect("a number");
    Publication::new(payload, Moment::default())
}

fn number(publication: &Publication) -> u64 {
    let text = std::str::from_utf8(publication.payload.as_bytes()).expect("digits");
    text.parse().expect("a number")
}
