//! The configuration as it was understood, for people: every key, no secret.

use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};

use super::accounts;
use super::env::SECRETS;
use super::section::join;
use super::tree::{Node, Value};

/// The tree as YAML, with `***` for what nobody should see.
pub(super) fn to_yaml(tree: &Node) -> String {
    match serde_saphyr::to_string(&Redacted { node: tree, path: String::new() }) {
        Ok(yaml) => yaml,
        // The tree came from YAML, so it can become YAML again: words instead of a panic, in case the library disagrees.
        Err(error) => format!("# can't be shown: {error}\n"),
    }
}

/// The keys, by their dotted paths, whose values differ. Of a list or of what an operator named, the whole is one key.
pub(super) fn changes(before: &Node, after: &Node) -> Vec<String> {
    let mut changed = Vec::new();
    compare(before, after, "", &mut changed);
    changed
}

fn compare(before: &Node, after: &Node, path: &str, changed: &mut Vec<String>) {
    let keys_of = |node: &Node| node.entries().iter().map(|entry| entry.key.clone()).collect::<Vec<_>>();
    match (&before.value, &after.value) {
        (Value::Map(_), Value::Map(_)) => {
            let mut keys = keys_of(before);
            keys.extend(keys_of(after).into_iter().filter(|key| before.find(key).is_none()));
            for key in keys {
                let path = join(path, &key);
                match (before.find(&key), after.find(&key)) {
                    (Some(before), Some(after)) => compare(before, after, &path, changed),
                    (_, _) => changed.push(path),
                }
            }
        }
        (before, after) if is_same(before, after) => {}
        (_, _) => changed.push(path.to_owned()),
    }
}

/// Equal in what they say; where they stand doesn't matter.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Null, Value::Null) => true,
        // Spellings as well: an id may be `007`.
        (Value::Bool(_, a), Value::Bool(_, b))
        | (Value::Number(_, a), Value::Number(_, b))
        | (Value::Text(a), Value::Text(b)) => a == b,
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(&a.value, &b.value))
        }
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|(a, b)| a.key == b.key && is_same(&a.node.value, &b.node.value))
        }
        (
            Value::Null
            | Value::Bool(..)
            | Value::Number(..)
            | Value::Text(_)
            | Value::List(_)
            | Value::Map(_),
            _,
        ) => false,
    }
}

struct Redacted<'a> {
    node: &'a Node,
    path: String,
}

impl Serialize for Redacted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if is_secret(&self.path) && !self.node.is_null() {
            return serializer.serialize_str("***");
        }
        match &self.node.value {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value, _) => serializer.serialize_bool(*value),
            Value::Number(number, _) => number.serialize(serializer),
            Value::Text(text) => serializer.serialize_str(text),
            Value::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for node in items {
                    list.serialize_element(&Redacted { node, path: format!("{}[]", self.path) })?;
                }
                list.end()
            }
            Value::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for entry in entries {
                    let path = join(&self.path, &entry.key);
                    map.serialize_entry(&entry.key, &Redacted { node: &entry.node, path })?;
                }
                map.end()
            }
        }
    }
}

/// Whether anything in it would let somebody call AWS. A key's digest doesn't let anybody call us.
pub(super) fn holds_secrets(tree: &Node) -> bool {
    fn holds(node: &Node, path: &str) -> bool {
        match &node.value {
            Value::Map(entries) => entries.iter().any(|entry| holds(&entry.node, &join(path, &entry.key))),
            Value::List(items) => items.iter().any(|item| holds(item, &format!("{path}[]"))),
            Value::Null => false,
            Value::Bool(..) | Value::Number(..) | Value::Text(_) => {
                is_secret(path) && !path.ends_with(".sha256") && !path.ends_with(".access_key_id")
            }
        }
    }
    holds(tree, "")
}

fn is_secret(path: &str) -> bool {
    let is_an_accounts = || {
        let of_account = path.strip_prefix("accounts.").and_then(|rest| rest.rsplit_once('.'));
        of_account.is_some_and(|(_, key)| accounts::SECRETS.contains(&key))
    };
    // A digest isn't the key, but it lets a guess be checked.
    SECRETS.contains(&path) || is_an_accounts() || path == "auth.keys[].sha256"
}
