//! The settings section `[redis]`: which Redis, as whom, over what.

use std::path::PathBuf;

use model::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::Names;
use crate::target::Target;

/// As many as the hash that signs has.
const SIGNING_KEY_BYTES_MIN: usize = 32;

/// Which Redis connects the nodes. Without a URL the node stands alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    /// Where Redis is: `redis://HOST:PORT/DATABASE`, or `rediss://` for TLS. Several hosts, separated by commas,
    /// are seeds of one Redis Cluster; whether it is a cluster is found out by asking. With Sentinel:
    /// `redis+sentinel://HOST:PORT,HOST:PORT/NAME/DATABASE`, or `rediss+sentinel://`. Empty: no Redis, and
    /// publications stay within this node.
    pub url: String,
    /// The ACL user; empty for the `default` user.
    pub username: String,
    /// The password of the ACL user.
    pub password: Secret,
    /// A file that holds the password, read at each connect, so that the password can change while the node
    /// runs. A line break at its end is dropped. Not together with `redis.password`.
    pub password_file: PathBuf,
    /// The certificates that Redis' certificate must descend from, in PEM. Empty: those of the system, or those
    /// that browsers believe in where the system has none.
    pub ca_file: PathBuf,
    /// The certificate that the node shows to Redis, in PEM, with those between it and its root.
    pub client_cert_file: PathBuf,
    /// The private key of `redis.client_cert_file`, in PEM.
    pub client_key_file: PathBuf,
    /// The name that Redis' certificate must bear. Empty: the host that was connected to.
    pub server_name: String,
    /// The ACL user at the Sentinels; empty for the `default` user.
    pub sentinel_username: String,
    /// The password at the Sentinels. Empty: none.
    pub sentinel_password: Secret,
    /// Signs what nodes write for each other, with HMAC-SHA256, so that rights in Redis are no rights to publish:
    /// what is not signed is dropped, except in namespaces with `unsigned_publish`. All nodes need the same key, of 32
    /// bytes or more. Empty: nothing is signed.
    pub signing_key: Secret,
    /// A key whose signatures are accepted, too, while the nodes change from one key to another.
    pub signing_key_previous: Secret,
    /// What the names of all channels and keys in Redis begin with. Clusters of nodes that share a Redis are
    /// apart from each other when their prefixes differ. Letters, digits, `-`, `_`, `.` and `:`.
    pub prefix: String,
}

/// A setting of section `[redis]` that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting} {reason}")]
pub struct ConfigError {
    /// Its name.
    pub setting: &'static str,
    /// What it should be.
    pub reason: String,
}

impl RedisConfig {
    /// Whether there is a Redis to be used.
    pub fn is_on(&self) -> bool {
        !self.url.is_empty()
    }

    /// Looks for faults that can be seen without Redis. Files are not read.
    pub fn verify(&self) -> Result<(), ConfigError> {
        let wrong = |setting, reason: String| Err(ConfigError { setting, reason });
        if let Err(reason) = Names::parse_prefix(&self.prefix) {
            return wrong("redis.prefix", reason);
        }
        if !self.is_on() {
            return Ok(());
        }
        let target = Target::parse(&self.url)?;
        if !self.password.is_empty() && !self.password_file.as_os_str().is_empty() {
            return wrong("redis.password_file", "must not stand beside redis.password".to_owned());
        }
        if !self.username.is_empty() && self.password.is_empty() && self.password_file.as_os_str().is_empty()
        {
            return wrong("redis.username", "needs redis.password or redis.password_file".to_owned());
        }
        if !self.sentinel_username.is_empty() && self.sentinel_password.is_empty() {
            return wrong("redis.sentinel_username", "needs redis.sentinel_password".to_owned());
        }
        if self.client_cert_file.as_os_str().is_empty() != self.client_key_file.as_os_str().is_empty() {
            return wrong(
                "redis.client_cert_file",
                "needs redis.client_key_file, and the reverse".to_owned(),
            );
        }
        self.verify_signing()?;
        let of_tls = [
            ("redis.ca_file", self.ca_file.as_os_str().is_empty()),
            ("redis.client_cert_file", self.client_cert_file.as_os_str().is_empty()),
            ("redis.server_name", self.server_name.is_empty()),
        ];
        match of_tls.into_iter().find(|(_, is_empty)| !target.is_encrypted && !is_empty) {
            Some((setting, _)) => wrong(setting, "needs a redis.url that begins with rediss".to_owned()),
            None => Ok(()),
        }
    }

    fn verify_signing(&self) -> Result<(), ConfigError> {
        let keys = [
            ("redis.signing_key", &self.signing_key),
            ("redis.signing_key_previous", &self.signing_key_previous),
        ];
        let is_short = |key: &Secret| !key.is_empty() && key.reveal().len() < SIGNING_KEY_BYTES_MIN;
        if let Some((setting, _)) = keys.into_iter().find(|(_, key)| is_short(key)) {
            return Err(ConfigError {
                setting,
                reason: format!("must have at least {SIGNING_KEY_BYTES_MIN} bytes"),
            });
        }
        if self.signing_key.is_empty() && !self.signing_key_previous.is_empty() {
            let reason = "needs redis.signing_key".to_owned();
            return Err(ConfigError { setting: "redis.signing_key_previous", reason });
        }
        Ok(())
    }
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            username: String::new(),
            password: Secret::default(),
            password_file: PathBuf::new(),
            ca_file: PathBuf::new(),
            client_cert_file: PathBuf::new(),
            client_key_file: PathBuf::new(),
            server_name: String::new(),
            sentinel_username: String::new(),
            sentinel_password: Secret::default(),
            signing_key: Secret::default(),
            signing_key_previous: Secret::default(),
            prefix: "fanfare".to_owned(),
        }
    }
}
