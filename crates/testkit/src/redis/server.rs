//! One server, from its start to its end.

use std::cell::Cell;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::certificates::Certificates;
use super::child::{ServerProcess, log_of};
use super::connection::{Connection, Reply};
use super::directory::Directory;
use super::options::{Options, Tls};
use super::ports;
use crate::wait::{PATIENCE, eventually, holds_within};

/// How often a start is tried again when somebody else takes the port meanwhile.
const STARTS_MAX: usize = 5;
/// How long a server in good health takes for one answer.
const PROMPT: Duration = Duration::from_millis(500);
/// The user as whom tests give commands: always there, whatever the server's own users may do.
pub(super) const ADMIN: &str = "testkit";
pub(super) const ADMIN_PASSWORD: &str = "testkit-password";
/// How one server becomes that user of another one, to move keys.
pub(super) const ADMIN_CREDENTIALS: [&str; 3] = ["AUTH2", ADMIN, ADMIN_PASSWORD];

/// What a process of Redis does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Server,
    Sentinel,
}

/// A running server. Killed when dropped, and its directory removed.
pub struct Server {
    options: Options,
    role: Role,
    port: u16,
    tls_port: u16,
    certificates: Option<Certificates>,
    process: Mutex<Option<ServerProcess>>,
    // After the process: fields are dropped in order.
    directory: Directory,
}

impl Server {
    /// Starts a server on a free port and waits until it answers.
    ///
    /// # Panics
    /// When it does not in time, with its log.
    pub fn start(options: &Options) -> Self {
        Self::start_as(Role::Server, options)
    }

    pub(super) fn start_as(role: Role, options: &Options) -> Self {
        let directory = Directory::new();
        let certificates = (options.tls != Tls::Off).then(|| Certificates::create(directory.path()));
        let process = Mutex::new(None);
        let (options, port, tls_port) = (options.clone(), 0, 0);
        let mut server = Self { options, role, port, tls_port, certificates, process, directory };
        for _ in 0..STARTS_MAX {
            server.port = ports::free();
            server.tls_port = if server.certificates.is_some() { ports::free() } else { 0 };
            fs::write(server.configuration_path(), server.configuration())
                .expect("a fresh directory takes a file");
            if server.launch() {
                return server;
            }
        }
        panic!("no port stays free for a server:\n{}", server.log());
    }

    /// The port without TLS.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port with TLS.
    ///
    /// # Panics
    /// When the server has none.
    pub fn tls_port(&self) -> u16 {
        self.certificates();
        self.tls_port
    }

    /// The address for a client, with TLS if the server has it, without credentials.
    pub fn url(&self) -> String {
        match self.options.tls {
            Tls::Off => format!("redis://127.0.0.1:{}", self.port),
            Tls::Server | Tls::Mutual => format!("rediss://127.0.0.1:{}", self.tls_port),
        }
    }

    /// The certificate of the authority that signed the server's.
    ///
    /// # Panics
    /// When the server has no TLS.
    pub fn ca_file(&self) -> &Path {
        &self.certificates().ca
    }

    /// All of its certificates and keys.
    ///
    /// # Panics
    /// When the server has no TLS.
    pub fn certificates(&self) -> &Certificates {
        self.certificates.as_ref().expect("the server was started with TLS")
    }

    /// Gives a command as a user who may do everything, on a connection of its own. The reply is text as
    /// [`Reply`] shows it: errors begin with `-`.
    ///
    /// # Panics
    /// When the server does not answer, with its log.
    pub fn command(&self, arguments: &[&str]) -> String {
        match self.connection().and_then(|mut connection| connection.command(arguments)) {
            Ok(reply) => reply.to_string(),
            Err(error) => panic!("the server on port {} does not answer: {error}\n{}", self.port, self.log()),
        }
    }

    /// A connection for several commands, or to subscribe, as a user who may do everything.
    pub fn connection(&self) -> io::Result<Connection> {
        let mut connection = Connection::open(self.port)?;
        match connection.command(&["AUTH", ADMIN, ADMIN_PASSWORD])? {
            Reply::Error(text) => Err(io::Error::other(text)),
            Reply::Text(_) | Reply::Integer(_) | Reply::Nil | Reply::Array(_) => Ok(connection),
        }
    }

    /// A command to a server that may be down or paused: nothing unless it answers at once.
    pub fn command_if_prompt(&self, arguments: &[&str]) -> Option<String> {
        let mut connection = Connection::open(self.port).ok()?;
        connection.wait_at_most(PROMPT).ok()?;
        connection.command(&["AUTH", ADMIN, ADMIN_PASSWORD]).ok()?;
        Some(connection.command(arguments).ok()?.to_string())
    }

    /// A field of what INFO tells, empty if it is not there.
    pub fn info(&self, field: &str) -> String {
        field_of(&self.command(&["INFO", "all"]), field)
    }

    /// Waits until every replica has confirmed all that was written up to now.
    ///
    /// # Panics
    /// When there is no replica, or one does not confirm in time.
    pub fn wait_for_replication(&self) {
        let written: u64 = self.info("master_repl_offset").parse().expect("a number");
        eventually("replicas confirm what was written", || {
            // One line each: `slave0:ip=…,port=…,state=online,offset=…,lag=…`.
            let info = self.command(&["INFO", "replication"]);
            let mut offsets = info.lines().filter_map(|line| {
                let offset = line.strip_prefix("slave")?.split_once(",offset=")?.1;
                offset.split(',').next()?.parse::<u64>().ok()
            });
            offsets.next().is_some_and(|first| first >= written) && offsets.all(|offset| offset >= written)
        });
    }

    /// Kills the server at once; nothing that it only had in memory is kept.
    pub fn kill(&self) {
        *self.process() = None;
    }

    /// Starts the server again, on the same ports and with what it wrote to disk; kills it first if it runs.
    ///
    /// # Panics
    /// When it does not answer in time, with its log.
    pub fn restart(&self) {
        self.kill();
        let started = (0..STARTS_MAX).any(|_| self.launch());
        assert!(started, "somebody else took port {}:\n{}", self.port, self.log());
    }

    /// Stops the server where it is: connections stay open and nothing is answered.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets a paused server go on.
    ///
    /// # Panics
    /// When it does not run.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// Whether its process is there, be it paused.
    pub fn is_running(&self) -> bool {
        self.process().as_mut().is_some_and(ServerProcess::is_running)
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        log_of(self.directory.path())
    }

    /// Starts the process; false if somebody else has the port.
    fn launch(&self) -> bool {
        let mut command = self.options.binary.command();
        command.arg(self.configuration_path());
        if self.role == Role::Sentinel {
            command.arg("--sentinel");
        }
        let mut process = ServerProcess::start(&mut command, self.directory.path());
        let ended = Cell::new(false);
        let settled = holds_within(PATIENCE, || {
            ended.set(!process.is_running());
            ended.get() || self.answers_as(process.id())
        });
        let log = self.log();
        if ended.get() && log.contains("in use") {
            return false;
        }
        assert!(settled && !ended.get(), "the server on port {} did not come up:\n{log}", self.port);
        *self.process() = Some(process);
        true
    }

    /// Whether it is this process that answers, with everything loaded.
    fn answers_as(&self, id: u32) -> bool {
        let info = self.command_if_prompt(&["INFO"]).unwrap_or_default();
        field_of(&info, "process_id") == id.to_string() && field_of(&info, "loading") != "1"
    }

    fn signal(&self, name: &str) {
        self.process().as_ref().expect("only a running server is paused or resumed").signal(name);
    }

    fn process(&self) -> MutexGuard<'_, Option<ServerProcess>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn configuration_path(&self) -> std::path::PathBuf {
        self.directory.path().join("server.conf")
    }

    fn configuration(&self) -> String {
        let mut lines = format!("bind 127.0.0.1\nport {}\nprotected-mode no\n", self.port);
        lines += &format!("dir \"{}\"\n", self.directory.path().display());
        if self.role == Role::Server {
            // Whoever wants copies on disk says so; replicas are to be in sync at once, whatever users may do.
            lines += "save \"\"\nenable-debug-command yes\nrepl-diskless-sync-delay 0\n";
            lines += &format!("masteruser {ADMIN}\nmasterauth {ADMIN_PASSWORD}\n");
        }
        lines += &format!("user {ADMIN} on >{ADMIN_PASSWORD} ~* &* +@all\n");
        if let Some(certificates) = &self.certificates {
            let asks = if self.options.tls == Tls::Mutual { "yes" } else { "no" };
            writeln!(lines, "tls-port {}\ntls-auth-clients {asks}", self.tls_port).expect("text grows");
            for (directive, file) in [
                ("tls-ca-cert-file", &certificates.ca),
                ("tls-cert-file", &certificates.server),
                ("tls-key-file", &certificates.server_key),
            ] {
                writeln!(lines, "{directive} \"{}\"", file.display()).expect("text grows");
            }
        }
        for setting in &self.options.settings {
            lines += setting;
            lines.push('\n');
        }
        lines
    }
}

/// A field of what INFO told, or of another text of such lines.
pub(super) fn field_of(info: &str, field: &str) -> String {
    let value = info.lines().find_map(|line| line.trim_end().strip_prefix(field)?.strip_prefix(':'));
    value.unwrap_or_default().to_owned()
}
