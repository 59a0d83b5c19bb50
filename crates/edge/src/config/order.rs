//! The settings of a tree in the order in which its structs define them.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::SettingPath;

/// Every setting with its value as JSON, which is also how TOML writes it. Secrets are stars.
pub(super) fn settings(tree: &impl Serialize) -> Vec<(SettingPath, String)> {
    let text = serde_json::to_string(tree).expect("settings are texts, numbers, lists and maps of them");
    let mut settings = Vec::new();
    flatten(&SettingPath::default(), &text, &mut settings);
    settings
}

fn flatten(path: &SettingPath, json: &str, settings: &mut Vec<(SettingPath, String)>) {
    if !json.starts_with('{') {
        settings.push((path.clone(), json.to_owned()));
        return;
    }
    let Entries(entries) = serde_json::from_str(json).expect("what was just written can be read");
    for (name, value) in entries {
        flatten(&path.child(&name), value.get(), settings);
    }
}

/// A JSON object that keeps the order of its names.
struct Entries(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}
