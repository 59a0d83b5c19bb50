//! Several calls in one request, one after the other or all at once; answered in their order.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::Response;
use model::{Moment, RawJson, Refusal, limits};
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::answer::{Answer, Outcome};
use super::caller::Caller;
use super::exchange;
use super::fault::{ErrorObject, Fault};
use super::method::Method;
use super::request::{BatchRequest, parse};
use super::text::Text;

/// The answer to a batch; it has no `result` around it.
#[derive(Serialize)]
struct Replies {
    replies: Vec<Reply>,
}

/// The answer to one command: its result below the method's name, or an error.
enum Reply {
    Result(Method, Answer),
    Error(ErrorObject),
}

impl Caller<'_> {
    pub(super) async fn batch(self, body: &[u8]) -> Result<Response, Fault> {
        let request: BatchRequest<'_> = parse(body)?;
        let Some(commands) = request.commands else {
            return Err(Fault::field("commands", "is missing: list calls like {\"publish\":{…}}"));
        };
        if commands.len() > limits::API_BATCH_MAX {
            let what = format_args!("has {} commands, at most {}", commands.len(), limits::API_BATCH_MAX);
            return Err(Fault::field("commands", what));
        }
        let begun = self.moment();
        let replies = if request.parallel == Some(true) {
            all(commands.iter().map(|command| self.reply(command, begun))).await
        } else {
            let mut replies = Vec::with_capacity(commands.len());
            // Publications are begun in their order and stay in it, so a run of them shares one wait.
            for run in commands.chunk_by(|before, after| is_publish(before) && is_publish(after)) {
                replies.extend(all(run.iter().map(|command| self.reply(command, begun))).await);
            }
            replies
        };
        let body: Bytes = exchange::encode(&Replies { replies });
        Ok(exchange::json(StatusCode::OK, body))
    }

    async fn reply(self, command: &RawJson, begun: Moment) -> Reply {
        match self.carry_out(command, begun).await {
            Ok((method, answer)) => Reply::Result(method, answer),
            Err(fault) => Reply::Error(self.tell(fault)),
        }
    }

    async fn carry_out(self, command: &RawJson, begun: Moment) -> Result<(Method, Answer), Fault> {
        let Command { name, params } = parse(command.get().as_bytes())?;
        let method = Method::from_name(&name).ok_or(Refusal::MethodNotFound)?;
        let answer = self.call_in_time(method, params.get().as_bytes(), begun).await?;
        Ok((method, answer))
    }

    /// Carries out one of several calls, unless those before it took too long.
    pub(super) async fn call_in_time(self, method: Method, params: &[u8], begun: Moment) -> Outcome {
        if self.moment().since(begun) >= limits::API_BATCH_DEADLINE {
            return Err(Refusal::Internal.into());
        }
        self.call(method, params).await
    }

    /// The time.
    pub(super) fn moment(self) -> Moment {
        self.api.handle.clock().moment()
    }
}

impl Serialize for Reply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut reply = serializer.serialize_map(Some(1))?;
        match self {
            Self::Result(method, answer) => reply.serialize_entry(method.name(), answer)?,
            Self::Error(error) => reply.serialize_entry("error", error)?,
        }
        reply.end()
    }
}

/// A method's name and its parameters: an object with one entry.
struct Command<'a> {
    name: Text<'a>,
    params: &'a RawJson,
}

impl<'de: 'a, 'a> Deserialize<'de> for Command<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneEntry;
        impl<'de> Visitor<'de> for OneEntry {
            type Value = Command<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with the method's name as its only key")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let entry = map.next_entry::<Text<'de>, &'de RawJson>()?;
                let rest = map.next_key::<IgnoredAny>()?;
                match (entry, rest) {
                    (Some((name, params)), None) => Ok(Command { name, params }),
                    (Some(_) | None, _) => {
                        Err(A::Error::custom("a command has the method's name as its only key"))
                    }
                }
            }
        }
        deserializer.deserialize_map(OneEntry)
    }
}

fn is_publish(command: &&RawJson) -> bool {
    let method =
        parse(command.get().as_bytes()).ok().and_then(|Command { name, .. }| Method::from_name(&name));
    method == Some(Method::Publish)
}

/// Begins every future before it awaits them in order.
async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    enum Progress<F: Future> {
        Running(Pin<Box<F>>),
        Done(F::Output),
    }
    let mut running: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    let begun: Vec<Progress<F>> = poll_fn(|context| {
        let begin = |mut future: Pin<Box<F>>| match future.as_mut().poll(context) {
            Poll::Ready(output) => Progress::Done(output),
            Poll::Pending => Progress::Running(future),
        };
        Poll::Ready(running.drain(..).map(begin).collect())
    })
    .await;
    let mut outputs = Vec::with_capacity(begun.len());
    for progress in begun {
        outputs.push(match progress {
            Progress::Running(future) => future.await,
            Progress::Done(output) => output,
        });
    }
    outputs
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn all_are_begun_before_one_is_awaited() {
        let (sender, receiver) = oneshot::channel();
        let (mut sender, mut receiver) = (Some(sender), Some(receiver));
        let begun = Cell::new(0);
        // The first can end only after the last has begun.
        let outputs = all((0..3).map(|index| {
            let sender = (index == 2).then(|| sender.take()).flatten();
            let receiver = (index == 0).then(|| receiver.take()).flatten();
            let begun = &begun;
            async move {
                begun.set(begun.get() + 1);
                if let Some(sender) = sender {
                    sender.send(begun.get()).expect("awaited");
                }
                match receiver {
                    Some(receiver) => receiver.await.expect("sent"),
                    None => index,
                }
            }
        }));
        assert_eq!(outputs.await, [3, 1, 2]);
    }

    #[test]
    fn a_command_has_one_name() {
        let read = |json: &str| {
            parse::<Command<'_>>(json.as_bytes())
                .map(|command| (command.name.to_string(), command.params.to_string()))
                .ok()
        };
        let command = |name: &str, params: &str| Some((name.to_owned(), params.to_owned()));
        assert_eq!(read(r#"{"publish":{"a":1}}"#), command("publish", r#"{"a":1}"#));
        for refused in ["{}", "[]", r#"["publish",{}]"#, r#"{"publish":{},"info":{}}"#] {
            assert_eq!(read(refused), None, "{refused}");
        }
    }
}
