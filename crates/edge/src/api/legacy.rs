//! The endpoint of old libraries: lines with a method and its parameters, answered line by line.

use axum::http::StatusCode;
use axum::response::Response;
use model::{RawJson, Refusal, limits};
use serde::{Deserialize, Serialize};

use super::answer::Answer;
use super::caller::Caller;
use super::exchange;
use super::fault::{ErrorObject, Fault};
use super::method::Method;

/// One line of a request.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(default)]
    id: u64,
    #[serde(default)]
    method: Option<Name>,
    #[serde(borrow, default)]
    params: Option<&'a RawJson>,
}

/// A method by name, whatever its case, or by number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Name {
    Number(u64),
    Text(String),
}

/// One line of an answer.
#[derive(Serialize)]
struct Reply {
    #[serde(skip_serializing_if = "is_absent")]
    id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Answer>,
}

impl Caller<'_> {
    pub(super) async fn legacy(self, body: &[u8]) -> Result<Response, Fault> {
        let lines = lines(body)?;
        let begun = self.moment();
        let mut answer = Vec::new();
        for line in &lines {
            let outcome = match line.method.as_ref().and_then(Name::method) {
                Some(method) => {
                    let params = line.params.map_or("{}", RawJson::get);
                    self.call_in_time(method, params.as_bytes(), begun).await
                }
                None => Err(Refusal::MethodNotFound.into()),
            };
            let (result, error) = match outcome {
                Ok(answer) => (Some(answer), None),
                Err(fault) => (None, Some(self.tell(fault))),
            };
            answer.extend_from_slice(&exchange::encode(&Reply { id: line.id, error, result }));
            answer.push(b'\n');
        }
        Ok(exchange::json(StatusCode::OK, answer.into()))
    }
}

fn lines(body: &[u8]) -> Result<Vec<Line<'_>>, Fault> {
    let mut lines = Vec::new();
    for line in serde_json::Deserializer::from_slice(body).into_iter() {
        lines.push(line.map_err(|error| Fault::Malformed(error.to_string()))?);
        if lines.len() > limits::API_BATCH_MAX {
            return Err(Fault::Malformed(format!("more than {} commands", limits::API_BATCH_MAX)));
        }
    }
    if lines.is_empty() {
        return Err(Fault::Malformed("the body has no command".to_owned()));
    }
    Ok(lines)
}

impl Name {
    fn method(&self) -> Option<Method> {
        match self {
            Self::Number(number) => Method::from_number(*number),
            Self::Text(name) => Method::from_name(&name.to_ascii_lowercase()),
        }
    }
}

fn is_absent(id: &u64) -> bool {
    *id == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_name_methods_in_three_ways() {
        let body = br#"{"method":"publish","params":{"a":1},"id":1}
            {"method":"PRESENCE_STATS"} {"method":12,"id":3}
            {}
            {"method":99}{"method":"batch"}"#;
        let read = lines(body).expect("lines");
        let methods: Vec<_> = read.iter().map(|line| line.method.as_ref().and_then(Name::method)).collect();
        let expected =
            [Some(Method::Publish), Some(Method::PresenceStats), Some(Method::Refresh), None, None, None];
        assert_eq!(methods, expected);
        assert_eq!(read[0].params.map(RawJson::get), Some(r#"{"a":1}"#));
        assert_eq!(read.iter().map(|line| line.id).collect::<Vec<_>>(), [1, 0, 3, 0, 0, 0]);
    }

    #[test]
    fn a_body_without_commands_is_malformed() {
        for body in ["", " \n", "{", "5", "{}\n{", r#"{"id":-1}"#, "hello"] {
            assert!(matches!(lines(body.as_bytes()), Err(Fault::Malformed(_))), "{body:?}");
        }
    }
}
