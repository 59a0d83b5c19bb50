//! The settings as JSON Schema, for whoever writes a tree of settings that is not the file itself, like the values of
//! the Helm chart. Follows from what the loader accepts.

use model::{ByteSize, Period, Ratio};
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::kind::{Form, Kind};
use super::known::{FILE_SUFFIX, Known, Place};

/// The schema of the tree of settings.
pub fn settings_schema() -> Value {
    settings(&Known::root())
}

/// The schema of a tree that holds nothing but secret settings.
pub fn secrets_schema() -> Value {
    secrets(&Known::root()).expect("some settings are secret")
}

/// The paths of all secret settings; `*` stands for a name that operators choose.
pub fn secret_paths() -> Vec<String> {
    let mut paths = Vec::new();
    collect_secrets(&Known::root(), "", &mut paths);
    paths
}

fn settings(known: &Known) -> Value {
    let mut schema = match &known.place {
        Place::Section(children) => {
            let mut properties = Map::new();
            for (name, child) in children {
                properties.insert(name.clone(), settings(child));
                if matches!(child.place, Place::Setting(Kind::Secret)) {
                    let meaning = format!("A file that holds `{name}`.");
                    let file = json!({ "type": "string", "description": meaning });
                    properties.entry(format!("{name}{FILE_SUFFIX}")).or_insert(file);
                }
            }
            section(properties)
        }
        Place::Named(item) => json!({ "type": "object", "additionalProperties": settings(item) }),
        Place::Setting(kind) => setting(kind),
    };
    describe(&mut schema, known);
    schema
}

fn secrets(known: &Known) -> Option<Value> {
    let mut schema = match &known.place {
        Place::Section(children) => {
            let children = children.iter();
            let properties: Map<String, Value> =
                children.filter_map(|(name, child)| Some((name.clone(), secrets(child)?))).collect();
            (!properties.is_empty()).then(|| section(properties))?
        }
        Place::Named(item) => {
            // The names become keys of a Secret, parted by dots.
            let named = json!({ "^[A-Za-z0-9_-]+$": secrets(item)? });
            json!({ "type": "object", "additionalProperties": false, "patternProperties": named })
        }
        Place::Setting(Kind::Secret) => setting(&Kind::Secret),
        Place::Setting(
            Kind::Bool | Kind::Integer { .. } | Kind::Choice(_) | Kind::Text(_) | Kind::List(_),
        ) => return None,
    };
    describe(&mut schema, known);
    Some(schema)
}

fn collect_secrets(known: &Known, path: &str, paths: &mut Vec<String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match &known.place {
        Place::Section(children) => {
            children.iter().for_each(|(name, child)| collect_secrets(child, &below(name), paths));
        }
        Place::Named(item) => collect_secrets(item, &below("*"), paths),
        Place::Setting(Kind::Secret) => paths.push(path.to_owned()),
        Place::Setting(
            Kind::Bool | Kind::Integer { .. } | Kind::Choice(_) | Kind::Text(_) | Kind::List(_),
        ) => {}
    }
}

fn section(properties: Map<String, Value>) -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn setting(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Choice(names) => json!({ "enum": names }),
        // `0` needs neither unit nor quotes.
        Kind::Text(Form::Period) => {
            let text = json!({ "type": "string", "pattern": pattern_of::<Period>() });
            json!({ "if": { "type": "integer" }, "then": { "const": 0 }, "else": text })
        }
        Kind::Text(Form::ByteSize) => {
            json!({ "type": ["string", "integer"], "pattern": pattern_of::<ByteSize>(), "minimum": 0 })
        }
        Kind::Text(Form::Ratio) => {
            let text = json!({ "type": "string", "pattern": pattern_of::<Ratio>() });
            json!({ "if": { "type": "number" }, "then": { "minimum": 0, "maximum": 1 }, "else": text })
        }
        Kind::Text(Form::Plain | Form::Address | Form::Network | Form::Origin) | Kind::Secret => {
            json!({ "type": "string" })
        }
        Kind::List(item) => json!({ "type": "array", "items": setting(item) }),
    }
}

fn pattern_of<T: JsonSchema>() -> Value {
    let schema = T::json_schema(&mut schemars::SchemaGenerator::default());
    schema.get("pattern").cloned().expect("quantities have a pattern")
}

fn describe(schema: &mut Value, known: &Known) {
    let meaning = known.meaning.split_whitespace().collect::<Vec<_>>().join(" ");
    if !meaning.is_empty() {
        schema["description"] = meaning.into();
    }
}
