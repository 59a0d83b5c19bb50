//! The settings file: TOML, with the line of each setting.

use std::ops::Range;
use std::path::Path;

use serde_json::Value;
use toml::de::{DeTable, DeValue};

use super::error::ConfigError;
use super::fingerprint::{FILE_BYTES_MAX, Files};
use super::layer::{Layer, Raw};
use super::{Origin, SettingPath};

/// Reads a settings file into a layer.
pub(super) fn read(path: &Path, layer: &mut Layer<'_>) {
    match text(path, layer.files()) {
        Ok(text) => Source { path, text: &text }.read(layer),
        Err(problem) => layer.refuse(ConfigError::Unreadable { path: path.to_owned(), problem }),
    }
}

fn text(path: &Path, files: &mut Files) -> Result<String, String> {
    let bytes = files.read(path, true).map_err(|error| error.to_string())?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(format!("it is longer than {FILE_BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| error.utf8_error().to_string())
}

struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn read(&self, layer: &mut Layer<'_>) {
        match DeTable::parse(self.text) {
            Ok(root) => self.table(root.get_ref(), &SettingPath::default(), layer),
            // The error's own form quotes the line, which may hold a secret.
            Err(error) => layer.refuse(self.syntax_error(error.message(), error.span())),
        }
    }

    fn table(&self, table: &DeTable<'_>, section: &SettingPath, layer: &mut Layer<'_>) {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in entries {
            let path = section.child(name.get_ref());
            let origin =
                Origin::File { path: self.path.to_owned(), line: self.line_and_column(name.span().start).0 };
            if let DeValue::Table(table) = value.get_ref() {
                if layer.open(&path, &origin) {
                    self.table(table, &path, layer);
                }
            } else {
                layer.set(path, Raw::Typed(typed(value.get_ref())), origin);
            }
        }
    }

    fn syntax_error(&self, problem: &str, span: Option<Range<usize>>) -> ConfigError {
        let (line, column) = self.line_and_column(span.map_or(0, |span| span.start));
        ConfigError::Syntax { path: self.path.to_owned(), line, column, problem: problem.to_owned() }
    }

    fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |line_break| line_break + 1);
        (line, before[line_start..].chars().count() + 1)
    }
}

/// No setting is a date: those become null, which none accepts.
fn typed(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Boolean(flag) => Value::from(*flag),
        DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(number) => Value::from(number),
            Err(_) => Value::from(digits.as_str()),
        },
        DeValue::Float(digits) => match digits.as_str().parse::<f64>() {
            Ok(number) => Value::from(number),
            Err(_) => Value::from(digits.as_str()),
        },
        DeValue::Datetime(_) => Value::Null,
        DeValue::Array(values) => values.iter().map(|value| typed(value.get_ref())).collect(),
        DeValue::Table(_) => Value::Object(serde_json::Map::new()),
    }
}
