//! Schemas without references, for models that are shown no definitions.

use std::borrow::Cow;
use std::collections::HashSet;

use super::budget::Budget;
use super::keywords::Form;
use super::pointers::{Address, Pointers, reference};
use super::tidy::DESCRIBED;
use super::tree::Node;
use super::{Changes, DEPTH, Unfit, describe, too_large};

/// Puts every definition where it is referred to, within the budget. A schema that refers to itself has no such form; a
/// reference that leads nowhere is told in words.
pub(super) fn inlined<'a>(
    root: &Node<'a>,
    budget: &mut Budget,
    changes: &mut Changes,
) -> Result<Node<'a>, Unfit> {
    let under_way = HashSet::from([Address::of(root)]);
    Inlining { pointers: Pointers::new(root), under_way, budget, changes }.schema(root, DEPTH)
}

struct Inlining<'n, 'a, 'b> {
    pointers: Pointers<'n, 'a>,
    /// What references lead to and is being written: none of it may stand in itself.
    under_way: HashSet<Address>,
    budget: &'b mut Budget,
    changes: &'b mut Changes,
}

/// The members of a schema, from it and from what it refers to.
type Members<'n, 'a> = Vec<(&'n Cow<'a, str>, &'n Node<'a>)>;

impl<'n, 'a> Inlining<'n, 'a, '_> {
    fn schema(&mut self, schema: &'n Node<'a>, depth: usize) -> Result<Node<'a>, Unfit> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(Unfit::of_all("schema_too_deep"));
        };
        let Some(own) = schema.members() else { return self.copied(schema) };
        let mut entered = Vec::new();
        let mut told = Vec::new();
        let members = if reference(schema).is_some() {
            self.followed(schema, &mut entered, &mut told)?
        } else {
            own.iter().map(|(keyword, value)| (keyword, value)).collect()
        };
        let mut written = Vec::with_capacity(members.len());
        for (keyword, value) in members {
            let value = match Form::of(keyword) {
                // Nobody refers to them any more.
                Form::SchemaMap if keyword == "$defs" || keyword == "definitions" => {
                    self.changes.add("references_inlined");
                    continue;
                }
                Form::Schema => self.schema(value, depth)?,
                Form::Schemas => self.list(value, depth)?,
                Form::SchemaMap | Form::PatternMap | Form::Dependencies => self.map(value, depth)?,
                _ => self.copied(value)?,
            };
            self.take(keyword.len() + 4)?;
            written.push((keyword.clone(), value));
        }
        for target in entered {
            self.under_way.remove(&target);
        }
        let mut written = Node::Object(written);
        if !told.is_empty() {
            self.changes.add(DESCRIBED);
            describe(&mut written, &told);
        }
        Ok(written)
    }

    /// A schema's members and those of what it refers to. What stands beside a reference is nearer to it.
    fn followed(
        &mut self,
        schema: &'n Node<'a>,
        entered: &mut Vec<Address>,
        told: &mut Vec<(Cow<'a, str>, Node<'a>)>,
    ) -> Result<Members<'n, 'a>, Unfit> {
        let mut members: Members<'n, 'a> = Vec::new();
        let mut named = HashSet::new();
        let mut next = Some(schema);
        while let Some(schema) = next.take() {
            let Some(own) = schema.members() else { break };
            self.take(own.len())?;
            for (keyword, value) in own {
                if keyword != "$ref" && named.insert(keyword.as_ref()) {
                    members.push((keyword, value));
                }
            }
            let Some(pointer) = reference(schema) else { break };
            self.budget.hop(&pointer).map_err(too_large)?;
            match self.pointers.at(&pointer) {
                // `true` is a schema too, one that says nothing.
                Some(target) if target.members().is_some() || target.is_literal("true") => {
                    let address = Address::of(target);
                    if !self.under_way.insert(address) {
                        return Err(Unfit { at: pointer.into_owned(), why: "recursive_schema" });
                    }
                    self.changes.add("references_inlined");
                    entered.push(address);
                    next = Some(target);
                }
                Some(_) | None => told.push(("$ref".into(), Node::text(&pointer))),
            }
        }
        Ok(members)
    }

    fn list(&mut self, value: &'n Node<'a>, depth: usize) -> Result<Node<'a>, Unfit> {
        let Node::Array(schemas) = value else { return self.copied(value) };
        self.take(schemas.len() + 2)?;
        let schemas: Result<_, _> = schemas.iter().map(|schema| self.schema(schema, depth)).collect();
        Ok(Node::Array(schemas?))
    }

    fn map(&mut self, value: &'n Node<'a>, depth: usize) -> Result<Node<'a>, Unfit> {
        let Node::Object(schemas) = value else { return self.copied(value) };
        let mut written = Vec::with_capacity(schemas.len());
        for (name, schema) in schemas {
            self.take(name.len() + 4)?;
            written.push((name.clone(), self.schema(schema, depth)?));
        }
        Ok(Node::Object(written))
    }

    fn copied(&mut self, value: &'n Node<'a>) -> Result<Node<'a>, Unfit> {
        self.take(value.size())?;
        Ok(value.clone())
    }

    fn take(&mut self, bytes: usize) -> Result<(), Unfit> {
        self.budget.bytes(bytes).map_err(too_large)
    }
}
