//! A tool's schema, as a model takes it.

use super::flatten::flatten;
use super::inline::inlined;
use super::properties::{drop_nameless, has_nameless_definition, rename};
use super::tidy::tidied;
use super::tree::Node;
use super::{Bent, Budget, Changes, Unfit, parsed, too_large, written};
use crate::chat::{Json, NamePattern};
use crate::families::ToolSchemas;

/// Draft 2020-12, which everything is put into.
const DRAFT: &str = "2020-12";

/// A schema that the model takes.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::families::prepare) struct Accepted {
    pub(in crate::families::prepare) bent: Bent,
    /// Properties with other names than the client's: (own, as sent).
    pub(in crate::families::prepare) renamed: Vec<(String, String)>,
}

/// Bends the schema of a tool. `empty_names`: the format has a place for members without a name.
pub(in crate::families::prepare) fn for_tool(
    schema: &Json,
    takes: ToolSchemas,
    empty_names: bool,
    budget: &mut Budget,
) -> Result<Accepted, Unfit> {
    budget.allow(schema.as_str().len());
    let mut changes = Changes::default();
    let mut root = parsed(schema)?;
    tidied(&mut root, budget, &mut changes).map_err(too_large)?;
    of_an_object(&mut root, &mut changes)?;
    if !takes.references || (!empty_names && has_nameless_definition(&root)) {
        root = inlined(&root, budget, &mut changes)?;
    }
    if !takes.root_unions {
        flatten(&mut root, budget, &mut changes).map_err(too_large)?;
    }
    let pattern = if takes.any_property_names { NamePattern::NotEmpty } else { NamePattern::PROPERTIES };
    let renamed = rename(&mut root, pattern, &mut changes);
    if !empty_names && drop_nameless(&mut root) {
        changes.add("nameless_dropped");
    }
    bookkeeping(&mut root, takes, &mut changes);
    Ok(Accepted { bent: written(&root, changes)?, renamed })
}

/// A tool's input is an object, and its schema says so.
fn of_an_object(root: &mut Node<'_>, changes: &mut Changes) -> Result<(), Unfit> {
    const OBJECT: &str = "\"object\"";
    if root.is_literal("true") {
        *root = Node::Object(Vec::new());
    }
    if root.members().is_none() {
        return Err(Unfit::of_all("not_an_object"));
    }
    let is_object = |kind: &Node<'_>| kind.is_literal(OBJECT);
    match root.member("type") {
        Some(kind) if is_object(kind) => return Ok(()),
        None => {}
        Some(kind) if kind.items().iter().any(is_object) || kind.is_literal("\"null\"") => {
            changes.add("keywords_mended");
        }
        Some(_) => return Err(Unfit::of_all("not_an_object")),
    }
    changes.add("type_added");
    if root.member("type").is_some() {
        root.set("type", Node::literal(OBJECT));
    } else if let Some(members) = root.members_mut() {
        members.insert(0, ("type".into(), Node::literal(OBJECT)));
    }
    Ok(())
}

/// Where a schema that was put into another draft says which it is of, it is of none; and some models take no word about
/// the schema at all.
fn bookkeeping(root: &mut Node<'_>, takes: ToolSchemas, changes: &mut Changes) {
    let is_changed = *changes != Changes::default();
    let Some(members) = root.members_mut() else { return };
    let all = members.len();
    members.retain(|(keyword, value)| match keyword.as_ref() {
        "$schema" if is_changed => {
            value.as_text().is_some_and(|draft| draft.contains(DRAFT)) && takes.references
        }
        keyword => takes.references || !keyword.starts_with('$'),
    });
    if members.len() < all {
        changes.add("bookkeeping_dropped");
    }
}
