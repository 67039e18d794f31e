//! Schemas without references, for models that are shown no definitions.

use super::refs::{are_straight, reference};
use super::tree::Node;
use super::{Bent, Counts, DEPTH, LONGEST, MOST, Place, Unfit, change, parsed, subschemas_mut, written};
use crate::chat::Json;

/// Puts every definition where it is referred to. A schema that refers to itself has no such form.
pub(in crate::families::prepare) fn inlined(schema: &Json) -> Result<Bent, Unfit> {
    // Most schemas have none; then nothing is parsed.
    if !["\"$ref\"", "\"$defs\"", "\"definitions\""].iter().any(|word| schema.as_str().contains(word)) {
        return Ok(Bent { schema: None, changes: Vec::new(), counts: Counts::default() });
    }
    let root = parsed(schema)?;
    are_straight(&root)?;
    let mut inlined = root.clone();
    let mut inlining = Inlining { root: &root, budget: LONGEST / 64, changes: Vec::new() };
    inlining.expand(&mut inlined, DEPTH)?;
    let Inlining { root: _, budget: _, mut changes } = inlining;
    if let Some(members) = inlined.members_mut() {
        let before = members.len();
        members.retain(|(keyword, _)| keyword != "$defs" && keyword != "definitions");
        if members.len() < before {
            change(&mut changes, "references_inlined");
        }
    }
    written(&inlined, changes, Counts::default())
}

struct Inlining<'r, 'a> {
    root: &'r Node<'a>,
    /// How many more schemas there may be.
    budget: usize,
    changes: Vec<&'static str>,
}

impl<'a> Inlining<'_, 'a> {
    fn expand(&mut self, schema: &mut Node<'a>, depth: usize) -> Result<(), Unfit> {
        let (Some(depth), Some(budget)) = (depth.checked_sub(1), self.budget.checked_sub(1)) else {
            return Err(Unfit::new(&Place::Root, "schema_too_large"));
        };
        self.budget = budget;
        while let Some(pointer) = reference(schema) {
            let Some(target) = self.root.at(&pointer).and_then(Node::members) else {
                return Err(Unfit { at: pointer, why: "unknown_reference" });
            };
            let Some(members) = schema.members_mut() else { break };
            if members.len().max(target.len()) > MOST {
                return Err(Unfit { at: pointer, why: "schema_too_large" });
            }
            members.retain(|(keyword, _)| keyword != "$ref");
            // What stands beside a reference is nearer to it.
            for (keyword, value) in target {
                if members.iter().all(|(own, _)| own != keyword) {
                    members.push((keyword.clone(), value.clone()));
                }
            }
            change(&mut self.changes, "references_inlined");
        }
        for schema in subschemas_mut(schema) {
            self.expand(schema, depth)?;
        }
        Ok(())
    }
}
