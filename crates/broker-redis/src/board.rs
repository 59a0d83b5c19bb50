//! What the calls of the sequencer and the tasks share: the channels, the open tickets, the primaries, the
//! events. All of it lives on one thread; nothing is borrowed across an await.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use broker::{BrokerEvent, PresenceEvent, Ticket};
use model::{ChannelName, Moment};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::channels::{Channels, Order, Outcome, PrimaryId};
use crate::counters::{Fault, RedisCounters};
use crate::dial::Dialer;
use crate::envelope::Terms;
use crate::explain;
use crate::ledger::{Answer, Key, Ledger};
use crate::library::Library;
use crate::log::Throttle;
use crate::names::{self, Names};
use crate::primary::Primary;
use crate::request::{Request, Task};
use crate::target::{Endpoint, Target};

/// What is shared.
pub(crate) struct Board {
    pub(crate) setup: Setup,
    pub(crate) names: RefCell<Names>,
    pub(crate) map: RefCell<Map>,
    pub(crate) channels: RefCell<Channels>,
    pub(crate) counters: RefCell<RedisCounters>,
    pub(crate) throttle: RefCell<Throttle>,
    pub(crate) ledger: RefCell<Ledger>,
    /// Commands whose primary is not known at present.
    pub(crate) homeless: RefCell<VecDeque<Request>>,
    pub(crate) signals: Signals,
    /// What is wrong, for operators.
    pub(crate) trouble: RefCell<String>,
    /// When all began.
    pub(crate) start: Instant,
    /// The moment of the last poll.
    pub(crate) moment: Cell<Moment>,
    events: RefCell<VecDeque<BrokerEvent>>,
    presence_events: RefCell<VecDeque<PresenceEvent>>,
    is_awake: Cell<bool>,
}

/// What does not change.
pub(crate) struct Setup {
    /// Which Redis.
    pub(crate) target: Target,
    /// The node's own name.
    pub(crate) node: String,
    /// Makes connections to it.
    pub(crate) dialer: Dialer,
    /// How envelopes are read and written.
    pub(crate) terms: Terms,
    /// What is loaded into it.
    pub(crate) library: Library,
    /// Makes the thread's loop poll.
    pub(crate) wake: Arc<dyn Fn() + Send + Sync>,
    /// The wall clock at a moment, in microseconds since 1970.
    pub(crate) unix_micros: Box<dyn Fn(Moment) -> u64>,
}

/// What tasks wait for.
#[derive(Default)]
pub(crate) struct Signals {
    /// Redis answered somebody: whoever pauses may try again.
    pub(crate) answered: Notify,
    /// The primaries may be others than we think.
    pub(crate) doubted: Notify,
    /// Deadlines of tickets or channels have come into being.
    pub(crate) scheduled: Notify,
}

/// Which primaries there are, and which answers for what.
#[derive(Default)]
pub(crate) struct Map {
    /// All of them.
    pub(crate) primaries: Vec<Rc<Primary>>,
    /// In a cluster, the primary of each slot; otherwise empty.
    pub(crate) slots: Vec<PrimaryId>,
}

impl Map {
    /// The primary that answers for a channel.
    pub(crate) fn home(&self, names: &Names, channel: &ChannelName) -> PrimaryId {
        if !names.is_cluster {
            return self.primaries.first().map_or(PrimaryId::NONE, |primary| primary.id);
        }
        let slot = usize::from(names::slot(&names.channel_key(channel)));
        self.slots.get(slot).copied().unwrap_or(PrimaryId::NONE)
    }

    /// A primary by its number.
    pub(crate) fn primary(&self, id: PrimaryId) -> Option<&Rc<Primary>> {
        self.primaries.iter().find(|primary| primary.id == id)
    }
}

impl Board {
    pub(crate) fn new(setup: Setup, prefix: String) -> Self {
        Self {
            setup,
            names: RefCell::new(Names { prefix, is_cluster: false }),
            map: RefCell::default(),
            channels: RefCell::default(),
            counters: RefCell::default(),
            throttle: RefCell::new(Throttle::new()),
            ledger: RefCell::default(),
            homeless: RefCell::default(),
            signals: Signals::default(),
            trouble: RefCell::new("Redis was not reached yet".to_owned()),
            start: Instant::now(),
            moment: Cell::default(),
            events: RefCell::default(),
            presence_events: RefCell::default(),
            is_awake: Cell::new(false),
        }
    }

    /// Makes the thread's loop poll.
    pub(crate) fn wake(&self) {
        if !self.is_awake.replace(true) {
            (self.setup.wake)();
        }
    }

    /// Hands an event out at the next poll.
    pub(crate) fn tell(&self, event: impl Into<Answer>) {
        match event.into() {
            Answer::Broker(event) => self.events.borrow_mut().push_back(event),
            Answer::Presence(event) => self.presence_events.borrow_mut().push_back(event),
        }
        self.wake();
    }

    /// Hands an event out at the next poll, if there is one.
    pub(crate) fn tell_some(&self, event: Option<Answer>) {
        event.into_iter().for_each(|event| self.tell(event));
    }

    /// Hands events out at the next poll.
    pub(crate) fn tell_all(&self, events: Vec<BrokerEvent>) {
        if !events.is_empty() {
            self.events.borrow_mut().extend(events);
            self.wake();
        }
    }

    /// Takes the next event out.
    pub(crate) fn next_event(&self) -> Option<BrokerEvent> {
        self.events.borrow_mut().pop_front()
    }

    /// Takes the next answer of the presence out.
    pub(crate) fn next_presence_event(&self) -> Option<PresenceEvent> {
        self.presence_events.borrow_mut().pop_front()
    }

    /// The loop found nothing more: the next event wakes it again.
    pub(crate) fn sleep(&self) {
        self.is_awake.set(false);
    }

    /// Carries out what came of a change of a channel.
    pub(crate) fn carry_out(&self, outcome: Outcome) -> Option<BrokerEvent> {
        if let Some(order) = outcome.order {
            self.place(order);
        }
        outcome.event
    }

    /// Queues an order where it belongs.
    pub(crate) fn place(&self, order: Order) {
        if let Some(primary) = self.map.borrow().primary(order.home) {
            primary.link.push(order);
        }
    }

    /// The primary that answers for a channel.
    pub(crate) fn home(&self, channel: &ChannelName) -> PrimaryId {
        self.map.borrow().home(&self.names.borrow(), channel)
    }

    /// Starts to ask something; refuses it when too much is under way.
    pub(crate) fn ask(&self, ticket: Ticket, channel: &ChannelName, task: Task) {
        let entered = self.ledger.borrow_mut().enter(ticket, task.kind(), task.size(), Instant::now());
        match entered {
            Ok(key) => {
                let channel = channel.clone();
                self.send(Request { key, channel, task, repeats: 0, is_asking: false });
                self.signals.scheduled.notify_one();
            }
            Err(asked) => {
                self.count_fault(Fault::Full);
                self.tell_some(asked.refused());
            }
        }
    }

    /// Queues a command at the primary of its channel, or until there is one.
    pub(crate) fn send(&self, request: Request) {
        let home = self.home(&request.channel);
        match self.map.borrow().primary(home) {
            Some(primary) => primary.desk.push(request),
            None => self.homeless.borrow_mut().push_back(request),
        }
    }

    /// Asks again what a primary does not answer for at present: at the one that is named, or once the primaries
    /// were looked up again.
    pub(crate) fn redirect(&self, mut request: Request, text: &str) {
        self.doubt(explain::code(text).to_owned());
        request.is_asking = false;
        if explain::code(text) == "ASK" {
            let place = text.split_ascii_whitespace().nth(2).and_then(|place| place.rsplit_once(':'));
            let map = self.map.borrow();
            let is_named = |primary: &&Rc<Primary>| {
                let Endpoint { host, port } = &primary.endpoint;
                place.is_some_and(|(name, number)| name == host && number.parse() == Ok(*port))
            };
            if let Some(primary) = map.primaries.iter().find(is_named) {
                request.is_asking = true;
                primary.desk.push(request);
                return;
            }
        }
        self.homeless.borrow_mut().push_back(request);
    }

    /// Sends what waited for its primary to be known.
    pub(crate) fn send_homeless(&self) {
        let waiting = std::mem::take(&mut *self.homeless.borrow_mut());
        waiting.into_iter().for_each(|request| self.send(request));
    }

    /// Tells that something failed, unless that was told already.
    pub(crate) fn refuse(&self, key: Key, fault: Fault) {
        let asked = self.ledger.borrow_mut().close(key);
        if let Some(asked) = asked {
            self.count_fault(fault);
            self.tell_some(asked.refused());
        }
    }

    /// Counts a command that failed.
    pub(crate) fn count_fault(&self, fault: Fault) {
        self.counters.borrow_mut().faults[fault.index()] += 1;
    }

    /// Notes what is wrong, and has the primaries looked up again.
    pub(crate) fn doubt(&self, trouble: String) {
        *self.trouble.borrow_mut() = trouble;
        self.signals.doubted.notify_one();
    }

    /// Waits for a while, or until Redis answers somebody.
    pub(crate) async fn rest(&self, span: Duration) {
        drop(tokio::time::timeout(span, self.signals.answered.notified()).await);
    }

    /// The wall clock at a moment, in microseconds since 1970.
    pub(crate) fn unix_micros(&self, moment: Moment) -> u64 {
        (self.setup.unix_micros)(moment)
    }

    /// Whether every primary answers, commands and subscriptions alike.
    pub(crate) fn is_up(&self) -> bool {
        let map = self.map.borrow();
        let all = |primary: &Rc<Primary>| primary.link.is_up.get() && primary.desk.is_up.get();
        !map.primaries.is_empty() && map.primaries.iter().all(all)
    }

    /// Refuses what is overdue and ends what has lingered enough, for as long as the broker lives.
    pub(crate) async fn keep_time(self: Rc<Self>) {
        /// What comes due within this time is dealt with at once.
        const GRAIN: Duration = Duration::from_millis(20);
        loop {
            let next_deadline = self.ledger.borrow().next_deadline();
            let next_end = self.channels.borrow().next_end();
            match next_deadline.into_iter().chain(next_end).min() {
                Some(due) => tokio::select! {
                    () = tokio::time::sleep_until(due + GRAIN) => {}
                    // A deadline that came into being may only be earlier than one of a channel.
                    () = self.signals.scheduled.notified(), if next_deadline.is_none() => {}
                },
                None => self.signals.scheduled.notified().await,
            }
            self.on_time(Instant::now());
        }
    }

    fn on_time(&self, now: Instant) {
        loop {
            let Some(asked) = self.ledger.borrow_mut().expire(now) else { break };
            self.count_fault(Fault::Deadline);
            self.tell_some(asked.refused());
        }
        let is_open = |request: &Request| self.ledger.borrow().is_open(request.key);
        self.homeless.borrow_mut().retain(is_open);
        for primary in &self.map.borrow().primaries {
            if !primary.desk.is_up.get() {
                primary.desk.requests.borrow_mut().retain(is_open);
            }
        }
        loop {
            let Some(order) = self.channels.borrow_mut().next_to_end(now) else { break };
            self.place(order);
        }
    }
}
