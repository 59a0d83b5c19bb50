//! The memory presence passes the suite, alone and as several nodes; a presence with a mistake does not.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use broker::{MemoryPresence, Presence, PresenceEvent, Ticket};
use model::{ChannelName, ClientId, ClientInfo, Moment, Now, limits};
use testkit::{PresenceBackend, check_presence, presence_checks};

/// What a presence does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    AnswersTwice,
    IsAlwaysNew,
    HeedsNoExit,
    CountsClientsAsUsers,
    TrimsUsers,
    ListsTooMany,
    ShowsNoInfos,
    MixesChannels,
    SharesNothing,
    ForgetsNobody,
    ForgetsTooSoon,
}

/// Presences of one process, each a node of its own, over one memory and one clock.
struct Nodes {
    memory: Rc<RefCell<MemoryPresence>>,
    clock: Rc<Cell<Duration>>,
    is_shared: bool,
    mistake: Option<Mistake>,
}

struct Node {
    memory: Rc<RefCell<MemoryPresence>>,
    clock: Rc<Cell<Duration>>,
    mistake: Option<Mistake>,
    events: VecDeque<PresenceEvent>,
}

impl Nodes {
    fn new(is_shared: bool, mistake: Option<Mistake>) -> Self {
        Self { memory: Rc::default(), clock: Rc::default(), is_shared, mistake }
    }

    fn time(clock: &Cell<Duration>) -> Now {
        Now { moment: Moment::after_start(clock.get()), ..Now::default() }
    }
}

impl PresenceBackend for Nodes {
    fn presence(&mut self) -> Box<dyn Presence> {
        let is_apart = !self.is_shared || self.mistake == Some(Mistake::SharesNothing);
        let memory = if is_apart { Rc::default() } else { Rc::clone(&self.memory) };
        let (clock, mistake) = (Rc::clone(&self.clock), self.mistake);
        Box::new(Node { memory, clock, mistake, events: VecDeque::new() })
    }

    fn brief_presence(&mut self) -> Box<dyn Presence> {
        self.presence()
    }

    fn brief_ttl(&self) -> Duration {
        limits::PRESENCE_TTL
    }

    fn is_shared(&self) -> bool {
        self.is_shared
    }

    fn now(&self) -> Now {
        Self::time(&self.clock)
    }

    fn wait(&mut self) {
        thread::sleep(Duration::from_millis(1));
    }

    fn pass(&mut self, span: Duration) {
        self.clock.set(self.clock.get() + span);
    }
}

impl Node {
    /// Asks, and takes the answer: memory answers at once.
    fn ask(&mut self, ask: impl FnOnce(&mut MemoryPresence)) {
        let mut now = Nodes::time(&self.clock);
        match self.mistake {
            Some(Mistake::ForgetsNobody) => now = Now::default(),
            Some(Mistake::ForgetsTooSoon) => now.moment = Moment::after_start(self.clock.get() * 2),
            _ => {}
        }
        let mut memory = self.memory.borrow_mut();
        assert!(memory.poll(now).is_none(), "nothing was asked");
        ask(&mut memory);
        let event = memory.poll(now).expect("memory answers at once");
        drop(memory);
        self.mistaken(event);
    }

    fn mistaken(&mut self, mut event: PresenceEvent) {
        match (&mut event, self.mistake) {
            (PresenceEvent::Changed { outcome: Ok(change), .. }, Some(Mistake::IsAlwaysNew)) => {
                change.is_new = true;
            }
            (PresenceEvent::Changed { ticket, outcome }, Some(Mistake::AnswersTwice)) => {
                self.events.push_back(PresenceEvent::Changed { ticket: *ticket, outcome: *outcome });
            }
            (PresenceEvent::Counted { outcome: Ok(found), .. }, Some(Mistake::CountsClientsAsUsers)) => {
                found.users = found.clients;
            }
            _ => {}
        }
        self.events.push_back(event);
    }

    fn channel(&self, channel: &ChannelName) -> ChannelName {
        match self.mistake {
            Some(Mistake::MixesChannels) => ChannelName::parse("all").expect("a name"),
            _ => channel.clone(),
        }
    }
}

impl Presence for Node {
    fn enter(&mut self, ticket: Ticket, channel: &ChannelName, member: &Arc<ClientInfo>) {
        let mut member = ClientInfo::clone(member);
        match self.mistake {
            Some(Mistake::TrimsUsers) => member.user = member.user.trim().into(),
            Some(Mistake::ShowsNoInfos) => member.connection = None,
            _ => {}
        }
        let channel = self.channel(channel);
        self.ask(|memory| memory.enter(ticket, &channel, &Arc::new(member)));
    }

    fn exit(&mut self, ticket: Ticket, channel: &ChannelName, client: ClientId) {
        let client = if self.mistake == Some(Mistake::HeedsNoExit) { ClientId::new(0) } else { client };
        let channel = self.channel(channel);
        self.ask(|memory| memory.exit(ticket, &channel, client));
    }

    fn members(&mut self, ticket: Ticket, channel: &ChannelName, limit: u32) {
        let limit = if self.mistake == Some(Mistake::ListsTooMany) { limit.saturating_add(1) } else { limit };
        let channel = self.channel(channel);
        self.ask(|memory| memory.members(ticket, &channel, limit));
    }

    fn count(&mut self, ticket: Ticket, channel: &ChannelName) {
        let channel = self.channel(channel);
        self.ask(|memory| memory.count(ticket, &channel));
    }

    fn poll(&mut self, _: Now) -> Option<PresenceEvent> {
        self.events.pop_front()
    }
}

#[test]
fn the_memory_presence_passes() {
    check_presence(&mut Nodes::new(false, None));
}

#[test]
fn several_nodes_with_one_presence_pass() {
    check_presence(&mut Nodes::new(true, None));
}

#[test]
fn a_mistaken_presence_is_found_out() {
    for (mistake, check) in [
        (Mistake::AnswersTwice, "every_call_is_answered_once"),
        (Mistake::IsAlwaysNew, "who_enters_again_is_counted_once"),
        (Mistake::IsAlwaysNew, "a_stranger_cannot_exit"),
        (Mistake::HeedsNoExit, "who_enters_is_counted_until_it_exits"),
        (Mistake::CountsClientsAsUsers, "clients_of_one_user_are_one_user"),
        (Mistake::CountsClientsAsUsers, "clients_without_a_user_are_one_user"),
        (Mistake::CountsClientsAsUsers, "a_client_can_become_another_users"),
        (Mistake::TrimsUsers, "what_is_shown_arrives_to_the_byte"),
        (Mistake::ShowsNoInfos, "what_is_shown_arrives_to_the_byte"),
        (Mistake::ShowsNoInfos, "what_is_shown_last_is_shown"),
        (Mistake::ListsTooMany, "members_are_listed_up_to_a_limit"),
        (Mistake::MixesChannels, "channels_have_members_of_their_own"),
        (Mistake::SharesNothing, "nodes_share_members"),
        (Mistake::ForgetsNobody, "whom_nobody_vouches_for_is_forgotten"),
        (Mistake::ForgetsNobody, "who_was_forgotten_is_new_again"),
        (Mistake::ForgetsTooSoon, "whom_nobody_vouches_for_is_forgotten"),
    ] {
        let check = presence_checks().find(|known| known.name == check).expect("a check of the suite");
        let run = thread::spawn(move || check.run(&mut Nodes::new(true, Some(mistake))));
        assert!(run.join().is_err(), "{} passed a presence with {mistake:?}", check.name);
    }
}
