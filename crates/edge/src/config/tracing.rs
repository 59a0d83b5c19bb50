//! Section `[tracing]`: where traces of what is published go, and which.

use std::path::PathBuf;

use hyper::Uri;
use model::{Ratio, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Section `[tracing]`: where traces go, and which.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TracingConfig {
    /// The OpenTelemetry collector that takes OTLP over HTTP, like `http://collector:4318`; spans are posted below
    /// it, at `/v1/traces`. Empty: no traces.
    pub url: String,
    /// The part of what is published without a `traceparent` for which the node begins a trace itself, like `0.01`.
    /// With one, its sampled flag decides.
    pub sample_ratio: Ratio,
    /// The certificates that the collector's must descend from, in PEM. Empty: those of the system, or those that
    /// browsers believe in where the system has none.
    pub ca_file: PathBuf,
    /// What is sent to the collector as the header `Authorization`, like `Bearer TOKEN`. Empty: none.
    pub authorization: Secret,
}

/// A setting that cannot be, and what it should be.
type Wrong = (&'static str, String);

/// Where the collector is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Collector {
    pub(crate) is_encrypted: bool,
    /// As sockets and certificates name it.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// As the header `Host` names it.
    pub(crate) authority: String,
    /// What is posted to.
    pub(crate) path: String,
}

impl TracingConfig {
    /// The collector, unless there is none. Files are not read.
    pub(crate) fn verify(&self) -> Result<Option<Collector>, Wrong> {
        if self.url.is_empty() {
            return Ok(None);
        }
        let Some(collector) = Collector::parse(&self.url) else {
            let problem = "not the URL of a collector: write one like `http://collector:4318`, without a user, a \
                           password or a query";
            return Err(("tracing.url", problem.to_owned()));
        };
        if !self.ca_file.as_os_str().is_empty() && !collector.is_encrypted {
            return Err(("tracing.ca_file", "needs a `tracing.url` that begins with https".to_owned()));
        }
        if !self.authorization.reveal().bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            let problem = "the header has characters that it cannot carry: write plain text".to_owned();
            return Err(("tracing.authorization", problem));
        }
        Ok(Some(collector))
    }
}

impl Collector {
    fn parse(url: &str) -> Option<Self> {
        let url: Uri = url.parse().ok()?;
        let is_encrypted = match url.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = url.authority()?;
        if authority.as_str().contains('@') || url.query().is_some() {
            return None;
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = match authority.port() {
            Some(port) => port.as_str().parse().ok().filter(|port| *port != 0)?,
            None if is_encrypted => 443,
            None => 80,
        };
        let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
        let authority = authority.to_string();
        (!host.is_empty()).then_some(Self { is_encrypted, host, port, authority, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_spans_are_posted() {
        for (url, expected) in [
            ("http://collector:4318", (false, "collector", 4318, "/v1/traces")),
            ("http://collector", (false, "collector", 80, "/v1/traces")),
            ("https://otlp.example.com/tenants/7/", (true, "otlp.example.com", 443, "/tenants/7/v1/traces")),
            ("http://[::1]:4318/", (false, "::1", 4318, "/v1/traces")),
        ] {
            let Some(Collector { is_encrypted, host, port, path, .. }) = Collector::parse(url) else {
                panic!("{url} is a URL")
            };
            assert_eq!((is_encrypted, host.as_str(), port, path.as_str()), expected, "{url}");
        }
        for url in
            ["collector:4318", "grpc://c:4317", "http://", "http://a:b@c", "http://c/?k=v", "http://c:0"]
        {
            assert_eq!(Collector::parse(url), None, "{url}");
        }
    }

    #[test]
    fn a_certificate_is_for_https_and_a_header_is_plain() {
        let with = |url: &str, ca: &str, authorization: &str| TracingConfig {
            url: url.to_owned(),
            ca_file: ca.into(),
            authorization: Secret::new(authorization),
            ..TracingConfig::default()
        };
        let wrong = |config: TracingConfig| config.verify().err().map(|(setting, _)| setting);
        assert_eq!(wrong(with("https://c", "/ca.pem", "Bearer abc")), None);
        assert_eq!(wrong(with("http://c", "/ca.pem", "")), Some("tracing.ca_file"));
        assert_eq!(wrong(with("http://c", "", "Bearer\u{7f}")), Some("tracing.authorization"));
        assert_eq!(wrong(with("c", "", "")), Some("tracing.url"));
    }
}
