//! The embedded presence: the members of one node's channels.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use model::{ChannelName, ClientId, ClientInfo, Moment, Now, Refusal, limits};

use crate::{Attendance, Change, Presence, PresenceEvent, Ticket};

/// A presence inside the process. Members are bounded by the subscriptions that the node holds.
#[derive(Default)]
pub struct MemoryPresence {
    channels: HashMap<ChannelName, Members>,
    /// Entries in the order in which they are due; those that were renewed since are due later.
    due: VecDeque<(Moment, ChannelName, ClientId)>,
    events: VecDeque<PresenceEvent>,
    now: Moment,
}

#[derive(Default)]
struct Members {
    members_by_client: HashMap<ClientId, Member>,
    clients_by_user: HashMap<Box<str>, u32>,
}

struct Member {
    shown: Arc<ClientInfo>,
    until: Moment,
}

impl MemoryPresence {
    /// A presence without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets those whom nobody vouches for any longer.
    fn expire(&mut self) {
        while self.due.front().is_some_and(|(until, ..)| *until <= self.now) {
            let Some((_, name, client)) = self.due.pop_front() else {
                return;
            };
            let Some(channel) = self.channels.get_mut(&name) else {
                continue;
            };
            match channel.members_by_client.get(&client).map(|member| member.until) {
                Some(until) if until > self.now => self.due.push_back((until, name, client)),
                Some(_) => drop(self.remove(&name, client)),
                None => {}
            }
        }
    }

    fn remove(&mut self, name: &ChannelName, client: ClientId) -> Change {
        let Some(channel) = self.channels.get_mut(name) else {
            return Change { is_new: false, members: 0 };
        };
        let removed = channel.members_by_client.remove(&client);
        if let Some(member) = &removed {
            channel.uncount(&member.shown.user);
        }
        let members = channel.members_by_client.len() as u32;
        if members == 0 {
            self.channels.remove(name);
        }
        Change { is_new: removed.is_some(), members }
    }
}

impl Members {
    fn uncount(&mut self, user: &str) {
        if let Some(clients) = self.clients_by_user.get_mut(user) {
            *clients -= 1;
            if *clients == 0 {
                self.clients_by_user.remove(user);
            }
        }
    }
}

impl Presence for MemoryPresence {
    fn enter(&mut self, ticket: Ticket, channel: &ChannelName, member: &Arc<ClientInfo>) {
        self.expire();
        let until = self.now + limits::PRESENCE_TTL;
        let members = self.channels.entry(channel.clone()).or_default();
        let entry = Member { shown: Arc::clone(member), until };
        let known = members.members_by_client.insert(member.client, entry);
        match &known {
            Some(known) if known.shown.user == member.user => {}
            Some(known) => {
                members.uncount(&known.shown.user);
                *members.clients_by_user.entry(member.user.clone()).or_default() += 1;
            }
            None => {
                *members.clients_by_user.entry(member.user.clone()).or_default() += 1;
                self.due.push_back((until, channel.clone(), member.client));
            }
        }
        let change = Change { is_new: known.is_none(), members: members.members_by_client.len() as u32 };
        self.events.push_back(PresenceEvent::Changed { ticket, outcome: Ok(change) });
    }

    fn exit(&mut self, ticket: Ticket, channel: &ChannelName, client: ClientId) {
        self.expire();
        let change = self.remove(channel, client);
        self.events.push_back(PresenceEvent::Changed { ticket, outcome: Ok(change) });
    }

    fn members(&mut self, ticket: Ticket, channel: &ChannelName, limit: u32) {
        self.expire();
        let members = self.channels.get(channel).map(|channel| &channel.members_by_client);
        let outcome = match members {
            Some(members) if members.len() > limit as usize => Err(Refusal::LimitExceeded),
            Some(members) => Ok(members.values().map(|member| Arc::clone(&member.shown)).collect()),
            None => Ok(Vec::new()),
        };
        self.events.push_back(PresenceEvent::Members { ticket, outcome });
    }

    fn count(&mut self, ticket: Ticket, channel: &ChannelName) {
        self.expire();
        let attendance = self.channels.get(channel).map_or_else(Attendance::default, |channel| Attendance {
            clients: channel.members_by_client.len() as u32,
            users: channel.clients_by_user.len() as u32,
        });
        self.events.push_back(PresenceEvent::Counted { ticket, outcome: Ok(attendance) });
    }

    fn poll(&mut self, now: Now) -> Option<PresenceEvent> {
        self.now = now.moment;
        self.events.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_member_stays_while_somebody_vouches_for_it() {
        let mut presence = MemoryPresence::new();
        assert_eq!(entered(&mut presence, 1, "alice"), Change { is_new: true, members: 1 });
        assert_eq!(entered(&mut presence, 2, "alice"), Change { is_new: true, members: 2 });
        pass(&mut presence, 40);
        assert_eq!(entered(&mut presence, 2, "alice"), Change { is_new: false, members: 2 });
        pass(&mut presence, 61);
        assert_eq!(counted(&mut presence), Attendance { clients: 1, users: 1 });
        pass(&mut presence, 101);
        assert_eq!(counted(&mut presence), Attendance::default());
        assert!(presence.due.is_empty() && presence.channels.is_empty());
    }

    #[test]
    fn members_are_listed_up_to_a_limit_and_counted_beyond_it() {
        let mut presence = MemoryPresence::new();
        for client in 1..=3 {
            entered(&mut presence, client, if client == 3 { "bob" } else { "" });
        }
        let listed = |presence: &mut MemoryPresence, limit| {
            presence.members(Ticket(1), &name(), limit);
            match presence.poll(Now::default()) {
                Some(PresenceEvent::Members { outcome, .. }) => outcome.map(|members| members.len()),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(listed(&mut presence, 3), Ok(3));
        assert_eq!(listed(&mut presence, 2), Err(Refusal::LimitExceeded));
        assert_eq!(counted(&mut presence), Attendance { clients: 3, users: 2 });
        presence.exit(Ticket(1), &name(), ClientId::new(3));
        assert_eq!(changed(&mut presence), Change { is_new: true, members: 2 });
        presence.exit(Ticket(1), &name(), ClientId::new(3));
        assert_eq!(changed(&mut presence), Change { is_new: false, members: 2 });
        assert_eq!(counted(&mut presence), Attendance { clients: 2, users: 1 });
    }

    fn entered(presence: &mut MemoryPresence, client: u128, user: &str) -> Change {
        let (client, user) = (ClientId::new(client), user.into());
        let member = Arc::new(ClientInfo { user, client, connection: None, subscription: None });
        presence.enter(Ticket(1), &name(), &member);
        changed(presence)
    }

    fn changed(presence: &mut MemoryPresence) -> Change {
        match presence.events.pop_front() {
            Some(PresenceEvent::Changed { outcome, .. }) => outcome.expect("memory refuses nobody"),
            other => panic!("{other:?}"),
        }
    }

    fn counted(presence: &mut MemoryPresence) -> Attendance {
        presence.count(Ticket(1), &name());
        match presence.events.pop_front() {
            Some(PresenceEvent::Counted { outcome, .. }) => outcome.expect("memory refuses nobody"),
            other => panic!("{other:?}"),
        }
    }

    fn pass(presence: &mut MemoryPresence, second: u64) {
        let moment = Moment::after_start(Duration::from_secs(second));
        assert!(presence.poll(Now { moment, ..Now::default() }).is_none());
    }

    fn name() -> ChannelName {
        ChannelName::parse("news").expect("a name")
    }
}
