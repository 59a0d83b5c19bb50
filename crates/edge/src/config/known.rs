//! Which settings exist, learnt from the JSON Schema of the tree.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::kind::Kind;
use super::{Config, SettingPath};

/// What secret settings' names end in when a file holds the secret.
pub(super) const FILE_SUFFIX: &str = "_file";
/// Says in the schema of a setting, or of a section for all that is in it, that a running node takes changes on.
const RELOAD_MARK: &str = "x-reload";

/// A place in the tree of settings.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) place: Place,
    /// What operators are told about it.
    pub(super) meaning: String,
    /// Whether a running node takes changes on.
    pub(super) is_reloadable: bool,
}

#[derive(Debug)]
pub(super) enum Place {
    /// Settings of fixed names.
    Section(BTreeMap<String, Known>),
    /// The operator chooses the names.
    Named(Box<Known>),
    Setting(Kind),
}

/// What a path leads to.
pub(super) enum Found<'a> {
    Setting(&'a Kind),
    /// The file that holds the secret of this path.
    SecretFile(SettingPath),
    Section,
    Nothing,
}

impl Place {
    pub(super) fn is_secret(&self) -> bool {
        matches!(self, Self::Setting(Kind::Secret))
    }
}

impl Known {
    /// All settings of a node.
    pub(super) fn root() -> Self {
        let mut settings = SchemaSettings::draft2020_12();
        settings.inline_subschemas = true;
        let schema = settings.into_generator().into_root_schema_for::<Config>();
        Self::of(schema.as_object().expect("a struct's schema is an object"), false)
    }

    fn of(schema: &Map<String, Value>, is_marked: bool) -> Self {
        let is_marked = is_marked || schema.get(RELOAD_MARK) == Some(&Value::Bool(true));
        let object = |name: &str| schema.get(name).and_then(Value::as_object);
        let place = if let Some(properties) = object("properties") {
            let child = |(name, schema): (&String, &Value)| {
                let schema = schema.as_object().expect("a field's schema is an object");
                (name.clone(), Self::of(schema, is_marked))
            };
            Place::Section(properties.iter().map(child).collect())
        } else if let Some(item) = object("additionalProperties") {
            Place::Named(Box::new(Self::of(item, is_marked)))
        } else {
            Place::Setting(Kind::of(schema))
        };
        let meaning = schema.get("description").and_then(Value::as_str);
        let is_reloadable = match &place {
            Place::Section(children) => children.values().all(|child| child.is_reloadable),
            Place::Named(item) => item.is_reloadable,
            Place::Setting(_) => is_marked,
        };
        Self { place, meaning: meaning.unwrap_or_default().to_owned(), is_reloadable }
    }

    /// The place that a path leads to.
    pub(super) fn at(&self, segments: &[String]) -> Option<&Self> {
        let Some((name, rest)) = segments.split_first() else {
            return Some(self);
        };
        match &self.place {
            Place::Section(children) => children.get(name)?.at(rest),
            Place::Named(item) => item.at(rest),
            Place::Setting(_) => None,
        }
    }

    /// What a path leads to, files of secrets included.
    pub(super) fn find(&self, path: &SettingPath) -> Found<'_> {
        match self.at(path.segments()).map(|known| &known.place) {
            Some(Place::Setting(kind)) => return Found::Setting(kind),
            Some(Place::Section(_) | Place::Named(_)) => return Found::Section,
            None => {}
        }
        let Some(name) = path.last().strip_suffix(FILE_SUFFIX) else {
            return Found::Nothing;
        };
        let secret = path.parent().child(name);
        match self.at(secret.segments()).map(|known| &known.place) {
            Some(Place::Setting(Kind::Secret)) => Found::SecretFile(secret),
            _ => Found::Nothing,
        }
    }

    /// The part of a path up to the name that an operator chose.
    pub(super) fn named_part(&self, setting: &SettingPath) -> Option<SettingPath> {
        let mut part = SettingPath::default();
        let mut known = self;
        for name in setting.segments() {
            part = part.child(name);
            known = match &known.place {
                Place::Section(children) => children.get(name)?,
                Place::Named(_) => return Some(part),
                Place::Setting(_) => return None,
            };
        }
        None
    }

    /// Whether a running node takes changes of the setting on.
    pub(super) fn is_reloadable(&self, setting: &SettingPath) -> bool {
        self.at(setting.segments()).is_some_and(|known| known.is_reloadable)
    }

    /// What a running node takes on: settings, files of secrets, and sections of which it takes everything on.
    pub(super) fn reloadable(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.collect_reloadable(&SettingPath::default(), &mut names);
        names
    }

    fn collect_reloadable(&self, path: &SettingPath, names: &mut Vec<String>) {
        match &self.place {
            Place::Section(_) | Place::Named(_) if self.is_reloadable => names.push(format!("{path}.*")),
            Place::Section(children) => {
                children.iter().for_each(|(name, child)| child.collect_reloadable(&path.child(name), names));
            }
            Place::Setting(kind) if self.is_reloadable => {
                names.push(path.to_string());
                names.extend((*kind == Kind::Secret).then(|| format!("{path}{FILE_SUFFIX}")));
            }
            Place::Named(_) | Place::Setting(_) => {}
        }
    }

    /// A setting of the section, as an example.
    pub(super) fn example_within(&self, section: &SettingPath) -> Option<SettingPath> {
        let paths = self.paths(section);
        paths
            .into_iter()
            .find(|(path, is_section)| !is_section && path.is_within(section))
            .map(|(path, _)| path)
    }

    /// The known setting, or section, that is most like an unknown one.
    pub(super) fn nearest(&self, unknown: &SettingPath, is_section: bool) -> Option<SettingPath> {
        // Only secrets have files.
        let without_file = unknown.last().strip_suffix(FILE_SUFFIX).map(|name| unknown.parent().child(name));
        if let Some(setting) = without_file.filter(|path| self.at(path.segments()).is_some()) {
            return Some(setting);
        }
        let has_known_parent =
            matches!(self.at(unknown.parent().segments()).map(|known| &known.place), Some(Place::Section(_)));
        let candidates = self
            .paths(unknown)
            .into_iter()
            .filter(|(path, is_one)| *is_one == is_section && !path.segments().is_empty());
        let mut best: Option<(usize, SettingPath)> = None;
        for (known, _) in candidates {
            let whole = difference(&unknown.to_string(), &known.to_string());
            // A name alone may have been put into the wrong section.
            let name = has_known_parent.then(|| difference(unknown.last(), known.last())).flatten();
            let Some(cost) = whole.into_iter().chain(name.map(|name| name + 1)).min() else {
                continue;
            };
            if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                best = Some((cost, known));
            }
        }
        best.map(|(_, path)| path)
    }

    /// Every setting and section, and whether it is a section; names that operators choose are taken from `like`.
    fn paths(&self, like: &SettingPath) -> Vec<(SettingPath, bool)> {
        let mut paths = Vec::new();
        self.collect(&SettingPath::default(), like, &mut paths);
        paths
    }

    fn collect(&self, path: &SettingPath, like: &SettingPath, paths: &mut Vec<(SettingPath, bool)>) {
        match &self.place {
            Place::Section(children) => {
                paths.push((path.clone(), true));
                for (name, child) in children {
                    child.collect(&path.child(name), like, paths);
                }
            }
            Place::Named(item) => {
                paths.push((path.clone(), true));
                let name = like.segments().get(path.segments().len());
                item.collect(&path.child(name.map_or("NAME", String::as_str)), like, paths);
            }
            Place::Setting(kind) => {
                paths.push((path.clone(), false));
                if *kind == Kind::Secret {
                    let file = format!("{}{FILE_SUFFIX}", path.last());
                    paths.push((path.parent().child(&file), false));
                }
            }
        }
    }
}

/// How many letters must change, in any case, if few enough to be a slip of the hand.
fn difference(left: &str, right: &str) -> Option<usize> {
    let letters = |text: &str| text.to_lowercase().chars().collect::<Vec<_>>();
    let (left, right) = (letters(left), letters(right));
    let bound = (left.len().min(right.len()) / 4).max(1);
    if left.len().abs_diff(right.len()) > bound {
        return None;
    }
    let mut costs: Vec<usize> = (0..=right.len()).collect();
    for (row, letter) in left.iter().enumerate() {
        let mut diagonal = costs[0];
        costs[0] = row + 1;
        for (column, other) in right.iter().enumerate() {
            let changed = diagonal + usize::from(letter != other);
            diagonal = costs[column + 1];
            costs[column + 1] = changed.min(diagonal + 1).min(costs[column] + 1);
        }
    }
    costs.last().copied().filter(|cost| *cost <= bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_setting_is_the_one_that_was_meant() {
        check("client.pingg_interval", Some("client.ping_interval"));
        check("client.ping-interval", Some("client.ping_interval"));
        check("ping_interval", Some("client.ping_interval"));
        check("client_ping_interval", Some("client.ping_interval"));
        check("client.hmac_secret", Some("token.hmac_secret"));
        check("token.hmac_secret_fil", Some("token.hmac_secret_file"));
        check("worker", Some("workers"));
        check("namespace.chat.client_publish", Some("namespaces.chat.client_publish"));
        check("namespaces.chat.client_publsh", Some("namespaces.chat.client_publish"));
        check("api.keys.ci.alow.methods", Some("api.keys.ci.allow.methods"));
        check("kafka.brokers", None);
        check("history", None);
    }

    #[test]
    fn the_nearest_section_is_found_among_sections() {
        let nearest = |text| Known::root().nearest(&SettingPath::parse(text), true);
        assert_eq!(nearest("clientt"), Some(SettingPath::parse("client")));
        assert_eq!(nearest("kafka"), None);
    }

    fn check(unknown: &str, known: Option<&str>) {
        let nearest = Known::root().nearest(&SettingPath::parse(unknown), false);
        assert_eq!(nearest.map(|path| path.to_string()).as_deref(), known, "{unknown}");
    }
}
