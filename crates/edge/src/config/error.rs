//! Why the settings cannot be used: every fault names the setting, where it was set, and what to do. No text
//! here shows a secret.

use std::fmt;
use std::path::PathBuf;

use super::{Origin, SettingPath};

/// One fault in the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// The settings file cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// The settings file is not TOML.
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The character in the line, from 1.
        column: usize,
        /// What is wrong there.
        problem: String,
    },
    /// No such setting.
    Unknown {
        /// The name as it was written.
        name: String,
        /// Where.
        origin: Origin,
        /// The known name that is most like it, written the same way.
        nearest: Option<String>,
    },
    /// A setting is set twice in one place.
    Twice {
        /// The setting.
        setting: SettingPath,
        /// Where it is set, in the order it was read.
        origins: [Origin; 2],
    },
    /// A setting has a value that it cannot have.
    Value {
        /// The setting.
        setting: SettingPath,
        /// Where it is set.
        origin: Origin,
        /// What is wrong, and what to write.
        problem: String,
    },
    /// A `--set` without a value.
    Assignment,
}

/// Every fault found in the settings; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// Nothing is wrong, or these faults are.
    pub(super) fn unless_empty(errors: Vec<ConfigError>) -> Result<(), Self> {
        if errors.is_empty() { Ok(()) } else { Err(Self(errors)) }
    }

    /// The faults, in the order of the layers.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl fmt::Display for ConfigError {
    /// One line, whatever names and values contain.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for symbol in self.text().chars() {
            if symbol.is_control() {
                write!(f, "{}", symbol.escape_default())?;
            } else {
                write!(f, "{symbol}")?;
            }
        }
        Ok(())
    }
}

impl ConfigError {
    fn text(&self) -> String {
        match self {
            Self::Unreadable { path, problem } => {
                format!("cannot read the settings file `{}`: {problem}", path.display())
            }
            Self::Syntax { path, line, column, problem } => {
                format!("{}:{line}:{column}: not TOML: {problem}", path.display())
            }
            Self::Unknown { name, origin, nearest } => {
                let place = match origin {
                    Origin::Variable(_) => "the environment".to_owned(),
                    Origin::Default | Origin::Development | Origin::File { .. } | Origin::Flag(_) => {
                        origin.to_string()
                    }
                };
                let hint = match nearest {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None => "see docs/configuration.md for those that exist".to_owned(),
                };
                format!("unknown setting `{name}` in {place}; {hint}")
            }
            Self::Twice { setting, origins: [first, second] } => {
                format!("`{setting}` is set by both {first} and {second}: remove one")
            }
            Self::Value { setting, origin, problem } => format!("`{setting}` ({origin}): {problem}"),
            Self::Assignment => {
                "--set: write a setting and its value, like `--set log.level=debug`".to_owned()
            }
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(f, "{line_break}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl std::error::Error for ConfigErrors {}
