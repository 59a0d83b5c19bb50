//! Threads of a node: each has a name, an owner, and one way to fail. A panic in a thread's own loop ends the
//! process: a node without one of its threads would look alive and serve nobody.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};

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
