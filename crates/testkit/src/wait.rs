//! Waiting for conditions, with a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// The longest that a test waits for anything; generous, for busy machines.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until something holds.
///
/// # Panics
/// When it does not in time.
pub fn eventually(what: &str, holds: impl FnMut() -> bool) {
    assert!(holds_within(PATIENCE, holds), "not within {PATIENCE:?}: {what}");
}

/// Whether something begins to hold in time.
pub fn holds_within(patience: Duration, mut holds: impl FnMut() -> bool) -> bool {
    const LOOK: Duration = Duration::from_millis(5);
    let deadline = Instant::now() + patience;
    loop {
        if holds() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(LOOK);
    }
}
