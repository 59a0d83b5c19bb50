//! Flags that choose settings, handed to the loader. What they mean is the edge's.

use std::path::PathBuf;

use clap::Args;
use edge::config::{ConfigErrors, Loaded, Loader};

use crate::development;
use crate::failure::Failure;

/// Where settings come from besides the environment.
#[derive(Args)]
pub(crate) struct Sources {
    /// The settings file, in TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sets one setting, like `client.ping_interval=10s`; may be repeated. Others on this machine can read
    /// it: secrets belong into the environment, or into files named by `FANFARE__…_FILE`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    assignments: Vec<String>,
}

/// The flags of commands that are about a whole node.
#[derive(Args)]
pub(crate) struct NodeFlags {
    #[command(flatten)]
    sources: Sources,
    /// Development mode, for this machine alone: everyone with a token may subscribe and publish, the demo
    /// page and the console are on, and secrets that are not set are made up at each start
    #[arg(long)]
    pub(crate) dev: bool,
    /// Threads that serve connections; 0 for one per core
    #[arg(long, value_name = "N")]
    workers: Option<String>,
    /// Where clients connect, like `:8000`
    #[arg(long, value_name = "ADDRESS")]
    public_address: Option<String>,
    /// Where the server API, metrics, health, console and demo answer, like `localhost:9000`
    #[arg(long, value_name = "ADDRESS")]
    internal_address: Option<String>,
    /// error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// text or json
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

impl Sources {
    /// Loads what the command is given, the environment included. A flag of its own may name the file of the
    /// secret that tokens are signed with.
    pub(crate) fn load(&self, secret_file: Option<&str>) -> Result<Loaded, ConfigErrors> {
        let mut loader = self.loader(Loader::new());
        if let Some(file) = secret_file {
            loader = loader.flag("--secret-file", "token.hmac_secret_file", file);
        }
        loader.load()
    }

    fn loader(&self, loader: Loader) -> Loader {
        let loader = loader.file(self.config.clone()).environment(std::env::vars_os());
        self.assignments.iter().fold(loader, |loader, assignment| loader.set(assignment))
    }
}

impl NodeFlags {
    /// Loads the settings of a node, and judges what development mode demands.
    pub(crate) fn load(&self) -> Result<Loaded, Failure> {
        let mut loader = Loader::new();
        if self.dev {
            let overlay = development::overlay()?;
            loader = loader.development(overlay.iter().map(|(name, text)| (*name, text.as_str())));
        }
        loader = self.sources.loader(loader);
        let flags = [
            ("--workers", "workers", &self.workers),
            ("--public-address", "public.address", &self.public_address),
            ("--internal-address", "internal.address", &self.internal_address),
            ("--log-level", "log.level", &self.log_level),
            ("--log-format", "log.format", &self.log_format),
        ];
        for (flag, setting, text) in flags {
            if let Some(text) = text {
                loader = loader.flag(flag, setting, text);
            }
        }
        let loaded = loader.load()?;
        if self.dev {
            development::require_loopback(&loaded)?;
        }
        Ok(loaded)
    }
}
