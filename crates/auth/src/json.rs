//! Reading JSON that a token's bearer wrote: objects only, texts borrowed, times as numbers of any kind.

use std::borrow::Cow;
use std::fmt;

use model::{RawJson, UnixTime};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::error::Category;

/// A text, borrowed unless it holds escapes. (`Cow` behind an `Option` or in a map never borrows.)
#[derive(serde::Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn to_boxed(&self) -> Box<str> {
        self.as_str().into()
    }
}

/// Seconds since 1970 as an integer or, in the wild, a float; fractions are cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) i64);

impl From<Seconds> for UnixTime {
    fn from(seconds: Seconds) -> Self {
        Self(seconds.0)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = Seconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds as a number")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Seconds, E> {
                Ok(Seconds(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Seconds, E> {
                Ok(Seconds(i64::try_from(number).unwrap_or(i64::MAX)))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Seconds, E> {
                // The cast saturates.
                Ok(Seconds(number as i64))
            }
        }

        deserializer.deserialize_any(Number)
    }
}

/// Why a text is not the object that was asked for.
pub(crate) enum ObjectError {
    NotAnObject,
    WrongMember,
}

/// Reads one object. Derived readers alone would also take an array, member by position.
pub(crate) fn parse_object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, ObjectError> {
    if !text.trim_start().starts_with('{') {
        return Err(ObjectError::NotAnObject);
    }
    serde_json::from_str(text).map_err(|error| match error.classify() {
        Category::Data => ObjectError::WrongMember,
        Category::Io | Category::Syntax | Category::Eof => ObjectError::NotAnObject,
    })
}

/// A copy that can stand inside any frame: line breaks between its parts end a command on the native wire.
pub(crate) fn on_one_line(value: &RawJson) -> Box<RawJson> {
    let text = value.get();
    if !text.contains(['\n', '\r']) {
        return value.to_owned();
    }
    RawJson::from_string(text.replace(['\n', '\r'], "")).expect("line breaks only stand between tokens")
}
