//! What the control thread reads of a channel: to the sequencer it is one more worker, which has that channel alone
//! and whose gaps are repaired as any other's.

use std::sync::Arc;

use engine::{ChannelKey, Delivery, Mailbox, NodeRequest, WorkerMail};
use model::{ChannelName, WorkerId};
use tokio::sync::Notify;

use crate::handle::Handle;

/// One such channel. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Inbox {
    mailbox: Arc<Mailbox<WorkerMail>>,
    arrived: Arc<Notify>,
}

/// What comes of it.
pub(crate) enum Arrival {
    /// What is published from here on comes.
    Joined,
    Publication(Arc<Delivery>),
    /// Publications are missing.
    Broken,
}

impl Inbox {
    /// Nothing has come; at most so many publications, of so many bytes, wait to be taken.
    pub(crate) fn new(entries_max: usize, bytes_max: usize) -> Self {
        let arrived: Arc<Notify> = Arc::default();
        let wake = Arc::clone(&arrived);
        let mailbox = Mailbox::new(entries_max, bytes_max, Box::new(move || wake.notify_one()));
        Self { mailbox: Arc::new(mailbox), arrived }
    }

    /// Where the sequencer puts what comes.
    pub(crate) fn mailbox(&self) -> Arc<Mailbox<WorkerMail>> {
        Arc::clone(&self.mailbox)
    }

    /// Asks for the channel, as the worker so many places behind the node's own.
    pub(crate) fn join(&self, handle: &Handle, place: usize, channel: ChannelName) {
        let worker = WorkerId((handle.workers().len() + place) as u16);
        handle.ask_node(NodeRequest::Join { worker, channel, key: ChannelKey::ONLY });
    }

    /// Waits until something comes. Nothing is lost when this is given up.
    pub(crate) async fn next(&self) -> Vec<Arrival> {
        self.arrived.notified().await;
        let mut mail = Vec::new();
        self.mailbox.take(&mut mail);
        mail.into_iter().filter_map(arrival).collect()
    }
}

fn arrival(mail: WorkerMail) -> Option<Arrival> {
    match mail {
        WorkerMail::Joined { .. } => Some(Arrival::Joined),
        WorkerMail::Publication { delivery, .. } => Some(Arrival::Publication(delivery)),
        WorkerMail::Broken { .. } => Some(Arrival::Broken),
        WorkerMail::Severed { .. }
        | WorkerMail::Recovered { .. }
        | WorkerMail::History { .. }
        | WorkerMail::Moved { .. }
        | WorkerMail::Inquired { .. }
        | WorkerMail::Published { .. }
        | WorkerMail::Order(_) => None,
    }
}
