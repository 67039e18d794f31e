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

fn is_secret(path: &str) -> bool {
    let is_an_accounts = || {
        let of_account = path.strip_prefix("accounts.").and_then(|rest| rest.rsplit_once('.'));
        of_account.is_some_and(|(_, key)| accounts::SECRETS.contains(&key))
    };
    // A digest isn't the key, but it lets a guess be checked.
    SECRETS.contains(&path) || is_an_accounts() || path == "auth.keys[].sha256"
}
