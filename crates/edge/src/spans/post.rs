//! One request to the collector: a connection of its own, encrypted or not, and what the answer says.

use std::io;
use std::path::Path;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use model::limits;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tls::{Encryption, Files};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::config::{Collector, TracingConfig};

/// Why the collector did not take what it was sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("cannot encrypt: {0}")]
    Encrypt(io::Error),
    #[error("the connection failed: {0}")]
    Broken(#[from] hyper::Error),
    #[error("it was answered with status {0}")]
    Refused(StatusCode),
    #[error("no answer in time")]
    TimedOut,
}

impl PostError {
    /// Whether it may go better later, as far as OTLP says.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Encrypt(_) | Self::Broken(_) | Self::TimedOut => true,
            Self::Refused(status) => matches!(status.as_u16(), 429 | 502..=504),
        }
    }
}

/// Posts to one collector.
pub(super) struct Post {
    collector: Collector,
    encryption: Option<Encryption>,
    authorization: Option<HeaderValue>,
}

impl Post {
    /// By the settings, whose files are read; the error is a setting and what it should be.
    pub(super) fn new(collector: Collector, config: &TracingConfig) -> Result<Self, (&'static str, String)> {
        let none = Path::new("");
        let files = Files { ca: &config.ca_file, client_cert: none, client_key: none, server_name: "" };
        let encryption = collector.is_encrypted.then(|| Encryption::load(files)).transpose();
        let encryption = encryption.map_err(|fault| ("tracing.ca_file", fault.reason))?;
        let authorization = Some(config.authorization.reveal()).filter(|text| !text.is_empty());
        let authorization = authorization.map(HeaderValue::from_str).transpose();
        let mut authorization =
            authorization.map_err(|error| ("tracing.authorization", error.to_string()))?;
        if let Some(header) = &mut authorization {
            header.set_sensitive(true);
        }
        Ok(Self { collector, encryption, authorization })
    }

    /// As operators know it.
    pub(super) fn collector(&self) -> &str {
        &self.collector.authority
    }

    /// Posts spans. Returns how many of them the collector turned down.
    pub(super) async fn send(&self, body: Bytes) -> Result<u64, PostError> {
        let Collector { host, port, .. } = &self.collector;
        let socket = TcpStream::connect((host.as_str(), *port)).await.map_err(PostError::Connect)?;
        match &self.encryption {
            None => self.exchange(socket, body).await,
            Some(encryption) => {
                let encrypted = encryption.connect(host, socket).await.map_err(PostError::Encrypt)?;
                self.exchange(encrypted, body).await
            }
        }
    }

    async fn exchange<S>(&self, socket: S, body: Bytes) -> Result<u64, PostError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        let mut request = Request::post(&self.collector.path)
            .header(HOST, &self.collector.authority)
            .header(CONTENT_TYPE, "application/x-protobuf")
            .header(CONNECTION, "close")
            .body(Full::new(body))
            .expect("path and authority are parts of a URL");
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let exchange = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            if !status.is_success() {
                return Err(PostError::Refused(status));
            }
            // One that goes on for longer than it may says nothing that matters.
            let answer = Limited::new(response.into_body(), limits::SPAN_ANSWER_BYTES_MAX).collect().await;
            Ok(answer.map_or(0, |answer| rejected(&answer.to_bytes())))
        };
        let driven = async {
            // What it fails for, the exchange is told.
            drop(connection.await);
            std::future::pending().await
        };
        tokio::select! {
            outcome = exchange => outcome,
            never = driven => never,
        }
    }
}

fn rejected(answer: &[u8]) -> u64 {
    let answer = ExportTraceServiceResponse::decode(answer).ok().and_then(|answer| answer.partial_success);
    answer.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or(0))
}
