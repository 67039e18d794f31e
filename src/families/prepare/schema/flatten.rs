//! Tools' schemas without unions at their root.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::budget::{Budget, Exhausted};
use super::pointers::{Address, Pointers, reference};
use super::tree::Node;
use super::{Changes, describe};

/// What a root may not have for Claude ("`input_schema` does not support oneOf, allOf, or anyOf at the top level").
const UNIONS: [&str; 3] = ["anyOf", "oneOf", "allOf"];

/// Branches may be references, to references.
const HOPS: usize = 8;

/// Takes unions off the root: all properties of all branches are the root's, those that every branch requires are
/// required, and what the union said is described. That allows more than the union did, and no less.
pub(super) fn flatten(
    root: &mut Node<'_>,
    budget: &mut Budget,
    changes: &mut Changes,
) -> Result<(), Exhausted> {
    let is_union = |keyword: &str| UNIONS.contains(&keyword);
    if !root.members().into_iter().flatten().any(|(keyword, _)| is_union(keyword)) {
        return Ok(());
    }
    let Joined { properties, required } = Joined::of(root, budget)?;
    let Some(members) = root.members_mut() else { return Ok(()) };
    let (unions, rest): (Vec<_>, Vec<_>) =
        std::mem::take(members).into_iter().partition(|(keyword, _)| is_union(keyword));
    *members = rest;
    if root.member("type").is_none() {
        root.set("type", Node::literal("\"object\""));
    }
    root.set("properties", Node::Object(properties));
    if !required.is_empty() {
        root.set("required", Node::Array(required));
    }
    // A union of closed branches leaves the root to what all of them name. Quotes are escaped in a text.
    budget.bytes(unions.iter().map(|(_, union)| 2 * union.size()).sum())?;
    describe(root, &unions);
    changes.add("union_flattened");
    Ok(())
}

/// What a root and the branches of its unions say together.
struct Joined<'a> {
    properties: Vec<(Cow<'a, str>, Node<'a>)>,
    required: Vec<Node<'a>>,
}

impl<'a> Joined<'a> {
    fn of(root: &Node<'a>, budget: &mut Budget) -> Result<Self, Exhausted> {
        let mut pointers = Pointers::new(root);
        let mut properties = Properties::default();
        properties.add(root, budget)?;
        let mut required: Vec<Node<'a>> = root.member("required").map_or(&[][..], Node::items).to_vec();
        let mut all_required: HashSet<String> =
            required.iter().filter_map(Node::as_text).map(Cow::into_owned).collect();
        for (keyword, union) in root.members().into_iter().flatten() {
            if !UNIONS.contains(&keyword.as_ref()) {
                continue;
            }
            let mut known = HashSet::new();
            let mut branches = Vec::new();
            for branch in union.items() {
                let branch = end(&mut pointers, branch, budget)?;
                // The same branch again says nothing new.
                if known.insert(Address::of(branch)) {
                    branches.push(branch);
                }
            }
            let mut mentioned: Vec<Cow<'_, str>> = Vec::new();
            let mut times: HashMap<Cow<'_, str>, usize> = HashMap::new();
            for branch in &branches {
                properties.add(branch, budget)?;
                let names = branch.member("required").map_or(&[][..], Node::items);
                let names: HashSet<Cow<'_, str>> = names.iter().filter_map(Node::as_text).collect();
                let mut names: Vec<_> = names.into_iter().collect();
                names.sort_unstable();
                for name in names {
                    let count = times.entry(name.clone()).or_insert_with(|| {
                        mentioned.push(name);
                        0
                    });
                    *count += 1;
                }
            }
            for name in mentioned {
                let by_all = keyword == "allOf" || times.get(&name) == Some(&branches.len());
                if by_all && all_required.insert(name.to_string()) {
                    required.push(Node::text(&name));
                }
            }
        }
        Ok(Self { properties: properties.joined(), required })
    }
}

/// Where a branch leads. A circle ends in nothing.
fn end<'n, 'a>(
    pointers: &mut Pointers<'n, 'a>,
    mut branch: &'n Node<'a>,
    budget: &mut Budget,
) -> Result<&'n Node<'a>, Exhausted> {
    for _ in 0..HOPS {
        let Some(pointer) = reference(branch) else { break };
        budget.hop(&pointer)?;
        let Some(target) = pointers.at(&pointer) else { break };
        branch = target;
    }
    Ok(branch)
}

/// Properties by name, in the order in which they are first named.
#[derive(Default)]
struct Properties<'n, 'a> {
    named: Vec<(&'n Cow<'a, str>, Alternatives<'n, 'a>)>,
    places: HashMap<&'n str, usize>,
}

struct Alternatives<'n, 'a> {
    schemas: Vec<&'n Node<'a>>,
    /// The schemas as they are written, once there are several to be told apart.
    written: HashSet<String>,
}

impl<'n, 'a> Properties<'n, 'a> {
    fn add(&mut self, schema: &'n Node<'a>, budget: &mut Budget) -> Result<(), Exhausted> {
        let properties = schema.member("properties").and_then(Node::members);
        for (name, schema) in properties.into_iter().flatten() {
            budget.bytes(name.len() + schema.size())?;
            let Some((_, known)) =
                self.places.get(name.as_ref()).and_then(|place| self.named.get_mut(*place))
            else {
                self.places.insert(name, self.named.len());
                self.named.push((name, Alternatives { schemas: vec![schema], written: HashSet::new() }));
                continue;
            };
            if let ([only], true) = (known.schemas.as_slice(), known.written.is_empty()) {
                known.written.insert(only.written());
            }
            if known.written.insert(schema.written()) {
                known.schemas.push(schema);
            }
        }
        Ok(())
    }

    /// A property of several branches is what any of them says.
    fn joined(self) -> Vec<(Cow<'a, str>, Node<'a>)> {
        let joined = self.named.into_iter().map(|(name, Alternatives { schemas, written: _ })| {
            let schema = match schemas.as_slice() {
                [only] => (*only).clone(),
                several => {
                    let any = several.iter().map(|schema| (*schema).clone()).collect();
                    Node::Object(vec![(Cow::Borrowed("anyOf"), Node::Array(any))])
                }
            };
            (name.clone(), schema)
        });
        joined.collect()
    }
}
