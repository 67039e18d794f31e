//! Schemas as draft 2020-12 writes them. Bedrock checks them against it, or the models' own services do, and a single
//! keyword of another draft or of no draft spoils every request of a session, though it is only a hint to the model.
//!
//! What can be said another way is; what can't is told in the description; what says nothing goes.

use std::borrow::Cow;
use std::collections::HashSet;

use super::budget::{Budget, Exhausted};
use super::keywords::Form;
use super::pattern::is_regular_expression;
use super::scalars::{self, Read, Types};
use super::targets::{follow_tuples, tidy_targets};
use super::tree::Node;
use super::{Changes, describe};

/// Said another way, with the same meaning.
const MENDED: &str = "keywords_mended";
/// Told in a description.
pub(super) const DESCRIBED: &str = "keywords_described";

/// Puts a schema into the draft, with all that it refers to.
pub(super) fn tidied(
    root: &mut Node<'_>,
    budget: &mut Budget,
    changes: &mut Changes,
) -> Result<(), Exhausted> {
    Tidy { budget, changes }.schema(root)?;
    tidy_targets(root, budget, changes)?;
    if *changes != Changes::default() {
        follow_tuples(root);
    }
    Ok(())
}

pub(super) struct Tidy<'b> {
    pub(super) budget: &'b mut Budget,
    pub(super) changes: &'b mut Changes,
}

/// What becomes of a keyword.
enum Fate {
    Stays,
    /// It goes, and the description tells what it said.
    IsTold,
    /// It goes, for it says nothing.
    Goes,
}

/// What is found in a schema and has to be put elsewhere in it.
#[derive(Default)]
struct Found<'a> {
    told: Vec<(Cow<'a, str>, Node<'a>)>,
    /// Properties that are required by what they say themselves, as in draft 3.
    required: Vec<String>,
    /// The schema itself says so.
    is_required: bool,
    /// `items` is a list, as drafts before 2020 wrote tuples.
    tuple: bool,
    /// `exclusiveMinimum` or `exclusiveMaximum` is true or false, as in draft 4.
    exclusive: bool,
    /// Schemas among the types, as in draft 3.
    types: Option<Vec<Node<'a>>>,
}

impl Tidy<'_> {
    /// Is the property that the schema describes required by what it says?
    pub(super) fn schema(&mut self, schema: &mut Node<'_>) -> Result<bool, Exhausted> {
        let Some(members) = schema.members_mut() else { return Ok(false) };
        let mut found = Found::default();
        let mut left = Ok(());
        members.retain_mut(|(keyword, value)| {
            let fate = left.and_then(|()| self.keyword(keyword, value, &mut found));
            match fate {
                Ok(Fate::Stays) => true,
                Ok(Fate::Goes) => {
                    self.changes.add(MENDED);
                    false
                }
                Ok(Fate::IsTold) => {
                    found.told.push((keyword.clone(), std::mem::replace(value, Node::literal("null"))));
                    false
                }
                Err(exhausted) => {
                    left = Err(exhausted);
                    true
                }
            }
        });
        left?;
        if found.tuple {
            tuple(members, &mut found);
        }
        if found.exclusive {
            self.changes.add(MENDED);
            exclusive(members);
        }
        if let Some(types) = found.types.take() {
            if members.iter().any(|(keyword, _)| keyword == "anyOf") {
                found.told.push((Cow::Borrowed("type"), Node::Array(types)));
            } else {
                members.push((Cow::Borrowed("anyOf"), Node::Array(types)));
            }
        }
        names_from_text(schema, &mut found);
        require(schema, &found.required);
        if !found.told.is_empty() {
            self.changes.add(DESCRIBED);
            // Quotes are escaped in a text.
            self.budget
                .bytes(found.told.iter().map(|(keyword, value)| keyword.len() + 2 * value.size()).sum())?;
            describe(schema, &found.told);
        }
        Ok(found.is_required)
    }

    fn mended(&mut self) -> Fate {
        self.changes.add(MENDED);
        Fate::Stays
    }

    fn keyword<'a>(
        &mut self,
        keyword: &str,
        value: &mut Node<'a>,
        found: &mut Found<'a>,
    ) -> Result<Fate, Exhausted> {
        let form = Form::of(keyword);
        if value.is_literal("null") && form != Form::Data {
            return Ok(Fate::Goes);
        }
        Ok(match form {
            Form::Schema if keyword == "items" && matches!(value, Node::Array(_)) => {
                if value.items().is_empty() {
                    return Ok(Fate::Goes);
                }
                found.tuple = true;
                self.changes.add(MENDED);
                self.schemas(value)?
            }
            Form::Schema if self.one(value)? => Fate::Stays,
            Form::Schema => Fate::IsTold,
            Form::Schemas => self.schemas(value)?,
            Form::SchemaMap => self.map(keyword, value, found)?,
            Form::PatternMap => {
                let Node::Object(schemas) = value else { return Ok(empty_or_told(value)) };
                let (kept, odd) =
                    std::mem::take(schemas).into_iter().partition(|(name, _)| is_regular_expression(name));
                *schemas = kept;
                let odd: Vec<_> = odd;
                if !odd.is_empty() {
                    found.told.push((Cow::Owned(keyword.to_owned()), Node::Object(odd)));
                }
                self.map(keyword, value, found)?
            }
            Form::Dependencies => {
                let Node::Object(entries) = value else { return Ok(empty_or_told(value)) };
                for (_, entry) in entries {
                    if names(entry) {
                        self.changes.add(MENDED);
                    }
                    if !matches!(entry, Node::Array(_)) {
                        self.any(entry)?;
                    }
                }
                Fate::Stays
            }
            Form::Types => return self.types(value, found),
            Form::Text => match scalars::text(value) {
                None => Fate::Stays,
                Some(text) => {
                    self.budget.bytes(2 * value.size())?;
                    *value = Node::text(&text);
                    self.mended()
                }
            },
            Form::Word => match value.as_text() {
                Some(word) if scalars::is_sound(keyword, &word) => Fate::Stays,
                Some(_) | None => Fate::IsTold,
            },
            Form::Pattern => match value.as_text() {
                Some(pattern) if is_regular_expression(&pattern) => Fate::Stays,
                Some(_) | None => Fate::IsTold,
            },
            Form::Flag => self.scalar(value, scalars::flag),
            Form::Bound if scalars::truth(value).is_some() => {
                found.exclusive = true;
                self.scalar(value, scalars::flag)
            }
            Form::Number | Form::Bound => self.scalar(value, scalars::number),
            Form::Positive => self.scalar(value, scalars::positive),
            Form::Count => self.scalar(value, scalars::count),
            Form::Values => self.values(keyword, value),
            Form::Names => self.required(value, found),
            Form::NamesMap => {
                let Node::Object(entries) = value else { return Ok(empty_or_told(value)) };
                for (_, entry) in &mut *entries {
                    if names(entry) {
                        self.changes.add(MENDED);
                    }
                }
                let all = entries.len();
                entries.retain(|(_, entry)| matches!(entry, Node::Array(_)));
                if entries.len() < all { self.mended() } else { Fate::Stays }
            }
            Form::Data => Fate::Stays,
        })
    }

    /// A schema, or what may stand for one. `false`: it stands for none.
    fn one(&mut self, value: &mut Node<'_>) -> Result<bool, Exhausted> {
        let stands_for = match value {
            Node::Object(_) => {
                self.schema(value)?;
                return Ok(true);
            }
            // PHP writes empty objects so.
            Node::Array(items) if items.is_empty() => Node::Object(Vec::new()),
            Node::Array(_) => return Ok(false),
            Node::Scalar(_) => match (scalars::flag(value), value.as_text()) {
                (Some(Read::As(flag)), _) => flag,
                (Some(Read::AsWritten), _) => return Ok(true),
                (None, Some(word)) => match Types::read(&word) {
                    Some(Types::Any) => Node::Object(Vec::new()),
                    Some(Types::Some(types)) => {
                        Node::Object(vec![(Cow::Borrowed("type"), Types::node(&types))])
                    }
                    None => return Ok(false),
                },
                (None, None) => return Ok(false),
            },
        };
        *value = stands_for;
        self.changes.add(MENDED);
        Ok(true)
    }

    /// A schema in whatever was written where one has to be.
    fn any(&mut self, value: &mut Node<'_>) -> Result<(), Exhausted> {
        if value.is_literal("null") {
            *value = Node::Object(Vec::new());
            self.changes.add(MENDED);
        } else if !self.one(value)? {
            self.changes.add(DESCRIBED);
            self.budget.bytes(2 * value.size())?;
            let told = std::mem::replace(value, Node::Object(Vec::new()));
            describe(value, &[(Cow::Borrowed("schema"), told)]);
        }
        Ok(())
    }

    fn schemas(&mut self, value: &mut Node<'_>) -> Result<Fate, Exhausted> {
        match value {
            Node::Array(schemas) if schemas.is_empty() => Ok(Fate::Goes),
            Node::Array(schemas) => {
                for schema in schemas {
                    if schema.is_literal("null") {
                        *schema = Node::Object(vec![(Cow::Borrowed("type"), Node::literal("\"null\""))]);
                        self.changes.add(MENDED);
                    } else {
                        self.any(schema)?;
                    }
                }
                Ok(Fate::Stays)
            }
            Node::Object(_) => {
                self.schema(value)?;
                let only = std::mem::replace(value, Node::literal("null"));
                *value = Node::Array(vec![only]);
                Ok(self.mended())
            }
            Node::Scalar(_) => Ok(Fate::IsTold),
        }
    }

    fn map<'a>(
        &mut self,
        keyword: &str,
        value: &mut Node<'a>,
        found: &mut Found<'a>,
    ) -> Result<Fate, Exhausted> {
        if let Node::Array(items) = value {
            if !items.iter().all(|item| item.member("name").is_some_and(|name| name.as_text().is_some())) {
                return Ok(Fate::IsTold);
            }
            *value = Node::Object(std::mem::take(items).into_iter().filter_map(named).collect());
            self.changes.add(MENDED);
        }
        let Node::Object(schemas) = value else { return Ok(Fate::IsTold) };
        for (name, schema) in schemas {
            let is_required = if let Node::Object(_) = schema {
                self.schema(schema)?
            } else {
                self.any(schema)?;
                false
            };
            if is_required && keyword == "properties" {
                found.required.push(name.to_string());
            }
        }
        Ok(Fate::Stays)
    }

    fn types<'a>(&mut self, value: &mut Node<'a>, found: &mut Found<'a>) -> Result<Fate, Exhausted> {
        if Types::are_sound(value) {
            return Ok(Fate::Stays);
        }
        let mut types = Vec::new();
        let mut schemas = Vec::new();
        let items = match &mut *value {
            Node::Array(items) => items.as_mut_slice(),
            only => std::slice::from_mut(only),
        };
        for item in items.iter() {
            if let Node::Object(_) = item {
                continue;
            }
            let read = match item.as_text() {
                Some(word) => Types::read(&word),
                None if item.is_literal("null") => Some(Types::Some(vec!["\"null\""])),
                None => None,
            };
            match read {
                Some(Types::Any) => return Ok(Fate::Goes),
                Some(Types::Some(read)) => {
                    for kind in read {
                        if !types.contains(&kind) {
                            types.push(kind);
                        }
                    }
                }
                None => return Ok(Fate::IsTold),
            }
        }
        for item in items {
            if let Node::Object(_) = item {
                self.schema(item)?;
                schemas.push(std::mem::replace(item, Node::literal("null")));
            }
        }
        if !schemas.is_empty() {
            let plain =
                types.iter().map(|kind| Node::Object(vec![(Cow::Borrowed("type"), Node::literal(kind))]));
            found.types = Some(plain.chain(schemas).collect());
            return Ok(Fate::Goes);
        }
        if types.is_empty() {
            return Ok(Fate::Goes);
        }
        *value = Types::node(&types);
        Ok(self.mended())
    }

    fn scalar<'a>(&mut self, value: &mut Node<'a>, read: fn(&Node<'a>) -> Option<Read<'a>>) -> Fate {
        match read(value) {
            Some(Read::AsWritten) => Fate::Stays,
            Some(Read::As(written)) => {
                *value = written;
                self.mended()
            }
            None => Fate::IsTold,
        }
    }

    fn values(&mut self, keyword: &str, value: &mut Node<'_>) -> Fate {
        match value {
            // A choice among nothing is none that anybody meant.
            Node::Array(values) if values.is_empty() && keyword == "enum" => Fate::Goes,
            Node::Array(values) => {
                let mut seen = HashSet::new();
                let all = values.len();
                values.retain(|value| seen.insert(value.written()));
                if values.len() < all { self.mended() } else { Fate::Stays }
            }
            Node::Scalar(_) if value.as_text().is_none_or(|text| !text.contains([',', '|'])) => {
                let only = std::mem::replace(value, Node::literal("null"));
                *value = Node::Array(vec![only]);
                self.mended()
            }
            Node::Scalar(_) | Node::Object(_) => Fate::IsTold,
        }
    }

    fn required(&mut self, value: &mut Node<'_>, found: &mut Found<'_>) -> Fate {
        if let Some(truth) = scalars::truth(value) {
            found.is_required = truth;
            return Fate::Goes;
        }
        match value {
            Node::Array(_) => {
                if names(value) {
                    self.changes.add(MENDED);
                }
                Fate::Stays
            }
            Node::Object(flags) => {
                if !flags.iter().all(|(_, flag)| scalars::truth(flag).is_some()) {
                    return Fate::IsTold;
                }
                let wanted = flags.iter().filter(|(_, flag)| scalars::truth(flag) == Some(true));
                *value = Node::Array(wanted.map(|(name, _)| Node::text(name)).collect());
                self.mended()
            }
            Node::Scalar(_) if value.as_text().is_some() => {
                // Which properties there are is known at the end.
                self.mended()
            }
            Node::Scalar(_) => Fate::IsTold,
        }
    }
}

/// PHP writes empty objects as lists.
fn empty_or_told(value: &Node<'_>) -> Fate {
    match value {
        Node::Array(items) if items.is_empty() => Fate::Goes,
        _ => Fate::IsTold,
    }
}

/// A member of a map that was written as a list, each with its name.
fn named(item: Node<'_>) -> Option<(Cow<'_, str>, Node<'_>)> {
    let Node::Object(mut members) = item else { return None };
    let position = members.iter().position(|(keyword, _)| keyword == "name")?;
    let (_, name) = members.remove(position);
    let name = name.as_text()?.into_owned();
    Some((Cow::Owned(name), Node::Object(members)))
}

/// Makes a list of different names of what may stand for one. Was there anything to do?
fn names(value: &mut Node<'_>) -> bool {
    let items = match value {
        Node::Array(items) => items,
        Node::Scalar(_) if value.as_text().is_some() => {
            let only = std::mem::replace(value, Node::literal("null"));
            *value = Node::Array(vec![only]);
            return true;
        }
        Node::Scalar(_) | Node::Object(_) => return false,
    };
    let all = items.len();
    let mut seen = HashSet::new();
    let mut numbers = false;
    items.retain_mut(|item| {
        if let Node::Scalar(json) = item
            && json.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        {
            *item = Node::text(&json.clone());
            numbers = true;
        }
        item.as_text().is_some_and(|name| seen.insert(name.into_owned()))
    });
    numbers || items.len() < all
}

/// `items: [a, b]` with `additionalItems: c` is `prefixItems: [a, b]` with `items: c`.
fn tuple<'a>(members: &mut Vec<(Cow<'a, str>, Node<'a>)>, found: &mut Found<'a>) {
    let take = |members: &mut Vec<(Cow<'a, str>, Node<'a>)>, keyword: &str| {
        let position = members.iter().position(|(own, _)| own == keyword)?;
        Some(members.remove(position).1)
    };
    let rest = take(members, "additionalItems");
    let Some((keyword, _)) = members.iter_mut().find(|(keyword, _)| keyword == "items") else { return };
    *keyword = Cow::Borrowed("prefixItems");
    if members.iter().filter(|(keyword, _)| keyword == "prefixItems").count() > 1
        && let Some(again) = take(members, "prefixItems")
    {
        found.told.push((Cow::Borrowed("prefixItems"), again));
    }
    members.extend(rest.map(|rest| (Cow::Borrowed("items"), rest)));
}

/// `minimum: 0, exclusiveMinimum: true` is `exclusiveMinimum: 0`.
fn exclusive(members: &mut Vec<(Cow<'_, str>, Node<'_>)>) {
    for (flag, bound) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        let Some(at) = members.iter().position(|(keyword, _)| keyword == flag) else { continue };
        let (_, value) = members.remove(at);
        if value.is_literal("true") {
            if let Some((keyword, _)) = members.iter_mut().find(|(keyword, _)| keyword == bound) {
                *keyword = Cow::Borrowed(flag);
            }
        } else if !value.is_literal("false") {
            members.insert(at, (Cow::Borrowed(flag), value));
        }
    }
}

/// `required: "a, b"`, where there are such properties.
fn names_from_text(schema: &mut Node<'_>, found: &mut Found<'_>) {
    let Some(text) = schema.member("required").and_then(Node::as_text).map(Cow::into_owned) else { return };
    let properties = schema.member("properties").and_then(Node::members);
    let known: HashSet<&str> = properties.into_iter().flatten().map(|(name, _)| name.as_ref()).collect();
    let names: Vec<&str> = if known.contains(text.as_str()) {
        vec![&text]
    } else {
        text.split(',').map(str::trim).filter(|name| known.contains(name)).collect()
    };
    if names.is_empty() {
        schema
            .members_mut()
            .into_iter()
            .for_each(|members| members.retain(|(keyword, _)| keyword != "required"));
        found.told.push((Cow::Borrowed("required"), Node::text(&text)));
    } else {
        let names = Node::Array(names.into_iter().map(Node::text).collect());
        schema.set("required", names);
    }
}

/// Adds to the names of required properties.
fn require(schema: &mut Node<'_>, names: &[String]) {
    if names.is_empty() {
        return;
    }
    let mut all = match schema.member("required") {
        Some(Node::Array(all)) => all.clone(),
        Some(_) | None => Vec::new(),
    };
    let mut seen: HashSet<String> = all.iter().filter_map(Node::as_text).map(Cow::into_owned).collect();
    all.extend(names.iter().filter(|name| seen.insert((*name).clone())).map(|name| Node::text(name)));
    schema.set("required", Node::Array(all));
}
