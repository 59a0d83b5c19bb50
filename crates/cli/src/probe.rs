//! `fanfare probe`: publishes through the server API, and waits until it arrives at a subscriber of its own. Proves the
//! whole way, with the settings of the nodes.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use auth::Claims;
use clap::Args;
use edge::config::Loaded;
use model::{ChannelName, Period, Secret, UnixTime};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::settings::Sources;
use crate::subscribe::link::{Link, Received};
use crate::subscribe::session::{Session, Step};
use crate::{publish, signing, text};

/// How long the probe's token is good for, beyond the probe itself: clocks differ.
const TOKEN_SLACK: Duration = Duration::from_secs(60);

#[derive(Args)]
pub(crate) struct Flags {
    /// The channel; nobody else should use it
    #[arg(default_value = "fanfare-probe", value_parser = ChannelName::parse)]
    channel: ChannelName,
    /// Where clients connect
    #[arg(long, value_name = "URL", default_value = "ws://localhost:8000/connection/websocket")]
    url: String,
    /// Where the server API is
    #[arg(long, value_name = "URL", default_value = "http://localhost:9000")]
    api: String,
    /// How long all of it may take
    #[arg(long, value_name = "PERIOD", default_value = "10s")]
    timeout: Period,
    #[command(flatten)]
    sources: Sources,
}

pub(crate) fn run(flags: &Flags) -> Result<(), Failure> {
    let loaded = flags.sources.load(None)?;
    let (key, secret) = (&loaded.config.api.key, &loaded.config.token.hmac_secret);
    for (given, setting) in [(key, "API__KEY"), (secret, "TOKEN__HMAC_SECRET")] {
        if given.is_empty() {
            return Err(Failure::unusable(format!(
                "a probe publishes with the nodes' API key, under a token signed with their secret: set \
                 FANFARE__{setting}, or give --config"
            )));
        }
    }
    let token = token(flags, &loaded)?;
    let began = Instant::now();
    let deadline = began.checked_add(flags.timeout.0);
    let mark = mark();
    let mut link = Link::open(&flags.url, deadline)?;
    let (mut session, first) = Session::new(Vec::new(), Some(&token));
    link.send(first)?;
    wait(&mut link, &mut session, deadline, "the answer to connect", |session, _| session.is_connected())?;
    let connected = began.elapsed();
    let data = RawValue::from_string(json!({ "probe": mark }).to_string()).expect("it is JSON");
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    publish::publish(&flags.api, key, flags.channel.as_str(), &data, left)?;
    wait(&mut link, &mut session, deadline, "the publication", |_, line| is_ours(line, &mark))?;
    let arrived = began.elapsed().saturating_sub(connected);
    link.close();
    let figures = json!({ "connect_ms": millis(connected), "publish_to_arrival_ms": millis(arrived) });
    text::print(&format!("{figures}\n")).map(|_| ())
}

/// A token that subscribes to the channel, so that no rule of the node has to.
fn token(flags: &Flags, loaded: &Loaded) -> Result<Secret, Failure> {
    let config = &loaded.config.token;
    let good_for = flags.timeout.0.saturating_add(TOKEN_SLACK);
    let until = text::unix_time().0.saturating_add(i64::try_from(good_for.as_secs()).unwrap_or(i64::MAX));
    let claims =
        Claims::connection("").channels(std::slice::from_ref(&flags.channel)).expires(UnixTime(until));
    Ok(Secret::new(signing::signer(config)?.sign(&signing::for_node(claims, config))))
}

/// Takes in what comes until it is what is waited for.
fn wait(
    link: &mut Link,
    session: &mut Session,
    deadline: Option<Instant>,
    what: &str,
    is_done: impl Fn(&Session, &str) -> bool,
) -> Result<(), Failure> {
    loop {
        let Received::Text(text) = link.receive(None, deadline)? else {
            return Err(Failure::refused(format!("{what} did not come within --timeout")));
        };
        for line in text.split('\n').filter(|line| !line.is_empty()) {
            match session.on_reply(line)? {
                Step::Send(frame) => link.send(frame)?,
                Step::Print(publication) if is_done(session, &publication) => return Ok(()),
                Step::Nothing | Step::Note(_) if is_done(session, "") => return Ok(()),
                Step::Nothing | Step::Note(_) | Step::Print(_) => {}
            }
        }
    }
}

/// Tells this probe's publication from those of others.
fn mark() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}", now.as_nanos(), std::process::id())
}

fn is_ours(line: &str, mark: &str) -> bool {
    let line: Option<Value> = serde_json::from_str(line).ok();
    line.is_some_and(|line| line["data"]["probe"] == *mark)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
