//! Presences and what is known of them: what they were asked and have not answered, what they answered. And the
//! members that checks use.

use std::collections::{HashMap, HashSet};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use broker::{Attendance, Change, Presence, PresenceEvent, Ticket};
use model::{ChannelName, ClientId, ClientInfo, RawJson, Refusal};

use super::PresenceBackend;
use crate::PATIENCE;

/// How long a presence is watched for what must not come.
const SUSPICION: Duration = Duration::from_millis(50);

/// Presences under test. Fails as soon as something is answered twice, or as another question.
pub(super) struct Visited<'b> {
    backend: &'b mut dyn PresenceBackend,
    nodes: Vec<Node>,
    last_ticket: u64,
}

struct Node {
    presence: Box<dyn Presence>,
    open: HashSet<Ticket>,
    answers: HashMap<Ticket, Answer>,
}

#[derive(Debug)]
enum Answer {
    Changed(Result<Change, Refusal>),
    Members(Result<Vec<Arc<ClientInfo>>, Refusal>),
    Counted(Result<Attendance, Refusal>),
}

impl<'b> Visited<'b> {
    /// `count` presences of one backend; those after the first are other nodes.
    pub(super) fn new(backend: &'b mut dyn PresenceBackend, count: usize) -> Self {
        let presences = (0..count).map(|_| backend.presence()).collect();
        Self::with(backend, presences)
    }

    /// A presence that soon forgets.
    pub(super) fn brief(backend: &'b mut dyn PresenceBackend) -> Self {
        let presences = vec![backend.brief_presence()];
        Self::with(backend, presences)
    }

    fn with(backend: &'b mut dyn PresenceBackend, presences: Vec<Box<dyn Presence>>) -> Self {
        let node = |presence| Node { presence, open: HashSet::default(), answers: HashMap::default() };
        Self { backend, nodes: presences.into_iter().map(node).collect(), last_ticket: 0 }
    }

    pub(super) fn begin_enter(&mut self, node: usize, channel: &ChannelName, who: &ClientInfo) -> Ticket {
        let ticket = self.ticket(node);
        self.nodes[node].presence.enter(ticket, channel, &Arc::new(who.clone()));
        ticket
    }

    pub(super) fn begin_exit(&mut self, node: usize, channel: &ChannelName, client: ClientId) -> Ticket {
        let ticket = self.ticket(node);
        self.nodes[node].presence.exit(ticket, channel, client);
        ticket
    }

    /// Whether it was new, and the members.
    pub(super) fn enter(&mut self, node: usize, channel: &ChannelName, who: &ClientInfo) -> (bool, u32) {
        let ticket = self.begin_enter(node, channel, who);
        self.change(node, ticket)
    }

    /// Whether it was a member, and the members.
    pub(super) fn exit(&mut self, node: usize, channel: &ChannelName, client: ClientId) -> (bool, u32) {
        let ticket = self.begin_exit(node, channel, client);
        self.change(node, ticket)
    }

    /// What came of an enter or exit.
    pub(super) fn change(&mut self, node: usize, ticket: Ticket) -> (bool, u32) {
        match self.answer(node, ticket) {
            Answer::Changed(outcome) => outcome.map(|change| (change.is_new, change.members)),
            other @ (Answer::Members(_) | Answer::Counted(_)) => panic!("a change was answered {other:?}"),
        }
        .expect("a change is done")
    }

    /// The members, in the order of their ids.
    pub(super) fn members(
        &mut self,
        node: usize,
        channel: &ChannelName,
        limit: u32,
    ) -> Result<Vec<Arc<ClientInfo>>, Refusal> {
        let ticket = self.ticket(node);
        self.nodes[node].presence.members(ticket, channel, limit);
        match self.answer(node, ticket) {
            Answer::Members(outcome) => outcome.map(|mut members| {
                members.sort_by_key(|member| member.client.to_string());
                members
            }),
            other @ (Answer::Changed(_) | Answer::Counted(_)) => panic!("a list was answered {other:?}"),
        }
    }

    /// Clients and users.
    pub(super) fn count(&mut self, node: usize, channel: &ChannelName) -> (u32, u32) {
        let ticket = self.ticket(node);
        self.nodes[node].presence.count(ticket, channel);
        match self.answer(node, ticket) {
            Answer::Counted(outcome) => outcome.map(|found| (found.clients, found.users)),
            other @ (Answer::Changed(_) | Answer::Members(_)) => panic!("a count was answered {other:?}"),
        }
        .expect("members are counted")
    }

    pub(super) fn ttl(&self) -> Duration {
        self.backend.brief_ttl()
    }

    /// Lets time pass, and the presences hear of it.
    pub(super) fn pass(&mut self, span: Duration) {
        self.backend.pass(span);
        self.look();
    }

    /// Fails when something is answered that was not asked.
    pub(super) fn expect_silence(&mut self) {
        let end = Instant::now() + SUSPICION;
        while Instant::now() < end {
            self.look();
        }
        for node in &self.nodes {
            assert!(node.open.is_empty(), "was not answered: {:?}", node.open);
        }
    }

    fn ticket(&mut self, node: usize) -> Ticket {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.nodes[node].open.insert(ticket);
        ticket
    }

    fn answer(&mut self, node: usize, ticket: Ticket) -> Answer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = self.nodes[node].answers.remove(&ticket) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{ticket:?} was not answered within {PATIENCE:?}");
            self.look();
        }
    }

    fn look(&mut self) {
        let (now, mut is_quiet) = (self.backend.now(), true);
        for node in &mut self.nodes {
            while let Some(event) = node.presence.poll(now) {
                let (ticket, answer) = match event {
                    PresenceEvent::Changed { ticket, outcome } => (ticket, Answer::Changed(outcome)),
                    PresenceEvent::Members { ticket, outcome } => (ticket, Answer::Members(outcome)),
                    PresenceEvent::Counted { ticket, outcome } => (ticket, Answer::Counted(outcome)),
                };
                assert!(node.open.remove(&ticket), "{ticket:?} was answered twice, or not asked: {answer:?}");
                node.answers.insert(ticket, answer);
                is_quiet = false;
            }
        }
        if is_quiet {
            self.backend.wait();
        }
    }
}

/// A channel that no other check and no other run uses.
pub(super) fn channel(text: &str) -> ChannelName {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let begun = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970");
    let name = format!("members:{}-{:x}-{count}:{text}", process::id(), begun.as_micros());
    ChannelName::parse(&name).expect("a channel name")
}

/// A client's id, by its number.
pub(super) fn client(number: u32) -> ClientId {
    ClientId::new(u128::from(number) + 1)
}

/// A user's client, of which nothing more is shown.
pub(super) fn who(number: u32, user: &str) -> ClientInfo {
    ClientInfo { user: user.into(), client: client(number), connection: None, subscription: None }
}

/// A user's client, and what its tokens say.
pub(super) fn with_infos(
    number: u32,
    user: &str,
    connection: Option<&str>,
    subscription: Option<&str>,
) -> ClientInfo {
    let raw = |json: &str| RawJson::from_string(json.to_owned()).expect("a JSON text");
    let (connection, subscription) = (connection.map(raw), subscription.map(raw));
    ClientInfo { connection, subscription, ..who(number, user) }
}
