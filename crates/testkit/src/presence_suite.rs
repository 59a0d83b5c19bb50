//! One suite for every presence: what the sequencer relies on, whichever it is. Knows no presence in particular
//! and causes no faults.

mod expiry;
mod membership;
mod visited;

use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use broker::Presence;
use model::Now;

/// Where the suite gets its presences from.
pub trait PresenceBackend {
    /// A presence as a node of its own has it. All of them belong to one cluster if [`Self::is_shared`].
    fn presence(&mut self) -> Box<dyn Presence>;

    /// One that remembers members for [`Self::brief_ttl`].
    fn brief_presence(&mut self) -> Box<dyn Presence>;

    /// For how long that is.
    fn brief_ttl(&self) -> Duration;

    /// Whether its presences know each other's members.
    fn is_shared(&self) -> bool;

    /// What is the time, for the presences.
    fn now(&self) -> Now;

    /// Lets what is under way come further; called between two looks at presences that had nothing to report.
    fn wait(&mut self);

    /// Lets time pass.
    fn pass(&mut self, span: Duration);
}

/// One thing that every presence does.
#[derive(Clone, Copy)]
pub struct PresenceCheck {
    /// What it does, as a sentence.
    pub name: &'static str,
    run: fn(&mut dyn PresenceBackend),
}

impl PresenceCheck {
    /// Checks it.
    ///
    /// # Panics
    /// When it does something else, or nothing in time.
    pub fn run(self, backend: &mut dyn PresenceBackend) {
        (self.run)(backend);
    }
}

/// Every check, in an order in which the first to fail says most. Those of several nodes end at once where the
/// backend has but one.
pub fn presence_checks() -> impl Iterator<Item = PresenceCheck> {
    let modules = [membership::CHECKS, expiry::CHECKS].into_iter();
    modules.flatten().map(|(name, run)| PresenceCheck { name, run: *run })
}

/// Runs every check, and names all that fail.
///
/// # Panics
/// When one failed.
pub fn check_presence(backend: &mut dyn PresenceBackend) {
    let fails = |check: &PresenceCheck| {
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| check.run(backend)));
        outcome.is_err()
    };
    let failed: Vec<&str> = presence_checks().filter(fails).map(|check| check.name).collect();
    assert!(failed.is_empty(), "failed: {failed:#?}");
}

type Checks = &'static [(&'static str, fn(&mut dyn PresenceBackend))];

/// Names each check after its function.
macro_rules! checks {
    ($($check:ident),* $(,)?) => {
        pub(super) const CHECKS: super::Checks = &[$((stringify!($check), $check)),*];
    };
}
use checks;
