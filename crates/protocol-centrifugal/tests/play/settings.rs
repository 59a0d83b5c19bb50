//! Settings of a transcript: `insecure=true` for `[client]`, `client_subscribe=true` for `[channels]`,
//! `chat.client_publish=true` for a namespace, `token.require_exp=true` for `[token]`.

use std::collections::BTreeMap;
use std::sync::Arc;

use auth::{Config, Verifier};
use engine::{ClientConfig, NamespaceConfig, Policy, Rules};
use model::Secret;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// What tokens of transcripts are signed with.
pub(crate) const SECRET: &str = "a secret of at least thirty-two bytes";
/// Room for all outboxes together unless a transcript sets it.
const OUTBOX_TOTAL: usize = 64 << 20;

/// The settings of one transcript.
pub(crate) struct Settings {
    client: Map<String, Value>,
    channels: Map<String, Value>,
    namespaces: BTreeMap<String, Map<String, Value>>,
    token: Map<String, Value>,
}

impl Settings {
    pub(crate) fn parse(words: Vec<&str>) -> Self {
        let mut token = defaults::<Config>();
        token.insert("hmac_secret".to_owned(), Value::from(SECRET));
        let (client, channels) = (defaults::<ClientConfig>(), defaults::<NamespaceConfig>());
        let mut settings = Self { client, channels, namespaces: BTreeMap::new(), token };
        for word in words {
            let (key, value) = word.split_once('=').unwrap_or_else(|| panic!("{word} is no setting"));
            settings.set(key, value);
        }
        settings
    }

    fn set(&mut self, key: &str, value: &str) {
        let (section, key) = match key.split_once('.') {
            Some(("token", key)) => (&mut self.token, key),
            Some((namespace, key)) => {
                (self.namespaces.entry(namespace.to_owned()).or_insert_with(defaults::<NamespaceConfig>), key)
            }
            None if self.client.contains_key(key) => (&mut self.client, key),
            None => (&mut self.channels, key),
        };
        let known = section.get_mut(key).unwrap_or_else(|| panic!("there is no setting {key}"));
        *known = if known.is_string() {
            Value::from(value)
        } else {
            serde_json::from_str(value).unwrap_or_else(|error| panic!("{key}: {error}"))
        };
    }

    pub(crate) fn policy(&self) -> Arc<Policy> {
        let client: ClientConfig = read(&self.client);
        let namespaces =
            self.namespaces.iter().map(|(name, section)| (name.clone(), read(section))).collect();
        let mut token: Config = read(&self.token);
        token.hmac_secret = Secret::new(SECRET);
        let outbox_bytes = client.outbox_size.as_usize();
        Arc::new(Policy {
            rules: Arc::new(Rules::new(&read(&self.channels), &namespaces, client.insecure)),
            verifier: Verifier::new(&token).expect("the secret is a key"),
            publication_bytes_max: client.publication_size.as_usize(),
            outbox_bytes,
            lapses_per_tick: 1,
            outbox_bytes_total: match client.outbox_total.as_usize() {
                0 => OUTBOX_TOTAL,
                bytes => bytes,
            },
            client,
        })
    }
}

fn defaults<T: Default + Serialize>() -> Map<String, Value> {
    match serde_json::to_value(T::default()) {
        Ok(Value::Object(members)) => members,
        other => panic!("a section is an object, not {other:?}"),
    }
}

fn read<T: DeserializeOwned>(section: &Map<String, Value>) -> T {
    serde_json::from_value(Value::Object(section.clone())).unwrap_or_else(|error| panic!("{error}"))
}
