//! What operators are told of settings that were read anew: in the log by name, in metrics by number.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use model::limits;

use super::Fault;
use crate::config::{Change, SettingPath};

/// What came of settings that were read anew.
#[derive(Default)]
pub(crate) struct Reloads {
    applied: AtomicU64,
    refused: AtomicU64,
    /// The last ones could not be used.
    is_stale: AtomicBool,
    /// They cannot be read.
    is_late: AtomicBool,
    is_restart_needed: AtomicBool,
}

impl Reloads {
    /// Whether the settings that were read last are in effect, as far as they can be without a restart.
    pub(crate) fn is_ok(&self) -> bool {
        !self.is_stale.load(Ordering::Relaxed) && !self.is_late.load(Ordering::Relaxed)
    }

    /// Whether some of them wait for a restart.
    pub(crate) fn is_restart_needed(&self) -> bool {
        self.is_restart_needed.load(Ordering::Relaxed)
    }

    /// How often they were applied, and refused.
    pub(crate) fn counts(&self) -> [u64; 2] {
        [&self.applied, &self.refused].map(|count| count.load(Ordering::Relaxed))
    }

    /// Reading takes longer than [`limits::SETTINGS_READ_DEADLINE`].
    pub(super) fn late(&self) {
        tracing::error!(
            "settings cannot be read: their files do not answer, and the old ones stay until they do"
        );
        self.is_late.store(true, Ordering::Relaxed);
    }

    /// They were read after all.
    pub(super) fn read(&self) {
        if self.is_late.swap(false, Ordering::Relaxed) {
            tracing::info!("settings can be read again");
        }
    }

    pub(super) fn applied(&self, change: &Change) {
        tracing::info!(changed = %list(&change.applied), "settings reloaded");
        if !change.waiting.is_empty() {
            tracing::warn!("takes effect after a restart: {}", list(&change.waiting));
        }
        self.is_restart_needed.store(!change.waiting.is_empty(), Ordering::Relaxed);
        self.is_stale.store(false, Ordering::Relaxed);
        self.applied.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self, fault: &Fault) {
        let lines = fault.lines();
        for line in lines.iter().take(limits::SETTINGS_TOLD_MAX) {
            tracing::error!("settings not reloaded, the old ones stay: {line}");
        }
        if let Some(others) = lines.len().checked_sub(limits::SETTINGS_TOLD_MAX).filter(|others| *others > 0)
        {
            tracing::error!("settings not reloaded: {others} more faults");
        }
        self.is_stale.store(true, Ordering::Relaxed);
        self.refused.fetch_add(1, Ordering::Relaxed);
    }
}

fn list(settings: &[SettingPath]) -> String {
    let told = settings.iter().take(limits::SETTINGS_TOLD_MAX).map(SettingPath::to_string);
    let others = settings.len().saturating_sub(limits::SETTINGS_TOLD_MAX);
    let others = (others > 0).then(|| format!("and {others} more"));
    let names: Vec<String> = told.chain(others).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
