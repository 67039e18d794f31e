//! What an answer says about itself, beside its content.

use std::fmt::Write as _;
use std::time::Duration;

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

use super::error::ApiError;
use crate::chat::Notes;
use crate::gateway::Trail;

/// The target that answered, or was tried last.
const X_OUTCROP_MODEL: HeaderName = HeaderName::from_static("x-outcrop-model");
/// Where that was called.
const X_OUTCROP_REGION: HeaderName = HeaderName::from_static("x-outcrop-region");
/// Calls made upstream.
const X_OUTCROP_ATTEMPTS: HeaderName = HeaderName::from_static("x-outcrop-attempts");
/// What was changed: `top_p:dropped;reason=excludes_temperature, …`
const X_OUTCROP_NOTES: HeaderName = HeaderName::from_static("x-outcrop-notes");
/// Amazon's id of the last attempt.
const X_OUTCROP_UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-outcrop-upstream-request-id");
/// The answer comes from the simulator, and no model had a part in it.
const X_OUTCROP_SIMULATED: HeaderName = HeaderName::from_static("x-outcrop-simulated");
/// The time that a request gives, in seconds. Less than there would be, or it changes nothing.
const X_OUTCROP_TIMEOUT: HeaderName = HeaderName::from_static("x-outcrop-timeout");
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
        set(X_OUTCROP_REGION, &trail.region);
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

/// What a request says about itself, beside its content.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wishes {
    /// To be refused rather than changed.
    pub(super) strict: bool,
    /// The time that it gives, if less than there would be.
    pub(super) timeout: Option<Duration>,
}

/// Reads them.
pub(super) fn wishes(headers: &HeaderMap) -> Result<Wishes, ApiError> {
    Ok(Wishes { strict: strict(headers), timeout: timeout(headers)? })
}

fn strict(headers: &HeaderMap) -> bool {
    headers.get(X_OUTCROP_STRICT).is_some_and(|value| {
        let value = value.as_bytes();
        value.eq_ignore_ascii_case(b"true") || value == b"1"
    })
}

fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, ApiError> {
    let Some(value) = headers.get(X_OUTCROP_TIMEOUT) else { return Ok(None) };
    let seconds = value.to_str().map(|text| text.trim().parse::<f64>());
    match seconds {
        Ok(Ok(seconds)) if seconds > 0.0 => match Duration::try_from_secs_f64(seconds) {
            Ok(duration) => Ok(Some(duration.max(Duration::from_nanos(1)))),
            // Longer than can be counted is no bound.
            Err(_) => Ok(None),
        },
        Ok(_) | Err(_) => Err(ApiError::bad_header(
            "The header x-outcrop-timeout has to be a number of seconds above 0, such as 30 or 2.5.",
        )),
    }
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

    #[test]
    fn a_timeout_is_a_positive_number_of_seconds() {
        let timeout = |text: &'static str| {
            timeout(&HeaderMap::from_iter([(X_OUTCROP_TIMEOUT, HeaderValue::from_static(text))]))
        };
        assert_eq!(timeout("2.5").unwrap(), Some(Duration::from_millis(2500)));
        assert_eq!(timeout("30").unwrap(), Some(Duration::from_secs(30)));
        assert_eq!(timeout("inf").unwrap(), None);
        for wrong in ["", "0", "-1", "NaN", "30s"] {
            assert!(timeout(wrong).is_err(), "{wrong}");
        }
        assert_eq!(super::timeout(&HeaderMap::new()).unwrap(), None);
    }
}
