//! Schemas that a reply or a tool's input is held to: a subset of the language, compiled before the model runs.
//!
//! Sources: AWS's user guide on structured outputs, Anthropic's list of supported keywords, texts of refusals
//! (November 2026). The list says what may stay; whatever else a schema says is described.

use std::borrow::Cow;
use std::collections::HashSet;

use super::refs::are_straight;
use super::tidy::{DESCRIBED, tidied};
use super::tree::Node;
use super::{Bent, Budget, Changes, Counts, Place, Unfit, describe, parsed, subschemas, too_large, written};
use crate::chat::Json;

/// Keywords that every compiler of schemas takes.
const KEPT: [&str; 15] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "anyOf",
    "allOf",
    "enum",
    "const",
    "$ref",
    "$defs",
    "definitions",
    "description",
    "title",
    "default",
];
/// Keywords that say nothing about values.
const BOOKKEEPING: [&str; 5] = ["$schema", "$id", "$anchor", "$comment", "$vocabulary"];
const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];
/// What a compiled pattern can't have: looking around, going back, word borders.
const BEYOND_REGULAR: [&str; 6] = ["(?=", "(?!", "(?<", "(?P", "\\b", "\\B"];

/// Most members that are joined with others, name by name.
const MOST: usize = 256;

/// A schema that a reply can be held to.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::families::prepare) struct Held {
    pub(in crate::families::prepare) bent: Bent,
    /// How much there is of what targets count.
    pub(in crate::families::prepare) counts: Counts,
}

/// Bends a schema to what can be compiled. What can't be without taking values away, or references that lead
/// nowhere or back, is unfit.
pub(in crate::families::prepare) fn held(schema: &Json, budget: &mut Budget) -> Result<Held, Unfit> {
    budget.allow(schema.as_str().len());
    let (mut changes, mut counts) = (Changes::default(), Counts::default());
    let mut root = parsed(schema)?;
    tidied(&mut root, budget, &mut changes).map_err(too_large)?;
    are_straight(&root)?;
    hold(&mut root, &Place::Root, &mut changes)?;
    // What references lead to may have been taken out.
    are_straight(&root)?;
    count(&root, &mut counts);
    Ok(Held { bent: written(&root, changes)?, counts })
}

fn hold(schema: &mut Node<'_>, at: &Place<'_>, changes: &mut Changes) -> Result<(), Unfit> {
    let Some(members) = schema.members() else {
        // `true` allows anything, `false` nothing: neither can be compiled.
        return Err(Unfit::new(at, "open_schema"));
    };
    if members.iter().any(|(keyword, _)| BOOKKEEPING.contains(&keyword.as_ref())) {
        changes.add("bookkeeping_dropped");
    }
    if let Some(members) = schema.members_mut() {
        members.retain(|(keyword, _)| !BOOKKEEPING.contains(&keyword.as_ref()));
    }
    merge_only(schema, at, changes)?;
    one_of(schema, changes);
    nullable(schema, changes);
    let mut described = taken_out(schema, changes);
    by_type(schema, &mut described, changes);
    describe(schema, &described);
    kind(schema, at, changes)?;
    let Some(members) = schema.members_mut() else { return Ok(()) };
    for (keyword, value) in members {
        let at = Place::Member(at, keyword);
        match (keyword.as_ref(), value) {
            ("properties" | "$defs" | "definitions", Node::Object(schemas)) => {
                for (name, schema) in schemas {
                    hold(schema, &Place::Member(&at, name), changes)?;
                }
            }
            ("anyOf", Node::Array(schemas)) => {
                for (position, schema) in schemas.iter_mut().enumerate() {
                    hold(schema, &Place::Item(&at, position), changes)?;
                }
            }
            ("items", schema) => hold(schema, &at, changes)?,
            _ => {}
        }
    }
    Ok(())
}

/// A schema that consists of only one other is that one. Of several, closing one would shut out the others.
fn merge_only<'a>(schema: &mut Node<'a>, at: &Place<'_>, changes: &mut Changes) -> Result<(), Unfit> {
    let Some(members) = schema.members_mut() else { return Ok(()) };
    let Some(position) = members.iter().position(|(keyword, _)| keyword == "allOf") else { return Ok(()) };
    let only = match members.get(position) {
        Some((_, Node::Array(schemas))) if schemas.len() == 1 => schemas.first().and_then(Node::members),
        _ => None,
    };
    let Some(only) = only.filter(|only| only.len().max(members.len()) <= MOST).cloned() else {
        return Err(Unfit::new(at, "all_of"));
    };
    members.remove(position);
    // What both say, both must hold: that is more than a merge.
    if only.iter().any(|(keyword, _)| !is_about(keyword) && members.iter().any(|(own, _)| own == keyword)) {
        return Err(Unfit::new(at, "all_of"));
    }
    let fresh: Vec<(Cow<'a, str>, Node<'a>)> =
        only.into_iter().filter(|(keyword, _)| members.iter().all(|(own, _)| own != keyword)).collect();
    members.extend(fresh);
    changes.add("all_of_merged");
    Ok(())
}

/// Words about the schema, of which the outer ones are nearer to the reader.
fn is_about(keyword: &str) -> bool {
    ["title", "description", "default"].contains(&keyword)
}

/// "Exactly one" can't be compiled; "any" can, and says the same of schemas that differ.
fn one_of(schema: &mut Node<'_>, changes: &mut Changes) {
    let Some(members) = schema.members_mut() else { return };
    if members.iter().any(|(keyword, _)| keyword == "anyOf") {
        return;
    }
    if let Some((keyword, _)) = members.iter_mut().find(|(keyword, _)| keyword == "oneOf") {
        *keyword = Cow::Borrowed("anyOf");
        changes.add("one_of_as_any_of");
    }
}

/// `OpenAPI`'s `nullable: true` is one type more.
fn nullable(schema: &mut Node<'_>, changes: &mut Changes) {
    let Some(members) = schema.members_mut() else { return };
    let Some(at) = members.iter().position(|(keyword, _)| keyword == "nullable") else { return };
    let (_, value) = members.remove(at);
    changes.add("nullable_as_type");
    let kinds = types(schema);
    if !value.is_literal("true") || kinds.is_empty() || kinds.iter().any(|kind| kind == "null") {
        return;
    }
    let kinds = kinds.iter().map(|kind| Node::text(kind)).chain([Node::literal("\"null\"")]).collect();
    schema.set("type", Node::Array(kinds));
    if let Some((_, Node::Array(values))) =
        schema.members_mut().and_then(|members| members.iter_mut().find(|(keyword, _)| keyword == "enum"))
        && !values.iter().any(|value| value.is_literal("null"))
    {
        values.push(Node::literal("null"));
    }
}

/// Values of several types beside a list of types can't be compiled ("Enum value 'low' does not match declared type");
/// the values of each type by themselves can.
fn by_type<'a>(schema: &mut Node<'a>, described: &mut Vec<(Cow<'a, str>, Node<'a>)>, changes: &mut Changes) {
    let values = match (schema.member("enum"), schema.member("const")) {
        (Some(Node::Array(values)), None) => values.clone(),
        (None, Some(value)) => vec![value.clone()],
        _ => return,
    };
    let declared = types(schema).into_iter().map(Cow::into_owned).collect::<Vec<_>>();
    let kinds: Option<Vec<&'static str>> = values.iter().map(|value| kind_of(value, &declared)).collect();
    let Some(kinds) = kinds else { return };
    let mut different: Vec<&'static str> = Vec::new();
    for kind in &kinds {
        if !different.contains(kind) {
            different.push(kind);
        }
    }
    let allowed = |kind: &&'static str| {
        declared.is_empty() || declared.iter().any(|declared| kind.trim_matches('"') == declared)
    };
    different.retain(allowed);
    if different.is_empty() || (different.len() == 1 && declared.len() < 2) {
        return;
    }
    let mut alternatives = different.iter().map(|kind| {
        let mut alternative = vec![(Cow::Borrowed("type"), Node::literal(kind))];
        if *kind != NULL {
            let own =
                values.iter().zip(&kinds).filter(|(_, own)| *own == kind).map(|(value, _)| value.clone());
            alternative.push((Cow::Borrowed("enum"), Node::Array(own.collect())));
        }
        alternative
    });
    let alternatives: Vec<_> = if different.len() == 1 {
        alternatives.next().into_iter().flatten().collect()
    } else {
        vec![(Cow::Borrowed("anyOf"), Node::Array(alternatives.map(Node::Object).collect()))]
    };
    let Some(members) = schema.members_mut() else { return };
    let (kept, out): (Vec<_>, Vec<_>) = std::mem::take(members)
        .into_iter()
        .partition(|(keyword, _)| is_about(keyword) || keyword.starts_with('$'));
    let said = ["type", "enum", "const"];
    described.extend(out.into_iter().filter(|(keyword, _)| !said.contains(&keyword.as_ref())));
    *members = alternatives.into_iter().chain(kept).collect();
    changes.add("values_by_type");
}

const NULL: &str = "\"null\"";

/// The type of a value, as JSON; `None` for what no values are listed of.
fn kind_of(value: &Node<'_>, declared: &[String]) -> Option<&'static str> {
    let Node::Scalar(json) = value else { return None };
    Some(match json.as_bytes().first()? {
        b'"' => "\"string\"",
        b't' | b'f' => "\"boolean\"",
        b'n' => NULL,
        _ if declared.iter().any(|kind| kind == "integer") && !json.contains(['.', 'e', 'E']) => {
            "\"integer\""
        }
        _ => "\"number\"",
    })
}

fn taken_out<'a>(schema: &mut Node<'a>, changes: &mut Changes) -> Vec<(Cow<'a, str>, Node<'a>)> {
    let Some(members) = schema.members_mut() else { return Vec::new() };
    let (kept, out): (Vec<_>, Vec<_>) =
        std::mem::take(members).into_iter().partition(|(keyword, value)| may_stay(keyword, value));
    *members = kept;
    if !out.is_empty() {
        changes.add(DESCRIBED);
    }
    out
}

fn may_stay(keyword: &str, value: &Node<'_>) -> bool {
    match keyword {
        "minItems" => value.is_literal("0") || value.is_literal("1"),
        "format" => value.as_text().is_some_and(|format| FORMATS.contains(&&*format)),
        "pattern" => value.as_text().is_some_and(|pattern| is_regular(&pattern)),
        // A list of schemas, as drafts before 2020 wrote tuples.
        "items" => matches!(value, Node::Object(_)),
        _ => KEPT.contains(&keyword),
    }
}

fn is_regular(pattern: &str) -> bool {
    let goes_back = |pair: &[u8]| matches!(pair, [b'\\', b'1'..=b'9']);
    !BEYOND_REGULAR.iter().any(|beyond| pattern.contains(beyond))
        && !pattern.as_bytes().windows(2).any(goes_back)
}

/// Every schema says its type, and every object which properties it has.
fn kind(schema: &mut Node<'_>, at: &Place<'_>, changes: &mut Changes) -> Result<(), Unfit> {
    if ["$ref", "anyOf"].iter().any(|keyword| schema.member(keyword).is_some()) {
        return Ok(());
    }
    if schema.member("type").is_none() {
        let Some(literal) = implied_type(schema) else { return Err(Unfit::new(at, "open_schema")) };
        schema.set("type", Node::literal(literal));
        changes.add("type_added");
    }
    if !types(schema).iter().any(|kind| kind == "object") {
        return Ok(());
    }
    let names_some =
        schema.member("properties").and_then(Node::members).is_some_and(|names| !names.is_empty());
    match schema.member("additionalProperties") {
        Some(value) if value.is_literal("false") => Ok(()),
        // Closing a map, or an object of which nothing is said, would leave `{}` only.
        None if names_some => {
            schema.set("additionalProperties", Node::literal("false"));
            changes.add("objects_closed");
            Ok(())
        }
        Some(_) | None => Err(Unfit::new(at, "open_object")),
    }
}

fn types<'n>(schema: &'n Node<'_>) -> Vec<Cow<'n, str>> {
    let Some(kind) = schema.member("type") else { return Vec::new() };
    kind.as_text().into_iter().chain(kind.items().iter().filter_map(Node::as_text)).collect()
}

fn implied_type(schema: &Node<'_>) -> Option<&'static str> {
    if schema.member("properties").is_some() {
        return Some("\"object\"");
    }
    if schema.member("items").is_some() {
        return Some("\"array\"");
    }
    let values = schema.member("const").into_iter().chain(schema.member("enum").map_or(&[][..], Node::items));
    let mut kinds = values.map(|value| kind_of(value, &[]));
    let first = kinds.next()??;
    kinds.all(|kind| kind == Some(first)).then_some(first)
}

fn count(schema: &Node<'_>, counts: &mut Counts) {
    let required = schema.member("required").map_or(&[][..], Node::items);
    let required: HashSet<Cow<'_, str>> = required.iter().filter_map(Node::as_text).collect();
    let properties = schema.member("properties").and_then(Node::members);
    counts.optional += properties.into_iter().flatten().filter(|(name, _)| !required.contains(name)).count();
    counts.unions += usize::from(schema.member("anyOf").is_some() || types(schema).len() > 1);
    for schema in subschemas(schema) {
        count(schema, counts);
    }
}
