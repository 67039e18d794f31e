//! JSON text → wire types, and serde's errors → errors a client can act on.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::object::Str;
use super::path::Path;
use super::{MAX_DEPTH, invalid, missing};
use crate::chat::{InvalidRequest, Json, NotJson, Text};

/// Parses the whole body.
pub(super) fn body<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, InvalidRequest> {
    serde_json::from_str(text).map_err(|error| {
        if error.is_data() {
            locate::<T>(text, &Path::Root, &error)
        } else {
            InvalidRequest {
                param: None,
                code: "invalid_json",
                message: format!("The request body is not valid JSON: {error}."),
            }
        }
    })
}

/// Parses a value that the body's parser passed over.
pub(super) fn island<'a, T: Deserialize<'a>>(
    raw: &'a RawValue,
    path: &Path<'_>,
) -> Result<T, InvalidRequest> {
    serde_json::from_str(raw.get()).map_err(|error| locate::<T>(raw.get(), path, &error))
}

/// A string that is passed on as it stands.
pub(super) fn text(raw: &RawValue, path: &Path<'_>) -> Result<Text, InvalidRequest> {
    Text::from_raw(raw).map_err(|error| match error {
        NotJson::NotAString => wrong_type(path.to_string(), "a string", kind_of(raw)),
        NotJson::LoneSurrogate | NotJson::Invalid => invalid(path, &error.to_string()),
    })
}

/// A value of whatever kind that is passed on as it stands.
pub(super) fn json(raw: &RawValue, path: &Path<'_>) -> Result<Json, InvalidRequest> {
    let json = Json::intact(raw).map_err(|error| invalid(path, &error.to_string()))?;
    if json.depth() > MAX_DEPTH {
        return Err(invalid(path, &format!("it nests deeper than {MAX_DEPTH} levels")));
    }
    Ok(json)
}

/// An object, such as a JSON Schema, that is passed on as it stands.
pub(super) fn object(raw: &RawValue, path: &Path<'_>) -> Result<Json, InvalidRequest> {
    let value = json(raw, path)?;
    if value.is_object() { Ok(value) } else { Err(wrong_type(path.to_string(), "an object", kind_of(raw))) }
}

/// A name that must be there.
pub(super) fn name(name: Option<Str<'_>>, path: &Path<'_>) -> Result<String, InvalidRequest> {
    let name = name.ok_or_else(|| missing(path))?.into_owned();
    if name.is_empty() {
        return Err(invalid(path, "it is empty"));
    }
    Ok(name)
}

/// A value of another JSON type than the one that belongs there.
pub(super) fn wrong_type(param: String, expected: &str, got: &str) -> InvalidRequest {
    InvalidRequest {
        message: format!("Invalid type for '{param}': expected {expected}, but got {got} instead."),
        code: "invalid_type",
        param: Some(param),
    }
}

/// What a JSON value is, with its article.
pub(super) fn kind_of(raw: &RawValue) -> &'static str {
    match raw.get().as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        Some(_) | None => "a number",
    }
}

/// Parses once more, this time with an eye on the path: only a request that fails pays for it.
fn locate<'a, T: Deserialize<'a>>(
    text: &'a str,
    base: &Path<'_>,
    error: &serde_json::Error,
) -> InvalidRequest {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let (inner, error) = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Ok(_) => (String::new(), error.to_string()),
        Err(located) => (located.path().to_string(), located.inner().to_string()),
    };
    // Written `.` by serde_path_to_error if there is no path at all.
    let inner = if inner == "." { "" } else { &inner };
    let mut path = base.to_string();
    if !(path.is_empty() || inner.is_empty() || inner.starts_with('[')) {
        path.push('.');
    }
    path.push_str(inner);
    describe(path, &error)
}

/// serde's words, which may repeat the offending value at any length, in OpenAI's, which don't. The error
/// type of `serde_json` has no other way to tell what was expected; a test holds the wording.
fn describe(mut path: String, error: &str) -> InvalidRequest {
    let error = error.rfind(" at line ").and_then(|at| error.get(..at)).unwrap_or(error);
    if let Some(field) = error.strip_prefix("duplicate field `").and_then(|rest| rest.strip_suffix('`')) {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(field);
        return InvalidRequest::value(path.clone(), format!("Duplicate parameter: '{path}'."));
    }
    let expected = error.rsplit_once(", expected ").map(|(_, expected)| match expected {
        "f64" => "a number",
        "i64" => "an integer",
        other => other,
    });
    if let (Some(expected), Some(got)) = (expected, error.strip_prefix("invalid type: ")) {
        if path.is_empty() {
            return InvalidRequest {
                param: None,
                code: "invalid_type",
                message: "The request body must be a JSON object.".to_owned(),
            };
        }
        return wrong_type(path, expected, unexpected(got));
    }
    let message = match expected {
        Some(expected) => format!("Invalid value for '{path}': expected {expected}."),
        None => format!("Invalid value for '{path}': {error}."),
    };
    InvalidRequest::value(path, message)
}

/// The kind of value at the start of serde's description of it.
fn unexpected(got: &str) -> &'static str {
    const KINDS: [(&str, &str); 7] = [
        ("string", "a string"),
        ("integer", "an integer"),
        ("floating point", "a number"),
        ("boolean", "a boolean"),
        ("null", "null"),
        ("map", "an object"),
        ("sequence", "an array"),
    ];
    KINDS.iter().find(|(start, _)| got.starts_with(start)).map_or("another value", |(_, kind)| kind)
}
