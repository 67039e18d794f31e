//! Where references lead.

use std::borrow::Cow;
use std::collections::HashMap;

use percent_encoding::percent_decode_str;

use super::keywords::Form;
use super::tree::Node;

/// The reference of a schema.
pub(super) fn reference<'n>(schema: &'n Node<'_>) -> Option<Cow<'n, str>> {
    schema.member("$ref").and_then(Node::as_text)
}

/// Tells one node of a tree from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Address(usize);

impl Address {
    pub(super) fn of(node: &Node<'_>) -> Self {
        Self(std::ptr::from_ref(node).addr())
    }
}

/// Objects with more members are looked up in an index, which is made once for each: many references into one map of
/// definitions cost the sum of both, not their product.
const WIDE: usize = 8;

/// Follows JSON pointers through a schema, whatever they lead through: keywords, data, members of no meaning.
pub(super) struct Pointers<'n, 'a> {
    root: &'n Node<'a>,
    indices: HashMap<Address, HashMap<&'n str, &'n Node<'a>>>,
}

impl<'n, 'a> Pointers<'n, 'a> {
    pub(super) fn new(root: &'n Node<'a>) -> Self {
        Self { root, indices: HashMap::new() }
    }

    /// What `pointer` (`#/$defs/A`) leads to. An empty one is the root, as in any URI.
    pub(super) fn at(&mut self, pointer: &str) -> Option<&'n Node<'a>> {
        let mut node = self.root;
        for step in steps(pointer)? {
            node = self.step(node, &step)?;
        }
        Some(node)
    }

    fn step(&mut self, node: &'n Node<'a>, name: &str) -> Option<&'n Node<'a>> {
        match node {
            Node::Object(members) if members.len() > WIDE => {
                let index = self.indices.entry(Address::of(node)).or_insert_with(|| {
                    // Of members with one name the last counts, as everywhere.
                    members.iter().map(|(key, value)| (key.as_ref(), value)).collect()
                });
                index.get(name).copied()
            }
            Node::Object(_) => node.member(name),
            Node::Array(items) => items.get(index(name)?),
            Node::Scalar(_) => None,
        }
    }
}

/// The steps of a pointer; `None`: it isn't one.
pub(super) fn steps(pointer: &str) -> Option<impl Iterator<Item = Cow<'_, str>>> {
    let path = match pointer.strip_prefix('#') {
        Some(path) => path,
        None if pointer.is_empty() => pointer,
        None => return None,
    };
    let inside = if path.is_empty() { None } else { Some(path.strip_prefix('/')?) };
    Some(inside.into_iter().flat_map(|inside| inside.split('/')).map(unescaped))
}

/// The place in a list that a step names.
#[expect(clippy::disallowed_methods, reason = "what is no number names no place")]
pub(super) fn index(step: &str) -> Option<usize> {
    step.parse().ok()
}

/// Changes references, wherever a schema may stand.
pub(super) fn repoint(schema: &mut Node<'_>, other: &impl Fn(&str) -> Option<String>) {
    if let Some(pointer) = reference(schema).and_then(|pointer| other(&pointer)) {
        schema.set("$ref", Node::text(&pointer));
    }
    for (keyword, value) in schema.members_mut().into_iter().flatten() {
        match (Form::of(keyword), value) {
            (Form::Schema, schema) => repoint(schema, other),
            (Form::Schemas, Node::Array(schemas)) => {
                for schema in schemas {
                    repoint(schema, other);
                }
            }
            (Form::SchemaMap | Form::PatternMap | Form::Dependencies, Node::Object(schemas)) => {
                for (_, schema) in schemas {
                    repoint(schema, other);
                }
            }
            _ => {}
        }
    }
}

/// A pointer stands in a URI's fragment: its percent signs are the outer escape, its tildes the inner.
pub(super) fn unescaped(step: &str) -> Cow<'_, str> {
    let step = if step.contains('%') { percent_decode_str(step).decode_utf8_lossy() } else { step.into() };
    if step.contains('~') { step.replace("~1", "/").replace("~0", "~").into() } else { step }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Json;

    #[test]
    fn pointers_lead_through_objects_and_arrays() {
        let json = Json::parse(r#"{"$defs":{"a/b~":{"anyOf":[{"x":1},{"y":2}]},"ä %":{"z":3}}}"#).unwrap();
        let node = Node::parse(&json).unwrap();
        let mut pointers = Pointers::new(&node);
        assert!(pointers.at("#/$defs/a~1b~0/anyOf/1/y").unwrap().is_literal("2"));
        assert!(pointers.at("#/%24defs/%C3%A4%20%25/z").unwrap().is_literal("3"));
        assert_eq!(pointers.at("#"), Some(&node));
        assert_eq!(pointers.at(""), Some(&node));
        for nowhere in ["#/$defs/c", "http://x", "x", "#$defs", "#/$defs/a~1b~0/anyOf/2", "#/"] {
            assert_eq!(pointers.at(nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn wide_objects_are_looked_up_as_narrow_ones_are() {
        let members: Vec<String> = (0..40).map(|n| format!(r#""m{n}":{n}"#)).collect();
        let json = Json::parse(&format!(r#"{{{},"m7":"again"}}"#, members.join(","))).unwrap();
        let node = Node::parse(&json).unwrap();
        let mut pointers = Pointers::new(&node);
        for _ in 0..2 {
            assert!(pointers.at("#/m39").unwrap().is_literal("39"));
            assert!(pointers.at("#/m7").unwrap().is_literal("\"again\""));
            assert_eq!(pointers.at("#/m40"), None);
        }
    }
}
