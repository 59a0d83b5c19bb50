//! The presence as the sequencer sees it. It shares connections, deadlines and the thread's loop with the broker.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use broker::{Presence, PresenceEvent, Ticket};
use model::{ChannelName, ClientId, ClientInfo, Now, limits};

use crate::board::Board;
use crate::request::Task;
use crate::visit::Visit;

/// Remembers in Redis who is in which channel.
pub struct RedisPresence {
    board: Rc<Board>,
    ttl: Duration,
}

impl RedisPresence {
    pub(crate) fn new(board: Rc<Board>) -> Self {
        Self { board, ttl: limits::PRESENCE_TTL }
    }

    /// Remembers members for another time than [`limits::PRESENCE_TTL`].
    pub fn with_ttl(self, ttl: Duration) -> Self {
        Self { ttl, ..self }
    }
}

impl Presence for RedisPresence {
    fn enter(&mut self, ticket: Ticket, channel: &ChannelName, member: &Arc<ClientInfo>) {
        let ttl = if channel.is_of_nodes() { limits::NODE_TTL } else { self.ttl };
        let visit = Visit::Enter { member: Arc::clone(member), ttl };
        self.board.ask(ticket, channel, Task::Visit(visit));
    }

    fn exit(&mut self, ticket: Ticket, channel: &ChannelName, client: ClientId) {
        self.board.ask(ticket, channel, Task::Visit(Visit::Exit(client)));
    }

    fn members(&mut self, ticket: Ticket, channel: &ChannelName, limit: u32) {
        self.board.ask(ticket, channel, Task::Visit(Visit::Members { limit }));
    }

    fn count(&mut self, ticket: Ticket, channel: &ChannelName) {
        self.board.ask(ticket, channel, Task::Visit(Visit::Count));
    }

    fn poll(&mut self, now: Now) -> Option<PresenceEvent> {
        self.board.moment.set(now.moment);
        let event = self.board.next_presence_event();
        if event.is_none() {
            self.board.sleep();
        }
        event
    }
}
