//! Who comes and goes, and who is there: what subscribers are told, how much at once, and that a presence which
//! is slow or away misses nobody.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::hash::RandomState;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use broker::{MemoryBroker, MemoryPresence, Presence, PresenceEvent, Ticket};
use engine::{
    ChannelKey, Entry, Mailbox, NamespaceConfig, NamespaceId, Node, NodeCounters, NodeRequest, Rules,
    WorkerMail,
};
use model::{ChannelName, ClientId, ClientInfo, Moment, Now, Refusal, WorkerId, limits};
use protocol::Encoders;
use tokio::sync::oneshot;

use crate::reload::policy;
use crate::world::{Setup, World};

#[test]
fn movements_count_as_deliveries_of_a_turn() {
    const SUBSCRIBERS: usize = 200;
    let kept = NamespaceConfig { join_leave: true, push_join_leave: true, ..NamespaceConfig::default() };
    let mut world = World::new(Setup { kept, ..Setup::default() });
    for client in 0..SUBSCRIBERS + 100 {
        world.connect(0);
        world.send(client, "2 subscribe kept:hall");
        if client < SUBSCRIBERS {
            world.settle();
        }
    }
    world.serve_worker(0);
    world.serve_node();
    assert!(world.serve_worker(0), "100 who come are more than a turn's worth for 200 and more");
    world.end();
}

#[test]
fn a_storm_of_joins_and_leaves_is_paced() {
    const CROWD: u128 = 20_000;
    const TOLD: u64 = 1_000;
    let mut hall = Hall::new();
    for client in 1..=CROWD {
        hall.enter(client);
    }
    hall.pass(Duration::from_secs(10));
    assert_eq!(hall.members(), CROWD as usize);
    assert_eq!(hall.told(), TOLD);
    assert_eq!(hall.count().movements_hushed, CROWD as u64 - TOLD);
    for client in 1..=CROWD {
        hall.exit(client);
    }
    hall.pass(Duration::from_secs(10));
    assert_eq!(hall.members(), 0);
    assert_eq!(hall.told(), TOLD);
    let counters = hall.count();
    assert_eq!(counters.movements_hushed, 2 * (CROWD as u64 - TOLD));
    assert_eq!((counters.visits, counters.visits_refused), (0, [0, 0]), "nothing was refused");
}

#[test]
fn who_comes_and_goes_while_the_presence_is_away_is_told_when_it_is_back() {
    let mut hall = Hall::new();
    for client in 1..=100 {
        hall.enter(client);
    }
    hall.pass(Duration::from_secs(1));
    hall.door.borrow_mut().is_locked = true;
    for client in 1..=50 {
        hall.exit(client);
    }
    for client in 101..=200 {
        hall.enter(client);
    }
    hall.pass(Duration::from_secs(1));
    for client in 101..=120 {
        hall.exit(client);
    }
    hall.pass(Duration::from_secs(1));
    for client in 101..=110 {
        hall.enter(client);
    }
    hall.pass(Duration::from_secs(2));
    hall.told();
    hall.door.borrow_mut().is_locked = false;
    hall.pass(Duration::from_secs(4));
    assert_eq!(hall.members(), 50 + 90);
    assert_eq!(hall.told(), 50 + 90 + 10, "of those who came and went meanwhile, that they went");
    assert_eq!(hall.count().visits, 0);
}

#[test]
fn a_presence_that_stays_away_is_asked_ever_more_rarely_and_then_no_more() {
    let mut hall = Hall::new();
    hall.door.borrow_mut().is_locked = true;
    hall.enter(1);
    hall.pass(Duration::from_secs(16));
    assert_eq!(hall.door.borrow().calls, 5, "at once, after 1, 2, 4 and 8 seconds more");
    hall.pass(Duration::from_secs(300));
    let counters = hall.count();
    assert_eq!((counters.visits, counters.visits_refused), (0, [10, 1]));
    hall.door.borrow_mut().is_locked = false;
    hall.vouch(1);
    hall.pass(Duration::from_secs(1));
    assert_eq!(hall.members(), 1, "who is vouched for is there");
}

#[test]
fn an_answer_that_comes_late_does_not_bring_back_who_went() {
    let mut hall = Hall::new();
    hall.enter(1);
    hall.serve();
    hall.exit(1);
    hall.serve();
    assert_eq!(hall.door.borrow().calls, 1, "of one member, one thing at a time");
    hall.door.borrow_mut().is_locked = true;
    hall.pass(Duration::from_millis(300));
    hall.door.borrow_mut().is_locked = false;
    hall.pass(Duration::from_secs(2));
    assert_eq!((hall.members(), hall.told()), (0, 2));
}

/// A node whose presence is a hall with a door.
struct Hall {
    node: Node,
    mailbox: Mailbox<NodeRequest>,
    worker: Arc<Mailbox<WorkerMail>>,
    door: Rc<RefCell<Door>>,
    channel: ChannelName,
    namespace: NamespaceId,
    passed: Duration,
}

/// Answers at the next tick, lets so many in at once, and nobody while it is locked.
struct Door {
    presence: MemoryPresence,
    waiting: Vec<(Moment, PresenceEvent)>,
    members: HashSet<ClientId>,
    now: Now,
    calls: usize,
    is_locked: bool,
}

struct ByTheDoor(Rc<RefCell<Door>>);

impl Hall {
    fn new() -> Self {
        let config = NamespaceConfig {
            presence: true,
            join_leave: true,
            push_join_leave: true,
            ..NamespaceConfig::default()
        };
        let rules = Arc::new(Rules::new(&config, &BTreeMap::new(), true));
        let (presence, now) = (MemoryPresence::new(), Now::default());
        let (waiting, members) = (Vec::new(), HashSet::new());
        let door = Door { presence, waiting, members, now, calls: 0, is_locked: false };
        let door = Rc::new(RefCell::new(door));
        let worker = Arc::new(Mailbox::new(limits::WORKER_MAILBOX_ENTRIES_MAX, 1 << 30, Box::new(|| ())));
        let broker = Box::new(MemoryBroker::new(1));
        let brokers = (broker as Box<_>, Box::new(ByTheDoor(Rc::clone(&door))) as Box<_>);
        let (workers, dice) = (vec![Arc::clone(&worker)], RandomState::new());
        let policy = Arc::new(policy(Arc::clone(&rules)));
        let node = Node::new(brokers, policy, Encoders::default(), workers, dice);
        let channel = ChannelName::parse("hall").expect("a channel name");
        let namespace = rules.of(&channel).expect("a namespace");
        let mailbox = Mailbox::new(limits::NODE_MAILBOX_ENTRIES_MAX, 1 << 30, Box::new(|| ()));
        let join = NodeRequest::Join { worker: WorkerId(0), channel: channel.clone(), key: ChannelKey::ONLY };
        mailbox.answer(join);
        Self { node, mailbox, worker, door, channel, namespace, passed: Duration::ZERO }
    }

    fn enter(&self, client: u128) {
        self.mailbox.answer(NodeRequest::Enter(Box::new(self.entry(client))));
    }

    fn exit(&self, client: u128) {
        self.mailbox.answer(NodeRequest::Exit(Box::new(self.entry(client))));
    }

    fn vouch(&self, client: u128) {
        self.mailbox.answer(NodeRequest::Vouch(vec![self.entry(client)]));
    }

    fn entry(&self, client: u128) -> Entry {
        let client = ClientId::new(client);
        let member = ClientInfo { user: "".into(), client, connection: None, subscription: None };
        Entry { channel: self.channel.clone(), namespace: self.namespace, member: Arc::new(member) }
    }

    fn serve(&mut self) {
        let now = Now { moment: Moment::after_start(self.passed), ..Now::default() };
        self.node.on_requests(&self.mailbox, now);
    }

    fn pass(&mut self, span: Duration) {
        let until = self.passed + span;
        while self.passed < until {
            self.serve();
            self.passed += Moment::TICK;
        }
        self.serve();
    }

    /// How many movements the subscribers were told of since this was last called.
    fn told(&self) -> u64 {
        let mut mail = Vec::new();
        self.worker.take(&mut mail);
        mail.iter().filter(|mail| matches!(mail, WorkerMail::Moved { .. })).count() as u64
    }

    fn members(&self) -> usize {
        self.door.borrow().members.len()
    }

    fn count(&mut self) -> NodeCounters {
        let (reply, mut answer) = oneshot::channel();
        self.mailbox.answer(NodeRequest::Count(reply));
        self.serve();
        answer.try_recv().expect("the node counts at once")
    }
}

impl Door {
    /// Lets a call in, or turns it down at once.
    fn call(&mut self, ticket: Ticket, act: impl FnOnce(&mut MemoryPresence, &mut HashSet<ClientId>)) {
        self.calls += 1;
        if self.is_locked || self.waiting.len() >= limits::PRESENCE_CALLS_MAX {
            let refused = PresenceEvent::Changed { ticket, outcome: Err(Refusal::Internal) };
            self.waiting.push((Moment::default(), refused));
            return;
        }
        act(&mut self.presence, &mut self.members);
        let answer = self.presence.poll(self.now).expect("memory answers at once");
        self.waiting.push((self.now.moment + Moment::TICK, answer));
    }
}

impl Presence for ByTheDoor {
    fn enter(&mut self, ticket: Ticket, channel: &ChannelName, member: &Arc<ClientInfo>) {
        self.0.borrow_mut().call(ticket, |presence, members| {
            presence.enter(ticket, channel, member);
            members.insert(member.client);
        });
    }

    fn exit(&mut self, ticket: Ticket, channel: &ChannelName, client: ClientId) {
        self.0.borrow_mut().call(ticket, |presence, members| {
            presence.exit(ticket, channel, client);
            members.remove(&client);
        });
    }

    fn members(&mut self, _: Ticket, _: &ChannelName, _: u32) {}

    fn count(&mut self, _: Ticket, _: &ChannelName) {}

    fn poll(&mut self, now: Now) -> Option<PresenceEvent> {
        let mut door = self.0.borrow_mut();
        door.now = now;
        let due = door.waiting.iter().position(|(at, _)| *at <= now.moment)?;
        Some(door.waiting.remove(due).1)
    }
}
