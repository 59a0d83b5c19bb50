//! A Redis of the test's own: a child process on a free port, killed at the end.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use broker_redis::RedisConfig;

/// A server process.
pub(crate) struct Server {
    pub(crate) port: u16,
    arguments: Vec<String>,
    directory: PathBuf,
    child: Option<Child>,
}

impl Server {
    /// A server with these arguments that answers already.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut server = Self::planned(arguments);
        server.restart();
        server
    }

    /// A server that is not there yet.
    pub(crate) fn planned(arguments: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("fanfare-it-{}-{number}", std::process::id()));
        fs::create_dir_all(&directory).expect("the machine serves the test");
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { port: free_port(), arguments, directory, child: None }
    }

    /// Where files of the server are.
    pub(crate) fn directory(&self) -> &PathBuf {
        &self.directory
    }

    /// Starts the process, on the same port and with the same files, and waits until it listens.
    pub(crate) fn restart(&mut self) {
        let mut command = Command::new("redis-server");
        let is_sentinel = self.arguments.iter().any(|argument| argument == "--sentinel");
        if is_sentinel {
            command.args(&self.arguments);
        } else {
            let port = self.port.to_string();
            // Encrypted connections alone, if at all.
            let is_encrypted = self.arguments.iter().any(|argument| argument.starts_with("--tls"));
            let ports =
                if is_encrypted { ["--port", "0", "--tls-port", &port] } else { ["--port", &port, "", ""] };
            command.args(ports.into_iter().filter(|argument| !argument.is_empty()));
            command.args(["--bind", "127.0.0.1", "--save", ""]).args(&self.arguments);
        }
        command.current_dir(&self.directory).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("redis-server is installed"));
        let port = self.port;
        crate::rig::wait_until("the server listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
    }

    /// Ends the process at once.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the machine serves the test");
            child.wait().expect("the machine serves the test");
        }
    }

    /// Sends the process a signal.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("the server runs").id().to_string();
        assert!(
            Command::new("kill").args([name, &id]).status().expect("the machine serves the test").success()
        );
    }

    /// Runs a command by redis-cli and returns what it prints.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        let port = self.port.to_string();
        let output = Command::new("redis-cli")
            .args(["-p", &port])
            .args(arguments)
            .output()
            .expect("the machine serves the test");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Settings that lead here.
    pub(crate) fn config(&self) -> RedisConfig {
        RedisConfig { url: format!("redis://127.0.0.1:{}", self.port), ..RedisConfig::default() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        drop(fs::remove_dir_all(&self.directory));
    }
}

/// A port on which nobody listens, far enough from the next that a cluster bus fits beside it.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind(("127.0.0.1", 0))
            .expect("the machine serves the test")
            .local_addr()
            .expect("the machine serves the test")
            .port();
        let bus = port.checked_add(10_000);
        if bus.is_some_and(|bus| TcpListener::bind(("127.0.0.1", bus)).is_ok()) {
            return port;
        }
    }
}
