//! Threads of a node: each has a name, an owner, and one way to fail. A panic in a thread's own loop ends the
//! process: a node without one of its threads would look alive and serve nobody.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use engine::{Mailbox, Node, NodeRequest};
use model::limits;
use transport::{Clock, Pulse};

/// The exit status after a panic: what `sysexits` calls an internal software error.
const EXIT_PANIC: i32 = 70;

/// Starts a thread that ends the process when its loop panics or fails.
pub(crate) fn spawn(
    name: String,
    body: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.clone()).spawn(move || match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => end_process(&name, &error.to_string()),
        Err(_) => end_process(&name, "it panicked"),
    })
}

fn end_process(thread: &str, why: &str) {
    // Not by the log alone: its own thread may not get to write before the process is gone.
    eprintln!("fanfare: thread {thread} ended: {why}; the process ends with it");
    std::process::exit(EXIT_PANIC);
}

/// How other threads reach the broker thread.
#[derive(Clone)]
pub(crate) struct BrokerLink {
    pub(crate) mailbox: Arc<Mailbox<NodeRequest>>,
    pub(crate) pulse: Arc<Pulse>,
    thread: Arc<OnceLock<Thread>>,
    stop: Arc<AtomicBool>,
}

impl BrokerLink {
    /// A link to a broker thread that has yet to start.
    pub(crate) fn new() -> Self {
        let thread: Arc<OnceLock<Thread>> = Arc::default();
        let sleeper = Arc::clone(&thread);
        // Without a thread yet there is nobody to wake: it looks into its mailbox first.
        let wake = move || sleeper.get().into_iter().for_each(Thread::unpark);
        let (entries, bytes) = (limits::NODE_MAILBOX_ENTRIES_MAX, limits::NODE_MAILBOX_BYTES_MAX);
        let mailbox = Arc::new(Mailbox::new(entries, bytes, Box::new(wake)));
        Self { mailbox, pulse: Arc::default(), thread, stop: Arc::default() }
    }

    /// Ends the broker thread once its mailbox is empty.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.thread.get().into_iter().for_each(Thread::unpark);
    }

    /// The broker thread's loop.
    pub(crate) fn run(&self, mut node: Node, clock: Clock) {
        /// Time between signs of life when nothing is asked.
        const PATIENCE: Duration = Duration::from_secs(1);
        drop(self.thread.set(thread::current()));
        loop {
            node.on_requests(&self.mailbox);
            self.pulse.beat(clock.moment());
            if self.stop.load(Ordering::Acquire) && self.mailbox.depth() == 0 {
                return;
            }
            thread::park_timeout(PATIENCE);
        }
    }
}
