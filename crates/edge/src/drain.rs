//! The end of a node: tell load balancers, wait for them, close clients over a window, wait for the last.

use std::time::Duration;

use engine::{Order, WorkerMail};
use tokio::time::{Instant, sleep, timeout};

use crate::config::DrainConfig;
use crate::handle::Handle;
use crate::health::Health;

/// Time beyond the window for close frames to leave and peers to close.
const SLACK: Duration = Duration::from_secs(10);
/// Time between two looks at how many connections are left.
const LOOK: Duration = Duration::from_millis(100);

/// Drains the node. Returns when the last client is gone, or when the window and its slack have passed.
pub(crate) async fn run(handle: &Handle, health: &Health, config: &DrainConfig) {
    health.begin_drain();
    // Endpoints lag: traffic still comes for a while after readiness turned red, and is served.
    sleep(config.delay.0).await;
    for worker in handle.workers() {
        let order = Order::Drain { window: config.window.0 };
        worker.mailbox.answer(WorkerMail::Order(Box::new(order)));
    }
    let began = Instant::now();
    let emptied = async {
        while handle.count().await.connections > 0 {
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
}
