//! What references lead to. It is a schema, wherever it stands: under a keyword that nobody knows, in data.

use std::collections::{HashMap, HashSet};

use super::budget::{Budget, Exhausted};
use super::keywords::Form;
use super::pointers::{Pointers, index, reference, repoint, steps};
use super::tidy::Tidy;
use super::tree::Node;
use super::{Changes, subschemas};

/// Puts into the draft what stands outside of the places for schemas and is referred to.
pub(super) fn tidy_targets(
    root: &mut Node<'_>,
    budget: &mut Budget,
    changes: &mut Changes,
) -> Result<(), Exhausted> {
    let mut ahead = Vec::new();
    collect(root, &mut ahead);
    let mut seen = HashSet::new();
    while let Some(pointer) = ahead.pop() {
        if leads_to_a_place_for_schemas(&pointer) || !seen.insert(pointer.clone()) {
            continue;
        }
        budget.hop(&pointer)?;
        let Some(target) = at_mut(root, &pointer, budget)? else { continue };
        budget.bytes(target.size())?;
        Tidy { budget, changes }.schema(target)?;
        collect(target, &mut ahead);
    }
    Ok(())
}

/// References into a tuple lead where it stands now.
pub(super) fn follow_tuples(root: &mut Node<'_>) {
    let mut all = Vec::new();
    collect(root, &mut all);
    let mut pointers = Pointers::new(root);
    let mut moved = HashMap::new();
    for pointer in all {
        let Some(other) = through_prefix_items(&pointer) else { continue };
        if pointers.at(&pointer).is_none() && pointers.at(&other).is_some() {
            moved.insert(pointer, other);
        }
    }
    if !moved.is_empty() {
        repoint(root, &|pointer| moved.get(pointer).cloned());
    }
}

fn through_prefix_items(pointer: &str) -> Option<String> {
    let mut steps: Vec<&str> = pointer.split('/').collect();
    let mut changed = false;
    for at in 1..steps.len() {
        let is_number = steps.get(at).is_some_and(|step| index(step).is_some());
        if let Some(before) = steps.get_mut(at - 1).filter(|before| **before == "items" && is_number) {
            *before = "prefixItems";
            changed = true;
        }
    }
    changed.then(|| steps.join("/"))
}

fn collect(schema: &Node<'_>, found: &mut Vec<String>) {
    found.extend(reference(schema).map(std::borrow::Cow::into_owned));
    subschemas(schema).for_each(|schema| collect(schema, found));
}

/// Do the keywords on the way say so?
fn leads_to_a_place_for_schemas(pointer: &str) -> bool {
    let Some(steps) = steps(pointer) else { return false };
    let mut steps = steps.peekable();
    while let Some(keyword) = steps.next() {
        match Form::of(&keyword) {
            // One schema, or a tuple's list of them.
            Form::Schema => {
                steps.next_if(|step| index(step).is_some());
            }
            Form::Schemas | Form::SchemaMap | Form::PatternMap | Form::Dependencies
                if steps.next().is_some() => {}
            _ => return false,
        }
    }
    true
}

fn at_mut<'n, 'a>(
    root: &'n mut Node<'a>,
    pointer: &str,
    budget: &mut Budget,
) -> Result<Option<&'n mut Node<'a>>, Exhausted> {
    let Some(steps) = steps(pointer) else { return Ok(None) };
    let mut node = root;
    for step in steps {
        budget.bytes(node.len())?;
        let next = match node {
            Node::Object(members) => {
                members.iter_mut().rev().find(|(key, _)| *key == step).map(|(_, value)| value)
            }
            Node::Array(items) => index(&step).and_then(|at| items.get_mut(at)),
            Node::Scalar(_) => None,
        };
        let Some(next) = next else { return Ok(None) };
        node = next;
    }
    Ok(Some(node))
}
