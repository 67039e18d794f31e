//! What a failure looks like to a client: the same object in a reply's body and in a stream.

use serde::Serialize;

/// OpenAI's error object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ErrorBody<'a> {
    /// A sentence for people. Never holds what only the operator may see.
    pub message: &'a str,
    /// The class: `invalid_request_error`, `rate_limit_error`, `server_error` …
    pub r#type: &'a str,
    /// Path of the offending parameter.
    pub param: Option<&'a str>,
    /// The case: `invalid_value`, `rate_limit_exceeded` …
    pub code: Option<&'a str>,
}

/// `{"error":{…}}`: the body of a reply that failed.
pub fn error_body(error: &ErrorBody<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    write(error, &mut body);
    body
}

/// The same as an event: the end of a stream that failed after it had begun. No `[DONE]` follows it.
pub fn error_event(error: &ErrorBody<'_>) -> Vec<u8> {
    let mut event = b"data: ".to_vec();
    write(error, &mut event);
    event.extend_from_slice(b"\n\n");
    event
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: &'a ErrorBody<'a>,
}

fn write(error: &ErrorBody<'_>, out: &mut Vec<u8>) {
    let written = serde_json::to_writer(out, &Envelope { error });
    debug_assert!(written.is_ok(), "strings and nulls can always be written to memory");
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERROR: ErrorBody<'static> = ErrorBody {
        message: "no \"n\"\nhere",
        r#type: "invalid_request_error",
        param: Some("n"),
        code: None,
    };

    #[test]
    fn all_four_members_are_always_there() {
        assert_eq!(
            String::from_utf8(error_body(&ERROR)).unwrap(),
            r#"{"error":{"message":"no \"n\"\nhere","type":"invalid_request_error","param":"n","code":null}}"#
        );
    }

    #[test]
    fn an_event_is_one_line_and_a_blank_one() {
        let event = String::from_utf8(error_event(&ERROR)).unwrap();
        assert!(event.starts_with("data: {\"error\":{"));
        assert_eq!(event.find('\n'), Some(event.len() - 2));
        assert!(event.ends_with("}\n\n"));
    }
}
