//! The end of a node: tell load balancers, wait for them, close clients over a window, wait for the last, shut the
//! door; and how far all that is.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::{Order, WorkerMail};
use model::{Moment, limits};
use tokio::time::{Instant, sleep, timeout};
use transport::WorkerLink;

use crate::config::DrainConfig;
use crate::handle::Handle;

/// Time beyond the window for close frames to leave and peers to close. With the deadlines of what follows it ends
/// within the 20 s that the chart grants beyond delay and window.
const SLACK: Duration = Duration::from_secs(8);
/// Time between two looks at how many connections are left.
const LOOK: Duration = Duration::from_millis(100);
/// Time between two lines of the log that tell it.
const REPORT: Duration = Duration::from_secs(10);

/// How far a drain is, as probes, scrapes and the log tell it.
#[derive(Default)]
pub(crate) struct Progress(Mutex<Option<Stage>>);

#[derive(Clone, Copy)]
struct Stage {
    /// When the first connection is closed.
    closes_from: Moment,
    window: Duration,
    total: u64,
    left: u64,
}

impl Progress {
    pub(crate) fn is_draining(&self) -> bool {
        self.lock().is_some()
    }

    /// About how long it still takes; nothing when the node does not drain.
    pub(crate) fn remaining(&self, now: Moment) -> Duration {
        self.lock().map_or(Duration::ZERO, |stage| stage.remaining(now))
    }

    /// The same for operators, with how many connections are left.
    pub(crate) fn words(&self, now: Moment) -> Option<String> {
        let Stage { left, total, .. } = (*self.lock())?;
        let seconds = self.remaining(now).as_secs_f64().ceil();
        Some(format!("{left} of {total} left, about {seconds} s"))
    }

    fn begin(&self, closes_from: Moment, window: Duration) {
        *self.lock() = Some(Stage { closes_from, window, total: 0, left: 0 });
    }

    /// Takes in how many connections there are. Until the first is closed, others still come.
    fn count(&self, connections: u64, now: Moment) {
        if let Some(stage) = self.lock().as_mut() {
            stage.left = connections;
            stage.total = if now < stage.closes_from { connections } else { stage.total.max(connections) };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Stage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stage {
    fn remaining(&self, now: Moment) -> Duration {
        let closing = match self.total {
            0 => Duration::ZERO,
            total => self.window.mul_f64(self.left as f64 / total as f64),
        };
        self.closes_from.since(now) + closing
    }
}

/// Drains the node. Returns when the last client is gone and nobody can come in any more, or when the window and its
/// slack have passed.
pub(crate) async fn run(handle: &Handle, progress: &Progress, config: &DrainConfig) {
    progress.begin(handle.clock().moment() + config.delay.0, config.window.0);
    let mut watch = Watch { handle, progress, reported: Instant::now() };
    watch.look().await;
    watch.report();
    // Endpoints lag: traffic still comes for a while after readiness turned red, and is served.
    let delayed = async {
        loop {
            sleep(LOOK).await;
            watch.look().await;
        }
    };
    let Err(_) = timeout(config.delay.0, delayed).await;
    for worker in handle.workers() {
        let order = Order::Drain { window: config.window.0 };
        worker.mailbox.answer(WorkerMail::Order(Box::new(order)));
    }
    let began = Instant::now();
    let emptied = async {
        while watch.look().await != Some(0) {
            sleep(LOOK).await;
        }
    };
    match timeout(config.window.0 + SLACK, emptied).await {
        Ok(()) => tracing::info!(seconds = began.elapsed().as_secs(), "drained"),
        Err(_) => {
            let left = handle.count().await.connections;
            tracing::warn!(left, "drain.window and its slack have passed: resetting who is left");
        }
    }
    shut_door(handle).await;
}

/// Closes the listening sockets once nobody waits there, and waits for the workers to end.
async fn shut_door(handle: &Handle) {
    handle.workers().iter().for_each(WorkerLink::leave);
    let ended = async {
        while !handle.workers().iter().all(WorkerLink::has_ended) {
            sleep(LOOK / 10).await;
        }
    };
    drop(timeout(2 * limits::LAST_CLIENTS_DEADLINE, ended).await);
}

/// Waits until the broker has all that was asked of it.
pub(crate) async fn flush(handle: &Handle) {
    let flushed = async {
        while handle.count_node().await.is_some_and(|node| node.awaited + node.visits > 0) {
            sleep(LOOK / 10).await;
        }
    };
    drop(timeout(limits::PUBLISH_DEADLINE, flushed).await);
}

/// Looks at how many connections are left, and tells it now and then.
struct Watch<'a> {
    handle: &'a Handle,
    progress: &'a Progress,
    reported: Instant,
}

impl Watch<'_> {
    /// How many are left; unknown when a worker does not answer.
    async fn look(&mut self) -> Option<u64> {
        let gathered = self.handle.gather(Order::Count).await;
        if self.reported.elapsed() >= REPORT {
            self.report();
        }
        if gathered.is_partial {
            return None;
        }
        let connections = gathered.answers.iter().map(|worker| worker.connections).sum();
        self.progress.count(connections, self.handle.clock().moment());
        Some(connections)
    }

    fn report(&mut self) {
        self.reported = Instant::now();
        let words = self.progress.words(self.handle.clock().moment()).unwrap_or_default();
        tracing::info!("draining: {words}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_drain_is_told_from_its_delay_its_window_and_its_connections() {
        let at = |seconds: u64| Moment::after_start(Duration::from_secs(seconds));
        let progress = Progress::default();
        let told = |now: u64| (progress.remaining(at(now)).as_secs(), progress.words(at(now)));
        let words = |text: &str| Some(text.to_owned());
        assert_eq!(told(99), (0, None));
        progress.begin(at(110), Duration::from_secs(60));
        assert!(progress.is_draining());
        for (now, connections, seconds, said) in [
            (100, 0, 10, "0 of 0 left, about 10 s"),
            (101, 2000, 69, "2000 of 2000 left, about 69 s"),
            (105, 3000, 65, "3000 of 3000 left, about 65 s"),
            (109, 2900, 61, "2900 of 2900 left, about 61 s"),
            (110, 3000, 60, "3000 of 3000 left, about 60 s"),
            (130, 2000, 40, "2000 of 3000 left, about 40 s"),
            // Held up: it takes longer than the window.
            (170, 100, 2, "100 of 3000 left, about 2 s"),
            (171, 0, 0, "0 of 3000 left, about 0 s"),
        ] {
            progress.count(connections, at(now));
            assert_eq!(told(now), (seconds, words(said)), "at {now}");
        }
    }
}
