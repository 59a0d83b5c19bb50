//! Encrypted connections to servers of others, like Redis or a collector of traces: whose certificates are believed,
//! and which one is shown. Knows no settings, and opens no socket.

#![forbid(unsafe_code)]

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What a connection is encrypted by. An empty text or path leaves it to the default.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// The certificates that the server's must descend from; those of the system, or else the program's own.
    pub ca: &'a Path,
    /// The certificate that is shown; none.
    pub client_cert: &'a Path,
    /// Its private key.
    pub client_key: &'a Path,
    /// The name that the server's certificate must bear; the host that was connected to.
    pub server_name: &'a str,
}

/// What [`Files`] has that does not serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Fault {
    /// Which.
    pub part: Part,
    /// Why not, as the end of a sentence that begins with its name.
    pub reason: String,
}

/// A part of [`Files`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// [`Files::ca`].
    Ca,
    /// [`Files::client_cert`].
    ClientCert,
    /// [`Files::client_key`].
    ClientKey,
    /// [`Files::server_name`].
    ServerName,
}

/// Encrypts connections. Cheap to clone.
#[derive(Clone)]
pub struct Encryption {
    connector: TlsConnector,
    server_name: Option<ServerName<'static>>,
}

impl Encryption {
    /// Reads the files.
    pub fn load(files: Files<'_>) -> Result<Self, Fault> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for both versions")
            .with_root_certificates(roots(files.ca)?);
        let client = if files.client_cert.as_os_str().is_empty() {
            builder.with_no_client_auth()
        } else {
            let shown = certificates(Part::ClientCert, files.client_cert)?;
            let key = PrivateKeyDer::from_pem_file(files.client_key)
                .map_err(|error| unreadable(Part::ClientKey, files.client_key, &error))?;
            builder.with_client_auth_cert(shown, key).map_err(|error| Fault {
                part: Part::ClientKey,
                reason: format!("does not fit the certificate: {error}"),
            })?
        };
        let server_name = match files.server_name {
            "" => None,
            name => Some(ServerName::try_from(name.to_owned()).map_err(|_| Fault {
                part: Part::ServerName,
                reason: "must be a host's name or IP address".to_owned(),
            })?),
        };
        Ok(Self { connector: TlsConnector::from(Arc::new(client)), server_name })
    }

    /// Encrypts a connection to a host, once the host has proved who it is.
    pub async fn connect<S>(&self, host: &str, socket: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let wrong = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned()).map_err(wrong)?,
        };
        self.connector.connect(name, socket).await
    }
}

fn roots(ca: &Path) -> Result<RootCertStore, Fault> {
    if ca.as_os_str().is_empty() {
        return Ok(known_roots(rustls_native_certs::load_native_certs().certs));
    }
    let mut roots = RootCertStore::empty();
    for certificate in certificates(Part::Ca, ca)? {
        roots.add(certificate).map_err(|error| unreadable(Part::Ca, ca, &error))?;
    }
    Ok(roots)
}

/// Those of the system. An image without a system has none, and gets those that browsers believe in.
fn known_roots(of_system: Vec<CertificateDer<'static>>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(of_system);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        tracing::info!("the system has no certificates to believe in: the program's own are used");
    }
    roots
}

fn certificates(part: Part, path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let all = CertificateDer::pem_file_iter(path).and_then(|found| found.collect::<Result<Vec<_>, _>>());
    let all = all.map_err(|error| unreadable(part, path, &error))?;
    if all.is_empty() {
        let reason = format!("names a file without a certificate in PEM: {}", path.display());
        return Err(Fault { part, reason });
    }
    Ok(all)
}

fn unreadable(part: Part, path: &Path, error: &dyn std::fmt::Display) -> Fault {
    Fault { part, reason: format!("names {}, which cannot be used: {error}", path.display()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_without_certificates_gets_those_of_the_program() {
        assert!(known_roots(Vec::new()).len() > 100);
        let mangled = CertificateDer::from(b"not a certificate".to_vec());
        assert_eq!(known_roots(vec![mangled]).len(), webpki_roots::TLS_SERVER_ROOTS.len());
    }
}
