//! What settings become that may change while the node runs: made whole at the start and at each reload, the same
//! way, before anything is replaced.

use std::sync::Arc;

use auth::Verifier;
use engine::{Policy, Rules};
use transport::{AdmissionRules, memory_limit};

use crate::api::Access;
use crate::config::{Config, DrainConfig, LogLevel};
use crate::start_error::StartError;

/// What the threads work with.
pub(crate) struct Parts {
    pub(crate) policy: Policy,
    pub(crate) admission: AdmissionRules,
    pub(crate) access: Access,
    pub(crate) drain: DrainConfig,
    pub(crate) level: LogLevel,
}

/// What the start decides and nothing changes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fixed {
    pub(crate) workers: u16,
    /// The limit on open files.
    pub(crate) descriptors: u64,
    /// Whether connections begin with a proxy's header.
    pub(crate) proxy_protocol: bool,
    /// Whether pages of this machine may connect.
    pub(crate) allows_loopback: bool,
}

impl Parts {
    /// The parts by these settings, for rule-sets that were made of them. Every fault that an operator can mend is
    /// found.
    pub(crate) fn new(config: &Config, rules: Rules, fixed: Fixed) -> Result<Self, StartError> {
        let verifier = Verifier::new(&config.token)?;
        if !verifier.has_keys() && !config.client.insecure {
            return Err(StartError::NoTokenKey);
        }
        let admission = AdmissionRules {
            allowed_origins: config.allowed_origins.clone(),
            allows_loopback: fixed.allows_loopback,
            trusted_proxies: config.trusted_proxies.clone(),
            proxy_protocol: fixed.proxy_protocol,
            connection_limit: connection_limit(config.connection_limit, fixed.descriptors)?,
            connect_rate: (config.connect_rate_limit > 0).then_some(config.connect_rate_limit),
        };
        Ok(Self {
            admission,
            access: Access::new(&config.api, &rules),
            policy: policy(config, verifier, rules, fixed.workers),
            drain: config.drain.clone(),
            level: config.log.level,
        })
    }

    /// Says what is doubtful.
    pub(crate) fn warn(&self, config: &Config) {
        for warning in self.policy.verifier.warnings() {
            tracing::warn!("{warning}");
        }
        if config.client.insecure {
            tracing::warn!(
                "client.insecure is on: anyone may connect, subscribe and publish; never on a network of others"
            );
        }
        if config.api.key.is_empty() && config.api.keys.is_empty() {
            tracing::warn!(
                "no API key is configured, so the server API refuses every request: set api.key \
                 (FANFARE__API__KEY)"
            );
        }
    }
}

fn connection_limit(wanted: u32, descriptors: u64) -> Result<u32, StartError> {
    /// Descriptors for everything that is not a client: listeners, API connections, files.
    const RESERVED: u64 = 256;
    let allowed = u32::try_from((descriptors * 9 / 10).saturating_sub(RESERVED)).unwrap_or(u32::MAX);
    match wanted {
        0 => Ok(allowed),
        wanted if wanted <= allowed => Ok(wanted),
        wanted => Err(StartError::ConnectionLimit { wanted, descriptors, allowed }),
    }
}

fn policy(config: &Config, verifier: Verifier, rules: Rules, workers: u16) -> Policy {
    /// Subscribers that a node tells of missing publications in a tick: no more than 1000 come back within any
    /// second, though eleven ticks may fall into one.
    const LAPSES_PER_TICK: usize = 90;
    let client = config.client.clone();
    let outbox_bytes = client.outbox_size.as_usize();
    let total = match client.outbox_total.0 {
        0 => memory_limit() / 4,
        bytes => bytes,
    };
    let share = usize::try_from(total / u64::from(workers)).unwrap_or(usize::MAX);
    Policy {
        rules: Arc::new(rules),
        publication_bytes_max: config.api.publication_size.max(client.publication_size).as_usize(),
        client,
        verifier,
        outbox_bytes,
        lapses_per_tick: (LAPSES_PER_TICK / usize::from(workers)).max(1),
        outbox_bytes_total: share.max(outbox_bytes),
    }
}
