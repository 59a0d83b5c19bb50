//! Makes connections to Redis and to Sentinels: name, TCP, TLS, login. Every wait has one deadline.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;

use model::{Secret, limits};
use socket2::{SockRef, TcpKeepalive};
use tls::{Encryption, Fault, Files, Part};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::explain;
use crate::target::{Endpoint, Target};
use crate::wire;
use crate::{ConfigError, RedisConfig};

/// Bytes in both directions, encrypted or not.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A connection, logged in.
pub(crate) type Line = Box<dyn Duplex>;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Commands, in our database.
    Commands,
    /// Pub/sub, which knows no databases.
    Subscriptions,
    /// Questions to a Sentinel.
    Sentinel,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// No TCP connection.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// No encryption.
    #[error("cannot encrypt: {0}")]
    Encrypt(io::Error),
    /// The password is not to be had.
    #[error("redis.password_file names {path}, which cannot be read: {cause}")]
    PasswordFile {
        /// The file.
        path: String,
        /// Why not.
        cause: io::Error,
    },
    /// Redis turned a command of the login down.
    #[error("{command} was refused ({}): {}", explain::code(text), explain::fix(text, command, "PREFIX"))]
    Refused {
        /// Which.
        command: &'static str,
        /// What Redis says.
        text: String,
    },
    /// It ended in between.
    #[error("closed while logging in: {0}")]
    Closed(io::Error),
    /// It took too long.
    #[error("no answer within {}", seconds(limits::REDIS_CONNECT_DEADLINE))]
    TimedOut,
}

fn seconds(span: std::time::Duration) -> String {
    format!("{} s", span.as_secs())
}

/// As whom a connection logs in.
struct Login {
    username: String,
    password: Secret,
    password_file: PathBuf,
}

/// Makes connections as the settings say.
pub(crate) struct Dialer {
    encryption: Option<Encryption>,
    login: Login,
    sentinel_login: Login,
    database: u32,
}

impl Dialer {
    /// A dialer by the settings; reads the files that they name.
    pub(crate) fn new(config: &RedisConfig, target: &Target) -> Result<Self, ConfigError> {
        let encryption = target.is_encrypted.then(|| encryption(config)).transpose()?;
        Ok(Self {
            encryption,
            login: Login {
                username: config.username.clone(),
                password: config.password.clone(),
                password_file: config.password_file.clone(),
            },
            sentinel_login: Login {
                username: config.sentinel_username.clone(),
                password: config.sentinel_password.clone(),
                password_file: PathBuf::new(),
            },
            database: target.database,
        })
    }

    /// Makes a connection.
    pub(crate) async fn dial(&self, endpoint: &Endpoint, purpose: Purpose) -> Result<Line, DialError> {
        let deadline = limits::REDIS_CONNECT_DEADLINE;
        tokio::time::timeout(deadline, self.connect(endpoint, purpose))
            .await
            .unwrap_or(Err(DialError::TimedOut))
    }

    async fn connect(&self, endpoint: &Endpoint, purpose: Purpose) -> Result<Line, DialError> {
        let socket = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await;
        let socket = socket.and_then(tuned).map_err(DialError::Connect)?;
        let mut line: Line = match &self.encryption {
            None => Box::new(socket),
            Some(encryption) => {
                Box::new(encryption.connect(&endpoint.host, socket).await.map_err(DialError::Encrypt)?)
            }
        };
        self.log_in(&mut line, purpose).await?;
        Ok(line)
    }

    async fn log_in(&self, line: &mut Line, purpose: Purpose) -> Result<(), DialError> {
        let login = if purpose == Purpose::Sentinel { &self.sentinel_login } else { &self.login };
        let password = login.password()?;
        let mut asked = Vec::new();
        let mut bytes = Vec::new();
        match (login.username.as_str(), password.reveal()) {
            (_, "") => {}
            ("", password) => wire::command(&[b"AUTH", password.as_bytes()], &mut bytes),
            (user, password) => wire::command(&[b"AUTH", user.as_bytes(), password.as_bytes()], &mut bytes),
        }
        if !bytes.is_empty() {
            asked.push("AUTH");
        }
        if purpose == Purpose::Commands && self.database != 0 {
            wire::command(&[b"SELECT", self.database.to_string().as_bytes()], &mut bytes);
            asked.push("SELECT");
        }
        if purpose != Purpose::Sentinel {
            wire::command(&[b"CLIENT", b"SETNAME", b"fanfare"], &mut bytes);
            asked.push(UNIMPORTANT);
        }
        line.write_all(&bytes).await.map_err(DialError::Closed)?;
        line.flush().await.map_err(DialError::Closed)?;
        for command in asked {
            let answer = status(line).await.map_err(DialError::Closed)?;
            let Some(text) = answer.strip_prefix('-') else { continue };
            if command != UNIMPORTANT || explain::ends_the_connection(text) {
                return Err(DialError::Refused { command, text: text.to_owned() });
            }
        }
        Ok(())
    }
}

fn encryption(config: &RedisConfig) -> Result<Encryption, ConfigError> {
    let files = Files {
        ca: &config.ca_file,
        client_cert: &config.client_cert_file,
        client_key: &config.client_key_file,
        server_name: &config.server_name,
    };
    Encryption::load(files).map_err(|Fault { part, reason }| ConfigError {
        setting: match part {
            Part::Ca => "redis.ca_file",
            Part::ClientCert => "redis.client_cert_file",
            Part::ClientKey => "redis.client_key_file",
            Part::ServerName => "redis.server_name",
        },
        reason,
    })
}

/// A command that an ACL may forbid without harm.
const UNIMPORTANT: &str = "CLIENT SETNAME";

impl Login {
    /// The password as it is at this moment.
    fn password(&self) -> Result<Secret, DialError> {
        if self.password_file.as_os_str().is_empty() {
            return Ok(self.password.clone());
        }
        let mut text = String::new();
        File::open(&self.password_file)
            .and_then(|file| file.take(limits::REDIS_PASSWORD_BYTES_MAX).read_to_string(&mut text))
            .map_err(|cause| DialError::PasswordFile {
                path: self.password_file.display().to_string(),
                cause,
            })?;
        Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
    }
}

fn tuned(socket: TcpStream) -> io::Result<TcpStream> {
    /// For how long a peer may be silent until the kernel asks whether it is still there.
    const KEEPALIVE: std::time::Duration = std::time::Duration::from_secs(15);
    socket.set_nodelay(true)?;
    let options = SockRef::from(&socket);
    options.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE))?;
    options.set_tcp_user_timeout(Some(limits::UNACKNOWLEDGED_MAX))?;
    Ok(socket)
}

/// Reads one line. Redis says nothing unasked here, so that reading byte by byte costs nothing that matters,
/// and leaves what follows to whoever reads next.
async fn status(line: &mut Line) -> io::Result<String> {
    /// Longest answer to a command of the login.
    const BYTES_MAX: usize = 4096;
    let mut bytes = Vec::new();
    while bytes.len() < BYTES_MAX {
        match line.read_u8().await? {
            b'\n' => return Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned()),
            byte => bytes.push(byte),
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is too long"))
}
