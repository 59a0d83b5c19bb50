//! Many come and go at once; Redis holds what is no member, or goes away.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::{Attendance, Broker, Change, Presence, PresenceEvent, Ticket};
use broker_redis::{Fault, RedisBroker, RedisConfig, RedisPresence};
use model::{ChannelName, ClientId, ClientInfo, RawJson, Refusal, limits};
use testkit::redis::{Options, Server};
use testkit::{PATIENCE, eventually};

use crate::rig::Rig;

const MEMBERS: u32 = 20_000;
/// So many calls are under way at once, few enough for the deadline on a busy machine.
const WAVE: u32 = 200;
/// So many clients a user of the storm has.
const CLIENTS_PER_USER: u32 = 4;

/// A node whose loop polls when it is woken, and otherwise not.
struct Looped {
    server: Server,
    rig: Rig,
    broker: RedisBroker,
    presence: RedisPresence,
    answers: HashMap<u64, PresenceEvent>,
}

impl Looped {
    fn new() -> Self {
        let server = Server::start(&Options::new());
        let rig = Rig::new(RedisConfig { url: server.url(), ..RedisConfig::default() });
        let broker = rig.start();
        let presence = broker.presence();
        Self { server, rig, broker, presence, answers: HashMap::new() }
    }

    /// Asks one thing and waits for the answer.
    fn ask(&mut self, ticket: u64, ask: impl FnOnce(&mut RedisPresence, Ticket)) -> PresenceEvent {
        ask(&mut self.presence, Ticket(ticket));
        self.run_until(1);
        self.answers.remove(&ticket).expect("it was answered under its ticket")
    }

    /// Waits until so many answers have come.
    fn run_until(&mut self, answers: usize) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.rig.time();
            while self.broker.poll(now).is_some() {}
            while let Some(event) = self.presence.poll(now) {
                let (PresenceEvent::Changed { ticket, .. }
                | PresenceEvent::Members { ticket, .. }
                | PresenceEvent::Counted { ticket, .. }) = event;
                assert!(self.answers.insert(ticket.0, event).is_none(), "{ticket:?} was answered twice");
            }
            if self.answers.len() >= answers {
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(self.rig.wait_for_wake(left), "{} of {answers} answers came", self.answers.len());
        }
    }

    fn count(&mut self) -> Attendance {
        match self.ask(u64::MAX, |presence, ticket| presence.count(ticket, &channel())) {
            PresenceEvent::Counted { outcome, .. } => outcome.expect("members are counted"),
            other @ (PresenceEvent::Changed { .. } | PresenceEvent::Members { .. }) => panic!("{other:?}"),
        }
    }

    fn members(&mut self, limit: u32) -> Result<Vec<Arc<ClientInfo>>, Refusal> {
        match self.ask(u64::MAX, |presence, ticket| presence.members(ticket, &channel(), limit)) {
            PresenceEvent::Members { outcome, .. } => outcome,
            other @ (PresenceEvent::Changed { .. } | PresenceEvent::Counted { .. }) => panic!("{other:?}"),
        }
    }

    /// A storm: all that comes of it, in the order in which it was asked.
    fn storm(&mut self, mut ask: impl FnMut(&mut RedisPresence, Ticket, u32)) -> Vec<Change> {
        for number in 0..MEMBERS {
            ask(&mut self.presence, Ticket(number.into()), number);
            self.run_until((number + 1).saturating_sub(WAVE) as usize);
        }
        self.run_until(MEMBERS as usize);
        let faults = self.broker.view().counters().faults;
        let mut take = |ticket| match self.answers.remove(&ticket) {
            Some(PresenceEvent::Changed { outcome: Ok(change), .. }) => change,
            other => panic!("{ticket} was answered {other:?}; by {:?}: {faults:?}", Fault::ALL),
        };
        (0..u64::from(MEMBERS)).map(&mut take).collect()
    }
}

fn channel() -> ChannelName {
    ChannelName::parse("storm").expect("a name")
}

fn client(number: u32) -> ClientId {
    ClientId::new(u128::from(number))
}

fn member(number: u32) -> Arc<ClientInfo> {
    let name = RawJson::from_string(format!("{{\"name\":\"member {number}\"}}")).expect("JSON");
    let user = format!("user {}", number / CLIENTS_PER_USER).into();
    Arc::new(ClientInfo { user, client: client(number), connection: Some(name), subscription: None })
}

#[test]
fn twenty_thousand_come_and_go_at_once() {
    let mut looped = Looped::new();
    let begun = Instant::now();
    let enter = |presence: &mut RedisPresence, ticket, number| {
        presence.enter(ticket, &channel(), &member(number));
    };
    for (members, change) in (1..).zip(looped.storm(enter)) {
        assert_eq!(change, Change { is_new: true, members });
    }
    let entered = begun.elapsed();
    let crowd = Attendance { clients: MEMBERS, users: MEMBERS / CLIENTS_PER_USER };
    assert_eq!(looped.count(), crowd);
    assert_eq!(looped.members(1000).map(drop), Err(Refusal::LimitExceeded));

    let vouched = Instant::now();
    let again = Change { is_new: false, members: MEMBERS };
    assert!(looped.storm(enter).into_iter().all(|change| change == again));
    let vouched = vouched.elapsed();

    let exited = Instant::now();
    let exit = |presence: &mut RedisPresence, ticket, number| {
        presence.exit(ticket, &channel(), client(number));
    };
    for (members, change) in (0..MEMBERS).rev().zip(looped.storm(exit)) {
        assert_eq!(change, Change { is_new: true, members });
    }
    println!("{MEMBERS} entered in {entered:?}, stayed in {vouched:?}, exited in {:?}", exited.elapsed());
    assert_eq!(looped.count(), Attendance::default());
    assert_eq!(looped.server.command(&["DBSIZE"]), "0", "nothing is left in Redis");
    assert_eq!(looped.broker.view().health().commands_open, 0);
    assert!(looped.answers.is_empty());
}

#[test]
fn comings_and_goings_by_turns_leave_nobody() {
    let mut looped = Looped::new();
    let changes = looped.storm(|presence, ticket, number| {
        if number % 2 == 0 {
            presence.enter(ticket, &channel(), &member(number));
        } else {
            presence.exit(ticket, &channel(), client(number - 1));
        }
    });
    for (number, change) in (0..MEMBERS).zip(changes) {
        assert_eq!(change, Change { is_new: true, members: u32::from(number % 2 == 0) });
    }
    assert_eq!(looped.server.command(&["DBSIZE"]), "0");
}

#[test]
fn what_is_no_member_is_left_out_and_counted() {
    let mut looped = Looped::new();
    let entered = looped.ask(1, |presence, ticket| presence.enter(ticket, &channel(), &member(1)));
    assert!(matches!(entered, PresenceEvent::Changed { outcome: Ok(_), .. }));
    let large = format!("{{\"user\":\"{}\",\"client\":\"{}\"}}", "x".repeat(1 << 20), client(2));
    for (at, (name, shown)) in [
        ("a", "hello"),
        ("b", "{\"user\":\"a\",\"client\":\"b\"}"),
        ("c", "{\"user\":1,\"client\":\"00000000-0000-4000-8000-000000000002\"}"),
        ("d", &large),
    ]
    .into_iter()
    .enumerate()
    {
        looped.server.command(&["HSET", "fanfare:members:storm", name, shown]);
        looped.server.command(&["ZADD", "fanfare:until:storm", "9e15", name]);
        let members = looped.members(10).expect("a list");
        assert_eq!((members.len(), members[0].client), (1, client(1)));
        let malformed: u64 = looped.broker.view().counters().malformed.iter().sum();
        assert_eq!(malformed, (1..=at as u64 + 1).sum::<u64>());
    }
}

#[test]
fn without_redis_each_call_is_refused_in_time_and_members_come_back() {
    let mut looped = Looped::new();
    looped.server.pause();
    let begun = Instant::now();
    for number in 0..100 {
        looped.presence.enter(Ticket(4 * number), &channel(), &member(1));
        looped.presence.exit(Ticket(4 * number + 1), &channel(), client(1));
        looped.presence.members(Ticket(4 * number + 2), &channel(), 10);
        looped.presence.count(Ticket(4 * number + 3), &channel());
    }
    looped.run_until(400);
    let waited = begun.elapsed();
    assert!(waited < limits::PUBLISH_DEADLINE + Duration::from_secs(3), "{waited:?}");
    for (ticket, event) in looped.answers.drain() {
        let refused = match (ticket % 4, event) {
            (0 | 1, PresenceEvent::Changed { outcome, .. }) => outcome.map(drop),
            (2, PresenceEvent::Members { outcome, .. }) => outcome.map(drop),
            (3, PresenceEvent::Counted { outcome, .. }) => outcome.map(drop),
            (_, other) => panic!("{ticket} was answered {other:?}"),
        };
        assert_eq!(refused, Err(Refusal::Internal));
    }
    looped.server.resume();
    eventually("members are counted again", || {
        let event = looped.ask(1, |presence, ticket| presence.enter(ticket, &channel(), &member(2)));
        matches!(event, PresenceEvent::Changed { outcome: Ok(_), .. })
    });
    assert!(looped.members(10).expect("a list").iter().any(|member| member.client == client(2)));
}
