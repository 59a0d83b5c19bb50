//! `fanfare publish`: one request to a node's server API, and what it answered.

use std::io::{self, Read};
use std::time::Duration;

use clap::Args;
use model::Secret;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::credential::ApiKey;
use crate::failure::Failure;
use crate::text;

/// A node answers a publish within two seconds; the rest is for the way.
const PATIENCE: Duration = Duration::from_secs(10);
/// Nothing is answered sooner.
const PATIENCE_MIN: Duration = Duration::from_millis(1);
/// No answer of a node is near this long; something else may answer.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// Far more than a node takes.
const DATA_BYTES_MAX: u64 = 64 << 20;

#[derive(Args)]
pub(crate) struct Flags {
    /// The channel
    channel: String,
    /// What to publish, as JSON; `-` reads it from standard input
    data: String,
    /// Where the node's server API is
    #[arg(long, value_name = "URL", default_value = "http://localhost:9000")]
    url: String,
    #[command(flatten)]
    key: ApiKey,
}

#[derive(Serialize)]
struct Request<'a> {
    channel: &'a str,
    data: &'a RawValue,
}

/// What the server API answers, in either of its error modes.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<Fault>,
    #[serde(flatten)]
    bare: BareFault,
}

#[derive(Deserialize)]
struct Fault {
    code: u32,
    message: String,
}

#[derive(Deserialize)]
struct BareFault {
    code: Option<u32>,
    message: Option<String>,
}

pub(crate) fn run(flags: &Flags) -> Result<(), Failure> {
    endpoint(&flags.url)?;
    let data = match flags.data.as_str() {
        "-" => read_standard_input()?,
        data => data.to_owned(),
    };
    let data = serde_json::from_str::<&RawValue>(data.trim()).map_err(|error| {
        Failure::unusable(format!(
            "DATA is not JSON: {error}; a text is written with quotes, like '\"hello\"'"
        ))
    })?;
    let result = publish(&flags.url, &flags.key.read()?, &flags.channel, data, None)?;
    text::print(&format!("{result}\n")).map(|_| ())
}

/// Publishes once, and returns the result as JSON. `left` is the time there is for it, if that is less than usual.
pub(crate) fn publish(
    base: &str,
    key: &Secret,
    channel: &str,
    data: &RawValue,
    left: Option<Duration>,
) -> Result<String, Failure> {
    let request = serde_json::to_vec(&Request { channel, data }).expect("texts and JSON");
    let patience = left.map_or(PATIENCE, |left| left.clamp(PATIENCE_MIN, PATIENCE));
    let (status, body) = post(&endpoint(base)?, key.reveal(), &request, patience)?;
    judge(status, &body).map(str::to_owned)
}

fn endpoint(base: &str) -> Result<String, Failure> {
    let Some((scheme, rest)) = base.split_once("://").filter(|(_, rest)| !rest.is_empty()) else {
        return Err(Failure::unusable(format!(
            "`{base}` is not a URL: write it like `http://localhost:9000`"
        )));
    };
    match scheme {
        "http" => {
            let rest = rest.trim_end_matches('/');
            Ok(format!("http://{}/api/publish", rest.strip_suffix("/api").unwrap_or(rest)))
        }
        "https" => Err(Failure::unusable(
            "this command speaks no TLS: give the http address of the node's internal listener, or use curl",
        )),
        scheme => Err(Failure::unusable(format!(
            "`{scheme}` is not http: write the URL like `http://localhost:9000`"
        ))),
    }
}

fn read_standard_input() -> Result<String, Failure> {
    let mut data = String::new();
    io::stdin()
        .take(DATA_BYTES_MAX)
        .read_to_string(&mut data)
        .map_err(|error| Failure::unusable(format!("cannot read DATA from standard input: {error}")))?;
    Ok(data)
}

fn post(url: &str, key: &str, body: &[u8], patience: Duration) -> Result<(u16, String), Failure> {
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(patience))
        .max_redirects(0)
        .proxy(None)
        .build()
        .new_agent();
    let request = agent.post(url).header("Content-Type", "application/json").header("X-API-Key", key);
    let answered = request.send(body).and_then(|mut answer| {
        let status = answer.status().as_u16();
        let text =
            answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).lossy_utf8(true).read_to_string()?;
        Ok((status, text))
    });
    answered.map_err(|error| {
        if matches!(error, ureq::Error::Timeout(_)) {
            return Failure::refused(format!("{url} did not answer in time"));
        }
        Failure::unusable(format!("cannot reach {url}: {error}; is a node's internal listener there?"))
    })
}

/// The result as JSON, or what was refused.
fn judge(status: u16, body: &str) -> Result<&str, Failure> {
    let answer = serde_json::from_str::<Answer<'_>>(body).ok();
    let refused = |code: u32, message: &str| Err(Failure::refused(format!("refused: {code} {message}")));
    match (status, answer) {
        (_, Some(Answer { error: Some(Fault { code, message }), .. })) => refused(code, &message),
        (200, Some(Answer { result: Some(result), .. })) => Ok(result.get()),
        (200, _) => Err(Failure::unusable(
            "the answer is not that of a server API: does --url name the internal listener?",
        )),
        (_, Some(Answer { bare: BareFault { code: Some(code), message }, .. })) => {
            refused(code, &message.unwrap_or_default())
        }
        (401, _) => Err(Failure::refused("refused: status 401, the key is not one that the node knows")),
        (403, _) => Err(Failure::refused("refused: status 403, the key may not publish to this channel")),
        (404, _) => Err(Failure::refused(
            "refused: status 404, no server API is there: does --url name the internal listener?",
        )),
        (status, _) => Err(Failure::refused(format!("refused: status {status} {}", body.trim()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_below_the_url() {
        for url in ["http://a:9000", "http://a:9000/", "http://a:9000/api", "http://a:9000/api/"] {
            assert_eq!(endpoint(url).expect(url), "http://a:9000/api/publish");
        }
        for url in ["https://a", "localhost:9000", "ws://a", "http://", ""] {
            endpoint(url).expect_err(url);
        }
    }

    #[test]
    fn an_answer_is_a_result_or_a_refusal() {
        assert_eq!(judge(200, r#"{"result":{"offset":1}}"#).expect("a result"), r#"{"offset":1}"#);
        check(
            200,
            r#"{"error":{"code":102,"message":"unknown channel"}}"#,
            1,
            "refused: 102 unknown channel",
        );
        check(404, r#"{"code":102,"message":"unknown channel"}"#, 1, "refused: 102 unknown channel");
        check(401, "unauthorized", 1, "status 401");
        check(404, "", 1, "--url");
        check(503, "busy\n", 1, "refused: status 503 busy");
        check(200, "<html>", 2, "--url");
        check(200, "{}", 2, "--url");
    }

    fn check(status: u16, body: &str, code: u8, line: &str) {
        let failure = format!("{:?}", judge(status, body).expect_err(body));
        assert!(failure.contains(&format!("code: {code},")) && failure.contains(line), "{failure}");
    }
}
