//! The clock of one stage of a run: every wait of the bench is bounded by it, so that a hung node yields an
//! error that names the stage and never a hang.

use std::time::{Duration, Instant};

use crate::{BenchError, Options};

/// What is being done, since when, and how far it has come.
pub(crate) struct Stage {
    name: String,
    ends: Instant,
    patience: Duration,
    moved: Instant,
    done: u64,
    wanted: u64,
}

impl Stage {
    pub(crate) fn begin(name: impl Into<String>, options: &Options) -> Self {
        let now = Instant::now();
        Self {
            name: name.into(),
            ends: now + options.pace.stage_limit,
            patience: options.pace.patience,
            moved: now,
            done: 0,
            wanted: 0,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Restarts the patience, at the beginning of a wait or when something arrived.
    pub(crate) fn moved(&mut self, now: Instant) {
        self.moved = now;
    }

    /// What the error says if the stage ends here.
    pub(crate) fn goal(&mut self, done: u64, wanted: u64) {
        self.done = done;
        self.wanted = wanted;
    }

    pub(crate) fn check(&self, now: Instant) -> Result<(), BenchError> {
        let why = if now >= self.ends {
            "took longer than the stage limit"
        } else if now.duration_since(self.moved) >= self.patience {
            "nothing arrived for too long"
        } else {
            return Ok(());
        };
        Err(BenchError::Stalled {
            stage: self.name.clone(),
            progress: format!("{why}, at {} of {}", self.done, self.wanted),
        })
    }
}
