//! How the control thread speaks to the others: it publishes, and gives orders that every worker answers.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use broker::{Attendance, PublishTerms};
use engine::{
    HistoryAsker, HistoryRequest, Inquiry, InquiryKind, Mailbox, NodeCounters, NodeRequest, Order, Policy,
    PublishRequest, Publisher, Rules, ShardCounters, Waiting, WorkerMail,
};
use model::{
    ChannelName, ClaimedEpoch, ClientInfo, HistoryPage, HistoryRange, Payload, Position, Publication,
    Refusal, Tags, TraceParent, limits,
};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use transport::{Clock, WorkerLink};

use crate::live::Live;
use crate::nodes::directive::Directive;
use crate::nodes::letters::Letters;
use crate::nodes::roster::Roster;

/// A node's threads, seen from outside them. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    node: Arc<Mailbox<NodeRequest>>,
    outgoing: Arc<Outgoing>,
    workers: Arc<[WorkerLink]>,
    rules: Arc<Live<Rules>>,
    clock: Clock,
    roster: Arc<Roster>,
    letters: Letters,
}

/// Publications that backends began since the control thread last handed some over. One call may wake the
/// broker thread, many calls that came at once do so together. Bounded in entries; their bytes are those of
/// requests under way, which are bounded themselves.
#[derive(Default)]
struct Outgoing {
    queue: Mutex<VecDeque<(NodeRequest, usize)>>,
    filled: Notify,
}

/// Answers of the workers that were in time.
pub struct Gathered<T> {
    /// In the order of the workers' ids.
    pub answers: Vec<T>,
    /// Whether a worker did not answer within [`limits::GATHER_DEADLINE`].
    pub is_partial: bool,
}

impl Handle {
    /// Speaks to the broker thread by `node` and to `workers`.
    pub(crate) fn new(
        node: Arc<Mailbox<NodeRequest>>,
        workers: Arc<[WorkerLink]>,
        rules: Arc<Rules>,
        clock: Clock,
        roster: Arc<Roster>,
    ) -> Self {
        let rules = Arc::new(Live::new(rules));
        Self { node, outgoing: Arc::default(), workers, rules, clock, roster, letters: Letters::new() }
    }

    /// The nodes that are known.
    pub(crate) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// What nodes ask each other.
    pub(crate) fn letters(&self) -> &Letters {
        &self.letters
    }

    /// Whether there may be other nodes.
    pub(crate) fn is_clustered(&self) -> bool {
        self.roster.is_clustered()
    }

    /// What all nodes say of themselves.
    pub(crate) async fn nodes(&self) -> Result<Vec<Arc<ClientInfo>>, Refusal> {
        self.members(ChannelName::of_nodes()).await
    }

    /// Has a directive carried out by every worker of every node. The others have it when this returns, and carry
    /// it out within a second.
    pub(crate) async fn direct(&self, directive: &Directive) -> Result<(), Refusal> {
        let written = self.is_clustered().then(|| directive.write(&self.roster));
        if written.as_ref().is_some_and(|payload| payload.size() > limits::NODE_PAYLOAD_BYTES_MAX) {
            return Err(Refusal::LimitExceeded);
        }
        let gathered = self.gather(|reply| directive.order(reply)).await;
        if let Some(payload) = written {
            let channel = ChannelName::of_nodes();
            let rules = self.rules();
            let history = rules.of(&channel).ok().and_then(|namespace| rules.history(namespace));
            let terms = PublishTerms { history, ..PublishTerms::default() };
            let accepted = self.begin_publish(channel, payload, Tags::default(), terms, None)?;
            answered(accepted, Instant::now() + limits::PUBLISH_DEADLINE).await?;
        }
        if gathered.is_partial { Err(Refusal::Internal) } else { Ok(()) }
    }

    /// Asks the broker thread for what it always has room for.
    pub(crate) fn ask_node(&self, request: NodeRequest) {
        self.node.answer(request);
    }

    /// The rule-sets of the node's namespaces, as they are now.
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.now()
    }

    /// Has every thread follow another policy from its next command on. The broker thread has it before anybody
    /// could ask it about a namespace that is new. Returns whether all do.
    pub(crate) async fn adopt(&self, policy: Arc<Policy>) -> bool {
        self.ask_node(NodeRequest::Adopt(Arc::clone(&policy)));
        self.rules.replace(Arc::clone(&policy.rules));
        let order = |reply| Order::Adopt { policy: Arc::clone(&policy), reply };
        !self.gather(order).await.is_partial
    }

    /// The clock that all threads share.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Hands a backend's publication to the broker thread; several may be begun before the first outcome is
    /// awaited, and those to one channel keep their order. `trace` is the sampled span beneath which it is.
    pub fn begin_publish(
        &self,
        channel: ChannelName,
        payload: Payload,
        tags: Tags,
        terms: PublishTerms,
        trace: Option<Arc<TraceParent>>,
    ) -> Result<oneshot::Receiver<Result<Option<Position>, Refusal>>, Refusal> {
        let namespace = self.rules().of(&channel)?;
        let (reply, outcome) = oneshot::channel();
        let accepted = self.clock.moment();
        let publication = Publication { tags, trace, ..Publication::new(payload, accepted) };
        let bytes = publication.size();
        let publisher = Publisher::Api(reply);
        let request = PublishRequest { channel, namespace, publication, terms, publisher };
        let mut queue = self.outgoing.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.len() >= limits::NODE_MAILBOX_ENTRIES_MAX {
            return Err(Refusal::Internal);
        }
        queue.push_back((NodeRequest::Publish(Box::new(request)), bytes));
        drop(queue);
        self.outgoing.filled.notify_one();
        Ok(outcome)
    }

    /// Reads a part of a channel's history. The broker answers within [`limits::PUBLISH_DEADLINE`].
    pub async fn history(
        &self,
        channel: ChannelName,
        range: HistoryRange,
        epoch: ClaimedEpoch,
    ) -> Result<HistoryPage, Refusal> {
        let all = self.rules();
        let rules = all.history(all.of(&channel)?).ok_or(Refusal::NotAvailable)?;
        let (reply, outcome) = oneshot::channel();
        let asker = HistoryAsker::Api(reply);
        let request = HistoryRequest { channel, rules, range, epoch, asker };
        self.ask(NodeRequest::History(Box::new(request)), outcome).await
    }

    /// Drops what is kept of a channel; its epoch and top stay.
    pub async fn remove_history(&self, channel: ChannelName) -> Result<(), Refusal> {
        let rules = self.rules();
        rules.history(rules.of(&channel)?).ok_or(Refusal::NotAvailable)?;
        let (reply, outcome) = oneshot::channel();
        self.ask(NodeRequest::RemoveHistory { channel, reply }, outcome).await
    }

    /// Who is subscribed to a channel, over all nodes.
    pub async fn members(&self, channel: ChannelName) -> Result<Vec<Arc<ClientInfo>>, Refusal> {
        self.inquire(channel, InquiryKind::MembersForApi).await
    }

    /// How many are subscribed to a channel, over all nodes.
    pub async fn attendance(&self, channel: ChannelName) -> Result<Attendance, Refusal> {
        self.inquire(channel, InquiryKind::CountForApi).await
    }

    async fn inquire<T>(
        &self,
        channel: ChannelName,
        question: impl FnOnce(oneshot::Sender<Result<T, Refusal>>) -> InquiryKind,
    ) -> Result<T, Refusal> {
        let rules = self.rules();
        let namespace = rules.of(&channel)?;
        if !rules.has_presence(namespace) {
            return Err(Refusal::NotAvailable);
        }
        let (reply, outcome) = oneshot::channel();
        let inquiry = Inquiry { channel, namespace, question: question(reply) };
        self.ask(NodeRequest::Inquire(Box::new(inquiry)), outcome).await
    }

    async fn ask<T>(
        &self,
        request: NodeRequest,
        outcome: oneshot::Receiver<Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        self.node.offer(request, 0).map_err(|_| Refusal::Internal)?;
        answered(outcome, Instant::now() + limits::PUBLISH_DEADLINE).await
    }

    /// Hands publications over for as long as the node lives: runs on the control thread, where it gets its
    /// turn when every request that is ready has begun its publication. What the broker thread has no room for
    /// is tried again in a moment; whoever gave up waiting for it is left out.
    pub(crate) async fn hand_over(&self) -> Infallible {
        /// Time in which the broker thread makes room.
        const PAUSE: Duration = Duration::from_millis(2);
        loop {
            self.outgoing.filled.notified().await;
            while self.hand_over_once() {
                sleep(PAUSE).await;
            }
        }
    }

    /// Hands over what there is room for; true when something is left.
    pub(crate) fn hand_over_once(&self) -> bool {
        let mut queue = self.outgoing.queue.lock().unwrap_or_else(PoisonError::into_inner);
        self.node.offer_from(&mut queue);
        queue.retain(|(request, _)| !request.is_abandoned());
        !queue.is_empty()
    }

    /// Gives every worker an order and waits for their answers. `order` builds one worker's order around the
    /// sender of its answer.
    pub async fn gather<T>(&self, order: impl Fn(oneshot::Sender<T>) -> Order) -> Gathered<T> {
        let pending: Vec<oneshot::Receiver<T>> = self
            .workers
            .iter()
            .map(|worker| {
                let (reply, answer) = oneshot::channel();
                worker.mailbox.answer(WorkerMail::Order(Box::new(order(reply))));
                answer
            })
            .collect();
        let deadline = Instant::now() + limits::GATHER_DEADLINE;
        let mut gathered = Gathered { answers: Vec::with_capacity(pending.len()), is_partial: false };
        for answer in pending {
            match timeout_at(deadline, answer).await {
                Ok(Ok(answer)) => gathered.answers.push(answer),
                Ok(Err(_)) | Err(_) => gathered.is_partial = true,
            }
        }
        gathered
    }

    /// Gives one worker an order and waits for its answer; `None` when it has none in time, or there is no such
    /// worker.
    pub(crate) async fn ask_worker<T>(
        &self,
        worker: u16,
        order: impl FnOnce(oneshot::Sender<T>) -> Order,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let link = self.workers.get(usize::from(worker))?;
        link.mailbox.answer(WorkerMail::Order(Box::new(order(reply))));
        timeout(limits::GATHER_DEADLINE, answer).await.ok()?.ok()
    }

    /// What waits for the broker thread, and the most that waits for any worker.
    pub(crate) fn waiting(&self) -> [Waiting; 2] {
        let workers = self.workers.iter().map(|worker| worker.mailbox.waiting());
        [self.node.waiting(), workers.reduce(Waiting::max).unwrap_or_default()]
    }

    /// The workers' counters, added up.
    pub async fn count(&self) -> ShardCounters {
        let mut total = ShardCounters::default();
        for counters in self.gather(Order::Count).await.answers {
            total.merge(&counters);
        }
        total
    }

    /// The broker thread's counters.
    pub async fn count_node(&self) -> Option<NodeCounters> {
        let (reply, answer) = oneshot::channel();
        self.node.answer(NodeRequest::Count(reply));
        timeout(limits::GATHER_DEADLINE, answer).await.ok()?.ok()
    }

    /// The links to the workers.
    pub(crate) fn workers(&self) -> &[WorkerLink] {
        &self.workers
    }
}

/// What the broker thread answers. Past the deadline, what was asked may or may not have been done.
pub(crate) async fn answered<T>(
    outcome: oneshot::Receiver<Result<T, Refusal>>,
    deadline: Instant,
) -> Result<T, Refusal> {
    match timeout_at(deadline, outcome).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) | Err(_) => Err(Refusal::Internal),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use engine::{ChannelKey, NamespaceConfig};
    use model::ClientId;

    use super::*;
    use crate::nodes::roster::Formats;

    #[test]
    fn the_fullest_worker_shows_though_its_thread_answers_nothing() {
        let node = Arc::new(Mailbox::new(1, 10, Box::new(|| {})));
        let workers: Arc<[WorkerLink]> = (0..3).map(|_| WorkerLink::new()).collect();
        let rules = Arc::new(Rules::new(&NamespaceConfig::default(), &BTreeMap::new(), false));
        let roster = Arc::new(Roster::new(ClientId::new(1), false, Formats::new()));
        let handle = Handle::new(Arc::clone(&node), Arc::clone(&workers), rules, Clock::start(), roster);
        assert_eq!(handle.waiting(), [Waiting::default(); 2]);
        let severed = || WorkerMail::Severed { channel: ChannelKey::ONLY };
        for (worker, bytes) in [(0, 5), (1, 2), (1, 2)] {
            assert!(workers[worker].mailbox.offer(severed(), bytes).is_ok());
        }
        assert!(node.offer(NodeRequest::Vouch(Vec::new()), 7).is_ok());
        let (of_node, of_workers) = (Waiting { entries: 1, bytes: 7 }, Waiting { entries: 2, bytes: 5 });
        assert_eq!(handle.waiting(), [of_node, of_workers]);
    }

    #[test]
    fn a_publication_takes_room_for_its_payload_and_its_tags() {
        let node = Arc::new(Mailbox::new(1, 0, Box::new(|| {})));
        let rules = Arc::new(Rules::new(&NamespaceConfig::default(), &BTreeMap::new(), false));
        let roster = Arc::new(Roster::new(ClientId::new(1), false, Formats::new()));
        let handle = Handle::new(node, Arc::from([]), rules, Clock::start(), roster);
        let tags = BTreeMap::from([("tag".to_owned(), "x".repeat(1000))]);
        let channel = ChannelName::parse("news").expect("a name");
        let payload = Payload::parse_json(b"1").expect("a payload");
        let _outcome = handle
            .begin_publish(channel, payload, tags.into(), PublishTerms::default(), None)
            .expect("begun");
        let queue = handle.outgoing.queue.lock().expect("nobody panicked");
        let sizes: Vec<usize> = queue.iter().map(|(_, bytes)| *bytes).collect();
        assert_eq!(sizes, [1 + "{\"tag\":\"\"}".len() + 1000]);
    }
}
