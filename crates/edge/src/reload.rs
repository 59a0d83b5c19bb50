//! Settings that change while the node runs: read again on SIGHUP and when their files changed, judged as a whole,
//! and handed to whoever works with them. What cannot be used changes nothing.

#[cfg(test)]
mod marks;
mod told;
mod watch;

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::sync::Arc;

use engine::Rules;
use model::limits;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, timeout};
use transport::Admission;

use crate::api::Access;
use crate::composition::Mode;
use crate::config::{Change, ConfigError, ConfigErrors, DrainConfig, Loaded, SettingPath};
use crate::handle::Handle;
use crate::live::Live;
use crate::log;
use crate::parts::{Fixed, Parts};
use crate::start_error::StartError;
use watch::Watch;

pub(crate) use told::Reloads;

/// Takes settings that were read anew.
pub(crate) struct Reload {
    /// None: the settings come from nowhere that could be read again.
    loaded: Option<Loaded>,
    fixed: Fixed,
    told: Arc<Reloads>,
}

/// Whoever works with what may change.
pub(crate) struct Targets {
    pub(crate) handle: Handle,
    pub(crate) admission: Arc<Admission>,
    pub(crate) access: Arc<Live<Access>>,
    pub(crate) drain: Live<DrainConfig>,
}

/// The signals that ask for it.
pub(crate) struct Hangups(Option<Signal>);

/// Why settings cannot be used.
enum Fault {
    Settings(ConfigErrors),
    /// A part of the node cannot work with them, because of what was set there.
    Part(StartError, String),
}

impl Hangups {
    /// Listens from now on.
    pub(crate) fn listen(mode: Mode) -> io::Result<Self> {
        match mode {
            // Who plays with a node closes its terminal, and means its end.
            Mode::Embedded | Mode::Development => Ok(Self(None)),
            Mode::Production => signal(SignalKind::hangup()).map(|signal| Self(Some(signal))),
        }
    }

    async fn next(&mut self) {
        let received = match &mut self.0 {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if received.is_none() {
            pending().await
        }
    }
}

impl Reload {
    pub(crate) fn new(loaded: Option<Loaded>, fixed: Fixed) -> Self {
        Self { loaded, fixed, told: Arc::default() }
    }

    /// What came of it so far.
    pub(crate) fn told(&self) -> Arc<Reloads> {
        Arc::clone(&self.told)
    }

    /// Takes changes on for as long as the node lives.
    pub(crate) async fn keep(&self, mut hangups: Hangups, targets: &Targets) -> Infallible {
        let Some(mut running) = self.loaded.clone() else {
            return pending().await;
        };
        let mut watch = Watch::new(&running);
        let mut ticker = interval(limits::SETTINGS_LOOK_PERIOD);
        ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_asked = tokio::select! {
                () = hangups.next() => true,
                _ = ticker.tick() => false,
            };
            // On a thread of its own: neither a disk that hangs nor thousands of namespaces hold up anything else.
            let (rules, fixed) = (targets.handle.rules(), self.fixed);
            let look = move || {
                let found = watch.look(is_asked);
                let judged = found.map(|found| judge(&running, found, &rules, fixed));
                (watch, running, judged)
            };
            let mut look = spawn_blocking(look);
            let looked = match timeout(limits::SETTINGS_READ_DEADLINE, &mut look).await {
                Ok(looked) => looked,
                Err(_) => {
                    self.told.late();
                    look.await
                }
            };
            let judged;
            (watch, running, judged) = looked.expect("looking at files does not panic");
            self.told.read();
            match judged {
                Some(Ok((change, parts))) => {
                    targets.take(parts, &change).await;
                    self.told.applied(&change);
                    running = change.settings;
                }
                Some(Err(fault)) => self.told.refused(&fault),
                None => {}
            }
        }
    }
}

/// Makes everything anew before anything is replaced.
fn judge(
    running: &Loaded,
    found: Result<Loaded, ConfigErrors>,
    rules: &Rules,
    fixed: Fixed,
) -> Result<(Change, Parts), Fault> {
    let change = found.and_then(|found| Change::between(running, &found)).map_err(Fault::Settings)?;
    let settings = &change.settings;
    let rules = rules.changed(&settings.config.channels, &settings.config.namespaces);
    let parts =
        rules.ok_or(StartError::Namespaces).and_then(|rules| Parts::new(&settings.config, rules, fixed));
    match parts {
        Ok(parts) => Ok((change, parts)),
        Err(error) => {
            let setting = error.setting().map(SettingPath::parse);
            // What is missing has no line.
            let origin = match setting {
                Some(setting) => settings.origin(&setting).to_string(),
                None => settings.file().map(|file| file.display().to_string()).unwrap_or_default(),
            };
            Err(Fault::Part(error, origin))
        }
    }
}

impl Targets {
    pub(crate) fn new(
        handle: &Handle,
        admission: &Arc<Admission>,
        access: Access,
        drain: DrainConfig,
    ) -> Self {
        let (handle, admission) = (handle.clone(), Arc::clone(admission));
        let (access, drain) = (Arc::new(Live::new(Arc::new(access))), Live::new(Arc::new(drain)));
        Self { handle, admission, access, drain }
    }

    /// Replaces everything; returns when all threads work with it.
    async fn take(&self, parts: Parts, change: &Change) {
        if change.applied.is_empty() {
            return;
        }
        parts.warn(&change.settings.config);
        let Parts { policy, admission, access, drain, level } = parts;
        log::adopt(level);
        self.admission.adopt(admission);
        self.drain.replace(Arc::new(drain));
        self.access.replace(Arc::new(access));
        if !self.handle.adopt(Arc::new(policy)).await {
            tracing::warn!("a thread does not answer: it follows the settings that changed once it does");
        }
    }
}

impl Fault {
    /// One line for each thing that is wrong.
    fn lines(&self) -> Vec<String> {
        match self {
            Self::Settings(errors) => errors.iter().map(ConfigError::to_string).collect(),
            Self::Part(error, origin) if origin.is_empty() => vec![error.to_string()],
            Self::Part(error, origin) => vec![format!("{error} ({origin})")],
        }
    }
}
