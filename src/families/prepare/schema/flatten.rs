//! Tools' schemas without unions at their root.

use std::borrow::Cow;

use super::tree::Node;
use super::{Bent, Counts, MOST, Place, Unfit, change, describe, parsed, written};
use crate::chat::Json;

/// What a root may not have for Claude ("`input_schema` does not support oneOf, allOf, or anyOf at the top level").
const UNIONS: [&str; 3] = ["anyOf", "oneOf", "allOf"];

/// Takes unions off the root: all properties of all branches are the root's, those that every branch requires are
/// required, and what the union said is described. That allows more than the union did, and no less.
pub(in crate::families::prepare) fn flattened(schema: &Json) -> Result<Bent, Unfit> {
    let unchanged = Bent { schema: None, changes: Vec::new(), counts: Counts::default() };
    if !UNIONS.iter().any(|union| schema.as_str().contains(union)) {
        return Ok(unchanged);
    }
    let mut root = parsed(schema)?;
    let Some(members) = root.members_mut() else { return Ok(unchanged) };
    let (unions, rest): (Vec<_>, Vec<_>) =
        std::mem::take(members).into_iter().partition(|(keyword, _)| UNIONS.contains(&keyword.as_ref()));
    *members = rest;
    if unions.is_empty() {
        return Ok(unchanged);
    }
    let branches = unions.iter().map(|(_, branches)| branches.items().len()).sum::<usize>();
    let names = |keyword| {
        let all = unions.iter().flat_map(|(_, branches)| branches.items());
        all.filter_map(|branch| end(&root, branch).member(keyword)).map(Node::len).sum::<usize>()
    };
    if branches.max(names("properties")).max(names("required")) > MOST {
        return Err(Unfit::new(&Place::Root, "schema_too_large"));
    }
    let mut properties = root.member("properties").and_then(Node::members).cloned().unwrap_or_default();
    let mut required: Vec<Node<'_>> = root.member("required").map_or(&[][..], Node::items).to_vec();
    for (keyword, branches) in &unions {
        let branches: Vec<&Node<'_>> = branches.items().iter().map(|branch| end(&root, branch)).collect();
        for property in branches.iter().filter_map(|branch| branch.member("properties")?.members()).flatten()
        {
            join(&mut properties, property);
        }
        let asks = |branch: &&Node<'_>, name: &Node<'_>| {
            branch.member("required").is_some_and(|required| required.items().contains(name))
        };
        let mentioned = branches.iter().filter_map(|branch| branch.member("required")).flat_map(Node::items);
        for name in mentioned {
            let by_all = keyword == "allOf" || branches.iter().all(|branch| asks(branch, name));
            if by_all && !required.contains(name) {
                required.push(name.clone());
            }
        }
    }
    if root.member("type").is_none() {
        root.set("type", Node::literal("\"object\""));
    }
    root.set("properties", Node::Object(properties));
    if !required.is_empty() {
        root.set("required", Node::Array(required));
    }
    // A union of closed branches leaves the root to what all of them name.
    describe(&mut root, &unions);
    let mut changes = Vec::new();
    change(&mut changes, "union_flattened");
    written(&root, changes, Counts::default())
}

/// Where a branch leads. A circle ends in nothing.
fn end<'n, 'a>(root: &'n Node<'a>, mut branch: &'n Node<'a>) -> &'n Node<'a> {
    for _ in 0..8 {
        let Some(pointer) = branch.member("$ref").and_then(Node::as_text) else { break };
        let Some(target) = root.at(&pointer) else { break };
        branch = target;
    }
    branch
}

/// A property of several branches is what any of them says.
fn join<'a>(properties: &mut Vec<(Cow<'a, str>, Node<'a>)>, (name, schema): &(Cow<'a, str>, Node<'a>)) {
    match properties.iter_mut().find(|(own, _)| own == name) {
        None => properties.push((name.clone(), schema.clone())),
        Some((_, own)) if own == schema => {}
        Some((_, Node::Object(own))) if matches!(own.as_slice(), [(keyword, Node::Array(any))] if keyword == "anyOf" && any.contains(schema)) =>
            {}
        Some((_, own)) => match own {
            Node::Object(members) if matches!(members.as_slice(), [(keyword, Node::Array(_))] if keyword == "anyOf") => {
                if let Some((_, Node::Array(any))) = members.first_mut() {
                    any.push(schema.clone());
                }
            }
            own => {
                let any = vec![own.clone(), schema.clone()];
                *own = Node::Object(vec![(Cow::Borrowed("anyOf"), Node::Array(any))]);
            }
        },
    }
}
