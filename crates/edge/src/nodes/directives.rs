//! Carries out what other nodes were told by backends, which comes by the channel of the nodes.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::{Delivery, Mailbox, WorkerMail};
use model::{ChannelName, limits};

use super::directive::Directive;
use super::inbox::{Arrival, Inbox};
use crate::handle::Handle;

/// What arrives from other nodes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Directives {
    inbox: Inbox,
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
        let inbox = Inbox::new(limits::DIRECTIVES_WAITING_MAX, limits::DIRECTIVES_WAITING_BYTES_MAX);
        Self { inbox, counts: Arc::default() }
    }

    /// Where the sequencer puts them.
    pub(crate) fn mailbox(&self) -> Arc<Mailbox<WorkerMail>> {
        self.inbox.mailbox()
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
        self.inbox.join(handle, 0, ChannelName::of_nodes());
        loop {
            for arrival in self.inbox.next().await {
                match arrival {
                    Arrival::Joined => {}
                    Arrival::Publication(delivery) => self.take(&delivery, handle).await,
                    Arrival::Broken => {
                        tracing::warn!("directives of other nodes were lost: Redis no longer had them");
                        self.counts.gaps.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    }

    async fn take(&self, delivery: &Delivery, handle: &Handle) {
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
