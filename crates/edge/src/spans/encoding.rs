//! Spans as OTLP writes them down.

use engine::{NamespaceId, Span, SpanKind};
use model::{Moment, Refusal};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind as Role;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as Written, SpanFlags, Status};
use prost::Message;
use transport::{Clock, host_name};

/// Tells a namespace's name, as more of them come while the node runs.
pub(crate) type Namespaces = Box<dyn Fn(NamespaceId) -> String + Send>;

/// Whose spans they are.
pub(crate) struct Identity {
    /// Differs between nodes, and between two runs of one.
    pub(crate) uid: String,
    /// Of the software.
    pub(crate) version: &'static str,
    /// What its namespaces are called.
    pub(crate) namespaces: Namespaces,
}

/// Writes spans down.
pub(super) struct Encoding {
    resource: Resource,
    scope: InstrumentationScope,
    namespaces: Namespaces,
    clock: Clock,
}

impl Encoding {
    pub(super) fn new(identity: Identity, clock: Clock) -> Self {
        let Identity { uid, version, namespaces } = identity;
        let mut attributes = vec![
            text("service.name", "fanfare"),
            text("service.version", version),
            text("service.instance.id", &uid),
        ];
        attributes.extend(host_name().map(|name| text("host.name", &name)));
        let scope = InstrumentationScope { name: "fanfare".to_owned(), ..InstrumentationScope::default() };
        Self { resource: Resource { attributes, ..Resource::default() }, scope, namespaces, clock }
    }

    /// A request to the collector.
    pub(super) fn request(&self, spans: &[Span]) -> Vec<u8> {
        let spans = spans.iter().map(|span| self.written(span)).collect();
        let scope_spans = ScopeSpans { scope: Some(self.scope.clone()), spans, ..ScopeSpans::default() };
        let resource_spans = ResourceSpans {
            resource: Some(self.resource.clone()),
            scope_spans: vec![scope_spans],
            ..ResourceSpans::default()
        };
        ExportTraceServiceRequest { resource_spans: vec![resource_spans] }.encode_to_vec()
    }

    fn written(&self, span: &Span) -> Written {
        let place = &span.place;
        let (name, role, mut attributes) = described(span.kind);
        attributes.extend(self.namespace(span.namespace));
        let parent = (span.parent != 0).then(|| span.parent.to_be_bytes().to_vec());
        // Who asks is another process; who delivers may be.
        let is_remote = parent.is_some() && matches!(span.kind, SpanKind::Request { .. });
        let remote = SpanFlags::ContextHasIsRemoteMask as u32 | SpanFlags::ContextIsRemoteMask as u32;
        Written {
            trace_id: place.trace().to_be_bytes().to_vec(),
            span_id: place.span().to_be_bytes().to_vec(),
            trace_state: place.state().to_owned(),
            parent_span_id: parent.unwrap_or_default(),
            flags: u32::from(place.flags()) | if is_remote { remote } else { 0 },
            name,
            kind: role.into(),
            start_time_unix_nano: self.nanos(span.began),
            end_time_unix_nano: self.nanos(span.ended),
            attributes,
            status: has_failed(span.kind)
                .then(|| Status { code: StatusCode::Error.into(), ..Status::default() }),
            ..Written::default()
        }
    }

    fn namespace(&self, namespace: Option<NamespaceId>) -> Option<KeyValue> {
        Some(text("fanfare.namespace", &(self.namespaces)(namespace?)))
    }

    fn nanos(&self, moment: Moment) -> u64 {
        self.clock.unix_micros(moment).saturating_mul(1000)
    }
}

fn described(kind: SpanKind) -> (String, Role, Vec<KeyValue>) {
    match kind {
        SpanKind::Request { route, status, code } => {
            let mut attributes = vec![
                text("http.request.method", "POST"),
                text("http.route", route),
                number("http.response.status_code", status.into()),
            ];
            attributes.extend(code.map(|code| number("fanfare.code", code.into())));
            (format!("POST {route}"), Role::Server, attributes)
        }
        SpanKind::Command { code } => {
            ("publish".to_owned(), Role::Server, vec![number("fanfare.code", code.into())])
        }
        SpanKind::Delivery { subscribers, deliveries } => {
            let attributes = vec![
                number("fanfare.subscribers", subscribers.into()),
                number("fanfare.deliveries", deliveries.into()),
            ];
            ("deliver".to_owned(), Role::Consumer, attributes)
        }
    }
}

/// Whether it is our fault that it was not done.
fn has_failed(kind: SpanKind) -> bool {
    let is_ours = |code: u16| code == Refusal::Internal.code();
    match kind {
        SpanKind::Request { status, code, .. } => status >= 500 || code.is_some_and(is_ours),
        SpanKind::Command { code } => is_ours(code),
        SpanKind::Delivery { .. } => false,
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn number(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
