//! What values a setting takes, learnt from its JSON Schema: converts the texts of variables and flags, and
//! says what was expected.

use model::{ByteSize, Period, Ratio};
use schemars::JsonSchema;
use serde_json::{Map, Value};

/// What values a setting takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Integer { min: u64, max: u64 },
    Choice(Vec<String>),
    Text(Form),
    Secret,
    List(Box<Kind>),
}

/// What a text stands for. The struct's own parser judges it; this is for conversions and documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Period,
    ByteSize,
    Ratio,
    Address,
    Network,
    Origin,
}

impl Kind {
    /// Learns the kind from a schema without properties.
    ///
    /// # Panics
    /// If the tree of settings has a type that operators cannot write in a variable.
    pub(super) fn of(schema: &Map<String, Value>) -> Self {
        if let Some(names) = choices(schema) {
            return Self::Choice(names);
        }
        match text_at(schema, "type") {
            Some("boolean") => Self::Bool,
            Some("integer") => Self::integer(schema),
            Some("string") if text_at(schema, "format") == Some("secret") => Self::Secret,
            Some("string") => Self::Text(Form::of(schema)),
            Some("array") => {
                let items = schema.get("items").and_then(Value::as_object);
                Self::List(Box::new(Self::of(items.expect("lists have a type of items"))))
            }
            other => panic!("a setting of type {other:?} cannot be written in a variable"),
        }
    }

    fn integer(schema: &Map<String, Value>) -> Self {
        let widest = match text_at(schema, "format") {
            Some("uint16") => u64::from(u16::MAX),
            Some("uint32") => u64::from(u32::MAX),
            other => panic!("a setting of integer type {other:?} has no range"),
        };
        let bound = |name: &str| schema.get(name).and_then(Value::as_u64);
        Self::Integer {
            min: bound("minimum").unwrap_or(0),
            max: bound("maximum").map_or(widest, |max| max.min(widest)),
        }
    }

    /// Converts the text of a variable or flag; the error says what is wrong.
    pub(super) fn read(&self, text: &str) -> Result<Value, String> {
        let value = match self {
            Self::Bool => text.parse().map(Value::Bool).ok(),
            Self::Integer { .. } => text.parse::<u64>().map(Value::from).ok(),
            Self::List(_) => Some(list(text)),
            Self::Choice(_) | Self::Text(_) | Self::Secret => None,
        };
        self.accept(value.unwrap_or_else(|| Value::from(text)))
    }

    /// Takes a value of this kind; the error says what is wrong.
    pub(super) fn accept(&self, value: Value) -> Result<Value, String> {
        match (self, value) {
            (Self::Bool, Value::Bool(flag)) => Ok(Value::Bool(flag)),
            (Self::Integer { min, max }, Value::Number(number))
                if number.as_u64().is_some_and(|number| (*min..=*max).contains(&number)) =>
            {
                Ok(Value::Number(number))
            }
            (Self::Choice(names), Value::String(name)) if names.contains(&name) => Ok(Value::String(name)),
            (Self::Text(_) | Self::Secret, Value::String(text)) => Ok(Value::String(text)),
            // A size without a unit is bytes and `0` a duration: like a ratio, they may stand in a file without quotes.
            (Self::Text(Form::Period | Form::ByteSize | Form::Ratio), Value::Number(number)) => {
                Ok(Value::String(number.to_string()))
            }
            (Self::List(kind), Value::Array(values)) => {
                values.into_iter().map(|value| kind.accept(value)).collect::<Result<_, _>>().map(Value::Array)
            }
            // What stands where a secret should may be one.
            (Self::Secret, _) => Err(format!("expected {}", self.expected())),
            (_, value) => Err(format!("expected {}, found {}", self.expected(), found(&value))),
        }
    }

    fn expected(&self) -> String {
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Choice(names) => format!("one of {}", names.join(", ")),
            Self::Text(Form::Period) => "a duration like \"10m\"".to_owned(),
            Self::Text(Form::Ratio) => "a ratio like \"0.01\"".to_owned(),
            Self::Text(Form::ByteSize) => "a size like \"64KiB\"".to_owned(),
            Self::Text(_) | Self::Secret => "a text in quotes".to_owned(),
            Self::List(_) => "a list".to_owned(),
        }
    }

    /// The kind in the words of the reference.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Bool => "`true` or `false`".to_owned(),
            Self::Integer { min: 0, max } if *max == u64::from(u32::MAX) => "whole number".to_owned(),
            Self::Integer { min, max } => format!("whole number, {min} to {max}"),
            Self::Choice(names) => {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                format!("one of {}", names.join(", "))
            }
            Self::Text(form) => form.words().to_owned(),
            Self::Secret => "secret".to_owned(),
            Self::List(kind) => match &**kind {
                Self::Choice(_) => format!("list, each {}", kind.words()),
                Self::Text(form) => format!("list of {}", form.words_for_many()),
                Self::Bool | Self::Integer { .. } | Self::Secret | Self::List(_) => {
                    format!("list of {}", kind.words())
                }
            },
        }
    }
}

impl Form {
    fn of(schema: &Map<String, Value>) -> Self {
        match text_at(schema, "format") {
            Some("listen-address") => Self::Address,
            Some("network") => Self::Network,
            Some("origin-pattern") => Self::Origin,
            _ if has_pattern_of::<Period>(schema) => Self::Period,
            _ if has_pattern_of::<ByteSize>(schema) => Self::ByteSize,
            _ if has_pattern_of::<Ratio>(schema) => Self::Ratio,
            _ => Self::Plain,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Plain => "text",
            Self::Period => "duration",
            Self::ByteSize => "size",
            Self::Ratio => "ratio",
            Self::Address => "address",
            Self::Network => "network",
            Self::Origin => "origin pattern",
        }
    }

    fn words_for_many(self) -> &'static str {
        match self {
            Self::Plain => "texts",
            Self::Period => "durations",
            Self::ByteSize => "sizes",
            Self::Ratio => "ratios",
            Self::Address => "addresses",
            Self::Network => "networks",
            Self::Origin => "origin patterns",
        }
    }
}

/// Items between commas or white space; `""` is the empty text.
fn list(text: &str) -> Value {
    text.split(|symbol: char| symbol == ',' || symbol.is_whitespace())
        .filter(|item| !item.is_empty())
        .map(|item| Value::from(if item == "\"\"" { "" } else { item }))
        .collect()
}

fn found(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        Value::Bool(_) | Value::Number(_) => format!("`{value}`"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a section".to_owned(),
        Value::Null => "a date".to_owned(),
    }
}

/// The names of an enum's variants: documented ones are alternatives, others a plain list.
fn choices(schema: &Map<String, Value>) -> Option<Vec<String>> {
    let names = |values: &[Value]| {
        let names = values.iter().filter_map(Value::as_str);
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    if let Some(plain) = schema.get("enum").and_then(Value::as_array) {
        return Some(names(plain));
    }
    let documented = schema.get("oneOf").and_then(Value::as_array)?;
    let constants: Vec<Value> = documented
        .iter()
        .flat_map(|one| match (one.get("const"), one.get("enum")) {
            (Some(name), _) => vec![name.clone()],
            (None, Some(Value::Array(plain))) => plain.clone(),
            (None, _) => Vec::new(),
        })
        .collect();
    Some(names(&constants))
}

fn text_at<'a>(schema: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    schema.get(name).and_then(Value::as_str)
}

fn has_pattern_of<T: JsonSchema>(schema: &Map<String, Value>) -> bool {
    let of_type = T::json_schema(&mut schemars::SchemaGenerator::default());
    schema.contains_key("pattern") && of_type.get("pattern") == schema.get("pattern")
}
