//! Who is subscribed, over all nodes: workers say who enters, stays and exits; subscribers who want to know are
//! told, unless there are too many for that.

use std::sync::Arc;

use broker::{Attendance, Change, PresenceEvent, Ticket};
use model::{ChannelName, ClientInfo, Movement, Refusal};

use super::visits::Purpose;
use super::{Awaited, Node, ticket};
use crate::delivery::MovementNotice;
use crate::mail::{Entry, Found, Inquiry, InquiryKind, WorkerMail};

impl Node {
    /// Somebody came to a channel, or went.
    pub(super) fn moved(&mut self, movement: Movement, entry: Entry) {
        if !self.policy.rules.has_presence(entry.namespace) {
            return self.announce_movement(movement, &entry);
        }
        self.visits.add(Purpose::Move(movement), entry);
    }

    /// Keeps members who are still there.
    pub(super) fn vouch(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            self.visits.add(Purpose::Vouch, entry);
        }
    }

    /// Tells the presence what stands in line, as far as it may be asked at once.
    fn call_presence(&mut self) {
        while let Some((index, visit)) = self.visits.start() {
            let awaited = self.awaited.insert(Awaited::Visit(index));
            let ticket = ticket(awaited, self.awaited.generation(awaited));
            let Entry { channel, member, .. } = &visit.entry;
            match visit.purpose {
                Purpose::Move(Movement::Join) | Purpose::Vouch => {
                    self.presence.enter(ticket, channel, member)
                }
                Purpose::Move(Movement::Leave) => self.presence.exit(ticket, channel, member.client),
            }
        }
    }

    pub(super) fn inquire(&mut self, inquiry: Inquiry) {
        let Inquiry { channel, namespace, question } = inquiry;
        let wants_members = matches!(question, InquiryKind::Members(..) | InquiryKind::MembersForApi(_));
        let ticket = self.await_broker(Awaited::Inquiry(question));
        if wants_members {
            self.presence.members(ticket, &channel, self.policy.rules.members_max(namespace));
        } else {
            self.presence.count(ticket, &channel);
        }
    }

    pub(super) fn poll_presence(&mut self) {
        self.call_presence();
        while let Some(event) = self.presence.poll(self.now) {
            match event {
                PresenceEvent::Changed { ticket, outcome } => self.on_changed(ticket, outcome),
                PresenceEvent::Members { ticket, outcome } => self.on_members(ticket, outcome),
                PresenceEvent::Counted { ticket, outcome } => self.on_counted(ticket, outcome),
            }
            self.call_presence();
        }
    }

    fn on_changed(&mut self, ticket: Ticket, outcome: Result<Change, Refusal>) {
        let Some(Awaited::Visit(index)) = self.answered(ticket) else {
            return;
        };
        let Some((movement, entry, members)) = self.visits.on_answer(index, outcome, self.moment()) else {
            return;
        };
        // Whose coming was not told, of them nobody is told that they went.
        let crowd = members + u32::from(movement == Movement::Leave);
        if crowd > self.policy.rules.members_max(entry.namespace) {
            self.counters.movements_hushed += u64::from(self.policy.rules.tells_movements(entry.namespace));
            return;
        }
        self.announce_movement(movement, &entry);
    }

    fn announce_movement(&mut self, movement: Movement, entry: &Entry) {
        if self.policy.rules.tells_movements(entry.namespace) {
            self.broker.announce(&entry.channel, movement, &entry.member);
        }
    }

    /// Tells a channel's workers that somebody came or went.
    pub(super) fn on_announced(&mut self, name: &ChannelName, movement: Movement, member: Arc<ClientInfo>) {
        let Some((index, channel)) = self.wanted(name) else {
            return;
        };
        let name = channel.name.clone();
        let notice = Arc::new(MovementNotice::new(name, movement, member, &self.encoders));
        self.mail_all(index, Some(notice.size()), |_, channel| WorkerMail::Moved {
            channel,
            notice: Arc::clone(&notice),
        });
    }

    fn on_members(&mut self, ticket: Ticket, outcome: Result<Vec<Arc<ClientInfo>>, Refusal>) {
        match self.answered(ticket) {
            Some(Awaited::Inquiry(InquiryKind::Members(connection, request))) => {
                let outcome = outcome.map(Found::Members);
                self.mail(connection.worker, WorkerMail::Inquired { connection, request, outcome }, None);
            }
            // The caller may have given up waiting.
            Some(Awaited::Inquiry(InquiryKind::MembersForApi(reply))) => drop(reply.send(outcome)),
            Some(_) | None => {}
        }
    }

    fn on_counted(&mut self, ticket: Ticket, outcome: Result<Attendance, Refusal>) {
        match self.answered(ticket) {
            Some(Awaited::Inquiry(InquiryKind::Count(connection, request))) => {
                let outcome = outcome.map(Found::Count);
                self.mail(connection.worker, WorkerMail::Inquired { connection, request, outcome }, None);
            }
            Some(Awaited::Inquiry(InquiryKind::CountForApi(reply))) => drop(reply.send(outcome)),
            Some(_) | None => {}
        }
    }
}
