//! The client's name for its user, as far as it reaches a model.
//!
//! Chat clients name their users by e-mail address. Claude refuses addresses and telephone numbers in
//! `metadata.user_id`, and nobody there needs them: a hash tells one user from another as well. It is the same for
//! the same name, in every request and on every instance.

use std::fmt::Write as _;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::chat::{Action, Json, ModelField, Notes, Request};
use crate::families::Capabilities;

/// The longest name that Claude takes (Anthropic's reference of the Messages API).
const LONGEST: usize = 256;

/// Leaves out what the model has no place for, and hashes what shows who somebody is.
pub(super) fn user(request: &mut Request, able: &Capabilities, notes: &mut Notes) {
    if let Some(name) = request.user.take() {
        if !able.user {
            notes.add("user", Action::Dropped, "no_equivalent");
        } else if fits(&name) {
            request.user = Some(name);
        } else {
            notes.add("user", Action::Rewritten, "hashed");
            request.user = Some(hashed(&name));
        }
    }
    for field in &mut request.model_fields {
        if let Some(value) = opaque(field) {
            field.value = value;
            notes.add("bedrock.additionalModelRequestFields.metadata", Action::Rewritten, "hashed");
        }
    }
}

/// `metadata` of Claude's own body, if the client wrote it by itself and it names somebody.
fn opaque(field: &ModelField) -> Option<Json> {
    let [name] = &field.path[..] else { return None };
    if name != "metadata" {
        return None;
    }
    // What isn't read here is for the model to refuse.
    let Ok(mut metadata) = serde_json::from_str::<Map<String, Value>>(field.value.as_str()) else {
        return None;
    };
    let name = metadata.get("user_id")?.as_str().filter(|name| !fits(name))?;
    let hashed = Value::String(hashed(name));
    metadata.insert("user_id".to_owned(), hashed);
    match Json::parse(&Value::Object(metadata).to_string()) {
        Ok(json) => Some(json),
        Err(_) => unreachable!("serde_json writes valid JSON"),
    }
}

/// Is it an opaque id, of characters that no system takes amiss?
fn fits(name: &str) -> bool {
    name.len() <= LONGEST
        && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'@')
        && !name.contains("%40")
        && !is_telephone(name)
}

/// A number that could be dialled: 7 to 15 digits (E.164) with a plus or marks between them, or 10 to 15 bare ones,
/// alone or behind a word like `tel:`. Serial numbers are shorter or longer.
fn is_telephone(name: &str) -> bool {
    let number = name.rsplit_once(':').map_or(name, |(_, number)| number);
    let international = name.split('+').skip(1).any(|rest| digits(rest).is_some_and(|count| count >= 7));
    let Some(count) = digits(number).filter(|_| !number.is_empty()) else { return international };
    let bare = number.bytes().all(|byte| byte.is_ascii_digit());
    international || (if bare { 10..=15 } else { 7..=15 }).contains(&count)
}

/// How many digits, if there is nothing else but the marks that telephone numbers are written with.
fn digits(number: &str) -> Option<usize> {
    let is_mark = |byte: u8| matches!(byte, b'+' | b'-' | b'.' | b'/' | b'(' | b')' | b' ');
    let known = number.bytes().all(|byte| byte.is_ascii_digit() || is_mark(byte));
    known.then(|| number.bytes().filter(u8::is_ascii_digit).count())
}

fn hashed(name: &str) -> String {
    let mut id = String::from("user_");
    for byte in Sha256::digest(name.as_bytes()).iter().take(16) {
        // Writing to a String can't fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn opaque_ids_stay_as_they_are() {
        for name in [
            "u-1",
            "42",
            "8675309",
            "auth0|5f7c8ec7c33c6c004bbafe82",
            "550e8400-e29b-41d4-a716-446655440000",
            "12345678-1234-1234-1234-123456789012",
            "175928847299117063",
            "tenant:7:user:913",
            "Zm9v+YmFy/eA==",
            &"x".repeat(256),
        ] {
            assert!(fits(name), "{name}");
        }
    }

    #[test]
    fn what_shows_who_somebody_is_does_not() {
        for name in [
            "max.muster@beispiel.ch",
            "mailto:a@b.example",
            "a%40b.example",
            "Erika <erika@musterfrau.example>",
            "+41 44 668 18 00",
            "+15550100123",
            "555-010-0199",
            "(555)0100123",
            "5550100123",
            "tel:0446681800",
            "caller:+49-30-901820",
            "Erika Musterfrau",
            "Bjørn",
            "a\u{0}b",
            &"x".repeat(257),
        ] {
            assert!(!fits(name), "{name}");
        }
    }

    #[test]
    fn a_hash_is_the_same_for_the_same_name_and_fits() {
        let (one, other) = (hashed("a@b.example"), hashed("b@a.example"));
        assert_eq!(one, hashed("a@b.example"));
        assert_ne!(one, other);
        assert!(fits(&one) && one.len() == 37, "{one}");
    }

    #[test]
    fn metadata_that_the_client_wrote_for_the_model_is_no_way_around() {
        let field = |name: &'static str, json: &str| ModelField {
            path: vec![Cow::Borrowed(name)],
            value: Json::parse(json).unwrap(),
        };
        let written = opaque(&field("metadata", r#"{"user_id":"a@b.example"}"#)).unwrap();
        assert_eq!(written.as_str(), format!(r#"{{"user_id":"{}"}}"#, hashed("a@b.example")));
        for (name, json) in [
            ("metadata", r#"{"user_id":"u-1"}"#),
            ("metadata", r#"{"user_id":5}"#),
            ("metadata", "[]"),
            ("other", r#"{"user_id":"a@b.example"}"#),
        ] {
            assert_eq!(opaque(&field(name, json)), None, "{json}");
        }
    }
}
