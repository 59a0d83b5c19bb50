//! `fanfare token`: signs a development token, or explains a given one.

mod explain;

use auth::Claims;
use clap::Args;
use edge::config::Loaded;
use model::{ChannelName, Period, RawJson, UnixTime};

use crate::failure::Failure;
use crate::settings::Sources;
use crate::{signing, text};

#[derive(Args)]
pub(crate) struct Flags {
    /// Who the token is for; empty for an anonymous user
    #[arg(required_unless_present = "explain")]
    user: Option<String>,
    /// Makes a subscription token for this channel, instead of a connection token
    #[arg(long, value_name = "CHANNEL", value_parser = parse_channel)]
    channel: Option<ChannelName>,
    /// Channels that the connection is subscribed to from its start, separated by commas
    #[arg(long, value_name = "CHANNEL,…", value_delimiter = ',', value_parser = parse_channel)]
    #[arg(conflicts_with = "channel")]
    channels: Vec<ChannelName>,
    /// How long the token is good for, like 10m; 0 for ever
    #[arg(long, value_name = "PERIOD", default_value = "1h")]
    expires: Period,
    /// What others may see of the user, as JSON
    #[arg(long, value_name = "JSON", value_parser = parse_json)]
    info: Option<Box<RawJson>>,
    /// A file with the secret that the node verifies with, instead of token.hmac_secret from the settings
    #[arg(long, value_name = "FILE")]
    secret_file: Option<String>,
    /// Explains this token, and says whether the node of these settings accepts it; `-` reads it from
    /// standard input. Others on this machine can read the flag
    #[arg(long, value_name = "TOKEN")]
    #[arg(conflicts_with_all = ["user", "channel", "channels", "expires", "info"])]
    explain: Option<String>,
    #[command(flatten)]
    sources: Sources,
}

pub(crate) fn run(flags: &Flags) -> Result<(), Failure> {
    let loaded = flags.sources.load(flags.secret_file.as_deref())?;
    match &flags.explain {
        Some(token) => explain::run(token, &loaded.config.token),
        None => sign(flags, &loaded),
    }
}

fn sign(flags: &Flags, loaded: &Loaded) -> Result<(), Failure> {
    let config = &loaded.config.token;
    if config.require_exp && flags.expires == Period::default() {
        return Err(Failure::unusable(
            "token.require_exp is set, so the node would refuse a token for ever: give --expires another period",
        ));
    }
    let user = flags.user.as_deref().unwrap_or_default();
    let claims = signing::for_node(claims(flags, user, text::unix_time()), config);
    let token = signing::signer(config)?.sign(&claims);
    text::print(&format!("{token}\n")).map(|_| ())
}

fn claims(flags: &Flags, user: &str, now: UnixTime) -> Claims {
    let mut claims = match &flags.channel {
        Some(channel) => Claims::subscription(user, channel),
        None => Claims::connection(user).channels(&flags.channels),
    };
    if flags.expires != Period::default() {
        let seconds = i64::try_from(flags.expires.0.as_secs()).unwrap_or(i64::MAX);
        claims = claims.expires(UnixTime(now.0.saturating_add(seconds)));
    }
    match &flags.info {
        Some(info) => claims.info(info.clone()),
        None => claims,
    }
}

fn parse_channel(text: &str) -> Result<ChannelName, String> {
    ChannelName::parse(text).map_err(|error| error.to_string())
}

fn parse_json(text: &str) -> Result<Box<RawJson>, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}
