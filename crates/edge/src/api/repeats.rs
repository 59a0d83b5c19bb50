//! Publications that their publisher may repeat: by channel and key, what became of the first attempt.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{ChannelName, Moment, Refusal, limits};
use tokio::sync::{OnceCell, oneshot};

type Receiver = oneshot::Receiver<Result<(), Refusal>>;

/// The attempts of the last [`limits::IDEMPOTENCY_PERIOD`], at most [`limits::IDEMPOTENCY_KEYS_MAX`]; beyond
/// that the oldest is forgotten.
pub(super) struct Repeats {
    recent: Mutex<Recent>,
    hashers: [RandomState; 2],
}

#[derive(Default)]
struct Recent {
    attempts_by_print: HashMap<Print, Arc<Attempt>>,
    oldest_first: VecDeque<Arc<Attempt>>,
}

/// Stands for a channel and a key: 128 bits that nobody outside can aim at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Print(u128);

/// A publication that was handed on, and its outcome once it is known.
pub(super) struct Attempt {
    print: Print,
    begun: Moment,
    pending: Mutex<Receiver>,
    outcome: OnceCell<Result<(), Refusal>>,
}

impl Repeats {
    pub(super) fn new() -> Self {
        Self { recent: Mutex::default(), hashers: [RandomState::new(), RandomState::new()] }
    }

    pub(super) fn print(&self, channel: &ChannelName, key: &str) -> Print {
        let [high, low] = self.hashers.each_ref().map(|hasher| hasher.hash_one((channel.as_str(), key)));
        Print(u128::from(high) << 64 | u128::from(low))
    }

    /// The attempt that stands for `print`, which `publish` begins if there is none.
    pub(super) fn begin(
        &self,
        print: Print,
        now: Moment,
        publish: impl FnOnce() -> Result<Receiver, Refusal>,
    ) -> Result<Arc<Attempt>, Refusal> {
        let mut recent = lock(&self.recent);
        recent.drop_until(|oldest| now.since(oldest.begun) < limits::IDEMPOTENCY_PERIOD);
        if let Some(attempt) = recent.attempts_by_print.get(&print) {
            return Ok(Arc::clone(attempt));
        }
        let attempt = Arc::new(Attempt {
            print,
            begun: now,
            pending: Mutex::new(publish()?),
            outcome: OnceCell::new(),
        });
        if recent.oldest_first.len() >= limits::IDEMPOTENCY_KEYS_MAX {
            recent.drop_oldest();
        }
        recent.attempts_by_print.insert(print, Arc::clone(&attempt));
        recent.oldest_first.push_back(Arc::clone(&attempt));
        Ok(attempt)
    }

    /// An attempt was turned down: the next is a fresh one.
    pub(super) fn forget(&self, attempt: &Arc<Attempt>) {
        lock(&self.recent).remove(attempt);
    }
}

impl Recent {
    fn drop_until(&mut self, stays: impl Fn(&Attempt) -> bool) {
        while self.oldest_first.front().is_some_and(|oldest| !stays(oldest)) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.oldest_first.pop_front() {
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, attempt: &Arc<Attempt>) {
        let known = self.attempts_by_print.get(&attempt.print);
        if known.is_some_and(|known| Arc::ptr_eq(known, attempt)) {
            self.attempts_by_print.remove(&attempt.print);
        }
    }
}

impl Attempt {
    /// Awaits the outcome. A caller that gives up leaves it to the next one who asks.
    pub(super) async fn outcome(&self) -> Result<(), Refusal> {
        let arrives = || {
            poll_fn(|context| {
                let mut pending = lock(&self.pending);
                let outcome = Pin::new(&mut *pending);
                outcome.poll(context).map(|outcome| outcome.unwrap_or(Err(Refusal::Internal)))
            })
        };
        *self.outcome.get_or_init(arrives).await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::time::Duration;

    use super::*;

    type Outcome = oneshot::Sender<Result<(), Refusal>>;

    /// A publisher whose outcomes are in the test's hands.
    struct Publisher {
        repeats: Repeats,
        published: Cell<usize>,
        pending: RefCell<Vec<Outcome>>,
    }

    impl Publisher {
        fn new() -> Self {
            Self { repeats: Repeats::new(), published: Cell::new(0), pending: RefCell::default() }
        }

        fn publish(&self, channel: &str, key: &str, second: u64) -> Arc<Attempt> {
            let channel = ChannelName::parse(channel).expect("a name");
            let now = Moment::after_start(Duration::from_secs(second));
            let begin = || {
                let (outcome, receiver) = oneshot::channel();
                self.published.set(self.published.get() + 1);
                self.pending.borrow_mut().push(outcome);
                Ok(receiver)
            };
            self.repeats.begin(self.repeats.print(&channel, key), now, begin).expect("begun")
        }

        fn published(&self) -> usize {
            self.published.get()
        }

        fn settle(&self, outcome: Result<(), Refusal>) {
            self.pending.borrow_mut().pop().expect("begun").send(outcome).expect("awaited");
        }
    }

    #[test]
    fn a_key_belongs_to_a_channel_for_its_period() {
        let publisher = Publisher::new();
        for (channel, key, second, published) in [
            ("a", "1", 0, 1),
            ("a", "1", 1, 1),
            ("b", "1", 1, 2),
            ("a", "2", 1, 3),
            ("a", "1", 299, 3),
            ("a", "1", 300, 4),
            ("b", "1", 300, 4),
            ("b", "1", 301, 5),
        ] {
            publisher.publish(channel, key, second);
            assert_eq!(publisher.published(), published, "{channel} {key} {second}");
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_repetition_has_the_first_outcome() {
        let publisher = Publisher::new();
        let first = publisher.publish("a", "1", 0);
        let repeated = publisher.publish("a", "1", 0);
        publisher.settle(Ok(()));
        let (one, other) = tokio::join!(first.outcome(), repeated.outcome());
        assert_eq!((one, other), (Ok(()), Ok(())));
        assert_eq!(publisher.publish("a", "1", 1).outcome().await, Ok(()));
        assert_eq!(publisher.published(), 1);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_repetition_hears_what_a_caller_that_gave_up_did_not() {
        let publisher = Publisher::new();
        let first = publisher.publish("a", "1", 0);
        let hasty = tokio::time::timeout(Duration::ZERO, first.outcome()).await;
        assert!(hasty.is_err());
        publisher.settle(Ok(()));
        assert_eq!(publisher.publish("a", "1", 1).outcome().await, Ok(()));
        assert_eq!(publisher.published(), 1);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn after_a_refusal_a_repetition_is_a_fresh_attempt() {
        let publisher = Publisher::new();
        let first = publisher.publish("a", "1", 0);
        publisher.settle(Err(Refusal::Internal));
        assert_eq!(first.outcome().await, Err(Refusal::Internal));
        publisher.repeats.forget(&first);
        let second = publisher.publish("a", "1", 1);
        // The first one's place in the order of age must not take the second along.
        publisher.repeats.forget(&first);
        publisher.settle(Ok(()));
        assert_eq!(second.outcome().await, Ok(()));
        publisher.publish("a", "1", 299);
        assert_eq!(publisher.published(), 2);
    }
}
