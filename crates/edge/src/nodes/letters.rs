//! Questions that a node asks others, and their answers: which channels have subscribers, and which connections there
//! are. Each node has a channel of its own for both, which the control thread reads as one more worker.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use broker::PublishTerms;
use engine::{ConnectionQuery, Delivery, Mailbox, WorkerMail};
use model::{ChannelName, ClientId, Payload, Refusal, Tags, limits};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::connections::{NodePage, Place};
use super::inbox::{Arrival, Inbox};
use super::listing::Listing;
use crate::handle::Handle;

/// What a node asks others and is asked by them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Letters {
    inbox: Inbox,
    joined: Arc<Notify>,
    slots: Arc<Semaphore>,
    channels: Arc<Asked<Listing>>,
    connections: Arc<Asked<NodePage>>,
}

/// The questions of one kind that are not answered yet.
#[derive(Default)]
struct Asked<T> {
    open: Mutex<HashMap<u64, Open<T>>>,
    next: AtomicU64,
}

/// One of them.
struct Open<T> {
    /// The nodes that are still to answer, and which part comes next.
    awaited: HashMap<String, u32>,
    found: T,
    answered: Option<oneshot::Sender<()>>,
}

/// What one node writes another.
#[derive(Serialize, Deserialize)]
struct Letter {
    version: u8,
    from: String,
    /// Of the question.
    number: u64,
    says: Says,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Says {
    /// Which channels have subscribers?
    AskChannels { pattern: String },
    /// These have, so many; the first part is number 0.
    Channels { part: u32, is_last: bool, is_cut: bool, subscribers: BTreeMap<String, u64> },
    /// Which connections are there, from a place on, so many and of so many bytes at most?
    AskConnections { wanted: Wanted, from: Place, count: usize, bytes: usize },
    /// These are, all in one part.
    Connections { page: NodePage },
}

/// Which connections are asked for.
#[derive(Serialize, Deserialize)]
struct Wanted {
    user: Option<String>,
    channel: Option<String>,
    client: Option<String>,
}

impl Letters {
    /// Nothing was asked yet.
    pub(crate) fn new() -> Self {
        let inbox = Inbox::new(limits::NODE_LETTERS_WAITING_MAX, limits::NODE_LETTERS_WAITING_BYTES_MAX);
        let slots = Arc::new(Semaphore::new(limits::NODE_QUESTIONS_MAX));
        Self { inbox, joined: Arc::default(), slots, channels: Arc::default(), connections: Arc::default() }
    }

    /// Where the sequencer puts them.
    pub(crate) fn mailbox(&self) -> Arc<Mailbox<WorkerMail>> {
        self.inbox.mailbox()
    }

    /// Waits until the node hears what it is asked. Of two who wait, one is told.
    pub(crate) async fn joined(&self) {
        self.joined.notified().await;
    }

    /// Which channels have subscribers, on all nodes together; refused when one of them does not say.
    pub(crate) async fn channels(&self, handle: &Handle, pattern: &str) -> Result<Listing, Refusal> {
        let peers = handle.roster().peers(handle.clock().moment()).ok_or(Refusal::Internal)?;
        if peers.is_empty() {
            return Listing::of_node(handle, pattern).await.ok_or(Refusal::Internal);
        }
        let says = Says::AskChannels { pattern: pattern.to_owned() };
        let others = self.ask(&self.channels, handle, &peers, says);
        let own = async { Listing::of_node(handle, pattern).await.ok_or(Refusal::Internal) };
        let (mut found, own) = tokio::try_join!(others, own)?;
        found.merge(own);
        Ok(found)
    }

    /// Some connections of another node; refused when it does not say.
    pub(crate) async fn connections(
        &self,
        handle: &Handle,
        peer: ClientId,
        query: &ConnectionQuery,
        from: Place,
        count: usize,
        bytes: usize,
    ) -> Result<NodePage, Refusal> {
        let says = Says::AskConnections { wanted: Wanted::new(query), from, count, bytes };
        self.ask(&self.connections, handle, &[peer], says).await
    }

    /// Asks other nodes, and waits until each has answered; refused when one does not.
    async fn ask<T: Default>(
        &self,
        asked: &Asked<T>,
        handle: &Handle,
        peers: &[ClientId],
        says: Says,
    ) -> Result<T, Refusal> {
        let _slot = self.slots.try_acquire().map_err(|_| Refusal::Internal)?;
        let (sender, answered) = oneshot::channel();
        let question = asked.ask(peers, sender);
        let payload = write(handle, question.number, says);
        let letters = peers.iter().map(|peer| post(handle, *peer, payload.clone()));
        // Whoever drops what becomes of a publication takes it back.
        let _letters = letters.collect::<Result<Vec<_>, _>>()?;
        let answered = timeout(limits::GATHER_DEADLINE, answered).await;
        match (answered, question.found()) {
            (Ok(Ok(())), Some(found)) => Ok(found),
            (Ok(_) | Err(_), _) => Err(Refusal::Internal),
        }
    }

    /// Answers other nodes and takes in their answers, for as long as the node lives.
    pub(crate) async fn exchange(&self, handle: &Handle) -> Infallible {
        if !handle.is_clustered() {
            return std::future::pending().await;
        }
        self.inbox.join(handle, 1, ChannelName::of_node(handle.roster().id()));
        let mut answers = JoinSet::new();
        loop {
            let arrivals = tokio::select! {
                arrivals = self.inbox.next() => arrivals,
                Some(_) = answers.join_next() => continue,
            };
            for arrival in arrivals {
                match arrival {
                    Arrival::Joined => self.joined.notify_one(),
                    Arrival::Publication(delivery) => self.take(&delivery, handle, &mut answers),
                    // Whoever is not answered asks again.
                    Arrival::Broken => {}
                }
            }
        }
    }

    fn take(&self, delivery: &Delivery, handle: &Handle, answers: &mut JoinSet<()>) {
        let letter: Option<Letter> = serde_json::from_slice(delivery.publication.payload.as_bytes()).ok();
        let is_readable = |letter: &Letter| handle.roster().directive().reads(letter.version);
        let Some(Letter { from, number, says, .. }) = letter.filter(is_readable) else {
            return tracing::debug!("a node was written what it does not understand");
        };
        match says {
            Says::Channels { part, is_last, is_cut, subscribers } => {
                self.channels.take(number, &from, part, is_last, |found| found.add(subscribers, is_cut));
            }
            Says::Connections { page } => {
                self.connections.take(number, &from, 0, true, |found| *found = page);
            }
            // Whoever is not answered asks again.
            Says::AskChannels { .. } | Says::AskConnections { .. }
                if answers.len() >= limits::NODE_QUESTIONS_MAX => {}
            Says::AskChannels { pattern } => {
                if let Some(from) =
                    ClientId::parse(&from).filter(|_| pattern.len() <= limits::PATTERN_BYTES_MAX)
                {
                    answers.spawn(answer_channels(handle.clone(), from, number, pattern));
                }
            }
            Says::AskConnections { wanted, from: place, count, bytes } => {
                if let (Some(to), Some(query)) = (ClientId::parse(&from), wanted.query()) {
                    let count = count.min(limits::CONNECTIONS_LISTED_MAX);
                    let bytes = bytes.min(limits::NODE_LETTER_BYTES_MAX);
                    let (handle, query) = (handle.clone(), Arc::new(query));
                    answers.spawn(async move {
                        let page = NodePage::of_node(&handle, &query, place, count, bytes).await;
                        answer_connections(&handle, to, number, page).await;
                    });
                }
            }
        }
    }
}

impl Wanted {
    fn new(query: &ConnectionQuery) -> Self {
        Self {
            user: query.user.as_deref().map(str::to_owned),
            channel: query.channel.as_ref().map(|name| name.as_str().to_owned()),
            client: query.client.map(|client| client.to_string()),
        }
    }

    /// What it says, if that can be said.
    fn query(self) -> Option<ConnectionQuery> {
        let channel = self.channel.map(|name| ChannelName::parse(&name)).transpose().ok()?;
        let client = match self.client {
            Some(text) => Some(ClientId::parse(&text)?),
            None => None,
        };
        Some(ConnectionQuery { user: self.user.map(String::into_boxed_str), channel, client })
    }
}

impl<T: Default> Asked<T> {
    fn ask(&self, peers: &[ClientId], answered: oneshot::Sender<()>) -> Question<'_, T> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let awaited = peers.iter().map(|peer| (peer.to_string(), 0)).collect();
        let open = Open { awaited, found: T::default(), answered: Some(answered) };
        self.lock().insert(number, open);
        Question { asked: self, number }
    }

    /// Takes a part of an answer in, if it is the one that is awaited.
    fn take(&self, number: u64, from: &str, part: u32, is_last: bool, found: impl FnOnce(&mut T)) {
        let mut all = self.lock();
        let Some(open) = all.get_mut(&number) else { return };
        let Some(next) = open.awaited.get_mut(from).filter(|next| **next == part) else { return };
        *next += 1;
        found(&mut open.found);
        if is_last {
            open.awaited.remove(from);
        }
        if open.awaited.is_empty()
            && let Some(answered) = open.answered.take()
        {
            // The caller may have given up waiting.
            answered.send(()).ok();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Open<T>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question that is open until this is dropped.
struct Question<'a, T: Default> {
    asked: &'a Asked<T>,
    number: u64,
}

impl<T: Default> Question<'_, T> {
    fn found(&self) -> Option<T> {
        self.asked.lock().remove(&self.number).map(|open| open.found)
    }
}

impl<T: Default> Drop for Question<'_, T> {
    fn drop(&mut self) {
        self.asked.lock().remove(&self.number);
    }
}

async fn answer_channels(handle: Handle, to: ClientId, number: u64, pattern: String) {
    // Whoever hears nothing knows that something is missing.
    let Some(listing) = Listing::of_node(&handle, &pattern).await else { return };
    let is_cut = listing.is_cut;
    let mut parts = listing.into_parts(limits::NODE_LETTER_BYTES_MAX).into_iter().enumerate().peekable();
    let mut posted = Vec::new();
    while let Some((part, subscribers)) = parts.next() {
        let is_last = parts.peek().is_none();
        let says = Says::Channels { part: part as u32, is_last, is_cut, subscribers };
        posted.extend(post(&handle, to, write(&handle, number, says)));
    }
    for posted in posted {
        drop(timeout(limits::PUBLISH_DEADLINE, posted).await);
    }
}

async fn answer_connections(handle: &Handle, to: ClientId, number: u64, page: Option<NodePage>) {
    // Whoever hears nothing knows that something is missing.
    let Some(page) = page else { return };
    if let Ok(posted) = post(handle, to, write(handle, number, Says::Connections { page })) {
        drop(timeout(limits::PUBLISH_DEADLINE, posted).await);
    }
}

fn write(handle: &Handle, number: u64, says: Says) -> Payload {
    let (version, from) = (handle.roster().directive().written(), handle.roster().name().to_owned());
    let json = serde_json::to_vec(&Letter { version, from, number, says });
    Payload::parse_json(&json.expect("texts and numbers are JSON")).expect("what was written is JSON")
}

type Posted = oneshot::Receiver<Result<Option<model::Position>, Refusal>>;

fn post(handle: &Handle, to: ClientId, payload: Payload) -> Result<Posted, Refusal> {
    if payload.size() > limits::NODE_PAYLOAD_BYTES_MAX {
        return Err(Refusal::LimitExceeded);
    }
    handle.begin_publish(ChannelName::of_node(to), payload, Tags::default(), PublishTerms::default(), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_once_its_parts_have_come_in_order_from_every_node() {
        let letters = Letters::new();
        let peers = [ClientId::new(1), ClientId::new(2)];
        let [one, two] = peers.map(|peer| peer.to_string());
        let (sender, mut answered) = oneshot::channel();
        let question = letters.channels.ask(&peers, sender);
        let names = |name: &str| BTreeMap::from([(name.to_owned(), 1)]);
        let take = |from: &str, part, is_last, name| {
            let add = |found: &mut Listing| found.add(names(name), false);
            letters.channels.take(question.number, from, part, is_last, add);
        };
        take("a stranger", 0, true, "never");
        take(&one, 1, true, "too early");
        take(&one, 0, false, "a");
        take(&one, 0, false, "twice");
        take(&two, 0, true, "b");
        take(&two, 1, true, "too much");
        assert!(answered.try_recv().is_err());
        take(&one, 1, true, "a");
        assert_eq!(answered.try_recv(), Ok(()));
        let found = question.found().expect("it is open");
        let found: Vec<_> = found.channels.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        assert_eq!(found, [("a", 2), ("b", 1)]);
        drop(question);
        assert!(letters.channels.lock().is_empty());
    }
}
