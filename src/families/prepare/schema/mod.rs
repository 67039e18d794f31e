//! JSON Schemas, bent to what a target takes of the language.
//!
//! A schema that needs no change is left alone to the byte. One that does is written anew, keys in their order; what
//! had to be taken out of it is said in a `description`, where the model still reads it. Equal schemas give equal
//! bytes, and bending twice changes nothing more.
//!
//! A schema is a program that a client sends: references copy, unions join, and all of it may be said a thousand times.
//! So whatever is made of the schemas of a request is taken from one [`Budget`], and every walk looks at each piece of the
//! client's own text a fixed number of times.

mod budget;
mod flatten;
mod hold;
mod inline;
mod keywords;
mod pattern;
mod pointers;
mod properties;
mod refs;
mod scalars;
mod targets;
mod tidy;
mod tool;
mod tree;

use std::borrow::Cow;

use budget::Exhausted;
use keywords::Form;
use tree::Node;

use crate::chat::Json;

pub(super) use budget::Budget;
pub(super) use hold::{Held, held};
pub(super) use tool::{Accepted, for_tool};

/// Deeper schemas are not bent. Clients' own are no deeper when they get here.
const DEPTH: usize = 64;
/// Neither are longer ones.
const LONGEST: usize = 1 << 20;

/// What was done to a schema, each once, for notes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Changes(Vec<&'static str>);

impl Changes {
    fn add(&mut self, what: &'static str) {
        if !self.0.contains(&what) {
            self.0.push(what);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().copied()
    }
}

/// A bent schema.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bent {
    /// Written anew; `None` if the client's own needs no change.
    pub(super) schema: Option<Json>,
    /// What was done to it.
    pub(super) changes: Changes,
}

/// What a target counts over all schemas that it has to hold to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Properties that may be left out.
    pub(super) optional: usize,
    /// Places for values of more than one type.
    pub(super) unions: usize,
}

/// Why a schema can't be bent without saying something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unfit {
    /// Where in the schema: `#/properties/a`.
    pub(super) at: String,
    /// A word for notes.
    pub(super) why: &'static str,
}

impl Unfit {
    fn new(at: &Place<'_>, why: &'static str) -> Self {
        Self { at: at.to_string(), why }
    }

    fn of_all(why: &'static str) -> Self {
        Self::new(&Place::Root, why)
    }
}

fn too_large(Exhausted: Exhausted) -> Unfit {
    Unfit::of_all("schema_too_large")
}

/// Is the schema's root an object's?
pub(super) fn is_of_an_object(schema: &Json) -> bool {
    parsed(schema).is_ok_and(|root| {
        root.member("type").and_then(Node::as_text).is_some_and(|kind| kind == "object")
            || (root.member("type").is_none() && root.member("properties").is_some())
    })
}

/// Does the schema's root name properties? A tool without any is called with `{}`.
pub(super) fn names_properties(schema: &Json) -> bool {
    parsed(schema).is_ok_and(|root| root.member("properties").is_some_and(|properties| properties.len() > 0))
}

/// Is the schema's root an array's?
pub(super) fn is_of_an_array(schema: &Json) -> bool {
    parsed(schema)
        .is_ok_and(|root| root.member("type").and_then(Node::as_text).is_some_and(|kind| kind == "array"))
}

fn parsed(schema: &Json) -> Result<Node<'_>, Unfit> {
    if schema.as_str().len() > LONGEST {
        return Err(Unfit::of_all("schema_too_large"));
    }
    Node::parse(schema).ok_or_else(|| Unfit::of_all("schema_too_deep"))
}

fn written(root: &Node<'_>, changes: Changes) -> Result<Bent, Unfit> {
    if changes == Changes::default() {
        return Ok(Bent { schema: None, changes });
    }
    if root.depth() > DEPTH {
        return Err(Unfit::of_all("schema_too_deep"));
    }
    let schema = root.to_json().map_err(|_| Unfit::of_all("schema_unwritable"))?;
    Ok(Bent { schema: Some(schema), changes })
}

/// Says what keywords said: `(maximum: 10; pattern: "^a")` after the description.
fn describe(schema: &mut Node<'_>, said: &[(Cow<'_, str>, Node<'_>)]) {
    if said.is_empty() {
        return;
    }
    let mut text = schema.member("description").and_then(Node::as_text).unwrap_or_default().into_owned();
    text.push_str(if text.is_empty() { "(" } else { " (" });
    for (position, (keyword, value)) in said.iter().enumerate() {
        if position > 0 {
            text.push_str("; ");
        }
        text.push_str(keyword);
        text.push_str(": ");
        value.write(&mut text);
    }
    text.push(')');
    schema.set("description", Node::text(&text));
}

/// A place in a schema, as a pointer.
enum Place<'a> {
    Root,
    Member(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Root => f.write_str("#"),
            Self::Member(parent, name) => write!(f, "{parent}/{name}"),
            Self::Item(parent, index) => write!(f, "{parent}/{index}"),
        }
    }
}

/// The schemas inside a schema; not the data in it, which may look like one.
fn subschemas<'n, 'a>(schema: &'n Node<'a>) -> impl Iterator<Item = &'n Node<'a>> {
    schema.members().into_iter().flatten().flat_map(|(keyword, value)| {
        let (one, list, map) = match Form::of(keyword) {
            Form::Schema => (Some(value), &[][..], None),
            Form::Schemas => (None, value.items(), None),
            Form::SchemaMap | Form::PatternMap | Form::Dependencies => (None, &[][..], value.members()),
            _ => (None, &[][..], None),
        };
        one.into_iter().chain(list).chain(map.into_iter().flatten().map(|(_, schema)| schema))
    })
}

#[cfg(test)]
mod tests;
