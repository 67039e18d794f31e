//! Who may call: keys, known by their digests alone.

use std::fmt;
use std::fmt::Write as _;
use std::net::SocketAddr;

use sha2::{Digest as _, Sha256};

use super::error::Problem;
use super::models::Glob;
use super::scalar;
use super::section::Section;
use super::tree::{Entry, Node, Value};

/// Who may call the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// Callers with one of these keys. Never empty.
    Keys(Vec<Key>),
    /// Anybody who reaches the port: only programs on this machine, unless `auth.mode` is `none`.
    Open,
}

/// A key, without the key itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// The name by which logs and limits know it. Unique.
    pub id: String,
    /// The SHA-256 of the key's bytes. Unique.
    pub sha256: [u8; 32],
    /// The names that it may give in `model`; `None`: any. Never empty.
    pub models: Option<Vec<Glob>>,
}

impl fmt::Debug for Key {
    // A digest of a guessable key gives it away to whoever guesses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).field("models", &self.models).finish_non_exhaustive()
    }
}

impl Auth {
    /// `listen`, the node of `server.listen`, decides whether keys may be missing.
    pub(super) fn read(mut section: Section<'_>, listen: Option<&Node>) -> Option<Self> {
        let mode = section.read("mode", |node| {
            scalar::choice(node, &[("auto", Mode::Auto), ("keys", Mode::Keys), ("none", Mode::None)])
        });
        let keys = section.list("keys", read_key);
        let (mode, keys) = (mode?, keys?);
        let distinct = are_distinct(&mut section, &keys);

        let problem = match mode {
            Mode::Keys if keys.is_empty() => Some(Problem::NoKeys),
            Mode::None if !keys.is_empty() => Some(Problem::KeysUnused),
            Mode::Auto if keys.is_empty() => {
                // A listener that can't be read has been reported as such.
                if let Some(node) = listen
                    && let Ok(address) = scalar::listen(node)
                    && !is_loopback(address)
                {
                    let problem = Problem::OpenToNetwork(address);
                    section.fail_at(node.place.clone(), "server.listen".to_owned(), problem);
                    return None;
                }
                None
            }
            Mode::Auto | Mode::Keys | Mode::None => None,
        };
        if let Some(problem) = problem {
            section.fail("mode", problem);
            return None;
        }
        distinct.then_some(if keys.is_empty() { Self::Open } else { Self::Keys(keys) })
    }
}

/// The item of `auth.keys` for a key given in the environment. The key is digested here and now.
pub(super) fn key_item(id: &str, key: &Node) -> Result<Node, Problem> {
    let digest = Sha256::digest(scalar::text(key)?.as_bytes());
    let mut hex = String::with_capacity(64);
    for byte in digest {
        // Writing into a String can't fail.
        let _infallible = write!(hex, "{byte:02x}");
    }
    let entry = |name: &str, text: &str| Entry {
        key: name.to_owned(),
        place: key.place.clone(),
        node: Node::text(text, key.place.clone()),
    };
    Ok(Node { place: key.place.clone(), value: Value::Map(vec![entry("id", id), entry("sha256", &hex)]) })
}

#[derive(Clone, Copy)]
enum Mode {
    Auto,
    Keys,
    None,
}

fn read_key(section: &mut Section<'_>) -> Option<Key> {
    const NO_PLAIN_KEYS: &str =
        "write the key's digest as `sha256`; `outcrop keys new` makes a key with its digest";
    const HINTS: [(&str, &str); 4] = [
        ("key", NO_PLAIN_KEYS),
        ("api_key", NO_PLAIN_KEYS),
        ("secret", NO_PLAIN_KEYS),
        ("token", NO_PLAIN_KEYS),
    ];
    if !section.is_map() {
        return None;
    }
    section.only(&["id", "sha256", "models"], &HINTS);
    let id = section.read("id", |node| {
        let text = scalar::text(node)?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if text.len() <= 64 && text.bytes().all(allowed) {
            Ok(text)
        } else {
            Err(scalar::invalid(&text, "up to 64 letters, digits, dots, dashes and underscores"))
        }
    });
    let sha256 = section.read("sha256", |node| {
        // Not quoted in the error: somebody may have put the key itself here.
        digest(&scalar::text(node)?).ok_or(Problem::NotDigest)
    });
    let models = read_models(section);
    Some(Key { id: id?, sha256: sha256?, models: models? })
}

/// Null is a mistake here, and so is an empty list: neither may come to mean all models.
#[expect(clippy::option_option, reason = "outside: was it readable; inside: was it set")]
fn read_models(section: &mut Section<'_>) -> Option<Option<Vec<Glob>>> {
    const KEY: &str = "models";
    let Some(node) = section.node().find(KEY) else { return Some(None) };
    if node.is_null() || node.items().is_ok_and(<[Node]>::is_empty) {
        section.fail(KEY, Problem::NoModels);
        return None;
    }
    section.list(KEY, |item| item.read_here(scalar::text).map(Glob::new)).map(Some)
}

fn digest(hex: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return None };
    if pairs.len() != digest.len() {
        return None;
    }
    for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(digest)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn are_distinct(section: &mut Section<'_>, keys: &[Key]) -> bool {
    let mut distinct = true;
    for (index, key) in keys.iter().enumerate() {
        let earlier = keys.get(..index).unwrap_or_default();
        let problem = if earlier.iter().any(|other| other.id == key.id) {
            Problem::DuplicateKeyId(key.id.clone())
        } else if let Some(other) = earlier.iter().find(|other| other.sha256 == key.sha256) {
            Problem::DuplicateKey(other.id.clone())
        } else {
            continue;
        };
        section.fail_item("keys", index, problem);
        distinct = false;
    }
    distinct
}

fn is_loopback(address: SocketAddr) -> bool {
    // To canonical: ::ffff:127.0.0.1 is loopback too.
    address.ip().to_canonical().is_loopback()
}
