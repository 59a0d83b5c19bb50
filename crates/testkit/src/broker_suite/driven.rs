//! A broker and what is known of it: what it was asked and has not answered, what it reported meanwhile.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime};

use broker::{Broker, BrokerEvent, PublishTerms, Ticket};
use model::{
    ChannelName, ClientInfo, HistoryPage, HistoryRange, HistoryRules, Mark, Marks, Moment, Movement, Now,
    Position, Publication, Refusal, UnixTime,
};

use super::Backend;
use crate::PATIENCE;

/// How long a broker is watched for what must not come.
const SUSPICION: Duration = Duration::from_millis(50);

/// A broker under test. Fails as soon as something is answered twice, or handed on unasked.
pub(super) struct Driven<'b> {
    backend: &'b mut dyn Backend,
    brokers: Vec<Box<dyn Broker>>,
    seen: Vec<Seen>,
    last_ticket: u64,
}

#[derive(Default)]
struct Seen {
    open: HashSet<Ticket>,
    answers: HashMap<Ticket, Answer>,
    answered: Vec<Ticket>,
    wanted: HashSet<ChannelName>,
    joined: HashSet<ChannelName>,
    heard: HashMap<ChannelName, VecDeque<Heard>>,
    announced: VecDeque<(ChannelName, Movement, Arc<ClientInfo>)>,
}

#[derive(Debug)]
pub(super) enum Answer {
    Published(Result<Option<Position>, Refusal>),
    Read(Result<HistoryPage, Refusal>),
    Removed(Result<(), Refusal>),
}

/// A publication that was handed on.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) position: Option<Position>,
    pub(super) marks: Marks,
    pub(super) publication: Publication,
}

impl<'b> Driven<'b> {
    /// `count` brokers of one backend; those after the first are other nodes.
    pub(super) fn new(backend: &'b mut dyn Backend, count: usize) -> Self {
        let brokers = (0..count).map(|_| backend.broker()).collect();
        let seen = (0..count).map(|_| Seen::default()).collect();
        Self { backend, brokers, seen, last_ticket: 0 }
    }

    pub(super) fn join(&mut self, node: usize, channel: &ChannelName) {
        self.seen[node].wanted.insert(channel.clone());
        self.brokers[node].join(channel);
        self.until("a channel is joined", |driven| driven.seen[node].joined.contains(channel).then_some(()));
    }

    pub(super) fn leave(&mut self, node: usize, channel: &ChannelName) {
        self.seen[node].wanted.remove(channel);
        self.seen[node].joined.remove(channel);
        self.brokers[node].leave(channel);
    }

    pub(super) fn publish(
        &mut self,
        node: usize,
        channel: &ChannelName,
        publication: &Publication,
        terms: PublishTerms,
    ) -> Result<Option<Position>, Refusal> {
        let ticket = self.begin_publish(node, channel, publication, terms);
        match self.answer(node, ticket) {
            Answer::Published(outcome) => outcome,
            other @ (Answer::Read(_) | Answer::Removed(_)) => panic!("a publish was answered {other:?}"),
        }
    }

    pub(super) fn read(
        &mut self,
        node: usize,
        channel: &ChannelName,
        rules: HistoryRules,
        range: HistoryRange,
    ) -> HistoryPage {
        let ticket = self.begin_read(node, channel, rules, range);
        self.page(node, ticket)
    }

    pub(super) fn renew(
        &mut self,
        node: usize,
        channel: &ChannelName,
        rules: HistoryRules,
        (last, mark): (Position, Option<Mark>),
    ) -> Position {
        let ticket = self.ticket(node);
        self.brokers[node].renew_epoch(ticket, channel, rules, last, mark);
        let page = self.page(node, ticket);
        assert!(page.entries.is_empty(), "a renewal is answered by the top alone: {page:?}");
        page.top
    }

    pub(super) fn remove(&mut self, node: usize, channel: &ChannelName) {
        let ticket = self.begin_remove(node, channel);
        match self.answer(node, ticket) {
            Answer::Removed(outcome) => outcome.expect("a history is removed"),
            other @ (Answer::Read(_) | Answer::Published(_)) => panic!("a removal was answered {other:?}"),
        }
    }

    pub(super) fn begin_publish(
        &mut self,
        node: usize,
        channel: &ChannelName,
        publication: &Publication,
        terms: PublishTerms,
    ) -> Ticket {
        let ticket = self.ticket(node);
        self.brokers[node].publish(ticket, channel, publication.clone(), terms);
        ticket
    }

    pub(super) fn begin_read(
        &mut self,
        node: usize,
        channel: &ChannelName,
        rules: HistoryRules,
        range: HistoryRange,
    ) -> Ticket {
        let ticket = self.ticket(node);
        self.brokers[node].read(ticket, channel, rules, range);
        ticket
    }

    pub(super) fn begin_remove(&mut self, node: usize, channel: &ChannelName) -> Ticket {
        let ticket = self.ticket(node);
        self.brokers[node].remove_history(ticket, channel);
        ticket
    }

    /// What was answered under a ticket, which is waited for.
    pub(super) fn answer(&mut self, node: usize, ticket: Ticket) -> Answer {
        self.until("an answer", |driven| driven.seen[node].answers.remove(&ticket))
    }

    /// Every ticket that was answered, in the order of the answers.
    pub(super) fn answered(&self, node: usize) -> &[Ticket] {
        &self.seen[node].answered
    }

    /// The next publication that is handed on of a channel, which is waited for.
    pub(super) fn hear(&mut self, node: usize, channel: &ChannelName) -> Heard {
        self.until("a publication", |driven| driven.seen[node].heard.get_mut(channel)?.pop_front())
    }

    /// Has a broker tell of a movement.
    pub(super) fn announce(
        &mut self,
        node: usize,
        channel: &ChannelName,
        movement: Movement,
        who: ClientInfo,
    ) {
        self.brokers[node].announce(channel, movement, &Arc::new(who));
    }

    /// The next movement that a broker tells of.
    pub(super) fn witness(&mut self, node: usize) -> (ChannelName, Movement, Arc<ClientInfo>) {
        self.until("a movement", |driven| driven.seen[node].announced.pop_front())
    }

    /// Fails if anything was handed on that nobody listened to, or comes a little later.
    pub(super) fn expect_silence(&mut self) {
        self.watch(SUSPICION);
        for seen in &self.seen {
            assert!(seen.announced.is_empty(), "announced too much: {:?}", seen.announced);
            assert!(seen.heard.values().all(VecDeque::is_empty), "handed on too much: {:?}", seen.heard);
            assert!(seen.open.is_empty(), "was not answered: {:?}", seen.open);
        }
    }

    /// Takes in what is reported for as long as `span`.
    pub(super) fn watch(&mut self, span: Duration) {
        let end = Instant::now() + span;
        while Instant::now() < end {
            self.look();
        }
    }

    fn page(&mut self, node: usize, ticket: Ticket) -> HistoryPage {
        match self.answer(node, ticket) {
            Answer::Read(outcome) => outcome.expect("a history is read"),
            other @ (Answer::Published(_) | Answer::Removed(_)) => panic!("a read was answered {other:?}"),
        }
    }

    fn ticket(&mut self, node: usize) -> Ticket {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.seen[node].open.insert(ticket);
        ticket
    }

    fn until<T>(&mut self, what: &str, mut find: impl FnMut(&mut Self) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = find(self) {
                return found;
            }
            assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
            self.look();
        }
    }

    fn look(&mut self) {
        let mut is_quiet = true;
        for (broker, seen) in self.brokers.iter_mut().zip(&mut self.seen) {
            while let Some(event) = broker.poll(now()) {
                seen.take(event);
                is_quiet = false;
            }
        }
        if is_quiet {
            self.backend.wait();
        }
    }
}

impl Seen {
    fn take(&mut self, event: BrokerEvent) {
        match event {
            BrokerEvent::Joined { channel } => {
                if self.wanted.contains(&channel) {
                    self.joined.insert(channel);
                }
            }
            BrokerEvent::Severed { channel } => panic!("{channel} was severed without a fault"),
            BrokerEvent::Publication { channel, position, marks, is_plain, publication } => {
                assert!(self.wanted.contains(&channel), "handed on unasked: {channel}");
                assert!(!is_plain, "it came from a broker");
                self.heard.entry(channel).or_default().push_back(Heard { position, marks, publication });
            }
            BrokerEvent::Announced { channel, movement, member } => {
                assert!(self.wanted.contains(&channel), "announced unasked: {channel}");
                self.announced.push_back((channel, movement, member));
            }
            BrokerEvent::Published { ticket, outcome } => self.settle(ticket, Answer::Published(outcome)),
            BrokerEvent::Read { ticket, outcome } => self.settle(ticket, Answer::Read(outcome)),
            BrokerEvent::Removed { ticket, outcome } => self.settle(ticket, Answer::Removed(outcome)),
        }
    }

    fn settle(&mut self, ticket: Ticket, answer: Answer) {
        assert!(self.open.remove(&ticket), "{ticket:?} was answered twice, or not asked: {answer:?}");
        self.answered.push(ticket);
        self.answers.insert(ticket, answer);
    }
}

fn now() -> Now {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970");
    let seconds = i64::try_from(since_1970.as_secs()).expect("a clock before the end of time");
    Now { moment: Moment::after_start(BEGIN.elapsed()), unix: UnixTime(seconds) }
}
