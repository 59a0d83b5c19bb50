//! The span of a request that publishes: beneath the one that its `traceparent` names, or the first of a trace.

use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, StatusCode};
use engine::{NamespaceId, Span, SpanKind, Tracer};
use model::{Moment, TraceParent};

use super::Endpoint;
use super::method::Method;

/// A sampled request under way.
pub(super) struct RequestSpan {
    tracer: Arc<Tracer>,
    place: Arc<TraceParent>,
    parent: u64,
    route: &'static str,
    began: Moment,
    concerns: Mutex<Concern>,
}

/// What a request is about.
#[derive(Clone, Copy)]
enum Concern {
    Nothing,
    One(NamespaceId),
    Several,
}

impl RequestSpan {
    /// The span of a request that may publish, if that is to be sampled.
    pub(super) fn begin(
        tracer: Option<&Arc<Tracer>>,
        endpoint: Endpoint,
        headers: &HeaderMap,
        began: Moment,
    ) -> Option<Self> {
        let (tracer, route) = (tracer?, route(endpoint)?);
        let (place, parent) = match caller(headers) {
            Some(caller) if caller.is_sampled() => (tracer.beneath(&caller), caller.span()),
            Some(_) => return None,
            None => (tracer.begin(tracer.roll())?, 0),
        };
        let (tracer, concerns) = (Arc::clone(tracer), Mutex::new(Concern::Nothing));
        Some(Self { tracer, place, parent, route, began, concerns })
    }

    /// What publications of the request are beneath.
    pub(super) fn place(&self) -> Arc<TraceParent> {
        Arc::clone(&self.place)
    }

    /// It publishes to a channel of a namespace.
    pub(super) fn concerns(&self, namespace: NamespaceId) {
        let mut concerns = self.concerns.lock().unwrap_or_else(PoisonError::into_inner);
        *concerns = match *concerns {
            Concern::Nothing => Concern::One(namespace),
            Concern::One(other) if other == namespace => Concern::One(other),
            Concern::One(_) | Concern::Several => Concern::Several,
        };
    }

    /// It was answered.
    pub(super) fn end(self, status: StatusCode, code: Option<u16>, ended: Moment) {
        let Self { tracer, place, parent, route, began, concerns } = self;
        let namespace = match concerns.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Concern::One(namespace) => Some(namespace),
            Concern::Nothing | Concern::Several => None,
        };
        let kind = SpanKind::Request { route, status: status.as_u16(), code };
        tracer.end(Span { kind, place, parent, namespace, began, ended });
    }
}

/// Where a request came that may publish.
fn route(endpoint: Endpoint) -> Option<&'static str> {
    match endpoint {
        Endpoint::Method(Method::Publish) => Some("/api/publish"),
        Endpoint::Method(Method::Broadcast) => Some("/api/broadcast"),
        Endpoint::Method(_) => None,
        Endpoint::Batch => Some("/api/batch"),
        Endpoint::Legacy => Some("/api"),
    }
}

/// The span that the request comes from. A malformed one is as good as none.
fn caller(headers: &HeaderMap) -> Option<TraceParent> {
    let mut parents = headers.get_all("traceparent").iter();
    let (parent, None) = (parents.next()?, parents.next()) else { return None };
    let states = headers.get_all("tracestate").iter().map(|state| state.to_str());
    let state = states.collect::<Result<Vec<_>, _>>().unwrap_or_default().join(",");
    TraceParent::parse(parent.to_str().ok()?, &state)
}

#[cfg(test)]
mod tests {
    use std::hash::RandomState;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn the_callers_flag_goes_before_the_ratio() {
        let unsampled = PARENT.replace("-01", "-00");
        for (ratio, parents, is_sampled, has_parent) in [
            (None, &[PARENT][..], true, true),
            (None, &[], false, false),
            (None, &["rubbish"], false, false),
            (None, &[PARENT, PARENT], false, false),
            (Some(u64::MAX), &[unsampled.as_str()], false, false),
            (Some(u64::MAX), &[PARENT], true, true),
            (Some(u64::MAX), &["rubbish"], true, false),
            (Some(u64::MAX), &[], true, false),
        ] {
            let tracer = Arc::new(Tracer::new(ratio, RandomState::new(), Box::new(|| {})));
            let mut headers = HeaderMap::new();
            for parent in parents {
                headers.append("traceparent", parent.parse().expect("a header"));
            }
            for state in ["a=1", "b=2"] {
                headers.append("tracestate", state.parse().expect("a header"));
            }
            let publish = Endpoint::Method(Method::Publish);
            let span = RequestSpan::begin(Some(&tracer), publish, &headers, Moment::default());
            assert_eq!(span.is_some(), is_sampled, "{parents:?}");
            let expected = if has_parent { ("a=1,b=2", 0xb7ad_6b71_6920_3331) } else { ("", 0) };
            if let Some(span) = span {
                assert_eq!((span.place.state(), span.parent), expected, "{parents:?}");
            }
            let info = Endpoint::Method(Method::Info);
            assert!(RequestSpan::begin(Some(&tracer), info, &headers, Moment::default()).is_none());
        }
    }
}
