//! The settings of a node: one tree of structs, from which the parser, the environment variables,
//! `check-config` and the reference documentation follow. Knows files and texts, not the process environment.

mod api;
mod change;
mod error;
mod file;
mod fingerprint;
mod kind;
mod known;
mod layer;
mod loader;
mod order;
mod origin;
mod path;
mod reference;
mod rules;
mod schema;
mod secret_file;
mod tracing;
mod tree;

pub use api::{AllowConfig, ApiConfig, ApiKeyConfig, ApiMethod, ErrorMode};
pub(crate) use change::Change;
pub use error::{ConfigError, ConfigErrors};
pub(crate) use fingerprint::{Fingerprints, fingerprint};
pub(crate) use loader::Reading;
pub use loader::{Loaded, Loader};
pub use origin::Origin;
pub use path::SettingPath;
#[cfg(test)]
pub(crate) use reference::every_setting;
pub use reference::{reference_markdown, reloadable_json};
pub use schema::{secret_paths, secrets_schema, settings_schema};
pub(crate) use tracing::Collector;
pub use tracing::TracingConfig;
pub use tree::{
    Config, ConsoleConfig, DemoConfig, DrainConfig, InternalConfig, LogConfig, LogFormat, LogLevel,
    PublicConfig,
};
