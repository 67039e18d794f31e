//! Where references lead, and whether they lead back.

use std::collections::{HashMap, HashSet};

use super::tree::Node;
use super::{Unfit, subschemas};

/// The reference of a schema.
pub(super) fn reference(schema: &Node<'_>) -> Option<String> {
    schema.member("$ref").and_then(Node::as_text).map(std::borrow::Cow::into_owned)
}

/// Every reference leads to somewhere in the schema, and none back to where it stands.
pub(super) fn are_straight(root: &Node<'_>) -> Result<(), Unfit> {
    let mut found = Vec::new();
    collect(root, &mut Vec::new(), &mut found);
    let mut targets: HashMap<Address, &str> = HashMap::new();
    let mut ends: HashMap<&str, Address> = HashMap::new();
    for (_, pointer) in &found {
        let Some(target) = root.at(pointer) else {
            return Err(Unfit { at: pointer.clone(), why: "unknown_reference" });
        };
        targets.insert(Address::of(target), pointer);
        ends.insert(pointer, Address::of(target));
    }
    let mut edges: HashMap<Address, HashSet<Address>> = HashMap::new();
    for (inside, pointer) in &found {
        let Some(to) = ends.get(pointer.as_str()) else { continue };
        for from in inside.iter().filter(|from| targets.contains_key(from)) {
            edges.entry(*from).or_default().insert(*to);
        }
    }
    match on_a_circle(&mut edges).iter().filter_map(|target| targets.get(target)).min() {
        None => Ok(()),
        Some(pointer) => Err(Unfit { at: (*pointer).to_owned(), why: "recursive_schema" }),
    }
}

/// Tells one node of a tree from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Address(usize);

impl Address {
    fn of(node: &Node<'_>) -> Self {
        Self(std::ptr::from_ref(node).addr())
    }
}

/// Every reference, with the schemas that it stands in: at most as many as the tree is deep.
fn collect(schema: &Node<'_>, inside: &mut Vec<Address>, found: &mut Vec<(Vec<Address>, String)>) {
    inside.push(Address::of(schema));
    if let Some(pointer) = reference(schema) {
        found.push((inside.clone(), pointer));
    }
    for schema in subschemas(schema) {
        collect(schema, inside, found);
    }
    inside.pop();
}

/// What is left when those that lead nowhere further are taken away, again and again.
fn on_a_circle(edges: &mut HashMap<Address, HashSet<Address>>) -> Vec<Address> {
    let mut into: HashMap<Address, Vec<Address>> = HashMap::new();
    for (from, tos) in edges.iter() {
        for to in tos {
            into.entry(*to).or_default().push(*from);
        }
    }
    let mut free: Vec<Address> = into.keys().filter(|to| !edges.contains_key(to)).copied().collect();
    while let Some(to) = free.pop() {
        for from in into.get(&to).into_iter().flatten() {
            if let Some(tos) = edges.get_mut(from) {
                tos.remove(&to);
                if tos.is_empty() {
                    edges.remove(from);
                    free.push(*from);
                }
            }
        }
    }
    edges.keys().copied().collect()
}
