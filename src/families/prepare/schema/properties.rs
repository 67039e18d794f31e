//! Names of properties that a target has no place for.

use std::borrow::Cow;
use std::collections::HashMap;

use super::pointers::{repoint, unescaped};
use super::tree::Node;
use super::{Changes, DEPTH};
use crate::chat::{NamePattern, Naming};

/// Gives the properties of the root names that fit, wherever the schema speaks of them: (own, as sent).
pub(super) fn rename(
    root: &mut Node<'_>,
    pattern: NamePattern,
    changes: &mut Changes,
) -> Vec<(String, String)> {
    let Some(properties) = root.member("properties").and_then(Node::members) else { return Vec::new() };
    if properties.iter().all(|(name, _)| pattern.fits(name)) {
        return Vec::new();
    }
    let mut naming = Naming::new(pattern, properties.iter().map(|(name, _)| name.as_ref()));
    let mut renamed = HashMap::new();
    for (name, _) in properties {
        if let Some(sent) = naming.alias(name) {
            renamed.insert(name.to_string(), sent);
        }
    }
    changes.add("properties_renamed");
    Renaming { renamed: &renamed }.of_the_same(root, DEPTH);
    repoint(root, &|pointer| moved(pointer, &renamed));
    let mut renamed: Vec<_> = renamed.into_iter().collect();
    renamed.sort_unstable();
    renamed
}

struct Renaming<'r> {
    renamed: &'r HashMap<String, String>,
}

impl Renaming<'_> {
    fn key(&self, name: &mut Cow<'_, str>) {
        if let Some(sent) = self.renamed.get(name.as_ref()) {
            *name = Cow::Owned(sent.clone());
        }
    }

    fn names(&self, list: &mut Node<'_>) {
        let Node::Array(names) = list else { return };
        for name in names {
            let sent = name.as_text().and_then(|own| self.renamed.get(own.as_ref()));
            if let Some(sent) = sent {
                *name = Node::text(sent);
            }
        }
    }

    /// In a schema of the root's own object, which may be said in several pieces.
    fn of_the_same(&self, schema: &mut Node<'_>, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        for (keyword, value) in schema.members_mut().into_iter().flatten() {
            match (keyword.as_ref(), value) {
                ("properties", Node::Object(properties)) => {
                    for (name, _) in properties {
                        self.key(name);
                    }
                }
                ("required", names) => self.names(names),
                ("dependentRequired" | "dependentSchemas" | "dependencies", Node::Object(entries)) => {
                    for (name, entry) in entries {
                        self.key(name);
                        self.names(entry);
                        self.of_the_same(entry, depth);
                    }
                }
                ("anyOf" | "allOf" | "oneOf", Node::Array(schemas)) => {
                    for schema in schemas {
                        self.of_the_same(schema, depth);
                    }
                }
                ("if" | "then" | "else" | "not", schema) => self.of_the_same(schema, depth),
                _ => {}
            }
        }
    }
}

/// References lead through the names, too.
fn moved(pointer: &str, renamed: &HashMap<String, String>) -> Option<String> {
    const INTO: &str = "#/properties/";
    let path = pointer.strip_prefix(INTO)?;
    let (name, inside) = path.split_at(path.find('/').unwrap_or(path.len()));
    let sent = renamed.get(unescaped(name).as_ref())?;
    Some(format!("{INTO}{sent}{inside}"))
}

/// Takes out all members without a name, at any depth: some formats have no place for them. Were there any?
pub(super) fn drop_nameless(node: &mut Node<'_>) -> bool {
    match node {
        Node::Scalar(_) => false,
        Node::Array(items) => items.iter_mut().fold(false, |found, item| drop_nameless(item) | found),
        Node::Object(members) => {
            let all = members.len();
            members.retain(|(name, _)| !name.is_empty());
            let found = members.len() < all;
            members.iter_mut().fold(found, |found, (_, value)| drop_nameless(value) | found)
        }
    }
}

/// Is there a definition without a name, which references may lead to?
pub(super) fn has_nameless_definition(root: &Node<'_>) -> bool {
    let nameless = |map: &Node<'_>| map.members().into_iter().flatten().any(|(name, _)| name.is_empty());
    ["$defs", "definitions"].iter().any(|keyword| root.member(keyword).is_some_and(nameless))
}
