//! One suite for every broker: what the sequencer relies on, whichever it is. Knows no broker in particular and
//! causes no faults.

mod delivery;
mod driven;
mod expiry;
mod guards;
mod history;
mod nodes;
mod samples;

use std::panic::{self, AssertUnwindSafe};

use broker::Broker;

/// Where the suite gets its brokers from.
pub trait Backend {
    /// A broker as a node of its own has it. All of them belong to one cluster if [`Self::is_shared`].
    fn broker(&mut self) -> Box<dyn Broker>;

    /// Whether its brokers hear each other and share histories.
    fn is_shared(&self) -> bool;

    /// Lets what is under way come further; called between two looks at a broker that had nothing to report.
    fn wait(&mut self);
}

/// One thing that every broker does.
#[derive(Clone, Copy)]
pub struct BrokerCheck {
    /// What it does, as a sentence.
    pub name: &'static str,
    run: fn(&mut dyn Backend),
}

impl BrokerCheck {
    /// Checks it.
    ///
    /// # Panics
    /// When it does something else, or nothing in time.
    pub fn run(self, backend: &mut dyn Backend) {
        (self.run)(backend);
    }
}

/// Every check, in an order in which the first to fail says most. Those of several nodes end at once where the
/// backend has but one.
pub fn broker_checks() -> impl Iterator<Item = BrokerCheck> {
    let modules =
        [delivery::CHECKS, history::CHECKS, guards::CHECKS, nodes::CHECKS, expiry::CHECKS].into_iter();
    modules.flatten().map(|(name, run)| BrokerCheck { name, run: *run })
}

/// Runs every check, and names all that fail.
///
/// # Panics
/// When one failed.
pub fn check_broker(backend: &mut dyn Backend) {
    let fails = |check: &BrokerCheck| {
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| check.run(backend)));
        outcome.is_err()
    };
    let failed: Vec<&str> = broker_checks().filter(fails).map(|check| check.name).collect();
    assert!(failed.is_empty(), "failed: {failed:#?}");
}

type Checks = &'static [(&'static str, fn(&mut dyn Backend))];

/// Names each check after its function.
macro_rules! checks {
    ($($check:ident),* $(,)?) => {
        pub(super) const CHECKS: super::Checks = &[$((stringify!($check), $check)),*];
    };
}
use checks;
