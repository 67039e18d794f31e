//! The keys that are known, and finding the one a request carries.

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use subtle::{ConditionallySelectable, ConstantTimeEq};

use super::key::digest;
use super::models::Models;

/// `x-api-key` is Anthropic's habit, `api-key` is Azure's.
const BARE_HEADERS: [HeaderName; 2] =
    [HeaderName::from_static("x-api-key"), HeaderName::from_static("api-key")];

/// A key's name in the configuration: goes to logs, unlike the key. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(Arc<str>);

impl KeyId {
    /// Names a key.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key that is known, without the key itself.
#[derive(Debug)]
pub struct KnownKey {
    /// Its name.
    pub id: KeyId,
    /// Its SHA-256.
    pub digest: [u8; 32],
    /// The models that it may use.
    pub models: Models,
}

/// Who is asking. Only [`Keys::check`] gives one out.
#[derive(Clone, Debug)]
pub struct Principal {
    key: KeyId,
    models: Models,
}

impl Principal {
    /// The key that was shown.
    pub fn key_id(&self) -> &KeyId {
        &self.key
    }

    /// The models that it may use.
    pub fn models(&self) -> &Models {
        &self.models
    }
}

/// Why a request has no principal. What was sent is never part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No key in any of the headers we look at.
    #[error(
        "no API key was sent: send it as `Authorization: Bearer <key>` (what clients call `api_key`), or in `x-api-key` or `api-key`"
    )]
    Missing,
    /// `Authorization` isn't `Bearer <key>`, or a key isn't text.
    #[error("the API key is malformed")]
    Malformed,
    /// A key nobody has.
    #[error("the API key is not known")]
    Unknown,
    /// Two different keys, or `Authorization` twice: which one counts would be a guess.
    #[error("more than one API key was sent")]
    Ambiguous,
}

impl Refusal {
    /// The refusal as a metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Missing => "key_missing",
            Self::Malformed => "key_malformed",
            Self::Unknown => "key_unknown",
            Self::Ambiguous => "key_ambiguous",
        }
    }
}

/// The known keys, as digests.
pub struct Keys {
    digests: Vec<Words>,
    principals: Vec<Principal>,
}

/// A digest in the pieces it is compared in.
type Words = [u64; 4];

impl Keys {
    /// Where one digest has two names, the last one counts.
    pub fn new(keys: Vec<KnownKey>) -> Self {
        let known = |KnownKey { id, digest, models }| (words(&digest), Principal { key: id, models });
        let (digests, principals) = keys.into_iter().map(known).unzip();
        Self { digests, principals }
    }

    /// Whether there are none, so that every check fails.
    pub fn is_empty(&self) -> bool {
        self.principals.is_empty()
    }

    /// Whose key these headers carry: `Authorization: Bearer`, `x-api-key` or `api-key`, or the same in several.
    pub fn check(&self, headers: &HeaderMap) -> Result<Principal, Refusal> {
        let sent = digest(sent_key(headers)?);
        self.find(&sent).cloned().ok_or(Refusal::Unknown)
    }

    /// Compares with every key, always all of it: how long it takes says nothing about which came close. A few
    /// nanoseconds a key.
    fn find(&self, sent: &[u8; 32]) -> Option<&Principal> {
        let sent = words(sent);
        // One past the last stands for none.
        let mut found = self.digests.len() as u64;
        for (index, known) in (0_u64..).zip(&self.digests) {
            let difference = known.iter().zip(&sent).fold(0, |all, (a, b)| all | (a ^ b));
            found.conditional_assign(&index, difference.ct_eq(&0));
        }
        usize::try_from(found).map_or(None, |found| self.principals.get(found))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.principals.iter().map(Principal::key_id).collect();
        f.debug_struct("Keys").field("ids", &ids).finish_non_exhaustive()
    }
}

/// The one key that the headers carry.
fn sent_key(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut authorizations = headers.get_all(AUTHORIZATION).iter();
    let authorization = authorizations.next();
    if authorizations.next().is_some() {
        return Err(Refusal::Ambiguous);
    }
    let bare = BARE_HEADERS.into_iter().flat_map(|name| headers.get_all(name)).map(text);
    let mut sent = authorization.map(bearer).into_iter().chain(bare);
    let key = sent.next().ok_or(Refusal::Missing)??;
    for another in sent {
        // Both come from the client, so there is nothing to give away.
        if another? != key {
            return Err(Refusal::Ambiguous);
        }
    }
    Ok(key)
}

/// The key in `Bearer <key>`; the scheme in any case (RFC 9110, 11.1).
fn bearer(value: &HeaderValue) -> Result<&str, Refusal> {
    let (scheme, key) = text(value)?.split_once(' ').ok_or(Refusal::Malformed)?;
    let key = key.trim_ascii();
    if !scheme.eq_ignore_ascii_case("bearer") || key.is_empty() {
        return Err(Refusal::Malformed);
    }
    Ok(key)
}

fn text(value: &HeaderValue) -> Result<&str, Refusal> {
    match value.to_str() {
        Ok(text) if !text.trim_ascii().is_empty() => Ok(text.trim_ascii()),
        Ok(_) | Err(_) => Err(Refusal::Malformed),
    }
}

fn words(digest: &[u8; 32]) -> Words {
    let (words, _) = digest.as_chunks::<8>();
    std::array::from_fn(|n| u64::from_ne_bytes(words[n]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        let key = |name: &str, key| KnownKey {
            id: KeyId::new(name),
            digest: digest(key),
            models: Models::only(move |model| model == key),
        };
        Keys::new(vec![key("first", "oc-1"), key("second", "oc-2"), key("third", "oc-3")])
    }

    fn check(headers: &[(&'static str, &str)]) -> Result<String, Refusal> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        keys().check(&map).map(|principal| principal.key_id().to_string())
    }

    #[test]
    fn each_key_is_found_in_each_header() {
        for (key, id) in [("oc-1", "first"), ("oc-2", "second"), ("oc-3", "third")] {
            let found = Ok(id.to_owned());
            assert_eq!(check(&[("authorization", &format!("Bearer {key}"))]), found);
            assert_eq!(check(&[("authorization", &format!("bearer   {key} "))]), found);
            assert_eq!(check(&[("x-api-key", key)]), found);
            assert_eq!(check(&[("api-key", key)]), found);
        }
    }

    #[test]
    fn the_same_key_twice_is_one_key() {
        let twice = [("authorization", "Bearer oc-2"), ("x-api-key", "oc-2"), ("api-key", "oc-2")];
        assert_eq!(check(&twice), Ok("second".to_owned()));
    }

    #[test]
    fn no_key_is_told_from_an_unknown_and_a_malformed_one() {
        assert_eq!(check(&[]), Err(Refusal::Missing));
        assert_eq!(check(&[("x-api-key", "oc-4")]), Err(Refusal::Unknown));
        for malformed in ["oc-1", "Basic b2MtMQ==", "Bearer", "Bearer ", "Beareroc-1", "", "Bearer \u{e9}"] {
            assert_eq!(check(&[("authorization", malformed)]), Err(Refusal::Malformed), "{malformed:?}");
        }
        assert_eq!(check(&[("x-api-key", "")]), Err(Refusal::Malformed));
    }

    #[test]
    fn two_different_keys_are_refused_though_both_are_known() {
        let both = [("authorization", "Bearer oc-1"), ("x-api-key", "oc-2")];
        assert_eq!(check(&both), Err(Refusal::Ambiguous));
        assert_eq!(check(&[("api-key", "oc-1"), ("api-key", "oc-2")]), Err(Refusal::Ambiguous));
        let repeated = [("authorization", "Bearer oc-1"), ("authorization", "Bearer oc-1")];
        assert_eq!(check(&repeated), Err(Refusal::Ambiguous));
    }

    #[test]
    fn a_digest_that_differs_in_one_bit_is_another_key() {
        let keys = keys();
        for bit in 0..256 {
            let mut almost = digest("oc-2");
            almost[bit / 8] ^= 1 << (bit % 8);
            assert!(keys.find(&almost).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn without_keys_nobody_gets_in() {
        let none = Keys::new(Vec::new());
        assert!(none.is_empty());
        assert!(none.find(&digest("oc-1")).is_none());
        assert!(none.find(&[0; 32]).is_none());
    }

    #[test]
    fn each_key_has_its_own_models() {
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", HeaderValue::from_static("oc-2"));
        let principal = keys().check(&headers).unwrap();
        assert!(principal.models().allow("oc-2"));
        assert!(!principal.models().allow("oc-1"));
    }

    #[test]
    fn debug_shows_names_and_no_digests() {
        assert_eq!(
            format!("{:?}", keys()),
            r#"Keys { ids: [KeyId("first"), KeyId("second"), KeyId("third")], .. }"#
        );
    }
}
