//! One source of settings: what it sets, and what is wrong with it.

use serde_json::{Map, Value};

use super::error::ConfigError;
use super::fingerprint::Files;
use super::known::{Found, Known, Place};
use super::{Config, Origin, SettingPath, secret_file};

/// What one source sets.
pub(super) struct Layer<'a> {
    known: &'a Known,
    assignments: Vec<Assignment>,
    errors: Vec<ConfigError>,
    files: Files,
}

/// A setting, its value and where that stands.
pub(super) struct Assignment {
    pub(super) setting: SettingPath,
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// A value as a source has it.
pub(super) enum Raw {
    /// Variables and flags: the setting's type says what the text means.
    Text(String),
    /// Files: the value has a type of its own.
    Typed(Value),
}

impl<'a> Layer<'a> {
    pub(super) fn new(known: &'a Known, files: Files) -> Self {
        Self { known, assignments: Vec::new(), errors: Vec::new(), files }
    }

    pub(super) fn into_parts(self) -> (Vec<Assignment>, Vec<ConfigError>, Files) {
        (self.assignments, self.errors, self.files)
    }

    /// What reads the source's files.
    pub(super) fn files(&mut self) -> &mut Files {
        &mut self.files
    }

    /// Notes a fault of the source itself.
    pub(super) fn refuse(&mut self, error: ConfigError) {
        self.errors.push(error);
    }

    /// Takes a value on, or notes why not.
    pub(super) fn set(&mut self, path: SettingPath, raw: Raw, origin: Origin) {
        let taken = match self.known.find(&path) {
            Found::Setting(kind) => match raw {
                Raw::Text(text) => kind.read(&text),
                Raw::Typed(value) => kind.accept(value),
            }
            .map(|value| (path.clone(), value)),
            Found::SecretFile(secret) => match raw {
                Raw::Text(file) | Raw::Typed(Value::String(file)) => {
                    secret_file::read(&file, &mut self.files, self.known.is_reloadable(&secret))
                }
                Raw::Typed(_) => Err("expected the path of a file".to_owned()),
            }
            .map(|text| (secret, Value::String(text))),
            Found::Section => Err(self.about_section(&path)),
            Found::Nothing => return self.refuse_unknown(&path, origin, false),
        };
        match taken.and_then(|(setting, value)| parse_alone(&setting, &value).map(|()| (setting, value))) {
            Ok((setting, value)) => self.keep(Assignment { setting, value, origin }),
            Err(problem) => self.refuse(ConfigError::Value { setting: path, origin, problem }),
        }
    }

    /// Takes a section of a file on: whether what is in it should be looked at.
    pub(super) fn open(&mut self, path: &SettingPath, origin: &Origin) -> bool {
        let place = |path: &SettingPath| self.known.at(path.segments()).map(|known| &known.place);
        match place(path) {
            Some(Place::Section(_)) => {
                // An empty section still makes its name exist.
                if matches!(place(&path.parent()), Some(Place::Named(_))) {
                    self.assignments.push(Assignment {
                        setting: path.clone(),
                        value: Value::Object(Map::new()),
                        origin: origin.clone(),
                    });
                }
                true
            }
            Some(Place::Named(_)) => true,
            Some(Place::Setting(_)) => {
                self.set(path.clone(), Raw::Typed(Value::Object(Map::new())), origin.clone());
                false
            }
            None => {
                self.refuse_unknown(path, origin.clone(), true);
                false
            }
        }
    }

    fn keep(&mut self, assignment: Assignment) {
        let earlier = self.assignments.iter().find(|earlier| earlier.setting == assignment.setting);
        match earlier {
            Some(earlier) => self.errors.push(ConfigError::Twice {
                origins: [earlier.origin.clone(), assignment.origin],
                setting: assignment.setting,
            }),
            None => self.assignments.push(assignment),
        }
    }

    fn about_section(&self, path: &SettingPath) -> String {
        match self.known.example_within(path) {
            Some(example) => format!("this is a section, set what is in it, like `{example}`"),
            None => "this is a section, set what is in it".to_owned(),
        }
    }

    fn refuse_unknown(&mut self, path: &SettingPath, origin: Origin, is_section: bool) {
        let nearest = self.known.nearest(path, is_section);
        let (name, nearest) = match &origin {
            Origin::Variable(name) => (name.clone(), nearest.map(|path| path.variable())),
            Origin::Default | Origin::Development | Origin::File { .. } | Origin::Flag(_) => {
                (path.to_string(), nearest.map(|path| path.to_string()))
            }
        };
        self.refuse(ConfigError::Unknown { name, origin, nearest });
    }
}

/// Puts a value into a tree, with the sections around it. An empty section replaces nothing.
pub(super) fn insert(tree: &mut Map<String, Value>, path: &[String], value: Value) {
    let Some((name, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() && !value.is_object() {
        tree.insert(name.clone(), value);
        return;
    }
    let section = tree.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(section) = section {
        insert(section, rest, value);
    }
}

/// Lets the tree's own parser judge one value, so that a fault has one setting and one origin.
fn parse_alone(setting: &SettingPath, value: &Value) -> Result<(), String> {
    let mut tree = Map::new();
    insert(&mut tree, setting.segments(), value.clone());
    serde_json::from_value::<Config>(Value::Object(tree)).map(|_| ()).map_err(|error| error.to_string())
}
