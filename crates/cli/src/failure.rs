//! Why a command fails: what standard error says, one line per fault, and the exit code.

use std::process::ExitCode;

use crate::text;

/// How a command fails.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    lines: Vec<String>,
}

impl Failure {
    /// The other side said no, or ended it.
    pub(crate) fn refused(line: impl Into<String>) -> Self {
        Self { code: 1, lines: vec![line.into()] }
    }

    /// The other side said no, and what the command printed has the reason.
    pub(crate) fn refused_as_printed() -> Self {
        Self { code: 1, lines: Vec::new() }
    }

    /// What was asked cannot be done as it was asked: usage, settings, no connection.
    pub(crate) fn unusable(line: impl Into<String>) -> Self {
        Self { code: 2, lines: vec![line.into()] }
    }

    /// Several faults at once.
    pub(crate) fn unusable_for(lines: impl IntoIterator<Item = impl ToString>) -> Self {
        Self { code: 2, lines: lines.into_iter().map(|line| line.to_string()).collect() }
    }

    /// The same, with what may be the cause.
    pub(crate) fn with_hint(mut self, hint: &str) -> Self {
        if let Some(line) = self.lines.last_mut() {
            line.push_str(&format!(" ({hint})"));
        }
        self
    }

    /// Tells the user.
    pub(crate) fn report(self) -> ExitCode {
        for line in self.lines {
            text::tell(&format!("error: {line}"));
        }
        ExitCode::from(self.code)
    }
}

impl From<edge::config::ConfigErrors> for Failure {
    fn from(errors: edge::config::ConfigErrors) -> Self {
        Self::unusable_for(errors.iter())
    }
}

impl From<auth::KeyError> for Failure {
    fn from(error: auth::KeyError) -> Self {
        Self::unusable(error.to_string())
    }
}

impl From<edge::StartError> for Failure {
    fn from(error: edge::StartError) -> Self {
        Self::unusable(error.to_string())
    }
}
