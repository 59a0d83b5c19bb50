//! Why a run of the bench ended without its figures. Every variant names the stage it happened in, because
//! a bench that hangs or fails halfway is read by somebody who did not watch it.

use std::fmt;
use std::io;

/// Why a run ended early.
#[derive(Debug)]
pub enum BenchError {
    /// An option cannot be honoured on this machine or makes no sense.
    Option(String),
    /// The measured process cannot be read: wrong pid, or another user's.
    Process(String),
    /// The node turned down a connection, a command or a request.
    Refused {
        /// What was being measured.
        stage: String,
        /// HTTP status, close code or error reply, as received.
        reason: String,
    },
    /// Nothing arrived for too long, or the stage as a whole took too long.
    Stalled {
        /// What was being measured.
        stage: String,
        /// How far it had come.
        progress: String,
    },
    /// A system call failed.
    Io {
        /// What was being measured.
        stage: String,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(what) => write!(f, "{what}"),
            Self::Process(what) => write!(f, "the measured process: {what}"),
            Self::Refused { stage, reason } => write!(f, "{stage}: refused: {reason}"),
            Self::Stalled { stage, progress } => write!(f, "{stage}: stalled: {progress}"),
            Self::Io { stage, source } => write!(f, "{stage}: {source}"),
        }
    }
}

impl std::error::Error for BenchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Option(_) | Self::Process(_) | Self::Refused { .. } | Self::Stalled { .. } => None,
        }
    }
}

/// What goes wrong on one connection, before the table knows the stage.
#[derive(Debug)]
pub(crate) enum Fault {
    Refused(String),
    Io(io::Error),
}

impl From<io::Error> for Fault {
    fn from(source: io::Error) -> Self {
        Self::Io(source)
    }
}

impl Fault {
    pub(crate) fn at(self, stage: &str) -> BenchError {
        let stage = stage.to_owned();
        match self {
            Self::Refused(reason) => BenchError::Refused { stage, reason },
            Self::Io(source) => BenchError::Io { stage, source },
        }
    }
}
