//! The small checks that validation is made of. Each names the place and refuses the way AWS does.

use super::fault::Fault;
use serde_json::{Map, Value};

pub(super) fn object<'a>(value: &'a Value, at: &str) -> Result<&'a Map<String, Value>, Fault> {
    value.as_object().ok_or_else(|| Fault::malformed(at, "expected type: JSONObject"))
}

pub(super) fn array<'a>(value: &'a Value, at: &str) -> Result<&'a [Value], Fault> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| Fault::malformed(at, "expected type: JSONArray"))
}

pub(super) fn string<'a>(value: &'a Value, at: &str) -> Result<&'a str, Fault> {
    value.as_str().ok_or_else(|| Fault::malformed(at, "expected type: String"))
}

/// Refuses members outside `known`.
pub(super) fn only(object: &Map<String, Value>, at: &str, known: &[&str]) -> Result<(), Fault> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(Fault::malformed(at, &format!("extraneous key [{key}] is not permitted"))),
    }
}

pub(super) fn required<'a>(object: &'a Map<String, Value>, at: &str, key: &str) -> Result<&'a Value, Fault> {
    object.get(key).ok_or_else(|| Fault::malformed(at, &format!("required key [{key}] not found")))
}

/// The one member of a union, which must be one of `known`.
pub(super) fn union<'a>(value: &'a Value, at: &str, known: &[&str]) -> Result<(&'a str, &'a Value), Fault> {
    let object = object(value, at)?;
    only(object, at, known)?;
    let mut members = object.iter();
    match (members.next(), members.next()) {
        (Some((key, value)), None) => Ok((key, value)),
        _ => Err(Fault::malformed(at, &format!("exactly one of {} must be set", known.join(", ")))),
    }
}

pub(super) fn one_of(value: &Value, at: &str, known: &[&str]) -> Result<(), Fault> {
    let text = string(value, at)?;
    if known.contains(&text) {
        return Ok(());
    }
    let member = format!("Member must satisfy enum value set: [{}]", known.join(", "));
    Err(constraint(&Value::from(text), at, &member))
}

/// A number from `low` to `high`, both included.
pub(super) fn within(value: &Value, at: &str, low: f64, high: f64) -> Result<f64, Fault> {
    let number = value.as_f64().ok_or_else(|| Fault::malformed(at, "expected type: Number"))?;
    if number < low {
        return Err(constraint(value, at, &format!("Member must have value greater than or equal to {low}")));
    }
    if number > high {
        return Err(constraint(value, at, &format!("Member must have value less than or equal to {high}")));
    }
    Ok(number)
}

/// A whole number that is at least `low`.
pub(super) fn whole(value: &Value, at: &str, low: u64) -> Result<u64, Fault> {
    if !value.is_i64() && !value.is_u64() {
        return Err(Fault::malformed(at, "expected type: Integer"));
    }
    match value.as_u64() {
        Some(number) if number >= low => Ok(number),
        _ => Err(constraint(value, at, &format!("Member must have value greater than or equal to {low}"))),
    }
}

/// A string of 1 to `longest` characters, each a letter, a digit or one of `also`.
pub(super) fn named<'a>(value: &'a Value, at: &str, longest: usize, also: &str) -> Result<&'a str, Fault> {
    let text = string(value, at)?;
    if text.is_empty() {
        return Err(constraint(value, at, "Member must have length greater than or equal to 1"));
    }
    if text.chars().count() > longest {
        return Err(constraint(
            value,
            at,
            &format!("Member must have length less than or equal to {longest}"),
        ));
    }
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c)) {
        let member = format!("Member must satisfy regular expression pattern: [a-zA-Z0-9{also}]+");
        return Err(constraint(value, at, &member));
    }
    Ok(text)
}

fn constraint(value: &Value, at: &str, member: &str) -> Fault {
    let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let path = at.trim_start_matches('/').replace('/', ".");
    Fault::validation(format!(
        "1 validation error detected: Value '{shown}' at '{path}' failed to satisfy constraint: {member}"
    ))
}
