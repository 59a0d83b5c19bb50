//! The node's own probe through one primary: published as a command, awaited on the pub/sub connection. Shows that
//! the connection delivers, which its being open and answering pings does not. Decides; asks nobody itself.

use std::cell::RefCell;
use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::time::Duration;

use model::limits;
use tokio::sync::Notify;
use tokio::time::Instant;

/// What there is to know about the probe of one primary.
pub(crate) struct Probe {
    /// Probes may be sent from now on.
    pub(crate) begun: Notify,
    seal: Seal,
    course: RefCell<Course>,
}

/// Signs probes under a secret of this process, so that what anybody else publishes counts for nothing.
struct Seal([RandomState; 2]);

struct Course {
    /// What it is published on; empty when there is nothing.
    channel: Vec<u8>,
    subscription: Subscription,
    /// The number of the last probe, and of the last one that came back.
    last: u64,
    last_back: u64,
    flight: Option<Flight>,
    back: Instant,
    /// Probes missed one after the other on this connection.
    missed: u32,
    /// Connections given up since a probe came back.
    rebuilds: u32,
    /// Whether the connection was lost, for whatever reason, since a probe came back.
    was_lost: bool,
    /// Since when a new connection should have brought a probe back while commands were answered.
    missing: Option<Instant>,
    is_refused: bool,
    is_given_up: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subscription {
    Absent,
    Wanted,
    Asked,
    Confirmed,
}

/// A probe that is not back.
struct Flight {
    number: u64,
    sent: Instant,
    stage: Stage,
}

/// How far a probe has got. Redis answers a ping after it has handed on what was published before it: a probe
/// that a ping overtakes does not come, however much else is to be read first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// To be published.
    Due,
    /// The publish command is under way.
    Asked,
    /// Redis has published it.
    Published,
    /// A ping is under way behind it.
    Chased,
    /// The ping is back.
    Overtaken,
}

/// What a look at the clock found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Nothing new.
    Well,
    /// A probe did not come.
    Missed,
    /// So many did not come that the connection is to be rebuilt.
    Deaf,
}

/// A probe to be published.
pub(crate) struct Shot {
    pub(crate) number: u64,
    pub(crate) channel: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

impl Probe {
    /// Nothing was sent yet.
    pub(crate) fn new(now: Instant) -> Self {
        let course = Course {
            channel: Vec::new(),
            subscription: Subscription::Absent,
            last: 0,
            last_back: 0,
            flight: None,
            back: now,
            missed: 0,
            rebuilds: 0,
            was_lost: false,
            missing: None,
            is_refused: false,
            is_given_up: false,
        };
        let seal = Seal([RandomState::new(), RandomState::new()]);
        Self { begun: Notify::new(), seal, course: RefCell::new(course) }
    }

    /// The channel that was settled last.
    pub(crate) fn is_on(&self, is_it: impl FnOnce(&[u8]) -> bool) -> bool {
        is_it(&self.course.borrow().channel)
    }

    /// Settles the channel. Where there was another one, Redis ends that subscription with its slot.
    pub(crate) fn settle(&self, channel: Vec<u8>) {
        let mut course = self.course.borrow_mut();
        if course.channel != channel {
            course.channel = channel;
            course.subscription = Subscription::Absent;
            course.flight = None;
        }
    }

    /// A connection was made.
    pub(crate) fn connected(&self) {
        self.course.borrow_mut().subscription = Subscription::Absent;
        self.want();
    }

    /// The connection was lost.
    pub(crate) fn disconnected(&self) {
        let mut course = self.course.borrow_mut();
        course.subscription = Subscription::Absent;
        course.flight = None;
        (course.missed, course.was_lost, course.is_given_up) = (0, true, false);
    }

    /// Has the channel subscribed to, unless that was done.
    pub(crate) fn want(&self) {
        let mut course = self.course.borrow_mut();
        if course.subscription == Subscription::Absent && !course.channel.is_empty() {
            course.subscription = Subscription::Wanted;
        }
    }

    /// The channel to be subscribed to; from here on that is under way.
    pub(crate) fn begin_subscription(&self) -> Option<Vec<u8>> {
        let mut course = self.course.borrow_mut();
        (course.subscription == Subscription::Wanted).then(|| {
            course.subscription = Subscription::Asked;
            course.channel.clone()
        })
    }

    /// Redis confirmed a subscription.
    pub(crate) fn confirmed(&self, channel: &[u8]) {
        let mut course = self.course.borrow_mut();
        if course.channel == channel && course.subscription == Subscription::Asked {
            course.subscription = Subscription::Confirmed;
            course.is_refused = false;
            self.begun.notify_one();
        }
    }

    /// Redis ended a subscription, or turned it down. Whether it was the present one.
    pub(crate) fn ended(&self, channel: &[u8], is_refused: bool) -> bool {
        let mut course = self.course.borrow_mut();
        let is_it = course.channel == channel && !channel.is_empty();
        if is_it {
            course.subscription = Subscription::Absent;
            course.flight = None;
            course.is_refused |= is_refused;
        }
        is_it
    }

    /// A second has passed: judges the last probe, and has the next one sent.
    pub(crate) fn on_time(&self, is_answering: bool, now: Instant) -> Finding {
        let mut course = self.course.borrow_mut();
        let is_missing = course.was_lost && is_answering && !course.is_refused;
        course.missing = is_missing.then(|| course.missing.unwrap_or(now));
        let is_missed = course.flight.as_ref().is_some_and(|flight| flight.stage == Stage::Overtaken);
        let mut finding = Finding::Well;
        if is_missed {
            course.missed += 1;
            course.flight = None;
            finding = Finding::Missed;
            if course.missed >= course.patience() {
                course.rebuilds += 1;
                course.is_given_up = true;
                finding = Finding::Deaf;
            }
        }
        let may_send = course.subscription == Subscription::Confirmed && !course.is_given_up;
        if may_send && course.flight.is_none() {
            course.last += 1;
            course.flight = Some(Flight { number: course.last, sent: now, stage: Stage::Due });
        }
        finding
    }

    /// The probe that is to be published; from here on it is under way.
    pub(crate) fn take(&self, now: Instant) -> Option<Shot> {
        let mut course = self.course.borrow_mut();
        let flight = course.flight.as_mut().filter(|flight| flight.stage == Stage::Due)?;
        (flight.stage, flight.sent) = (Stage::Asked, now);
        let number = flight.number;
        Some(Shot { number, channel: course.channel.clone(), payload: self.seal.close(number) })
    }

    /// Redis has published a probe. Whether a ping is to be sent behind it.
    pub(crate) fn published(&self, number: u64) -> bool {
        let mut course = self.course.borrow_mut();
        course.is_refused = false;
        course.advance(number, Stage::Asked, Stage::Published)
    }

    /// A probe was not published: turned down, or nobody knows.
    pub(crate) fn unpublished(&self, number: u64, is_refused: bool) {
        let mut course = self.course.borrow_mut();
        course.is_refused |= is_refused;
        if course.flight.as_ref().is_some_and(|flight| flight.number == number) {
            course.flight = None;
        }
    }

    /// The number of the probe behind which a ping is to be sent now.
    pub(crate) fn chase(&self) -> Option<u64> {
        let mut course = self.course.borrow_mut();
        let flight = course.flight.as_mut().filter(|flight| flight.stage == Stage::Published)?;
        flight.stage = Stage::Chased;
        Some(flight.number)
    }

    /// The ping behind a probe is back.
    pub(crate) fn overtaken(&self, number: u64) {
        self.course.borrow_mut().advance(number, Stage::Chased, Stage::Overtaken);
    }

    /// Something was published on a channel that is none of the clients'. If it is a probe that was awaited, how
    /// long it took, unless the next one is under way already.
    pub(crate) fn came(&self, channel: &[u8], payload: &[u8], now: Instant) -> Option<Duration> {
        let mut course = self.course.borrow_mut();
        let number = self.seal.open(payload).filter(|_| channel == course.channel)?;
        if number <= course.last_back || number > course.last {
            return None;
        }
        (course.last_back, course.back) = (number, now);
        (course.missed, course.rebuilds) = (0, 0);
        (course.was_lost, course.missing) = (false, None);
        let flight = course.flight.take_if(|flight| flight.number == number)?;
        Some(now.duration_since(flight.sent))
    }

    /// Whether the connection is to be given up.
    pub(crate) fn is_given_up(&self) -> bool {
        self.course.borrow().is_given_up
    }

    /// For how long no probe has come back.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.duration_since(self.course.borrow().back)
    }

    /// Whether probes were missed since one came back, so that the connection does not seem to deliver.
    pub(crate) fn is_silent(&self) -> bool {
        let course = self.course.borrow();
        course.rebuilds > 0 || course.missed > 0
    }

    /// Whether a probe came back at all; true where there is nothing to publish it on.
    pub(crate) fn was_back(&self) -> bool {
        let course = self.course.borrow();
        course.last_back > 0 || course.channel.is_empty()
    }

    /// Whether connections were given up and no probe has come back since.
    pub(crate) fn was_given_up(&self) -> bool {
        self.course.borrow().rebuilds > 0
    }

    /// Whether not even a new connection brings probes back, for long enough that it is this node's fault.
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        let missing = self.course.borrow().missing;
        missing.is_some_and(|since| now.duration_since(since) >= limits::REDIS_PROBE_MISSING_MAX)
    }
}

impl Course {
    /// How many probes may be missed: more after each rebuild that was of no use, since it costs every channel.
    fn patience(&self) -> u32 {
        let doublings = self.rebuilds.min(limits::REDIS_PROBE_DOUBLINGS_MAX);
        limits::REDIS_PROBES_MISSED_MAX << doublings
    }

    fn advance(&mut self, number: u64, from: Stage, to: Stage) -> bool {
        let is_it = |flight: &&mut Flight| flight.number == number && flight.stage == from;
        let flight = self.flight.as_mut().filter(is_it);
        flight.map(|flight| flight.stage = to).is_some()
    }
}

impl Seal {
    /// A number, and what nobody else can tell from it.
    fn close(&self, number: u64) -> Vec<u8> {
        let Self([one, two]) = self;
        let mut payload = Vec::new();
        write!(payload, "{number} {:016x}{:016x}", one.hash_one(number), two.hash_one(number))
            .expect("a vector takes all");
        payload
    }

    fn open(&self, payload: &[u8]) -> Option<u64> {
        let (number, _) = std::str::from_utf8(payload).ok()?.split_once(' ')?;
        let number = number.parse().ok()?;
        (self.close(number) == payload).then_some(number)
    }
}

#[cfg(test)]
#[path = "probe/tests.rs"]
mod tests;
