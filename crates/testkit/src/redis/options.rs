//! How a server is started: which program, with which settings.

use std::path::PathBuf;
use std::process::Command;

/// Which program serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Binary {
    /// The installed `redis-server`.
    #[default]
    Redis,
    /// A `valkey-server`, by its path: see [`valkey`].
    Valkey(PathBuf),
}

impl Binary {
    pub(super) fn command(&self) -> Command {
        match self {
            Self::Redis => Command::new("redis-server"),
            Self::Valkey(path) => Command::new(path),
        }
    }
}

/// Whether a server speaks TLS, on a port of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tls {
    #[default]
    Off,
    /// Clients show no certificate.
    Server,
    /// Clients must show one.
    Mutual,
}

/// What a server is started with. By default: Redis, nothing kept on disk, no passwords, no TLS.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub(super) binary: Binary,
    pub(super) settings: Vec<String>,
    pub(super) tls: Tls,
}

impl Options {
    /// The default ones.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs this program.
    pub fn binary(mut self, binary: Binary) -> Self {
        self.binary = binary;
        self
    }

    /// Adds one line to the configuration file: a directive and its arguments, as they are written there.
    pub fn set(mut self, directive: &str, arguments: &str) -> Self {
        let arguments = if arguments.is_empty() { "\"\"" } else { arguments };
        self.settings.push(format!("{directive} {arguments}"));
        self
    }

    /// Adds a user, in the words of access lists: `app on >secret ~* &* +@all`, or `default off`.
    pub fn user(self, rules: &str) -> Self {
        self.set("user", rules)
    }

    /// Writes every change to disk before it is answered, so that a restart loses nothing.
    pub fn append_only(self) -> Self {
        self.set("appendonly", "yes").set("appendfsync", "always")
    }

    /// Bounds what the server stores; the policy says what happens beyond, `noeviction` for example.
    pub fn memory_max(self, bytes: u64, policy: &str) -> Self {
        self.set("maxmemory", &bytes.to_string()).set("maxmemory-policy", policy)
    }

    /// Serves TLS as well.
    pub fn tls(mut self) -> Self {
        self.tls = Tls::Server;
        self
    }

    /// Serves TLS as well, to clients that show a certificate of the server's authority.
    pub fn mutual_tls(mut self) -> Self {
        self.tls = Tls::Mutual;
        self
    }
}

/// The `valkey-server` to test with, version 8 or newer: `VALKEY_SERVER`, the one in the path, or what
/// `conformance/redis/install.sh` has unpacked. There is no going on without.
///
/// # Panics
/// When there is none.
pub fn valkey() -> PathBuf {
    if let Some(path) = std::env::var_os("VALKEY_SERVER").map(PathBuf::from) {
        assert!(
            serves(&path),
            "VALKEY_SERVER names no valkey-server of version 8 or newer: {}",
            path.display()
        );
        return path;
    }
    let found = [Some(PathBuf::from("valkey-server")), unpacked()].into_iter().flatten().find(serves);
    found.expect("no valkey-server: run conformance/redis/install.sh, or set VALKEY_SERVER")
}

/// Where the script of the same purpose puts it.
fn unpacked() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = variable("FANFARE_CI_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|caches| caches.join("fanfare-ci")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/fanfare-ci")))?;
    Some(cache.join("valkey-trixie/valkey-server"))
}

fn serves(path: &PathBuf) -> bool {
    let Ok(output) = Command::new(path).arg("--version").output() else { return false };
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = words.split_once("v=").and_then(|(_, rest)| rest.split('.').next()?.parse().ok());
    words.starts_with("Valkey") && version.is_some_and(|major: u32| major >= 8)
}
