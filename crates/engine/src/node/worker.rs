//! A worker as the sequencer sees it: its mailbox, mail on the way there, and what found no room in it.

use std::collections::HashMap;
use std::sync::Arc;

use model::Position;

use crate::channels::ChannelKey;
use crate::mail::WorkerMail;
use crate::mailbox::Mailbox;

/// Mail gathered for a worker before it is handed over within one batch of requests.
const MAIL_BATCH: usize = 256;

/// A worker, named by its place in the sequencer's list.
pub(super) struct Worker {
    mailbox: Arc<Mailbox<WorkerMail>>,
    /// Mail of this batch; offers carry their bytes.
    outgoing: Vec<(WorkerMail, Option<usize>)>,
    /// Channels with history whose publications found no room, and the last one that did not. At most one entry
    /// for each channel that the worker has.
    behind: HashMap<ChannelKey, Position>,
}

impl Worker {
    pub(super) fn new(mailbox: Arc<Mailbox<WorkerMail>>) -> Self {
        Self { mailbox, outgoing: Vec::new(), behind: HashMap::new() }
    }

    /// Gathers mail; returns what [`Self::hand_over`] does, when it is time for that.
    pub(super) fn add(&mut self, mail: WorkerMail, bytes: Option<usize>) -> u64 {
        self.outgoing.push((mail, bytes));
        if self.outgoing.len() >= MAIL_BATCH { self.hand_over() } else { 0 }
    }

    /// The worker no longer has a channel.
    pub(super) fn forget(&mut self, key: ChannelKey) {
        self.behind.remove(&key);
    }

    /// Hands the batch over; returns how many publications without a position found no room, and are lost.
    pub(super) fn hand_over(&mut self) -> u64 {
        let mut lost = 0;
        for mail in self.mailbox.deliver(&mut self.outgoing) {
            if let WorkerMail::Publication { channel, delivery } = mail {
                match delivery.position {
                    Some(position) => drop(self.behind.insert(channel, position)),
                    None => lost += 1,
                }
            }
        }
        lost
    }

    /// Tells a worker that has caught up which of its channels it missed something of.
    pub(super) fn tell_what_is_behind(&mut self) {
        if self.behind.is_empty() || !self.mailbox.is_relaxed() {
            return;
        }
        let broken = self.behind.drain().map(|(channel, last)| WorkerMail::Broken { channel, last });
        self.outgoing.extend(broken.map(|mail| (mail, None)));
        // Answers always find room.
        drop(self.mailbox.deliver(&mut self.outgoing));
    }
}
