//! One call: who calls, what the key allows, and which method answers.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::NamespaceId;
use model::{ChannelName, ChannelNameError, Payload, PayloadError, RawJson, Refusal, limits};

use super::Api;
use super::answer::Outcome;
use super::exchange::Sizes;
use super::fault::{ErrorObject, Fault};
use super::keys::Key;
use super::method::Method;
use super::request::parse;
use super::span::RequestSpan;

/// A backend with a key, for the time of one request.
#[derive(Clone, Copy)]
pub(super) struct Caller<'a> {
    pub(super) api: &'a Api,
    pub(super) key: &'a Key,
    pub(super) sizes: &'a Sizes,
    /// Bytes of history that the answer may still take in.
    pub(super) room: &'a AtomicUsize,
    /// The span of the request, if it is sampled.
    pub(super) span: Option<&'a RequestSpan>,
    /// Whether a part of the answer tells of the node's own fault.
    pub(super) has_failed: &'a AtomicBool,
}

impl Caller<'_> {
    /// Carries out one call, whose parameters are the text of a JSON object.
    pub(super) async fn call(self, method: Method, params: &[u8]) -> Outcome {
        self.key.may_call(method)?;
        match method {
            Method::Publish => self.publish(parse(params)?).await,
            Method::Broadcast => self.broadcast(parse(params)?).await,
            Method::Subscribe => self.subscribe(parse(params)?).await,
            Method::Unsubscribe => self.unsubscribe(parse(params)?).await,
            Method::Disconnect => self.disconnect(parse(params)?).await,
            Method::Refresh => self.refresh(parse(params)?).await,
            Method::Channels => self.channels(parse(params)?).await,
            Method::Connections => self.connections(parse(params)?).await,
            Method::Info => self.info(parse(params)?).await,
            Method::History => self.history(parse(params)?).await,
            Method::HistoryRemove => self.remove_history(parse(params)?).await,
            Method::Presence => self.presence(parse(params)?).await,
            Method::PresenceStats => self.presence_stats(parse(params)?).await,
            Method::Rpc => Err(Refusal::MethodNotFound.into()),
        }
    }

    /// What a part of the answer tells of a fault.
    pub(super) fn tell(self, fault: Fault) -> ErrorObject {
        if fault.code() == Refusal::Internal.code() {
            self.has_failed.store(true, Ordering::Relaxed);
        }
        fault.into_object()
    }

    /// A channel that the caller may touch.
    pub(super) fn channel(self, field: &str, name: &str) -> Result<(ChannelName, NamespaceId), Fault> {
        let channel = ChannelName::parse(name).map_err(|error| refused_name(field, error))?;
        let rules = self.api.handle.rules();
        let namespace = rules.of(&channel)?;
        self.key.may_touch(namespace, &rules)?;
        Ok((channel, namespace))
    }
}

fn refused_name(field: &str, error: ChannelNameError) -> Fault {
    match error {
        ChannelNameError::Empty => Fault::field(field, "is missing or empty: name a channel"),
        ChannelNameError::TooLong => {
            Fault::field(field, format_args!("is longer than {} bytes", limits::CHANNEL_NAME_BYTES_MAX))
        }
        ChannelNameError::Character => {
            Fault::field(field, "has a character other than printable ASCII without { and }")
        }
    }
}

/// The JSON of a field or of its twin in base64, which goes first. None if both are absent or empty.
pub(super) fn payload(name: &str, json: Option<&RawJson>, base64: &str) -> Result<Option<Payload>, Fault> {
    if base64.is_empty() {
        return Ok(json.map(Payload::from_json));
    }
    let field = |what: String| Fault::field(&format!("b64{name}"), what);
    let bytes = STANDARD
        .decode(base64)
        .map_err(|error| field(format!("is not base64 of the standard alphabet, with padding: {error}")))?;
    Payload::parse_json(&bytes).map(Some).map_err(|error| match error {
        PayloadError::Empty => field("is empty: encode a JSON value".to_owned()),
        PayloadError::NotJson(error) => field(format!("does not hold one JSON value: {error}")),
    })
}

/// The same, to be spliced into what clients are told.
pub(super) fn spliced(
    name: &str,
    json: Option<&RawJson>,
    base64: &str,
) -> Result<Option<Box<RawJson>>, Fault> {
    let payload = payload(name, json, base64)?;
    Ok(payload.map(|payload| {
        let text = std::str::from_utf8(payload.as_bytes()).expect("JSON is UTF-8").to_owned();
        RawJson::from_string(text).expect("a payload is one JSON value")
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_goes_before_json() {
        let raw: Box<RawJson> = RawJson::from_string("{\"a\":\n1}".to_owned()).expect("JSON");
        let read = |json, base64| {
            payload("data", json, base64)
                .map(|payload| payload.map(|payload| payload.as_bytes().to_owned()))
                .map_err(|fault| fault.into_object().message)
        };
        assert_eq!(read(None, ""), Ok(None));
        assert_eq!(read(Some(&raw), ""), Ok(Some(b"{\"a\":1}".to_vec())));
        assert_eq!(read(Some(&raw), "WzEsCiAyXQ=="), Ok(Some(b"[1, 2]".to_vec())));
        for (base64, complaint) in [
            ("WzEsIDJd=", "b64data: is not base64"),
            ("W!Es", "b64data: is not base64"),
            ("aGVsbG8=", "b64data: does not hold one JSON value"),
        ] {
            let told = read(None, base64).expect_err("refused");
            assert!(told.contains(complaint), "{base64}: {told}");
        }
    }
}
