//! What an answer says about itself, beside its content.

use std::fmt::Write as _;

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

use crate::chat::Notes;
use crate::gateway::Trail;

/// The target that answered, or was tried last.
const X_OUTCROP_MODEL: HeaderName = HeaderName::from_static("x-outcrop-model");
/// Calls made upstream.
const X_OUTCROP_ATTEMPTS: HeaderName = HeaderName::from_static("x-outcrop-attempts");
/// What was changed: `top_p:dropped;reason=excludes_temperature, …`
const X_OUTCROP_NOTES: HeaderName = HeaderName::from_static("x-outcrop-notes");
/// Amazon's id of the last attempt.
const X_OUTCROP_UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-outcrop-upstream-request-id");
/// The answer comes from the simulator, and no model had a part in it.
const X_OUTCROP_SIMULATED: HeaderName = HeaderName::from_static("x-outcrop-simulated");
/// A request's own wish to be refused rather than changed.
const X_OUTCROP_STRICT: HeaderName = HeaderName::from_static("x-outcrop-strict");

/// Longest list of notes in a header, in bytes: proxies refuse larger heads.
const LONGEST_NOTES: usize = 2048;

/// Adds what the trail holds.
pub(super) fn describe(headers: &mut HeaderMap, trail: &Trail) {
    let mut set = |name: HeaderName, value: &str| {
        // A foreign id that no header can hold is left out: it can't be quoted, and the log has it.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    if let Some(target) = &trail.target {
        set(X_OUTCROP_MODEL, &target.public());
    }
    if let Some(id) = &trail.upstream_request_id {
        set(X_OUTCROP_UPSTREAM_REQUEST_ID, id);
    }
    if let Some(notes) = notes_value(&trail.notes) {
        set(X_OUTCROP_NOTES, &notes);
    }
    if trail.simulated {
        headers.insert(X_OUTCROP_SIMULATED, HeaderValue::from_static("true"));
    }
    if trail.attempts > 0 {
        headers.insert(X_OUTCROP_ATTEMPTS, HeaderValue::from(trail.attempts));
    }
}

/// The notes on one line; those beyond its length are counted. A parameter's name may be the client's own
/// word, so everything a header or a list can't hold becomes `_`.
pub(super) fn notes_value(notes: &Notes) -> Option<String> {
    if notes.is_empty() {
        return None;
    }
    let mut line = String::new();
    let mut left_out = 0_usize;
    for note in notes.iter() {
        let length = note.param.len() + note.reason.len() + 24;
        if line.len() + length > LONGEST_NOTES {
            left_out += 1;
            continue;
        }
        if !line.is_empty() {
            line.push_str(", ");
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._[]-*".contains(c);
        line.extend(note.param.chars().map(|c| if allowed(c) { c } else { '_' }));
        // Writing to a String can't fail.
        let _ = write!(line, ":{};reason={}", note.action.as_str(), note.reason);
    }
    if left_out > 0 {
        let _ = write!(line, "{}and_{left_out}_more", if line.is_empty() { "" } else { ", " });
    }
    Some(line)
}

/// Does the request ask for strictness?
pub(super) fn strict(headers: &HeaderMap) -> bool {
    headers.get(X_OUTCROP_STRICT).is_some_and(|value| {
        let value = value.as_bytes();
        value.eq_ignore_ascii_case(b"true") || value == b"1"
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Action;

    #[test]
    fn notes_are_a_list_that_a_header_can_hold() {
        let mut notes = Notes::new();
        notes.add("top_p", Action::Dropped, "excludes_temperature");
        notes.add("x\r\nset-cookie: a=b, é".to_owned(), Action::Dropped, "unknown_field");
        let line = notes_value(&notes).unwrap();
        assert_eq!(
            line,
            "top_p:dropped;reason=excludes_temperature, x__set-cookie__a_b___:dropped;reason=unknown_field"
        );
        assert!(HeaderValue::from_str(&line).is_ok());
    }

    #[test]
    fn too_many_notes_are_counted_not_lost() {
        let mut notes = Notes::new();
        for n in 0..100 {
            notes.add(format!("field_{n}"), Action::Dropped, "unknown_field");
        }
        let line = notes_value(&notes).unwrap();
        assert!(line.len() <= LONGEST_NOTES + 20, "{}", line.len());
        let shown = line.matches("unknown_field").count();
        assert!(line.ends_with(&format!("and_{}_more", 100 - shown)), "{line}");
    }
}
