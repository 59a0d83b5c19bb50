//! The broker as the sequencer sees it. Calls only queue; the tasks of this thread's runtime do the work.

use std::rc::Rc;
use std::sync::Arc;

use broker::{Broker, BrokerEvent, PublishTerms, Ticket};
use model::{
    ChannelName, ClientInfo, HistoryRange, HistoryRules, Mark, Moment, Movement, Now, Position, Publication,
    Refusal,
};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::board::{Board, Setup};
use crate::counters::{RedisCounters, RedisHealth};
use crate::dial::Dialer;
use crate::envelope::Terms;
use crate::library::Library;
use crate::names::Names;
use crate::primary::Primary;
use crate::probe::Probe;
use crate::request::Task;
use crate::signing::Signing;
use crate::target::Target;
use crate::{ConfigError, FormatVersion, RedisConfig, RedisPresence, envelope, explain, intake, topology};

/// What the broker is told about the node that it serves.
pub struct Surroundings {
    /// Makes the thread's loop poll the broker until there is nothing more.
    pub wake: Arc<dyn Fn() + Send + Sync>,
    /// The wall clock at a moment of this process, in microseconds since 1970.
    pub unix_micros: Box<dyn Fn(Moment) -> u64>,
    /// The node's own name, which its publications carry.
    pub origin: String,
    /// Largest payload that is handed on; asked each time, for settings change.
    pub publication_bytes_max: Box<dyn Fn() -> usize>,
    /// Which versions of the envelope the node reads, and which it writes.
    pub envelope: FormatVersion,
    /// What is loaded into Redis, unless there is one with the same or a higher number.
    pub library: Library,
    /// Whether a channel takes what backends publish without a signature, if nodes sign.
    pub accepts_unsigned: Box<dyn Fn(&ChannelName) -> bool>,
}

/// Carries publications between nodes through Redis, and keeps histories there.
pub struct RedisBroker {
    board: Rc<Board>,
    _tasks: JoinSet<()>,
}

impl RedisBroker {
    /// Starts on this thread's runtime, which runs local tasks. Redis need not be there yet.
    ///
    /// # Panics
    /// Outside of a `LocalRuntime` or `LocalSet`.
    pub fn start(config: &RedisConfig, surroundings: Surroundings) -> Result<Self, ConfigError> {
        config.verify()?;
        let Surroundings {
            wake,
            unix_micros,
            origin,
            publication_bytes_max,
            envelope,
            library,
            accepts_unsigned,
        } = surroundings;
        let target = Target::parse(&config.url)?;
        let dialer = Dialer::new(config, &target)?;
        let prefix = Names::parse_prefix(&config.prefix)
            .map_err(|reason| ConfigError { setting: "redis.prefix", reason })?;
        let signing = (!config.signing_key.is_empty())
            .then(|| Signing::new(&config.signing_key, &config.signing_key_previous, accepts_unsigned));
        let payload_bytes_max = publication_bytes_max;
        let terms = Terms { version: envelope, origin: origin.clone(), payload_bytes_max, signing };
        let setup = Setup { target, node: origin, dialer, terms, library, wake, unix_micros };
        let board = Rc::new(Board::new(setup, prefix));
        let mut tasks = JoinSet::new();
        tasks.spawn_local(topology::run(Rc::clone(&board)));
        tasks.spawn_local(Rc::clone(&board).keep_time());
        Ok(Self { board, _tasks: tasks })
    }

    /// Its other half, which shares its connections and serves while it lives. Both are polled when the loop is
    /// woken; there is one of them.
    pub fn presence(&self) -> RedisPresence {
        RedisPresence::new(Rc::clone(&self.board))
    }

    /// A view of the broker for whoever reports about it, on the same thread.
    pub fn view(&self) -> RedisView {
        RedisView { board: Rc::clone(&self.board) }
    }
}

/// Reports how a broker fares.
pub struct RedisView {
    board: Rc<Board>,
}

impl RedisView {
    /// What was counted since the start.
    pub fn counters(&self) -> RedisCounters {
        let severed = self.board.channels.borrow().severed();
        RedisCounters { severed, ..self.board.counters.borrow().clone() }
    }

    /// How it fares now.
    pub fn health(&self) -> RedisHealth {
        let (board, now) = (&self.board, Instant::now());
        let map = board.map.borrow();
        let any = |holds: fn(&Probe) -> bool| map.primaries.iter().find(|primary| holds(&primary.probe));
        let is_connected = board.is_up();
        let silent = any(|probe| probe.is_silent() || !probe.was_back());
        let silence =
            silent.map(|primary| format!("{} does not hand on the node's own probe", primary.endpoint));
        let forbidden = map.primaries.iter().find_map(|primary| {
            let (commands, endpoint) = (primary.rights.forbidden(), &primary.endpoint);
            let fix = explain::missing(&commands, &board.names.borrow().prefix);
            (!commands.is_empty()).then(|| format!("{endpoint} forbids {}: {fix}", commands.join(", ")))
        });
        let is_forbidden = forbidden.is_some();
        let trouble =
            || if is_connected { silence.unwrap_or_default() } else { board.trouble.borrow().clone() };
        let is_deaf = |primary: &Rc<Primary>| primary.desk.is_up.get() && primary.probe.is_overdue(now);
        let ages = map.primaries.iter().map(|primary| primary.probe.age(now));
        RedisHealth {
            is_up: is_connected
                && !is_forbidden
                && any(|probe| probe.was_given_up() || !probe.was_back()).is_none(),
            is_deaf: map.primaries.iter().any(is_deaf),
            is_forbidden,
            detail: forbidden.unwrap_or_else(trouble),
            probe_age: ages.max().unwrap_or_else(|| now.duration_since(board.start)),
            channels: board.channels.borrow().count(),
            commands_open: board.ledger.borrow().open(),
            primaries: map.primaries.len(),
        }
    }
}

impl RedisBroker {
    fn body(&self, channel: &ChannelName, publication: &Publication) -> Vec<u8> {
        /// What stands around payload and tags in most bodies.
        const AROUND: usize = 128;
        let mut body = Vec::with_capacity(publication.size() + AROUND);
        let accepted = self.board.unix_micros(publication.accepted);
        envelope::encode_body(&self.board.setup.terms, channel, publication, accepted, &mut body);
        body
    }
}

impl Broker for RedisBroker {
    fn join(&mut self, channel: &ChannelName) {
        let board = &self.board;
        let home = board.home(channel);
        let outcome = board.channels.borrow_mut().join(channel, home);
        let event = board.carry_out(outcome);
        event.into_iter().for_each(|event| board.tell(event));
    }

    fn leave(&mut self, channel: &ChannelName) {
        self.board.channels.borrow_mut().leave(channel, Instant::now());
        self.board.signals.scheduled.notify_one();
    }

    fn publish(
        &mut self,
        ticket: Ticket,
        channel: &ChannelName,
        publication: Publication,
        terms: PublishTerms,
    ) {
        if terms.version.is_some() && terms.history.is_none() {
            let outcome = Err(Refusal::NotAvailable);
            return self.board.tell(BrokerEvent::Published { ticket, outcome });
        }
        let body = self.body(channel, &publication);
        let task = if terms == PublishTerms::default() {
            Task::Publish { body }
        } else {
            Task::PublishOnTerms { body, terms: Box::new(terms) }
        };
        self.board.ask(ticket, channel, task);
    }

    fn read(&mut self, ticket: Ticket, channel: &ChannelName, rules: HistoryRules, range: HistoryRange) {
        self.board.ask(ticket, channel, Task::Read { rules, range });
    }

    fn remove_history(&mut self, ticket: Ticket, channel: &ChannelName) {
        self.board.ask(ticket, channel, Task::Remove);
    }

    fn renew_epoch(
        &mut self,
        ticket: Ticket,
        channel: &ChannelName,
        rules: HistoryRules,
        last: Position,
        mark: Option<Mark>,
    ) {
        self.board.ask(ticket, channel, Task::Renew { rules, last, mark });
    }

    fn announce(&mut self, channel: &ChannelName, movement: Movement, member: &Arc<ClientInfo>) {
        /// Nobody awaits an answer under it.
        const NOBODY: Ticket = Ticket(u64::MAX);
        let mut body = Vec::new();
        envelope::encode_movement(&self.board.setup.terms, channel, movement, member, &mut body);
        self.board.ask(NOBODY, channel, Task::Announce { body });
    }

    fn poll(&mut self, now: Now) -> Option<BrokerEvent> {
        let board = &self.board;
        board.moment.set(now.moment);
        if let Some(event) = board.next_event() {
            return Some(event);
        }
        let map = board.map.borrow();
        let mut primaries = map.primaries.iter();
        let event = primaries.find_map(|primary| intake::next_event(board, primary, now.moment));
        // Taking in may have told of more.
        let event = event.or_else(|| board.next_event());
        if event.is_none() {
            board.sleep();
        }
        event
    }
}

impl Drop for RedisBroker {
    fn drop(&mut self) {
        // The tasks hold the board, and the board holds the tasks.
        let map = std::mem::take(&mut *self.board.map.borrow_mut());
        map.primaries.iter().for_each(|primary| primary.end());
    }
}
