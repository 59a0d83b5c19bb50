//! A steady load on a channel with history, and the account of it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{eventually, http};

use crate::edge::{API_KEY, Running};
use crate::follower::{Follower, Heard};

/// A publisher by server API, some 200 a second while Redis is well, one after the other.
pub(crate) struct Load {
    shared: Arc<Shared>,
    thread: JoinHandle<Account>,
}

/// What came of a load.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// The numbers that were published and acknowledged, each with its offset.
    pub(crate) acknowledged: Vec<(u64, u64)>,
    /// How many were not acknowledged.
    pub(crate) refused: usize,
}

#[derive(Default)]
struct Shared {
    ends: AtomicBool,
    acknowledged: AtomicU64,
}

impl Load {
    pub(crate) fn start(node: &Running, channel: &str) -> Self {
        let shared: Arc<Shared> = Arc::default();
        let (api, channel) = (node.internal(), channel.to_owned());
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || publish(api, &channel, &shared)
        });
        Self { shared, thread }
    }

    /// Waits until so many more were acknowledged.
    pub(crate) fn goes_on_for(&self, count: u64) {
        let before = self.shared.acknowledged.load(Ordering::Relaxed);
        eventually("publishing goes on", || {
            self.shared.acknowledged.load(Ordering::Relaxed) >= before + count
        });
    }

    pub(crate) fn end(self) -> Account {
        self.shared.ends.store(true, Ordering::Relaxed);
        self.thread.join().expect("the publisher ends well")
    }
}

impl Account {
    /// Everything acknowledged was heard, once, in order, and nobody was disturbed.
    pub(crate) fn was_heard_by(&self, followers: &[Follower]) {
        let &(_, last) = self.acknowledged.last().expect("something was acknowledged");
        for follower in followers {
            let has_all = || follower.heard().publications.iter().any(|&(offset, _)| offset >= last);
            eventually("the last acknowledged publication comes", has_all);
            let heard = follower.heard();
            assert!(heard.oddities.is_empty(), "{:?}", heard.oddities);
            assert_eq!(heard.lapses, 0, "nobody is told to come back");
            let offsets = heard.publications.iter().map(|&(offset, _)| offset);
            assert!(offsets.eq(1..=heard.publications.len() as u64), "{:?}", gaps(&heard));
            self.is_within(&heard);
        }
    }

    /// Everything acknowledged is among what was heard, at its offset, and nothing is there twice.
    pub(crate) fn is_within(&self, heard: &Heard) {
        let numbers: HashSet<u64> = heard.publications.iter().map(|(_, data)| number(data)).collect();
        assert_eq!(numbers.len(), heard.publications.len(), "nothing comes twice");
        let pairs: HashSet<(u64, u64)> =
            heard.publications.iter().map(|(offset, data)| (number(data), *offset)).collect();
        let lost: Vec<_> = self.acknowledged.iter().filter(|pair| !pairs.contains(pair)).collect();
        assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), self.acknowledged.len());
    }
}

fn number(data: &Value) -> u64 {
    data.as_u64().expect("a number")
}

fn gaps(heard: &Heard) -> Vec<[u64; 2]> {
    let pairs = heard.publications.windows(2).map(|pair| [pair[0].0, pair[1].0]);
    pairs.filter(|[one, next]| one + 1 != *next).collect()
}

fn publish(api: SocketAddr, channel: &str, shared: &Shared) -> Account {
    const PAUSE: Duration = Duration::from_millis(4);
    let key = format!("X-API-Key: {API_KEY}\r\n");
    let mut account = Account::default();
    for number in 1.. {
        if shared.ends.load(Ordering::Relaxed) {
            break;
        }
        let body = json!({"channel": channel, "data": number}).to_string();
        let answer = http::post(api, "/api/publish", &key, &body).expect("the node answers");
        let answer: Value = serde_json::from_str(&answer.body).expect("JSON");
        match answer["result"]["offset"].as_u64() {
            Some(offset) => {
                account.acknowledged.push((number, offset));
                shared.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            None => {
                assert_eq!(answer["error"]["code"], 100, "{answer}");
                account.refused += 1;
            }
        }
        thread::sleep(PAUSE);
    }
    account
}
