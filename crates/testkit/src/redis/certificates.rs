//! Certificates for one test: an authority, a server's for loopback, a client's. Made by the program
//! `openssl`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the files are, PEM all of them.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The authority's certificate, which both others are signed with.
    pub ca: PathBuf,
    /// The server's certificate, for `localhost` and `127.0.0.1`.
    pub server: PathBuf,
    /// The server's key.
    pub server_key: PathBuf,
    /// A client's certificate.
    pub client: PathBuf,
    /// The client's key.
    pub client_key: PathBuf,
}

impl Certificates {
    /// Makes them in a directory.
    ///
    /// # Panics
    /// When `openssl` is missing or fails.
    pub fn create(directory: &Path) -> Self {
        let file = |name: &str| directory.join(name);
        let (ca, ca_key) = (file("ca.pem"), file("ca.key"));
        sign(
            &ca,
            &ca_key,
            None,
            "test authority",
            &["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"],
        );
        let issuer = Some((ca.as_path(), ca_key.as_path()));
        let (server, server_key) = (file("server.pem"), file("server.key"));
        sign(
            &server,
            &server_key,
            issuer,
            "localhost",
            &[
                "basicConstraints=critical,CA:FALSE",
                "extendedKeyUsage=serverAuth,clientAuth",
                "subjectAltName=DNS:localhost,IP:127.0.0.1",
            ],
        );
        let (client, client_key) = (file("client.pem"), file("client.key"));
        sign(
            &client,
            &client_key,
            issuer,
            "test client",
            &["basicConstraints=critical,CA:FALSE", "extendedKeyUsage=clientAuth"],
        );
        Self { ca, server, server_key, client, client_key }
    }
}

/// Makes a key and a certificate, signed by the issuer's or by its own key.
fn sign(certificate: &Path, key: &Path, issuer: Option<(&Path, &Path)>, name: &str, extensions: &[&str]) {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    // The system's own settings would add extensions of theirs, some of them twice.
    command.args(["-config", "/dev/null", "-days", "2", "-subj", &format!("/CN={name}")]);
    command.arg("-keyout").arg(key).arg("-out").arg(certificate);
    if let Some((issuer, issuer_key)) = issuer {
        command.arg("-CA").arg(issuer).arg("-CAkey").arg(issuer_key);
    }
    for extension in extensions {
        command.args(["-addext", extension]);
    }
    let output =
        command.output().unwrap_or_else(|error| panic!("no openssl: {error}; apt-get install openssl"));
    assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
}
