//! What a body may hold at most, so that a few bytes on the wire don't become many in memory.
//!
//! Depth is bounded where values are passed on (`parse::json`), by serde where they are read, and by nothing
//! where they are passed over, which takes no stack. Lists have bounds of their own (`object::Array`).

use memchr::memchr2;

use super::invalid;
use super::path::Path;
use crate::chat::{InvalidRequest, Tool};

/// Most values in a body, members and items. A long conversation has some thousands.
const MAX_VALUES: usize = 200_000;

/// Most bytes in all tools together.
const MAX_TOOLS: usize = 1 << 20;

/// Counts before anything is built. A value takes two bytes at least, so that most bodies needn't be looked at.
pub(super) fn values(text: &str) -> Result<(), InvalidRequest> {
    at_most(MAX_VALUES, text)
}

/// The same of a body that may hold so many numbers besides.
pub(super) fn values_and_numbers(text: &str, numbers: usize) -> Result<(), InvalidRequest> {
    at_most(MAX_VALUES + numbers, text)
}

fn at_most(most: usize, text: &str) -> Result<(), InvalidRequest> {
    if text.len() / 2 <= most || count(text.as_bytes()) <= most {
        return Ok(());
    }
    Err(InvalidRequest {
        param: None,
        code: "invalid_value",
        message: format!("The request body holds more than {most} JSON values."),
    })
}

/// Models read their tools with every call; a megabyte of them is no model's.
pub(super) fn tools(tools: &[Tool]) -> Result<(), InvalidRequest> {
    let length = |tool: &Tool| {
        let description = tool.description.as_ref().map_or(0, |text| text.as_json().len());
        tool.name.len() + description + tool.schema.as_ref().map_or(0, |schema| schema.as_str().len())
    };
    if tools.iter().map(length).sum::<usize>() <= MAX_TOOLS {
        return Ok(());
    }
    Err(invalid(
        &Path::Root.member("tools"),
        &format!("all tools together are longer than {MAX_TOOLS} bytes"),
    ))
}

/// Every value follows a comma or an opening bracket, if it isn't the first; strings are passed over.
fn count(bytes: &[u8]) -> usize {
    let mut count = 1;
    let mut rest = bytes;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b',' | b'[' | b'{' => count += 1,
            b'"' => rest = after_string(after),
            _ => {}
        }
    }
    count
}

/// What follows a string whose first quote is gone.
fn after_string(mut rest: &[u8]) -> &[u8] {
    while let Some(at) = memchr2(b'"', b'\\', rest) {
        let skipped = if rest.get(at) == Some(&b'\\') { 2 } else { 1 };
        rest = rest.get(at + skipped..).unwrap_or_default();
        if skipped == 1 {
            return rest;
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_of_strings() {
        for (json, expected) in [
            ("1", 1),
            ("[1,2]", 3),
            (r#"{"a":1,"b":[]}"#, 4),
            (r#"["[,{\"[,", 1]"#, 3),
            (r#"["\\",[]]"#, 4),
            (r#"["unfinished \"#, 2),
        ] {
            assert_eq!(count(json.as_bytes()), expected, "{json}");
        }
    }

    #[test]
    fn a_long_text_is_one_value_and_many_small_ones_are_refused() {
        let text = format!("[\"{}\"]", ",".repeat(1_000_000));
        assert!(values(&text).is_ok());
        let most = format!("[{}1]", "1,".repeat(MAX_VALUES - 2));
        assert_eq!(count(most.as_bytes()), MAX_VALUES);
        assert!(values(&most).is_ok());
        assert!(values(&format!("[{}1]", "1,".repeat(MAX_VALUES))).is_err());
    }
}
