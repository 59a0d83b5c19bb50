//! The process of one server, ended by its own id: by its owner, or when the test's process ends in whatever
//! way.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Ends a server when the test's process is gone, which closes this shell's input; the directory follows.
const WATCH: &str = "trap '' INT TERM HUP; read -r _; kill -KILL \"$1\"; rm -rf \"$2\"";

/// A running server.
pub(super) struct ServerProcess {
    server: Child,
    watcher: Child,
}

impl ServerProcess {
    /// Starts a server whose log is a file in its directory.
    ///
    /// # Panics
    /// When the program is not there.
    pub(super) fn start(command: &mut Command, directory: &Path) -> Self {
        let log = File::options().create(true).append(true).open(log_path(directory));
        let log = log.expect("a fresh directory takes a log");
        let log_too = log.try_clone().expect("a file can be held twice");
        let program = command.get_program().to_string_lossy().into_owned();
        let server = command.current_dir(directory).stdin(Stdio::null()).stdout(log).stderr(log_too).spawn();
        let server = server.unwrap_or_else(|error| {
            panic!(
                "{program} does not start: {error}; apt-get install redis-server redis-sentinel, or run \
                    conformance/redis/install.sh"
            )
        });
        let mut watcher = Command::new("sh");
        watcher.args(["-c", WATCH, "sh", &server.id().to_string()]).arg(directory);
        let watcher = watcher.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self { server, watcher: watcher.expect("a shell starts") }
    }

    pub(super) fn id(&self) -> u32 {
        self.server.id()
    }

    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.server.try_wait(), Ok(None))
    }

    /// Sends a signal, by its name without SIG.
    pub(super) fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -{name}");
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // The watcher first: the id that it would kill may be another's as soon as the server is waited for.
        drop(self.watcher.kill());
        drop(self.watcher.wait());
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

/// The end of a server's log, for a panic.
pub(super) fn log_of(directory: &Path) -> String {
    const LINES: usize = 30;
    let log = fs::read_to_string(log_path(directory)).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

fn log_path(directory: &Path) -> std::path::PathBuf {
    directory.join("server.log")
}
