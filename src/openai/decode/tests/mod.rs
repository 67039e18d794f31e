//! The grammar of the request, a case for each rule: here that of the body as a whole.

use std::fmt::Write as _;

use super::*;
use crate::chat::{Block, Effort, ImageFormat, Json, Message, Role, Source, Text, ToolChoice};

mod media;
mod messages;
mod parameters;
mod tools;

const PNG: &str = "iVBORw0KGgoAAAANSUhEUg==";
const GIF: &str = "R0lGODlhAQABAAAAACw=";
const JPEG: &str = "/9j/4AAQSkZJRgAB";
const WEBP: &str = "UklGRiQAAABXRUJQVlA4";
const PDF: &str = "JVBERi0xLjQK";

/// A body with these members besides a model and one message.
fn with(members: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{members}}}"#)
}

/// A body with these messages.
fn talk(messages: &str) -> String {
    format!(r#"{{"messages":[{messages}]}}"#)
}

/// A body with one user message of these parts.
fn parts(parts: &str) -> String {
    talk(&format!(r#"{{"role":"user","content":[{parts}]}}"#))
}

fn read(body: &str) -> Decoded {
    decode(body.as_bytes()).unwrap_or_else(|error| panic!("{error:?}\n{body}"))
}

fn refusal(body: &str) -> InvalidRequest {
    match decode(body.as_bytes()) {
        Ok(decoded) => panic!("accepted: {decoded:?}\n{body}"),
        Err(error) => error,
    }
}

fn notes(decoded: &Decoded) -> Vec<String> {
    decoded.notes.iter().map(ToString::to_string).collect()
}

fn blocks(body: &str) -> Vec<Block> {
    read(body).request.messages.remove(0).content
}

#[track_caller]
fn assert_refused(body: &str, param: &str, code: &str) {
    let error = refusal(body);
    assert_eq!((error.param.as_deref(), error.code), (Some(param), code), "{}\n{body}", error.message);
    assert!(error.message.contains(param), "the message names {param}: {}", error.message);
}

#[test]
fn malformed_json_is_told_with_its_place() {
    for (body, place) in [
        ("", "line 1 column 0"),
        ("{\"model\":\n}", "line 2 column 1"),
        ("{} {}", "line 1 column 4"),
        (r#"{"user":"\ud83d}"#, "line 1 column"),
    ] {
        let error = refusal(body);
        assert_eq!((error.param, error.code), (None, "invalid_json"), "{body}");
        assert!(error.message.contains(place), "{}", error.message);
    }
    assert_eq!(decode(b"{\"user\":\"\xff\"}").unwrap_err().code, "invalid_json");
}

#[test]
fn stop_texts_are_few_and_short() {
    let list = |count: usize, length: usize| {
        let texts: Vec<_> = (0..count).map(|_| format!("\"{}\"", "x".repeat(length))).collect();
        with(&format!("\"stop\":[{}]", texts.join(",")))
    };
    assert_eq!(read(&list(100, 1024)).request.stop.len(), 100);
    assert_refused(&list(101, 1), "stop", "invalid_value");
    assert_refused(&list(2, 1025), "stop[0]", "string_above_max_length");
    let one = format!("\"stop\":\"{}\"", "é".repeat(513));
    assert_refused(&with(&one), "stop", "string_above_max_length");
    let second = format!("\"stop\":[\"a\",\"{}\"]", "\\n".repeat(1_025));
    assert_refused(&with(&second), "stop[1]", "string_above_max_length");
}

#[test]
fn a_guardrail_is_named_as_bedrock_names_them() {
    let body = |id: &str, version: &str| {
        let pair = format!(r#"{{"guardrailIdentifier":{id:?},"guardrailVersion":{version:?}}}"#);
        with(&format!(r#""bedrock":{{"guardrailConfig":{pair}}}"#))
    };
    let arn = "arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:guardrail/0abc";
    for (id, version) in [("0abc", "1"), ("abc", "DRAFT"), (arn, "12345678")] {
        read(&body(id, version));
    }
    let id = "bedrock.guardrailConfig.guardrailIdentifier";
    for bad in [
        "a\n",
        "a b",
        "A",
        "a-b",
        "é",
        "arn:aws:bedrock:us-east-1:1234:guardrail/a",
        "arn:aws:s3:::bucket",
        "arn:aws:bedrock:us-east-1:123456789012:guardrail/a/../b",
        "arn:aws\t:bedrock:us-east-1:123456789012:guardrail/a",
        &"a".repeat(2049),
    ] {
        assert_refused(&body(bad, "1"), id, "invalid_value");
    }
    assert_refused(&body("a", "1").replace(r#""a""#, r#""a\u0000""#), id, "invalid_value");
    for bad in ["0", "draft", "123456789", "1\n", "-1", "1.0"] {
        assert_refused(&body("a", bad), "bedrock.guardrailConfig.guardrailVersion", "invalid_value");
    }
}

#[test]
fn a_body_that_is_no_object_is_refused() {
    for body in ["[]", "null", "1", "\"text\"", r#"[["m"],[]]"#] {
        let error = refusal(body);
        assert_eq!((error.param, error.code), (None, "invalid_type"), "{body}");
    }
}

#[test]
fn depth_never_recurses() {
    let deep = "[".repeat(1_000_000);
    for body in [
        deep.clone(),
        format!(r#"{{"unknown":{deep}"#),
        format!(r#"{{"messages":{deep}"#),
        format!(r#"{{"messages":[{{"role":"user","content":{deep}"#),
        format!(r#"{{"messages":[{{"role":"user","content":{deep}{}}}]}}"#, "]".repeat(1_000_000)),
    ] {
        assert!(decode(body.as_bytes()).is_err());
    }
    // What is passed over may nest as it likes: nobody goes down there.
    let unknown = with(&format!(r#""unknown":{}1{}"#, "[".repeat(90_000), "]".repeat(90_000)));
    assert_eq!(read(&unknown).notes.iter().count(), 1);
    let schema = |depth: usize| {
        let (open, close) = ("{\"a\":".repeat(depth), "}".repeat(depth));
        with(&format!(
            r#""tools":[{{"type":"function","function":{{"name":"f","parameters":{open}1{close}}}}}]"#
        ))
    };
    read(&schema(64));
    assert_refused(&schema(65), "tools[0].function.parameters", "invalid_value");
}

#[test]
fn counts_are_bounded_so_that_small_bytes_do_not_become_large_memory() {
    let many = vec!["{}"; 16_385].join(",");
    assert_refused(&talk(&many), "messages", "invalid_value");
    let keys: Vec<String> = (0..10_000).map(|n| format!("\"k{n}\":1")).collect();
    let decoded = read(&with(&keys.join(",")));
    assert_eq!(decoded.notes.iter().count(), 17);
    let parts = vec![r#"{"type":"text","text":""}"#; 70_000].join(",");
    let error = refusal(&talk(&format!(r#"{{"role":"user","content":[{parts}]}}"#)));
    assert_eq!((error.param, error.code), (None, "invalid_value"));
    let tool = |length: usize| {
        let description = "d".repeat(length);
        with(&format!(
            r#""tools":[{{"type":"function","function":{{"name":"f","description":"{description}"}}}}]"#
        ))
    };
    read(&tool(1_000_000));
    assert_refused(&tool(1 << 20), "tools", "invalid_value");
    let named = vec![r#"{"role":"user","content":"a","name":"n"}"#; 1_000].join(",");
    assert_eq!(read(&talk(&named)).notes.iter().count(), 65);
}

#[test]
fn a_known_member_given_twice_is_refused_and_escapes_hide_nothing() {
    assert_refused(&with(r#""n":1,"n":1"#), "n", "invalid_value");
    assert_refused(&with(r#""seed":1,"seed":2"#), "seed", "invalid_value");
    assert_refused(&with(r#""user":null,"\u0075ser":"x""#), "user", "invalid_value");
    assert_refused(
        &talk(r#"{"role":"user","content":"a","content":"b"}"#),
        "messages[0].content",
        "invalid_value",
    );
    assert_refused(
        &parts(r#"{"type":"text","text":"a","text":"b"}"#),
        "messages[0].content[0].text",
        "invalid_value",
    );
    // Another case is another name.
    assert_eq!(notes(&read(&with(r#""N":5"#))), ["N:dropped;reason=unknown_field"]);
}

#[test]
fn unknown_members_are_noted_at_every_level() {
    let decoded = read(
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":"x","foo":[{"a":1}]}],"bar":{}}],
            "tools":[{"type":"function","function":{"name":"f","baz":1},"qux":1}],
            "stream":true,"stream_options":{"quux":null},"bedrock":{"thud":5},"sp ace\n":1}"#,
    );
    assert_eq!(
        notes(&decoded),
        [
            "sp?ace?:dropped;reason=unknown_field",
            "tools[0].function.baz:dropped;reason=unknown_field",
            "tools[0].qux:dropped;reason=unknown_field",
            "messages[0].content[0].foo:dropped;reason=unknown_field",
            "messages[0].bar:dropped;reason=unknown_field",
            "bedrock.thud:dropped;reason=unknown_field",
            "stream_options.quux:dropped;reason=unknown_field",
        ]
    );
}

#[test]
fn null_is_absent_everywhere() {
    let mut body =
        String::from(r#"{"messages":[{"role":"user","content":"hi","name":null,"tool_calls":null}]"#);
    for parameter in PARAMETERS.iter().filter(|parameter| parameter.name != "messages") {
        write!(body, ",\"{}\":null", parameter.name).unwrap();
    }
    body.push('}');
    let decoded = read(&body);
    assert!(decoded.notes.is_empty(), "{:?}", decoded.notes);
    assert_eq!(decoded.model, None);
    assert_eq!(decoded.request.temperature, None);
}

#[test]
fn a_body_of_the_responses_api_is_told_apart() {
    let error = refusal(r#"{"model":"m","input":"hi"}"#);
    assert_eq!((error.param.as_deref(), error.code), (Some("messages"), "missing_required_parameter"));
    assert!(error.message.contains("/v1/responses"), "{}", error.message);
    assert_refused(r#"{"model":"m"}"#, "messages", "missing_required_parameter");
    assert_refused(r#"{"model":"m","messages":[]}"#, "messages", "invalid_value");
}

#[test]
fn a_wrong_type_is_named_with_its_path_and_never_repeats_the_value() {
    for (body, param, message) in [
        (with(r#""temperature":"secret""#), "temperature", "expected a number, but got a string"),
        (with(r#""stream":1"#), "stream", "expected a boolean, but got an integer"),
        (with(r#""max_tokens":1.5"#), "max_tokens", "expected an integer, but got a number"),
        (with(r#""tools":{"a":1}"#), "tools", "expected an array, but got an object"),
        (with(r#""seed":"secret""#), "seed", "expected an integer, but got a string"),
        (
            with(r#""response_format":"json_object""#),
            "response_format",
            "expected an object, but got a string",
        ),
        (with(r#""stop":5"#), "stop", "expected an array, but got an integer"),
        (with(r#""stop":["a",true]"#), "stop[1]", "expected a string, but got a boolean"),
        (talk(r#"{"role":[],"content":"a"}"#), "messages[0].role", "expected a string, but got an array"),
        (
            talk(r#"{"role":"user","content":5}"#),
            "messages[0].content",
            "a string or an array of content parts",
        ),
        (
            parts(r#"{"type":"text","text":5}"#),
            "messages[0].content[0].text",
            "expected a string, but got a number",
        ),
        (
            parts(r#"{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":{"secret":1}}}"#),
            "messages[0].content[1].image_url.url",
            "expected a string, but got an object",
        ),
        (parts("[\"secret\"]"), "messages[0].content[0]", "expected an object, but got an array"),
        (
            with(r#""tools":[{"type":"function","function":{"name":"f","parameters":"secret"}}]"#),
            "tools[0].function.parameters",
            "expected an object, but got a string",
        ),
    ] {
        assert_refused(&body, param, "invalid_type");
        let error = refusal(&body);
        assert!(error.message.contains(message), "{}", error.message);
        assert!(!error.message.contains("secret"), "{}", error.message);
    }
}
