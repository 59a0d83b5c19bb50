//! Puts the layers of settings on top of each other: defaults, development mode, file, environment, flags.
//! Every input but the files' contents is given, so that nothing here depends on the process.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::error::{ConfigError, ConfigErrors};
use super::fingerprint::{Files, Fingerprints};
use super::known::Known;
use super::layer::{self, Layer, Raw};
use super::origin::Origins;
use super::path::VARIABLE_PREFIX;
use super::{Config, Origin, SettingPath, file, order, rules};

/// Collects where settings come from, then loads them. A later layer wins over an earlier one, setting by
/// setting.
#[derive(Default, Clone)]
pub struct Loader {
    development: Vec<(SettingPath, String)>,
    file: Option<PathBuf>,
    variables: Vec<(OsString, OsString)>,
    flags: Vec<(SettingPath, String, Origin)>,
    errors: Vec<ConfigError>,
    /// They were loaded before.
    is_again: bool,
}

/// Settings that can be used, and where each comes from.
#[derive(Clone)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    pub(super) origins: Origins,
    /// What somebody set, secrets as they are.
    pub(super) tree: Map<String, Value>,
    loader: Loader,
    files: Fingerprints,
}

/// What was found in the sources at one time.
pub(crate) struct Reading {
    /// Settings, or why they cannot be used.
    pub(crate) settings: Result<Loaded, ConfigErrors>,
    /// The files that were read, or could not be, as far as a running node takes changes of them on.
    pub(crate) files: Fingerprints,
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
        self.read().settings
    }

    /// The same sources, for when they are read again: what can be read only once is not.
    pub(crate) fn again(&self) -> Self {
        Self { is_again: true, ..self.clone() }
    }

    /// Reads the files, and says which they are, whatever comes of it.
    pub(crate) fn read(&self) -> Reading {
        let known = Known::root();
        let mut files = Fingerprints::new();
        let settings = self.put_together(&known, &mut files);
        let settings = settings.map(|settings| Loaded { files: files.clone(), ..settings });
        Reading { settings, files }
    }

    fn put_together(&self, known: &Known, files: &mut Fingerprints) -> Result<Loaded, ConfigErrors> {
        let mut errors = self.errors.clone();
        let mut tree = Map::new();
        let mut origins = Origins::new();
        let empty = || Layer::new(known, Files::new(self.is_again));
        let mut layers = vec![
            development_layer(empty(), &self.development),
            file_layer(empty(), self.file.as_deref()),
            environment_layer(empty(), &self.variables),
        ];
        layers.extend(self.flags.iter().cloned().map(|(setting, text, origin)| {
            let mut layer = empty();
            layer.set(setting, Raw::Text(text), origin);
            layer
        }));
        for layer in layers {
            let (assignments, layer_errors, layer_files) = layer.into_parts();
            errors.extend(layer_errors);
            files.extend(layer_files.into_held());
            for assignment in assignments {
                layer::insert(&mut tree, assignment.setting.segments(), assignment.value);
                origins.insert(assignment.setting, assignment.origin);
            }
        }
        ConfigErrors::unless_empty(errors)?;
        Loaded::new(tree, origins, self.clone())
    }
}

fn is_ours(name: &OsString) -> bool {
    name.to_string_lossy().starts_with(VARIABLE_PREFIX)
}

fn development_layer<'a>(mut layer: Layer<'a>, settings: &[(SettingPath, String)]) -> Layer<'a> {
    for (setting, text) in settings.iter().cloned() {
        layer.set(setting, Raw::Text(text), Origin::Development);
    }
    layer
}

fn file_layer<'a>(mut layer: Layer<'a>, path: Option<&Path>) -> Layer<'a> {
    if let Some(path) = path {
        file::read(path, &mut layer);
    }
    layer
}

fn environment_layer<'a>(mut layer: Layer<'a>, variables: &[(OsString, OsString)]) -> Layer<'a> {
    for (name, value) in variables {
        let name = name.to_string_lossy().into_owned();
        let Some(setting) = SettingPath::parse_variable(&name) else {
            continue;
        };
        let origin = Origin::Variable(name);
        match value.clone().into_string() {
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
    /// Settings from a tree whose values were each parsed on their own.
    pub(super) fn new(
        tree: Map<String, Value>,
        origins: Origins,
        loader: Loader,
    ) -> Result<Self, ConfigErrors> {
        let config: Config =
            serde_json::from_value(Value::Object(tree.clone())).expect("each value was parsed on its own");
        ConfigErrors::unless_empty(rules::broken(&config, &origins))?;
        Ok(Self { config, origins, tree, loader, files: Fingerprints::new() })
    }

    /// Where they come from; variables and flags are those of the process' start.
    pub(crate) fn loader(&self) -> &Loader {
        &self.loader
    }

    /// The files that were read, as far as a running node takes changes of them on.
    pub(crate) fn files(&self) -> &Fingerprints {
        &self.files
    }

    /// The settings file, if there is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.loader.file.as_deref()
    }

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

impl fmt::Debug for Loaded {
    /// Without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("config", &self.config).finish_non_exhaustive()
    }
}
