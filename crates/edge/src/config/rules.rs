//! What settings must be beyond their types: bounds of quantities, and what holds between settings.

use engine::NamespaceConfig;
use model::{ByteSize, Period, Secret};

use super::error::ConfigError;
use super::origin::Origins;
use super::{Config, Origin, SettingPath};

/// Namespaces are labels of metrics and numbers of 16 bits.
const NAMESPACES_MAX: usize = 1000;
/// Every request is compared with every key.
const API_KEYS_MAX: usize = 100;
const OUTBOX_SIZE_MIN: ByteSize = ByteSize::kib(16);
const OUTBOX_SIZE_MAX: ByteSize = ByteSize::kib(1 << 20);
/// An outbox holds at least this many publications of the largest size.
const PUBLICATIONS_PER_OUTBOX_MIN: u64 = 4;
const PING_INTERVAL_MAX: Period = Period::seconds(3600);
const CONNECTION_AGE_MIN: Period = Period::seconds(10);
const CONNECTION_AGE_MAX: Period = Period::seconds(30 * 86_400);
const PONG_TIMEOUT_MIN: Period = Period::seconds(1);
const HISTORY_TTL_MIN: Period = Period::seconds(1);
const HISTORY_META_TTL_MAX: Period = Period::seconds(365 * 86_400);
const DRAIN_DELAY_MAX: Period = Period::seconds(600);
const DRAIN_WINDOW_MAX: Period = Period::seconds(3600);

/// Every rule that the settings break.
pub(super) fn broken(config: &Config, origins: &Origins) -> Vec<ConfigError> {
    let mut rules = Rules { config, origins, broken: Vec::new() };
    rules.outboxes();
    rules.publications();
    rules.heartbeat();
    rules.connection_age();
    rules.names();
    rules.histories();
    rules.api_keys();
    rules.drain();
    rules.listeners();
    rules.redis();
    rules.tracing();
    rules.broken
}

struct Rules<'a> {
    config: &'a Config,
    origins: &'a Origins,
    broken: Vec<ConfigError>,
}

impl Rules<'_> {
    fn outboxes(&mut self) {
        let client = &self.config.client;
        let (size, total) = (client.outbox_size, client.outbox_total);
        if size < OUTBOX_SIZE_MIN || size > OUTBOX_SIZE_MAX {
            let problem = format!("{size} is not from {OUTBOX_SIZE_MIN} to {OUTBOX_SIZE_MAX}");
            self.refuse("client.outbox_size", problem);
        }
        if total.0 != 0 && total < size {
            let problem = format!(
                "{total} is less than one outbox: write at least {size} (`client.outbox_size`), or 0 for a \
                 quarter of the memory"
            );
            self.refuse("client.outbox_total", problem);
        }
    }

    fn publications(&mut self) {
        let outbox = self.config.client.outbox_size;
        let largest = ByteSize(outbox.0 / PUBLICATIONS_PER_OUTBOX_MIN);
        let sizes = [
            ("client.publication_size", self.config.client.publication_size),
            ("api.publication_size", self.config.api.publication_size),
        ];
        for (setting, size) in sizes {
            if size.0 == 0 {
                self.refuse(setting, "0 would refuse every publication: write a size".to_owned());
            } else if size > largest {
                let needed = ByteSize(size.0.saturating_mul(PUBLICATIONS_PER_OUTBOX_MIN));
                let problem = format!(
                    "{size} is more than a quarter of `client.outbox_size`: write at most {largest}, or raise \
                     `client.outbox_size` to {needed}"
                );
                self.refuse(setting, problem);
            }
        }
    }

    fn heartbeat(&mut self) {
        let (interval, timeout) = (self.config.client.ping_interval, self.config.client.pong_timeout);
        if interval == Period::default() {
            return;
        }
        if interval.0.subsec_nanos() != 0 || interval > PING_INTERVAL_MAX {
            let problem = format!("{interval} is not a number of whole seconds up to {PING_INTERVAL_MAX}");
            self.refuse("client.ping_interval", problem);
        }
        if timeout < PONG_TIMEOUT_MIN {
            let problem = format!("{timeout} is shorter than {PONG_TIMEOUT_MIN}: write a longer one");
            self.refuse("client.pong_timeout", problem);
        } else if interval <= timeout {
            let problem = format!(
                "{interval} is not longer than `client.pong_timeout` ({timeout}): write a longer one, or 0 for \
                 no pings"
            );
            self.refuse("client.ping_interval", problem);
        }
    }

    fn connection_age(&mut self) {
        let age = self.config.client.connection_age;
        if age != Period::default() && !(CONNECTION_AGE_MIN..=CONNECTION_AGE_MAX).contains(&age) {
            let problem = format!(
                "{age} is not from {CONNECTION_AGE_MIN} to {CONNECTION_AGE_MAX}: write 0 for connections of any \
                 age"
            );
            self.refuse("client.connection_age", problem);
        }
    }

    fn names(&mut self) {
        let config = self.config;
        if config.namespaces.len() > NAMESPACES_MAX {
            let problem = format!("more than {NAMESPACES_MAX} namespaces: let channels share some");
            self.refuse("namespaces", problem);
        }
        if config.api.keys.len() > API_KEYS_MAX {
            let problem = format!("more than {API_KEYS_MAX} keys: remove those out of use");
            self.refuse("api.keys", problem);
        }
        let is_name = |name: &str| {
            let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            name.len() >= 2 && name.bytes().all(is_allowed)
        };
        let namespaces = config.namespaces.keys().map(|name| ("namespaces", name));
        let keys = config.api.keys.keys().map(|name| ("api.keys", name));
        for (section, name) in namespaces.chain(keys) {
            if !is_name(name) {
                let problem =
                    "a name has at least two characters, all of them letters, digits, `-`, `_` or `.`";
                self.refuse_at(SettingPath::parse(section).child(name), problem.to_owned());
            }
        }
    }

    fn histories(&mut self) {
        let config = self.config;
        self.history(&SettingPath::parse("channels"), &config.channels);
        for (name, namespace) in &config.namespaces {
            self.history(&SettingPath::parse("namespaces").child(name), namespace);
        }
    }

    fn history(&mut self, section: &SettingPath, namespace: &NamespaceConfig) {
        let [size, ttl, meta_ttl] =
            ["history_size", "history_ttl", "history_meta_ttl"].map(|name| section.child(name));
        let &NamespaceConfig { history_size, history_ttl, history_meta_ttl, .. } = namespace;
        if history_size > 0 && history_ttl < HISTORY_TTL_MIN {
            let problem = format!(
                "{history_ttl} is shorter than {HISTORY_TTL_MIN}, but `{size}` is {history_size}: write a longer \
                 time, or set `{size}` to 0 for no history"
            );
            self.refuse_at(ttl.clone(), problem);
        } else if history_size == 0 && history_ttl != Period::default() {
            let problem = format!(
                "0 keeps no history, but `{ttl}` is {history_ttl}: write a size, or set `{ttl}` to 0 for no \
                 history"
            );
            self.refuse_at(size, problem);
        }
        if history_meta_ttl < history_ttl {
            let problem =
                format!("{history_meta_ttl} is shorter than `{ttl}` ({history_ttl}): write a longer time");
            self.refuse_at(meta_ttl, problem);
        } else if history_meta_ttl > HISTORY_META_TTL_MAX {
            let problem =
                format!("{history_meta_ttl} is longer than {HISTORY_META_TTL_MAX}: write a shorter one");
            self.refuse_at(meta_ttl, problem);
        }
    }

    fn api_keys(&mut self) {
        let api = &self.config.api;
        let root = SettingPath::parse("api.keys");
        let named = api.keys.iter();
        let named = named.map(|(name, key)| (root.child(name).child("key"), &key.key));
        let all_powerful = (SettingPath::parse("api.key"), &api.key);
        let mut seen: Vec<(SettingPath, &Secret)> = Vec::new();
        for (setting, key) in std::iter::once(all_powerful).chain(named) {
            let is_optional = seen.is_empty();
            let same = seen.iter().find(|(_, other)| *other == key && !key.is_empty());
            let problem = if key.is_empty() && !is_optional {
                Some("the key is empty: set it, or remove the section".to_owned())
            } else if !key.reveal().bytes().all(|byte| byte.is_ascii_graphic()) {
                Some("the key has characters that a header cannot carry: use letters and digits".to_owned())
            } else {
                same.map(|(other, _)| format!("the same key as `{other}`: give each its own"))
            };
            if let Some(problem) = problem {
                self.refuse_at(setting.clone(), problem);
            }
            seen.push((setting, key));
        }
    }

    fn drain(&mut self) {
        let drain = &self.config.drain;
        let periods =
            [("drain.delay", drain.delay, DRAIN_DELAY_MAX), ("drain.window", drain.window, DRAIN_WINDOW_MAX)];
        for (setting, period, longest) in periods {
            if period > longest {
                let problem = format!("{period} is longer than {longest}: write a shorter one");
                self.refuse(setting, problem);
            }
        }
    }

    fn listeners(&mut self) {
        let (public, internal) = (&self.config.public, &self.config.internal);
        if public.proxy_protocol && public.address == internal.address {
            let problem = "one listener serves everything, and probes and backends send no header: set \
                           `internal.address` to another address";
            self.refuse("public.proxy_protocol", problem.to_owned());
        }
    }

    fn redis(&mut self) {
        if let Err(broker_redis::ConfigError { setting, reason }) = self.config.redis.verify() {
            self.refuse(setting, reason);
        }
    }

    fn tracing(&mut self) {
        if let Err((setting, problem)) = self.config.tracing.verify() {
            self.refuse(setting, problem);
        }
    }

    fn refuse(&mut self, setting: &str, problem: String) {
        self.refuse_at(SettingPath::parse(setting), problem);
    }

    fn refuse_at(&mut self, setting: SettingPath, problem: String) {
        let mut within = self.origins.iter().filter(|(path, _)| path.is_within(&setting));
        let origin = within.next().map_or(Origin::Default, |(_, origin)| origin.clone());
        self.broken.push(ConfigError::Value { setting, origin, problem });
    }
}
