//! Takes in what a pub/sub task has read: pushes become publications, confirmations and severances, straight
//! out of the buffer. The task reads on when the buffer is empty.

use std::time::Duration;

use broker::BrokerEvent;
use model::{ChannelName, Moment, limits};
use tokio::time::Instant;

use crate::board::Board;
use crate::channels::Order;
use crate::counters::Fault;
use crate::envelope::{self, Content, Malformed, Opened};
use crate::log::Line;
use crate::primary::{Primary, Question};
use crate::resp::{self, Parsed, Push};

/// Bytes that were read: those from `start` to `end` have not been taken in.
pub(crate) struct ReadBuffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Why nothing more can come of the connection.
    pub(crate) fault: Option<String>,
}

impl ReadBuffer {
    /// An empty buffer.
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; limits::REDIS_READ_BYTES], start: 0, end: 0, fault: None }
    }

    /// Where to read to; never empty.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        &mut self.bytes[self.end..]
    }

    /// So much was read.
    pub(crate) fn filled(&mut self, count: usize) {
        self.end += count;
    }

    /// Moves what is left to the front, and makes room for a push of `wants` bytes, growing as it comes.
    fn make_room(&mut self, wants: usize) {
        self.bytes.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end == self.bytes.len() {
            let size = (2 * self.bytes.len()).min(wants).max(self.end + 1);
            self.bytes.resize(size, 0);
        } else if self.end == 0 && self.bytes.len() > limits::REDIS_READ_BYTES {
            *self = Self { fault: self.fault.take(), ..Self::new() };
        }
    }
}

/// The next thing that a primary's pub/sub connection has to say.
pub(crate) fn next_event(board: &Board, primary: &Primary, now: Moment) -> Option<BrokerEvent> {
    let mut full = primary.link.full.borrow_mut();
    while let Some(buffer) = full.as_mut() {
        let wants = match resp::parse(&buffer.bytes[buffer.start..buffer.end], limits::REDIS_BULK_BYTES_MAX) {
            Ok(Parsed::Push { push, consumed }) => {
                let event = taken_in(board, primary, push, now);
                buffer.start += consumed;
                match event {
                    Ok(None) => continue,
                    Ok(Some(event)) => return Some(event),
                    Err(fault) => {
                        buffer.fault = Some(fault.to_owned());
                        0
                    }
                }
            }
            Ok(Parsed::Incomplete { wants }) => wants,
            Err(resp::Malformed(reason)) => {
                buffer.fault = Some(reason.to_owned());
                0
            }
        };
        buffer.make_room(wants);
        *primary.link.drained.borrow_mut() = full.take();
        primary.link.returned.notify_one();
    }
    None
}

fn taken_in(
    board: &Board,
    primary: &Primary,
    push: Push<'_>,
    now: Moment,
) -> Result<Option<BrokerEvent>, &'static str> {
    match push {
        Push::Published { channel, payload } => Ok(published(board, primary, channel, payload, now)),
        Push::Confirmed { channel } => {
            found_subscribing(board, primary, None);
            if let Some(asked) = probe_answered(primary) {
                primary.probe.confirmed(channel);
                return if asked == channel { Ok(None) } else { Err(ANOTHER) };
            }
            let order = answered(primary, true)?;
            if board.names.borrow().parse(channel).as_deref() != Some(order.channel.as_str()) {
                return Err(ANOTHER);
            }
            let outcome = board.channels.borrow_mut().confirmed(&order.channel, primary.id, Instant::now());
            board.signals.scheduled.notify_one();
            Ok(board.carry_out(outcome))
        }
        Push::Ended { channel, .. } => {
            if primary.probe.ended(channel, false) {
                board.doubt(format!("{} no longer serves the node's own probe", primary.endpoint));
            }
            let names = board.names.borrow();
            Ok(names.parse(channel).and_then(|name| ended(board, primary, &name)))
        }
        Push::Error(text) => {
            refused(board, primary, &String::from_utf8_lossy(text));
            Ok(None)
        }
        Push::Pong => match primary.link.asked.borrow_mut().pop_front() {
            Some(Question::Ping { behind }) => {
                behind.into_iter().for_each(|number| primary.probe.overtaken(number));
                Ok(None)
            }
            Some(Question::Channels { .. } | Question::Probe { .. }) | None => {
                Err("a ping was answered out of turn")
            }
        },
        Push::Ok => Err("a success that was not asked for"),
    }
}

fn published(
    board: &Board,
    primary: &Primary,
    channel: &[u8],
    payload: &[u8],
    now: Moment,
) -> Option<BrokerEvent> {
    let channel = {
        let (names, channels) = (board.names.borrow(), board.channels.borrow());
        let Some(name) = names.parse(channel) else {
            let span = primary.probe.came(channel, payload, Instant::now())?;
            board.counters.borrow_mut().probes.latency.observe(span);
            return None;
        };
        channels.live(&name, primary.id)?.clone()
    };
    match envelope::open(&board.setup.terms, &channel, payload, now) {
        Ok(Content::Movement(movement, member)) => Some(BrokerEvent::Announced { channel, movement, member }),
        Ok(Content::Publication(mut opened)) => {
            // What nodes tell each other is none of the clients'.
            if !channel.is_internal() {
                count(board, &mut opened, now);
            }
            let Opened { position, marks, is_plain, publication, .. } = opened;
            Some(BrokerEvent::Publication { channel, position, marks, is_plain, publication })
        }
        Err(reason) => {
            dropped(board, &channel, reason);
            None
        }
    }
}

fn count(board: &Board, opened: &mut Opened, now: Moment) {
    let is_skewed = opened.note_travel(board.unix_micros(now));
    let mut counters = board.counters.borrow_mut();
    counters.publications += 1;
    counters.clock_skews += u64::from(is_skewed);
    if opened.accepted_unix_micros.is_some() {
        let travel = Duration::from_micros(u64::from(opened.publication.travel_micros));
        counters.latency.observe(travel);
    }
}

fn dropped(board: &Board, channel: &ChannelName, reason: Malformed) {
    board.counters.borrow_mut().malformed[reason.index()] += 1;
    let is_unsigned = reason == Malformed::Signature;
    // That nodes differ in their keys, or a backend has none, shows in each channel alike.
    if is_unsigned && board.channels.borrow().was_accused(channel) {
        return;
    }
    let line = if is_unsigned { Line::Unsigned } else { Line::Malformed };
    let Some(unsaid) = board.throttle.borrow_mut().admit(line, Instant::now()) else { return };
    let reason = reason.label();
    if is_unsigned {
        board.channels.borrow_mut().accuse(channel);
        tracing::warn!(
            target: "fanfare::redis", %channel, reason, unsaid,
            "dropped what was published: give all nodes the same redis.signing_key, or let backends publish \
             unsigned by unsigned_publish of the channel's namespace"
        );
    } else {
        tracing::warn!(target: "fanfare::redis", %channel, reason, unsaid, "dropped what was published");
    }
}

fn found_subscribing(board: &Board, primary: &Primary, forbidden: Option<&'static str>) {
    primary.rights.found_subscribing(forbidden, &primary.endpoint, &board.names.borrow().prefix);
}

const ANOTHER: &str = "another channel was confirmed than the one asked for";

/// Takes the probe's channel out if what has been answered is about it.
fn probe_answered(primary: &Primary) -> Option<Vec<u8>> {
    let mut asked = primary.link.asked.borrow_mut();
    let question = asked.pop_front_if(|question| matches!(question, Question::Probe { .. }));
    question.and_then(|question| match question {
        Question::Probe { channel } => Some(channel),
        Question::Channels { .. } | Question::Ping { .. } => None,
    })
}

/// Takes the order out that has been answered: answers come in the order of the questions.
fn answered(primary: &Primary, is_subscribe: bool) -> Result<Order, &'static str> {
    const OUT_OF_TURN: &str = "a subscription was confirmed that was not asked for";
    let mut asked = primary.link.asked.borrow_mut();
    let Some(Question::Channels { orders }) = asked.front_mut() else { return Err(OUT_OF_TURN) };
    let order = orders.pop_front().filter(|order| order.is_subscribe == is_subscribe).ok_or(OUT_OF_TURN)?;
    if orders.is_empty() {
        asked.pop_front();
    }
    Ok(order)
}

/// A subscription is over: asked for, or because a cluster has moved the channel's slot.
fn ended(board: &Board, primary: &Primary, name: &str) -> Option<BrokerEvent> {
    let is_next = matches!(primary.link.asked.borrow().front(), Some(Question::Channels { orders })
        if orders.front().is_some_and(|order| !order.is_subscribe && order.channel.as_str() == name));
    if is_next {
        let order = answered(primary, false).ok()?;
        let outcome = board.channels.borrow_mut().ended(&order.channel, primary.id);
        return board.carry_out(outcome);
    }
    board.doubt(format!("{} no longer serves some channels", primary.endpoint));
    let mut channels = board.channels.borrow_mut();
    let channel = channels.known(name)?;
    channels.lost(&channel, primary.id)
}

/// Redis turned a question down, whole.
fn refused(board: &Board, primary: &Primary, text: &str) {
    let question = primary.link.asked.borrow_mut().pop_front();
    let mut subscribes = true;
    match question {
        Some(Question::Channels { orders }) => {
            subscribes = orders.front().is_none_or(|order| order.is_subscribe);
            for order in &orders {
                let event = board.channels.borrow_mut().lost(&order.channel, primary.id);
                event.into_iter().for_each(|event| board.tell(event));
            }
        }
        Some(Question::Probe { channel }) => drop(primary.probe.ended(&channel, true)),
        Some(Question::Ping { .. }) | None => return,
    }
    let command = board.names.borrow().subscribe_command(subscribes);
    // A node that cannot unsubscribe hears more than it wants, and does its work all the same.
    if subscribes && crate::explain::fault(text) == Fault::Permission {
        found_subscribing(board, primary, Some(command));
    }
    if let Some(unsaid) = board.throttle.borrow_mut().admit(Line::Unsubscribable, Instant::now()) {
        let fix = crate::explain::fix(text, command, &board.names.borrow().prefix);
        let (primary, error) = (&primary.endpoint, crate::explain::code(text));
        tracing::warn!(target: "fanfare::redis", %primary, command, error, fix, unsaid, "subscription refused");
    }
    board.doubt(format!("{command} was refused by {}: {}", primary.endpoint, crate::explain::code(text)));
}
