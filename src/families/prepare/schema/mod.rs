//! JSON Schemas, bent to what a target takes of the language.
//!
//! A schema that needs no change is left alone to the byte. One that does is written anew, keys in their order; what
//! had to be taken out of it is said in a `description`, where the model still reads it. Equal schemas give equal
//! bytes, and bending twice changes nothing more.

mod flatten;
mod hold;
mod inline;
mod refs;
mod tree;

use std::borrow::Cow;

use tree::Node;

use crate::chat::Json;

pub(super) use flatten::flattened;
pub(super) use hold::held;
pub(super) use inline::inlined;

/// Deeper schemas are not bent. Clients' own are no deeper when they get here.
const DEPTH: usize = 64;
/// Neither are larger ones, nor made: inlining may double with each level.
const LONGEST: usize = 1 << 20;
/// Most members that are joined with others, name by name.
const MOST: usize = 256;

/// A bent schema.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bent {
    /// Written anew; `None` if the client's own needs no change.
    pub(super) schema: Option<Json>,
    /// What was done to it, each once, for notes.
    pub(super) changes: Vec<&'static str>,
    /// How much there is of what targets count.
    pub(super) counts: Counts,
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
    let refused = |why| Err(Unfit::new(&Place::Root, why));
    if schema.as_str().len() > LONGEST {
        return refused("schema_too_large");
    }
    Node::parse(schema, DEPTH).map_or_else(|| refused("schema_too_deep"), Ok)
}

fn written(root: &Node<'_>, changes: Vec<&'static str>, counts: Counts) -> Result<Bent, Unfit> {
    if changes.is_empty() {
        return Ok(Bent { schema: None, changes, counts });
    }
    let schema = root.to_json().map_err(|_| Unfit::new(&Place::Root, "schema_unwritable"))?;
    Ok(Bent { schema: Some(schema), changes, counts })
}

fn change(changes: &mut Vec<&'static str>, what: &'static str) {
    if !changes.contains(&what) {
        changes.push(what);
    }
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

/// Keywords whose value is a map of schemas, a list of them, or one.
const MAPS: [&str; 5] = ["properties", "$defs", "definitions", "patternProperties", "dependentSchemas"];
const LISTS: [&str; 4] = ["anyOf", "allOf", "oneOf", "prefixItems"];
const SINGLES: [&str; 10] = [
    "items",
    "additionalProperties",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// The schemas inside a schema; not the data in it, which may look like one.
fn subschemas<'n, 'a>(schema: &'n Node<'a>) -> impl Iterator<Item = &'n Node<'a>> {
    schema.members().into_iter().flatten().flat_map(|(keyword, value)| {
        let keyword: &str = keyword;
        let (one, list, map) = (
            SINGLES.contains(&keyword).then_some(value),
            if LISTS.contains(&keyword) { value.items() } else { &[] },
            if MAPS.contains(&keyword) { value.members() } else { None },
        );
        one.into_iter().chain(list).chain(map.into_iter().flatten().map(|(_, schema)| schema))
    })
}

/// The same, to be changed.
fn subschemas_mut<'n, 'a>(schema: &'n mut Node<'a>) -> Vec<&'n mut Node<'a>> {
    let mut found = Vec::new();
    for (keyword, value) in schema.members_mut().into_iter().flatten() {
        let keyword: &str = keyword;
        if SINGLES.contains(&keyword) {
            found.push(value);
        } else if LISTS.contains(&keyword) {
            if let Node::Array(items) = value {
                found.extend(items);
            }
        } else if MAPS.contains(&keyword)
            && let Node::Object(members) = value
        {
            found.extend(members.iter_mut().map(|(_, schema)| schema));
        }
    }
    found
}

#[cfg(test)]
mod tests;
