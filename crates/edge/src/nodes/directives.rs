//! Carries out what other nodes were told by backends. To the sequencer the control thread is one more worker,
//! which has a single channel: that of the nodes, whose gaps are repaired as any other's.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::{ChannelKey, Mailbox, NodeRequest, WorkerMail};
use model::{ChannelName, WorkerId, limits};
use tokio::sync::Notify;

use crate::handle::Handle;
use crate::nodes::directive::Directive;

/// What arrives from other nodes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Directives {
    mailbox: Arc<Mailbox<WorkerMail>>,
    arrived: Arc<Notify>,
    counts: Arc<Counts>,
}

/// What became of directives of other nodes.
#[derive(Default)]
pub(crate) struct Counts {
    carried_out: AtomicU64,
    malformed: AtomicU64,
    gaps: AtomicU64,
}

impl Directives {
    /// Nothing has arrived.
    pub(crate) fn new() -> Self {
        let arrived: Arc<Notify> = Arc::default();
        let wake = Arc::clone(&arrived);
        let (entries, bytes) = (limits::DIRECTIVES_WAITING_MAX, limits::DIRECTIVES_WAITING_BYTES_MAX);
        let mailbox = Mailbox::new(entries, bytes, Box::new(move || wake.notify_one()));
        Self { mailbox: Arc::new(mailbox), arrived, counts: Arc::default() }
    }

    /// Where the sequencer puts them.
    pub(crate) fn mailbox(&self) -> Arc<Mailbox<WorkerMail>> {
        Arc::clone(&self.mailbox)
    }

    /// Carried out, not understood, and how often some were missing, since the start.
    pub(crate) fn counts(&self) -> [u64; 3] {
        let Counts { carried_out, malformed, gaps } = &*self.counts;
        [carried_out, malformed, gaps].map(|count| count.load(Ordering::Relaxed))
    }

    /// Asks for the nodes' channel and carries out what comes, for as long as the node lives.
    pub(crate) async fn carry_out(&self, handle: &Handle) -> Infallible {
        if !handle.is_clustered() {
            return std::future::pending().await;
        }
        let worker = WorkerId(handle.workers().len() as u16);
        let (channel, key) = (ChannelName::of_nodes(), ChannelKey::ONLY);
        handle.ask_node(NodeRequest::Join { worker, channel, key });
        let mut mail = Vec::new();
        loop {
            self.arrived.notified().await;
            self.mailbox.take(&mut mail);
            for mail in mail.drain(..) {
                self.take(mail, handle).await;
            }
        }
    }

    async fn take(&self, mail: WorkerMail, handle: &Handle) {
        let delivery = match mail {
            WorkerMail::Publication { delivery, .. } => delivery,
            WorkerMail::Broken { .. } => {
                tracing::warn!("directives of other nodes were lost: Redis no longer had them");
                self.counts.gaps.fetch_add(1, Ordering::Relaxed);
                return;
            }
            WorkerMail::Joined { .. }
            | WorkerMail::Severed { .. }
            | WorkerMail::Recovered { .. }
            | WorkerMail::History { .. }
            | WorkerMail::Moved { .. }
            | WorkerMail::Inquired { .. }
            | WorkerMail::Published { .. }
            | WorkerMail::Order(_) => return,
        };
        match Directive::read(&delivery.publication.payload, handle.roster()) {
            Ok(Some(directive)) => {
                handle.gather(|reply| directive.order(reply)).await;
                self.counts.carried_out.fetch_add(1, Ordering::Relaxed);
            }
            Ok(None) => {}
            Err(_) => {
                self.counts.malformed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
