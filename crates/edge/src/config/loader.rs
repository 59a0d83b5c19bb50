//! Puts the layers of settings on top of each other: defaults, development mode, file, environment, flags.
//! Every input but the files' contents is given, so that nothing here depends on the process.

use std::ffi::OsString;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::error::{ConfigError, ConfigErrors};
use super::known::Known;
use super::layer::{self, Layer, Raw};
use super::origin::Origins;
use super::path::VARIABLE_PREFIX;
use super::{Config, Origin, SettingPath, file, order, rules};

/// Collects where settings come from, then loads them. A later layer wins over an earlier one, setting by
/// setting.
#[derive(Default)]
pub struct Loader {
    development: Vec<(SettingPath, String)>,
    file: Option<PathBuf>,
    variables: Vec<(OsString, OsString)>,
    flags: Vec<(SettingPath, String, Origin)>,
    errors: Vec<ConfigError>,
}

/// Settings that can be used, and where each comes from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    origins: Origins,
}

impl Loader {
    /// Defaults alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// What development mode sets, by dotted name, written as in variables.
    #[must_use]
    pub fn development<'a>(mut self, settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let settings = settings.into_iter();
        self.development.extend(settings.map(|(name, text)| (SettingPath::parse(name), text.to_owned())));
        self
    }

    /// The settings file, if there is one.
    #[must_use]
    pub fn file(mut self, path: Option<PathBuf>) -> Self {
        self.file = path;
        self
    }

    /// The environment; variables that do not begin with `FANFARE__` are not looked at.
    #[must_use]
    pub fn environment<N, V>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        self.variables.extend(variables.filter(|(name, _)| is_ours(name)));
        // The environment has no order that anybody could rely on.
        self.variables.sort();
        self
    }

    /// A setting that a flag of its own sets, like `--public-address`. A later flag wins.
    #[must_use]
    pub fn flag(mut self, flag: &str, name: &str, text: &str) -> Self {
        let origin = Origin::Flag(flag.to_owned());
        self.flags.push((SettingPath::parse(name), text.to_owned(), origin));
        self
    }

    /// A setting of `--set section.key=value`. A later flag wins.
    #[must_use]
    pub fn set(mut self, assignment: &str) -> Self {
        match assignment.split_once('=') {
            Some((name, text)) => self.flag("--set", name, text),
            None => {
                self.errors.push(ConfigError::Assignment);
                self
            }
        }
    }

    /// Reads the files, and gives the settings or every fault that was found.
    pub fn load(self) -> Result<Loaded, ConfigErrors> {
        let known = Known::root();
        let mut errors = self.errors;
        let mut tree = Map::new();
        let mut origins = Origins::new();
        let mut layers = vec![
            development_layer(&known, self.development),
            file_layer(&known, self.file),
            environment_layer(&known, self.variables),
        ];
        layers.extend(self.flags.into_iter().map(|(setting, text, origin)| {
            let mut layer = Layer::new(&known);
            layer.set(setting, Raw::Text(text), origin);
            layer
        }));
        for layer in layers {
            let (assignments, layer_errors) = layer.into_parts();
            errors.extend(layer_errors);
            for assignment in assignments {
                layer::insert(&mut tree, assignment.setting.segments(), assignment.value);
                origins.insert(assignment.setting, assignment.origin);
            }
        }
        ConfigErrors::unless_empty(errors)?;
        let config = serde_json::from_value(Value::Object(tree)).expect("each value was parsed on its own");
        ConfigErrors::unless_empty(rules::broken(&config, &origins))?;
        Ok(Loaded { config, origins })
    }
}

fn is_ours(name: &OsString) -> bool {
    name.to_string_lossy().starts_with(VARIABLE_PREFIX)
}

fn development_layer(known: &Known, settings: Vec<(SettingPath, String)>) -> Layer<'_> {
    let mut layer = Layer::new(known);
    for (setting, text) in settings {
        layer.set(setting, Raw::Text(text), Origin::Development);
    }
    layer
}

fn file_layer(known: &Known, path: Option<PathBuf>) -> Layer<'_> {
    let mut layer = Layer::new(known);
    if let Some(path) = path {
        file::read(&path, &mut layer);
    }
    layer
}

fn environment_layer(known: &Known, variables: Vec<(OsString, OsString)>) -> Layer<'_> {
    let mut layer = Layer::new(known);
    for (name, value) in variables {
        let name = name.to_string_lossy().into_owned();
        let Some(setting) = SettingPath::parse_variable(&name) else {
            continue;
        };
        let origin = Origin::Variable(name);
        match value.into_string() {
            Ok(text) => layer.set(setting, Raw::Text(text), origin),
            Err(_) => layer.refuse(ConfigError::Value {
                setting,
                origin,
                problem: "the value is not UTF-8 text".to_owned(),
            }),
        }
    }
    layer
}

impl Loaded {
    /// Where a setting's value comes from.
    pub fn origin(&self, setting: &SettingPath) -> &Origin {
        self.origins.get(setting).unwrap_or(&Origin::Default)
    }

    /// The settings in effect, one a line with its origin, in the order of the reference. Secrets are stars.
    pub fn render(&self) -> String {
        let lines = order::settings(&self.config).into_iter().map(|(setting, value)| {
            let origin = self.origin(&setting);
            format!("{setting} = {value}   # {origin}\n")
        });
        lines.collect()
    }
}
