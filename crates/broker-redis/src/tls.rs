//! What encrypted connections to Redis are made of: whose certificates are believed, and which one is shown.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::{ConfigError, RedisConfig};

/// Encrypts connections.
pub(crate) struct Encryption {
    pub(crate) connector: TlsConnector,
    /// The name that certificates must bear; absent: that of the host.
    pub(crate) server_name: Option<ServerName<'static>>,
}

impl Encryption {
    /// Reads the files that the settings name.
    pub(crate) fn load(config: &RedisConfig) -> Result<Self, ConfigError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for both versions")
            .with_root_certificates(roots(config)?);
        let client = if config.client_cert_file.as_os_str().is_empty() {
            builder.with_no_client_auth()
        } else {
            let certificates = certificates("redis.client_cert_file", &config.client_cert_file)?;
            let setting = "redis.client_key_file";
            let key = PrivateKeyDer::from_pem_file(&config.client_key_file)
                .map_err(|error| unreadable(setting, &config.client_key_file, &error))?;
            builder.with_client_auth_cert(certificates, key).map_err(|error| ConfigError {
                setting,
                reason: format!("does not fit redis.client_cert_file: {error}"),
            })?
        };
        let server_name = match config.server_name.as_str() {
            "" => None,
            name => Some(ServerName::try_from(name.to_owned()).map_err(|_| ConfigError {
                setting: "redis.server_name",
                reason: "must be a host's name or IP address".to_owned(),
            })?),
        };
        Ok(Self { connector: TlsConnector::from(Arc::new(client)), server_name })
    }
}

fn roots(config: &RedisConfig) -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::empty();
    if config.ca_file.as_os_str().is_empty() {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            return Err(ConfigError {
                setting: "redis.ca_file",
                reason: "must be set: the system has no certificates to believe in".to_owned(),
            });
        }
        return Ok(roots);
    }
    for certificate in certificates("redis.ca_file", &config.ca_file)? {
        roots.add(certificate).map_err(|error| unreadable("redis.ca_file", &config.ca_file, &error))?;
    }
    Ok(roots)
}

fn certificates(setting: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let all = CertificateDer::pem_file_iter(path).and_then(|found| found.collect::<Result<Vec<_>, _>>());
    let all = all.map_err(|error| unreadable(setting, path, &error))?;
    if all.is_empty() {
        let reason = format!("names a file without a certificate in PEM: {}", path.display());
        return Err(ConfigError { setting, reason });
    }
    Ok(all)
}

fn unreadable(setting: &'static str, path: &Path, error: &dyn std::fmt::Display) -> ConfigError {
    ConfigError { setting, reason: format!("names {}, which cannot be used: {error}", path.display()) }
}
