//! What tells a node to end: its owner, and signals where the node is a process of its own.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;

use crate::composition::Mode;

/// Counts how often a node is told to end, so that no time is missed, however fast they follow each other.
pub(crate) struct Stop {
    asked: Arc<Semaphore>,
    signals: Option<Signals>,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// An interrupt ends the process at once.
    is_development: bool,
}

impl Stop {
    /// Listens from now on. Each permit of `asked` is one time that the owner asked.
    pub(crate) fn listen(asked: Arc<Semaphore>, mode: Mode) -> io::Result<Self> {
        let signals = match mode {
            Mode::Embedded => None,
            Mode::Production | Mode::Development => Some(Signals {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
                is_development: mode == Mode::Development,
            }),
        };
        Ok(Self { asked, signals })
    }

    /// Waits until the node is told to end once more.
    pub(crate) async fn told(&mut self) {
        tokio::select! {
            asked = self.asked.acquire() => asked.expect("nobody closes the semaphore").forget(),
            () = signalled(&mut self.signals) => {}
        }
    }
}

async fn signalled(signals: &mut Option<Signals>) {
    let Some(Signals { terminate, interrupt, is_development }) = signals else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {
            if *is_development {
                std::process::exit(0);
            }
        }
    }
}
