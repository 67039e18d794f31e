//! Reading typed values out of a map of the tree, and remembering every mistake on the way.

use super::error::{Error, Origin, Place, Problem};
use super::nearest::nearest;
use super::tree::{Entry, Node};

/// A value, and what it came from: for `doctor`, and for warnings that should name the culprit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// The file, variable or flag that set it.
    pub origin: Origin,
}

/// One map of the merged tree.
///
/// A failed read leaves an error behind and gives `None`. A section reads all its keys before it looks at any result:
/// that is how every mistake is found in one go.
pub(super) struct Section<'a> {
    path: String,
    node: &'a Node,
    errors: &'a mut Vec<Error>,
}

impl<'a> Section<'a> {
    pub(super) fn root(node: &'a Node, errors: &'a mut Vec<Error>) -> Self {
        Self { path: String::new(), node, errors }
    }

    /// The section under a key. (The defaults hold every section, and merging never takes one away.)
    pub(super) fn section(&mut self, key: &str) -> Section<'_> {
        Section {
            path: join(&self.path, key),
            node: self.node.find(key).unwrap_or(self.node),
            errors: self.errors,
        }
    }

    /// The map under a key that the operator chose, such as an alias.
    pub(super) fn entry<'s>(&'s mut self, entry: &'s Entry) -> Section<'s> {
        Section { path: join(&self.path, &entry.key), node: &entry.node, errors: self.errors }
    }

    /// Records every key that isn't one of these. `hints` say more about some of the wrong ones.
    pub(super) fn only(&mut self, keys: &[&str], hints: &[(&str, &'static str)]) {
        for entry in self.node.entries() {
            if !keys.contains(&entry.key.as_str()) {
                let hint = hints.iter().find(|(key, _)| *key == entry.key).map(|(_, hint)| *hint);
                let nearest = if hint.is_none() { nearest(&entry.key, keys.iter().copied()) } else { None };
                let path = join(&self.path, &entry.key);
                self.fail_at(entry.place.clone(), path, Problem::UnknownKey { nearest, hint });
            }
        }
    }

    /// The map itself, for a section whose keys aren't known beforehand.
    pub(super) fn node(&self) -> &'a Node {
        self.node
    }

    /// The value of a key, parsed.
    pub(super) fn read<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&'a Node) -> Result<T, Problem>,
    ) -> Option<T> {
        match self.node.find(key).map_or_else(|| Err(Problem::Missing), parse) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.fail(key, problem);
                None
            }
        }
    }

    /// This very node, parsed: for an entry that isn't a map.
    pub(super) fn read_here<T>(&mut self, parse: impl FnOnce(&'a Node) -> Result<T, Problem>) -> Option<T> {
        match parse(self.node) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.fail_here(problem);
                None
            }
        }
    }

    /// As [`Self::read`], for a key that may be null or missing.
    #[expect(clippy::option_option, reason = "outside: was it readable; inside: was it set")]
    pub(super) fn optional<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&'a Node) -> Result<T, Problem>,
    ) -> Option<Option<T>> {
        match self.node.find(key) {
            Some(node) if !node.is_null() => self.read(key, parse).map(Some),
            Some(_) | None => Some(None),
        }
    }

    /// A list, item by item: a mistake in one doesn't hide those in the next.
    pub(super) fn list<T>(
        &mut self,
        key: &str,
        mut parse: impl FnMut(&mut Section<'_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let items = self.read(key, Node::items)?;
        let parsed: Vec<_> = items
            .iter()
            .enumerate()
            .map(|(index, node)| {
                let path = format!("{}[{index}]", join(&self.path, key));
                parse(&mut Section { path, node, errors: self.errors })
            })
            .collect();
        parsed.into_iter().collect()
    }

    /// As [`Self::optional`], with what set the key.
    #[expect(clippy::option_option, reason = "outside: was it readable; inside: was it set")]
    pub(super) fn sourced<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&'a Node) -> Result<T, Problem>,
    ) -> Option<Option<Sourced<T>>> {
        let origin = self.origin(key);
        self.optional(key, parse).map(|value| value.map(|value| Sourced { value, origin }))
    }

    /// Whether this is a map; records a mistake if it isn't.
    pub(super) fn is_map(&mut self) -> bool {
        if !self.node.is_map() {
            let problem = Problem::WrongType { expected: "a map of keys", found: self.node.kind() };
            self.fail_here(problem);
        }
        self.node.is_map()
    }

    /// A key and its parents.
    pub(super) fn below(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// What set a key.
    pub(super) fn origin(&self, key: &str) -> Origin {
        self.node.find(key).unwrap_or(self.node).place.origin.clone()
    }

    /// Records a mistake in the value of a key, at that value; at the section if there is none.
    pub(super) fn fail(&mut self, key: &str, problem: Problem) {
        let place = self.node.find(key).unwrap_or(self.node).place.clone();
        self.fail_at(place, join(&self.path, key), problem);
    }

    /// Records a mistake in this very node.
    pub(super) fn fail_here(&mut self, problem: Problem) {
        self.fail_at(self.node.place.clone(), self.path.clone(), problem);
    }

    /// Records a mistake in an item of a list.
    pub(super) fn fail_item(&mut self, key: &str, index: usize, problem: Problem) {
        let list = self.node.find(key).unwrap_or(self.node);
        let item = list.items().unwrap_or_default().get(index).unwrap_or(list);
        self.fail_at(item.place.clone(), format!("{}[{index}]", join(&self.path, key)), problem);
    }

    /// Records a mistake somewhere else.
    pub(super) fn fail_at(&mut self, place: Place, path: String, problem: Problem) {
        self.errors.push(Error { place, path, problem });
    }
}

/// A key and its parents, joined by a dot.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
