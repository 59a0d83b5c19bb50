//! A collector of traces inside the test's process: takes OTLP over HTTP, and keeps what it got.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use testkit::eventually;

/// Runs until the process ends.
pub(crate) struct Collector {
    address: SocketAddr,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    spans: Vec<Collected>,
    heads: String,
    bytes: Vec<u8>,
}

/// One span, and whose it is.
#[derive(Debug, Clone)]
pub(crate) struct Collected {
    pub(crate) span: Span,
    pub(crate) resource: Vec<KeyValue>,
}

impl Collector {
    /// Answers every request with a status.
    pub(crate) fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let taken: Arc<Mutex<Taken>> = Arc::default();
        let keeps = Arc::clone(&taken);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                keeps.lock().expect("nobody panicked").take(stream, status);
            }
        });
        Self { address, taken }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for so many spans; the first to begin is the first.
    pub(crate) fn spans(&self, count: usize) -> Vec<Collected> {
        let taken = || self.taken.lock().expect("nobody panicked").spans.clone();
        eventually(&format!("there are {count} spans"), || taken().len() >= count);
        let mut spans = taken();
        assert_eq!(spans.len(), count, "{spans:?}");
        spans.sort_by_key(|collected| collected.span.start_time_unix_nano);
        spans
    }

    /// The heads of all requests, and their bodies.
    pub(crate) fn requests(&self) -> (String, String) {
        let taken = self.taken.lock().expect("nobody panicked");
        (taken.heads.clone(), String::from_utf8_lossy(&taken.bytes).into_owned())
    }
}

impl Taken {
    fn take(&mut self, stream: TcpStream, status: u16) {
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).expect("a head"), 0, "{head}");
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        let mut body = vec![0; length.parse().expect("a number")];
        reader.read_exact(&mut body).expect("a body");
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
        reader.get_mut().write_all(answer.as_bytes()).expect("somebody waits");
        let request = ExportTraceServiceRequest::decode(&body[..]).expect("OTLP");
        for spans in request.resource_spans {
            let resource = spans.resource.map(|resource| resource.attributes).unwrap_or_default();
            let all = spans.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.spans.extend(all.map(|span| Collected { span, resource: resource.clone() }));
        }
        self.heads += &head;
        self.bytes.extend(body);
    }
}

impl Collected {
    /// What the span says, as a text.
    pub(crate) fn says(&self, key: &str) -> String {
        value(&self.span.attributes, key)
    }

    /// What its node says of itself.
    pub(crate) fn node(&self, key: &str) -> String {
        value(&self.resource, key)
    }
}

fn value(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|found| found.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}
