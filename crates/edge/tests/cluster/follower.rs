//! A subscriber with a thread of its own, who notes all that it is told, and comes back when it is told to.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Client, PATIENCE, Received, eventually, holds_within};

use crate::edge::{Running, token};

/// The subscriber; it ends when it is dropped.
pub(crate) struct Follower {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What a subscriber was told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard {
    /// Offset, 0 without one, and payload.
    pub(crate) publications: Vec<(u64, Value)>,
    /// The epochs it was told of, in order.
    pub(crate) epochs: Vec<Value>,
    /// How often it was told that publications are missing.
    pub(crate) lapses: usize,
    /// What does not belong there: closes, frames that are no JSON, unknown pushes.
    pub(crate) oddities: Vec<String>,
}

#[derive(Default)]
struct Shared {
    heard: Mutex<Heard>,
    ends: AtomicBool,
}

struct Reader {
    client: Client,
    channel: String,
    lines: VecDeque<String>,
    shared: Arc<Shared>,
    offset: u64,
    request: u32,
}

impl Follower {
    /// Connects and subscribes.
    pub(crate) fn start(node: &Running, channel: &str) -> Self {
        let shared: Arc<Shared> = Arc::default();
        let mut reader = Reader {
            client: Client::connect(node.address(), edge::NATIVE_PATH),
            channel: channel.to_owned(),
            lines: VecDeque::new(),
            shared: Arc::clone(&shared),
            offset: 0,
            request: 1,
        };
        reader.client.send(&json!({"id": 1, "connect": {"token": token("follower")}}).to_string());
        reader.subscribe(None);
        let thread = thread::spawn(move || reader.run());
        let follower = Self { shared, thread: Some(thread) };
        eventually("the subscription is there", || !follower.heard().epochs.is_empty());
        follower
    }

    /// What it was told so far.
    pub(crate) fn heard(&self) -> Heard {
        self.shared.heard().clone()
    }

    /// Waits until it heard so many publications, and returns what it heard; more is an error.
    pub(crate) fn hears(&self, count: usize) -> Heard {
        holds_within(PATIENCE, || self.shared.heard().publications.len() >= count);
        let heard = self.heard();
        let number = heard.publications.len();
        let Heard { lapses, oddities, .. } = &heard;
        assert!(oddities.is_empty(), "{oddities:?}");
        assert_eq!(number, count, "{lapses} lapses");
        heard
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the subscriber's thread ends well");
        }
    }
}

impl Shared {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    fn run(mut self) {
        const LOOK: Duration = Duration::from_millis(20);
        while !self.shared.ends.load(Ordering::Relaxed) {
            match self.client.receive_within(LOOK) {
                None => {}
                Some(Received::Text(text)) if text == "{}" => self.client.send("{}"),
                Some(Received::Text(text)) => self.lines.extend(text.split('\n').map(str::to_owned)),
                Some(other) => {
                    self.shared.heard().oddities.push(format!("{other:?}"));
                    return;
                }
            }
            while let Some(line) = self.lines.pop_front() {
                self.take(&line);
            }
        }
    }

    fn take(&mut self, line: &str) {
        let Ok(line) = serde_json::from_str::<Value>(line) else {
            return self.shared.heard().oddities.push(line.to_owned());
        };
        let push = &line["push"];
        if line["connect"].is_object() {
        } else if line["subscribe"].is_object() {
            self.on_subscribed(&line["subscribe"]);
        } else if push["channel"] == *self.channel && push["pub"].is_object() {
            self.on_publication(&push["pub"]);
        } else if push["unsubscribe"]["code"] == 2500 {
            let epoch = {
                let mut heard = self.shared.heard();
                heard.lapses += 1;
                heard.epochs.last().cloned()
            };
            self.subscribe(epoch);
        } else {
            self.shared.heard().oddities.push(line.to_string());
        }
    }

    fn subscribe(&mut self, epoch: Option<Value>) {
        self.request += 1;
        let mut subscribe = json!({"channel": self.channel});
        if let Some(epoch) = epoch.filter(|epoch| !epoch.is_null()) {
            subscribe = json!({
                "channel": self.channel, "recover": true, "epoch": epoch, "offset": self.offset,
            });
        }
        self.client.send(&json!({"id": self.request, "subscribe": subscribe}).to_string());
    }

    fn on_subscribed(&mut self, subscribed: &Value) {
        for publication in subscribed["publications"].as_array().into_iter().flatten() {
            self.on_publication(publication);
        }
        if subscribed["recovered"] != true {
            self.offset = subscribed["offset"].as_u64().unwrap_or_default();
        }
        self.shared.heard().epochs.push(subscribed["epoch"].clone());
    }

    fn on_publication(&mut self, publication: &Value) {
        let offset = publication["offset"].as_u64().unwrap_or_default();
        self.offset = self.offset.max(offset);
        self.shared.heard().publications.push((offset, publication["data"].clone()));
    }
}
