//! YAML (or JSON) text as a tree in which every key and value knows where it was written.
//!
//! Deserialising straight into structs stops at the first wrong key; an operator wants all of them at once, so the
//! text becomes a tree, layers are merged as trees, and the sections read typed values out of the result.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, NonFiniteFloatPolicy, Spanned};

use super::error::{Error, Origin, Place, Problem};

/// A value and the place it was written at.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What a node holds. Scalars keep their spelling: `007` is a number, but also a fine key id.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool, String),
    Number(serde_json::Number, String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key of a map and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) node: Node,
}

impl Node {
    /// Reads a whole document. An empty one is null, which sets nothing.
    pub(super) fn parse(text: &str, origin: &Origin) -> Result<Self, Error> {
        let options = serde_saphyr::options! {
            // YAML 1.2: `on` and `no` are words. With 1.1's booleans a model alias could turn into `false`.
            strict_booleans: true,
            non_finite_float_policy: NonFiniteFloatPolicy::AsString,
            // A snippet would print what surrounds an error, and that may be a secret.
            with_snippet: false,
        };
        match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
            Ok(raw) => Ok(Reading { text, origin }.node(raw)),
            Err(error) => Err(Error {
                place: Reading { text, origin }.place(error.location().unwrap_or(Location::UNKNOWN)),
                path: String::new(),
                problem: Problem::Syntax(message(&error)),
            }),
        }
    }

    /// A text that stands by itself, as the value of an environment variable does.
    pub(super) fn text(text: impl Into<String>, place: Place) -> Self {
        Self { place, value: Value::Text(text.into()) }
    }

    /// `leaf` at `path` (keys joined by dots), inside as many maps as that takes.
    pub(super) fn nested(path: &str, leaf: Self) -> Self {
        path.rsplit('.').fold(leaf, |node, key| {
            let place = node.place.clone();
            Self { place: place.clone(), value: Value::Map(vec![Entry { key: key.to_owned(), place, node }]) }
        })
    }

    /// The value of a key; `None` if this isn't a map or has no such key.
    pub(super) fn find(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// As [`Self::find`], to change it.
    pub(super) fn find_mut(&mut self, key: &str) -> Option<&mut Self> {
        match &mut self.value {
            Value::Map(entries) => {
                entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.node)
            }
            Value::Null | Value::Bool(..) | Value::Number(..) | Value::Text(_) | Value::List(_) => None,
        }
    }

    /// The keys and values of a map; nothing if this isn't one.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::Null | Value::Bool(..) | Value::Number(..) | Value::Text(_) | Value::List(_) => &[],
        }
    }

    /// The items of a list.
    pub(super) fn items(&self) -> Result<&[Self], Problem> {
        match &self.value {
            Value::List(items) => Ok(items),
            Value::Null | Value::Bool(..) | Value::Number(..) | Value::Text(_) | Value::Map(_) => {
                Err(Problem::WrongType { expected: "a list", found: self.kind() })
            }
        }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self.value, Value::Map(_))
    }

    /// What this is, for a message.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(..) => "a boolean",
            Value::Number(..) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

/// The library's words without the position it appends, which [`Place`] already says.
fn message(error: &serde_saphyr::Error) -> String {
    let text = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
    match text.rsplit_once(" at line ") {
        Some((message, position)) if position.contains("column") => message.to_owned(),
        Some(_) | None => text,
    }
}

/// Turns what the library read into nodes: it knows the text, and so the spelling of every scalar.
struct Reading<'a> {
    text: &'a str,
    origin: &'a Origin,
}

impl Reading<'_> {
    fn node(&self, raw: Spanned<Raw>) -> Node {
        let value = match raw.value {
            Raw::Null => Value::Null,
            Raw::Bool(value) => Value::Bool(value, self.spelling(raw.defined, &value)),
            Raw::Number(value) => {
                let spelling = self.spelling(raw.defined, &value);
                Value::Number(value, spelling)
            }
            Raw::Text(text) => Value::Text(text),
            Raw::List(items) => Value::List(items.into_iter().map(|item| self.node(item)).collect()),
            Raw::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| Entry {
                        place: self.place(key.referenced),
                        key: key.value,
                        node: self.node(value),
                    })
                    .collect(),
            ),
        };
        Node { place: self.place(raw.referenced), value }
    }

    fn place(&self, location: Location) -> Place {
        Place { origin: self.origin.clone(), line: location.line(), column: location.column() }
    }

    fn spelling(&self, location: Location, value: &dyn fmt::Display) -> String {
        let span = location.span();
        let range = span.byte_offset().zip(span.byte_len()).and_then(|(start, length)| {
            // Positions come from the library as u64; a text in memory is never longer than usize.
            let (Ok(start), Ok(length)) = (usize::try_from(start), usize::try_from(length)) else {
                return None;
            };
            Some(start..start.checked_add(length)?)
        });
        match range.and_then(|range| self.text.get(range)) {
            Some(text) => text.trim().to_owned(),
            None => value.to_string(),
        }
    }
}

/// Any YAML value, as the library hands it over.
enum Raw {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Raw, E> {
        serde_json::Number::from_f64(value)
            .map(Raw::Number)
            .ok_or_else(|| E::custom("the number isn't finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}
