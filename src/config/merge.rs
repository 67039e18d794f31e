//! Laying one tree over another.

use super::error::{Error, Place, Problem};
use super::models::SETTINGS;
use super::nearest::nearest;
use super::section::join;
use super::tree::{Entry, Node, Value};

/// Lays `over` on `base`: what `over` sets wins, what it leaves out (or leaves null) stays.
///
/// `base` descends from `default.yaml`, which names every key: a key it doesn't have is unknown. Lists are replaced, not
/// joined. An alias in `models` is replaced as a whole, because a target of one layer with the Region of another would
/// be nobody's intention.
pub(super) fn lay_over(base: &mut Node, over: Node, errors: &mut Vec<Error>) {
    merge(base, over, "", errors);
}

fn merge(base: &mut Node, mut over: Node, path: &str, errors: &mut Vec<Error>) {
    if over.is_null() {
        return;
    }
    if path == "timeout" && matches!(over.value, Value::Number(..)) {
        over = Node::nested("total", over);
    }
    let Value::Map(base_entries) = &mut base.value else {
        *base = over;
        return;
    };
    let Value::Map(entries) = over.value else {
        let problem = Problem::WrongType { expected: "a map of keys", found: over.kind() };
        errors.push(Error { place: over.place, path: path.to_owned(), problem });
        return;
    };
    for entry in entries {
        merge_entry(base_entries, entry, path, errors);
    }
}

fn merge_entry(base: &mut Vec<Entry>, entry: Entry, path: &str, errors: &mut Vec<Error>) {
    // Names that the operator chooses.
    let is_alias = match path {
        "models" => !SETTINGS.contains(&entry.key.as_str()),
        "models.successors" | "limits.keys" | "accounts" => true,
        _ => false,
    };
    match base.iter_mut().find(|known| known.key == entry.key) {
        Some(known) if is_alias => *known = entry,
        Some(known) => {
            let path = join(path, &entry.key);
            known.place = entry.place;
            merge(&mut known.node, entry.node, &path, errors);
        }
        None if is_alias => base.push(entry),
        None => {
            let nearest = nearest(&entry.key, base.iter().map(|known| known.key.as_str()));
            errors.push(unknown_key(entry.place, join(path, &entry.key), nearest));
        }
    }
}

fn unknown_key(place: Place, path: String, nearest: Option<String>) -> Error {
    Error { place, path, problem: Problem::UnknownKey { nearest, hint: None } }
}
