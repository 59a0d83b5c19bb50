//! What changes when settings are read again: which of them a running node takes on, and which wait for a
//! restart. Names settings, never their values.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::known::{Known, Place};
use super::{ConfigErrors, Loaded, SettingPath, order};

/// The step from settings in effect to those that were read.
pub(crate) struct Change {
    /// What is to be in effect.
    pub(crate) settings: Loaded,
    /// What differs from before; a name that came or went stands for all that is in its section.
    pub(crate) applied: Vec<SettingPath>,
    /// What was read and takes effect after a restart.
    pub(crate) waiting: Vec<SettingPath>,
}

impl Change {
    /// Takes over what a running node takes on, and leaves the rest as it is.
    pub(crate) fn between(running: &Loaded, found: &Loaded) -> Result<Self, ConfigErrors> {
        let known = Known::root();
        let tree = [running, found].map(|loaded| Value::Object(loaded.tree.clone()));
        let Some(Value::Object(tree)) = merged(&known, Some(&tree[0]), Some(&tree[1])) else {
            unreachable!("the root is a section");
        };
        let stays = running.origins.iter().filter(|(setting, _)| !known.is_reloadable(setting));
        let comes = found.origins.iter().filter(|(setting, _)| known.is_reloadable(setting));
        let origins = stays.chain(comes).map(|(setting, origin)| (setting.clone(), origin.clone()));
        let settings = Loaded::new(tree, origins.collect(), running.loader().clone())?;
        let [before, after, read] = [running, &settings, found].map(|loaded| values(&known, loaded));
        let (applied, waiting) = (difference(&known, &before, &after), difference(&known, &after, &read));
        Ok(Self { settings, applied, waiting })
    }
}

/// What was read as far as a running node takes it on, and what it has of the rest.
fn merged(known: &Known, running: Option<&Value>, found: Option<&Value>) -> Option<Value> {
    match &known.place {
        _ if known.is_reloadable => found.cloned(),
        Place::Section(children) => {
            let member =
                |value: Option<&'_ Value>, name: &str| value.and_then(|value| value.get(name).cloned());
            let merge = |(name, child): (&String, &Known)| {
                let (running, found) = (member(running, name), member(found, name));
                merged(child, running.as_ref(), found.as_ref()).map(|value| (name.clone(), value))
            };
            Some(Value::Object(children.iter().filter_map(merge).collect()))
        }
        Place::Named(_) | Place::Setting(_) => running.cloned(),
    }
}

/// Every setting with its value; secrets as they are.
fn values(known: &Known, loaded: &Loaded) -> BTreeMap<SettingPath, String> {
    let root = Value::Object(loaded.tree.clone());
    let reveal = |(setting, shown): (SettingPath, String)| {
        let is_secret = known.at(setting.segments()).is_some_and(|known| known.place.is_secret());
        let mut segments = setting.segments().iter();
        let mut secret = || segments.try_fold(&root, |section, name| section.get(name)).map(Value::to_string);
        let value = if is_secret { secret().unwrap_or_default() } else { shown };
        (setting, value)
    };
    order::settings(&loaded.config).into_iter().map(reveal).collect()
}

fn difference(
    known: &Known,
    before: &BTreeMap<SettingPath, String>,
    after: &BTreeMap<SettingPath, String>,
) -> Vec<SettingPath> {
    let settings: BTreeSet<&SettingPath> = before.keys().chain(after.keys()).collect();
    let changed = settings.into_iter().filter(|setting| before.get(setting) != after.get(setting));
    // What is in a section follows its own name.
    let is_in = |values: &BTreeMap<SettingPath, String>, section: &SettingPath| {
        values.range(section..).next().is_some_and(|(setting, _)| setting.is_within(section))
    };
    let named = changed.map(|setting| match known.named_part(setting) {
        Some(part) if !is_in(before, &part) || !is_in(after, &part) => part,
        Some(_) | None => setting.clone(),
    });
    named.collect::<BTreeSet<_>>().into_iter().collect()
}
