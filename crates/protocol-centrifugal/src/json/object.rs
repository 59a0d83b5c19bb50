//! JSON objects at the level of bytes: written member by member in one pass, and read as objects only.

use std::fmt;
use std::io::Write as _;
use std::marker::PhantomData;

use model::RawJson;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Writes one object; `fill` adds its members.
pub(super) fn write(out: &mut Vec<u8>, fill: impl FnOnce(&mut Members<'_>)) {
    out.push(b'{');
    fill(&mut Members { out, is_empty: true });
    out.push(b'}');
}

/// The members of an object that is being written. Words of the protocol are written as they are; names from
/// outside are escaped.
pub(super) struct Members<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl Members<'_> {
    /// Adds a text from outside.
    pub(super) fn text(&mut self, word: &'static str, text: &str) {
        self.word(word);
        scalar(self.out, text);
    }

    /// Adds a number.
    pub(super) fn number(&mut self, word: &'static str, number: u64) {
        self.word(word);
        scalar(self.out, &number);
    }

    /// Adds a `true`; a `false` is told by leaving the member out.
    pub(super) fn yes(&mut self, word: &'static str) {
        self.word(word);
        self.out.extend_from_slice(b"true");
    }

    /// Adds a text of ours that has nothing to escape.
    pub(super) fn plain(&mut self, word: &'static str, text: impl fmt::Display) {
        self.word(word);
        write!(self.out, "\"{text}\"").expect("a vector takes every byte");
    }

    /// Adds a JSON value that is known to be free of line breaks.
    pub(super) fn value(&mut self, word: &'static str, json: &[u8]) {
        self.word(word);
        self.out.extend_from_slice(json);
    }

    /// Adds a JSON value without its line breaks: in valid JSON they only ever stand between tokens.
    pub(super) fn raw(&mut self, word: &'static str, json: &RawJson) {
        self.word(word);
        for line in json.get().as_bytes().split(|byte| matches!(byte, b'\n' | b'\r')) {
            self.out.extend_from_slice(line);
        }
    }

    /// Adds an object.
    pub(super) fn object(&mut self, word: &'static str, fill: impl FnOnce(&mut Members<'_>)) {
        self.word(word);
        write(self.out, fill);
    }

    /// Adds a list of objects; `fill` adds the members of each.
    pub(super) fn objects<T>(
        &mut self,
        word: &'static str,
        items: &[T],
        mut fill: impl FnMut(&T, &mut Members<'_>),
    ) {
        self.word(word);
        self.out.push(b'[');
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            write(self.out, |members| fill(item, members));
        }
        self.out.push(b']');
    }

    /// Adds a text under a name from outside.
    pub(super) fn named_text(&mut self, name: &str, text: &str) {
        self.name(name);
        scalar(self.out, text);
    }

    /// Adds an object under a name from outside.
    pub(super) fn named_object(&mut self, name: &str, fill: impl FnOnce(&mut Members<'_>)) {
        self.name(name);
        write(self.out, fill);
    }

    fn word(&mut self, word: &'static str) {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(word.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn name(&mut self, name: &str) {
        self.separate();
        scalar(self.out, name);
        self.out.push(b':');
    }

    fn separate(&mut self) {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
    }
}

fn scalar(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    serde_json::to_writer(out, value).expect("texts and numbers are always JSON");
}

/// A value read from an object. Derived structs alone would take an array of their fields as well.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(Object)
    }
}
