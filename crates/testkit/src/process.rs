//! A node in a process of its own, for what a test can only see from outside: its end, its log, its memory.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::wait::{PATIENCE, eventually, holds_within};

/// A running child. Killed when dropped.
pub struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
}

/// An example of the crate whose test or example is running: cargo puts both beside each other.
///
/// # Panics
/// When it is not built.
pub fn example(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a path");
    let mut folders = own.ancestors().map(|folder| folder.join("examples").join(name));
    folders.find(|path| path.is_file()).unwrap_or_else(|| {
        panic!("the example {name} is not built: run `cargo build --examples` for the crate")
    })
}

impl Process {
    /// Starts a node whose log goes to standard error.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let log = Arc::new(Mutex::new(String::new()));
        if let Some(stderr) = child.stderr.take() {
            let log = Arc::clone(&log);
            thread::spawn(move || collect(stderr, &log));
        }
        Ok(Self { child, log })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that it has logged so far.
    pub fn log(&self) -> String {
        lock(&self.log).clone()
    }

    /// Waits for a line with these words.
    ///
    /// # Panics
    /// When it does not come in time.
    pub fn line(&self, words: &str) -> String {
        let find = || self.log().lines().find(|line| line.contains(words)).map(str::to_owned);
        if !holds_within(PATIENCE, || find().is_some()) {
            panic!("no line with `{words}` in time:\n{}", self.log());
        }
        find().unwrap_or_default()
    }

    /// The first address that the ready line names for a listener, `public` or `internal`.
    ///
    /// # Panics
    /// When the node does not become ready.
    pub fn address(&self, listener: &str) -> SocketAddr {
        let line = self.line(" ready ");
        let field = format!("{listener}=");
        let text = line.split(&field).nth(1).and_then(|rest| rest.split_whitespace().next());
        text.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no {listener} address in `{line}`"))
    }

    /// Sends a signal, by its name without SIG.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -{name}");
    }

    /// How it ended, if it does in time.
    pub fn ended_within(&mut self, patience: Duration) -> Option<ExitStatus> {
        let mut status = None;
        holds_within(patience, || {
            status = self.child.try_wait().ok().flatten();
            status.is_some()
        });
        status
    }

    /// Open descriptors.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.id())).map_or(0, Iterator::count)
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }

    /// Waits until so many descriptors are open.
    ///
    /// # Panics
    /// When they do not become so few in time.
    pub fn settle_at(&self, descriptors: usize) {
        eventually("descriptors are at baseline", || self.descriptors() <= descriptors);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn collect(stderr: ChildStderr, log: &Mutex<String>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let mut log = lock(log);
        log.push_str(&line);
        log.push('\n');
    }
}

fn lock(log: &Mutex<String>) -> MutexGuard<'_, String> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}
