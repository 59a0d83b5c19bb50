//! Why a node does not start: each fault names the setting and the fix, in one line.

use transport::BindError;

/// The operator must act before the node can start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address is taken or not ours.
    #[error("{setting}: {}", bind_hint(.error))]
    Bind {
        /// The address's setting.
        setting: &'static str,
        /// What went wrong.
        error: BindError,
    },
    /// A key does not serve its purpose.
    #[error("{0}")]
    Key(#[from] auth::KeyError),
    /// A setting of Redis cannot be.
    #[error("{0}")]
    Redis(#[from] broker_redis::ConfigError),
    /// A setting of traces cannot be.
    #[error("{setting} {reason}")]
    Tracing {
        /// Its name.
        setting: &'static str,
        /// What it should be.
        reason: String,
    },
    /// Nobody could connect.
    #[error(
        "no token key is configured, so nobody could connect: set token.hmac_secret \
         (FANFARE__TOKEN__HMAC_SECRET) or token.public_key, or try `fanfare serve --dev`"
    )]
    NoTokenKey,
    /// More connections than file descriptors allow.
    #[error(
        "connection_limit: {wanted} connections need more file descriptors than the hard limit of {descriptors} \
         allows: lower it to {allowed} or raise the limit (`ulimit -Hn`)"
    )]
    ConnectionLimit {
        /// What is set.
        wanted: u32,
        /// The limit on open files.
        descriptors: u64,
        /// The most that it allows.
        allowed: u32,
    },
    /// The process has seen too many namespaces come and go.
    #[error(
        "namespaces: more than {} of different names since the process began, which needs a restart",
        model::limits::NAMESPACES_KNOWN_MAX
    )]
    Namespaces,
    /// The operating system refused a thread or a runtime.
    #[error("cannot start {what}: {cause}")]
    System {
        /// What was to be started.
        what: &'static str,
        /// Why it was refused.
        cause: std::io::Error,
    },
}

impl StartError {
    /// The setting that is at fault, where it is one.
    pub(crate) fn setting(&self) -> Option<&'static str> {
        match self {
            Self::Bind { setting, .. } => Some(setting),
            Self::Key(error) => Some(error.setting),
            Self::Redis(error) => Some(error.setting),
            Self::ConnectionLimit { .. } => Some("connection_limit"),
            Self::Namespaces => Some("namespaces"),
            Self::Tracing { setting, .. } => Some(setting),
            Self::NoTokenKey | Self::System { .. } => None,
        }
    }
}

fn bind_hint(error: &BindError) -> String {
    if error.is_taken() {
        let address = error.address;
        format!("{address} is in use by another process: stop it or choose another address")
    } else {
        error.to_string()
    }
}
