use std::fmt::Write as _;

use super::*;
use crate::chat::{Block, Effort, ImageFormat, Json, Message, Role, Source, Text, ToolChoice};

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

// The body as a whole

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

// Parameters

/// The parameters that OpenAI documents, each with a value that asks for something.
const DOCUMENTED: [(&str, &str); 37] = [
    ("model", r#""m""#),
    ("messages", r#"[{"role":"user","content":"hi"}]"#),
    ("audio", r#"{"format":"wav","voice":"alloy"}"#),
    ("frequency_penalty", "0.5"),
    ("presence_penalty", "-0.5"),
    ("function_call", r#""auto""#),
    ("functions", r#"[{"name":"f"}]"#),
    ("logit_bias", r#"{"50256":-100}"#),
    ("logprobs", "true"),
    ("top_logprobs", r#"5,"logprobs":true"#),
    ("max_completion_tokens", "10"),
    ("max_tokens", "10"),
    ("metadata", r#"{"a":"b"}"#),
    ("modalities", r#"["text"]"#),
    ("moderation", r#"{"model":"x"}"#),
    ("n", "1"),
    ("parallel_tool_calls", "false"),
    ("prediction", r#"{"type":"content","content":"x"}"#),
    ("prompt_cache_key", r#""k""#),
    ("prompt_cache_options", r#"{"mode":"explicit"}"#),
    ("prompt_cache_retention", r#""24h""#),
    ("reasoning_effort", r#""low""#),
    ("response_format", r#"{"type":"json_object"}"#),
    ("safety_identifier", r#""s""#),
    ("seed", "7"),
    ("service_tier", r#""flex""#),
    ("stop", r#"["END"]"#),
    ("store", "true"),
    ("stream", "true"),
    ("stream_options", r#"{"include_usage":true}"#),
    ("temperature", "0.5"),
    ("top_p", "0.5"),
    ("tool_choice", r#""auto""#),
    ("tools", r#"[{"type":"function","function":{"name":"f"}}]"#),
    ("user", r#""u""#),
    ("verbosity", r#""low""#),
    ("web_search_options", "{}"),
];

#[test]
fn every_documented_parameter_has_a_decision_and_it_is_kept() {
    assert_eq!(DOCUMENTED.len(), PARAMETERS.len());
    for (name, value) in DOCUMENTED {
        let parameter = PARAMETERS.iter().find(|parameter| parameter.name == name).unwrap();
        let body = match name {
            "messages" => format!(r#"{{"messages":{value}}}"#),
            "model" => format!(r#"{{"model":{value},"messages":[{{"role":"user","content":"hi"}}]}}"#),
            _ => with(&format!(r#""{name}":{value}"#)),
        };
        match parameter.decision {
            Decision::Read => {
                let notes = notes(&read(&body));
                assert!(!notes.iter().any(|note| note.ends_with("unknown_field")), "{name}: {notes:?}");
            }
            Decision::Dropped(_) => {
                assert_eq!(notes(&read(&body)), [format!("{name}:dropped;reason=no_equivalent")]);
            }
            Decision::Refused(_) => assert_refused(&body, name, "unsupported_value"),
        }
    }
}

#[test]
fn values_that_ask_for_nothing_leave_no_note() {
    let decoded = read(&with(
        r#""frequency_penalty":0,"presence_penalty":0.0,"logit_bias":{ },"logprobs":false,"top_logprobs":0,
           "metadata":{},"modalities":["text"],"n":1,"service_tier":"auto","store":false,
           "response_format":{"type":"text"},"verbosity":"medium","stop":[],"tools":[],"prompt_cache_key":"""#,
    ));
    assert!(decoded.notes.is_empty(), "{:?}", decoded.notes);
}

#[test]
fn ranges_are_openais() {
    for (member, param, code) in [
        (r#""temperature":-0.1"#, "temperature", "decimal_below_min_value"),
        (r#""temperature":2.1"#, "temperature", "decimal_above_max_value"),
        (r#""top_p":1.01"#, "top_p", "decimal_above_max_value"),
        (r#""presence_penalty":-2.5"#, "presence_penalty", "decimal_below_min_value"),
        (r#""max_tokens":0"#, "max_tokens", "integer_below_min_value"),
        (r#""max_completion_tokens":4294967296"#, "max_completion_tokens", "integer_above_max_value"),
        (r#""top_logprobs":3"#, "top_logprobs", "invalid_value"),
        (r#""top_logprobs":21"#, "top_logprobs", "integer_above_max_value"),
        (r#""n":0"#, "n", "integer_below_min_value"),
        (r#""modalities":["text","audio"]"#, "modalities", "unsupported_value"),
        (r#""reasoning_effort":"extreme""#, "reasoning_effort", "invalid_value"),
        (r#""service_tier":"gold""#, "service_tier", "invalid_value"),
        (r#""response_format":{"type":"xml"}"#, "response_format.type", "invalid_value"),
        (r#""response_format":{}"#, "response_format.type", "missing_required_parameter"),
        (
            r#""response_format":{"type":"json_schema"}"#,
            "response_format.json_schema",
            "missing_required_parameter",
        ),
        (
            r#""response_format":{"type":"json_schema","json_schema":{"schema":{}}}"#,
            "response_format.json_schema.name",
            "missing_required_parameter",
        ),
    ] {
        assert_refused(&with(member), param, code);
    }
}

#[test]
fn of_two_names_for_one_thing_the_newer_wins() {
    let decoded =
        read(&with(r#""max_tokens":5,"max_completion_tokens":9,"user":"u","safety_identifier":"s""#));
    assert_eq!(decoded.request.max_tokens, Some(9));
    assert_eq!(decoded.request.user.as_deref(), Some("u"));
    assert_eq!(
        notes(&decoded),
        [
            "max_tokens:dropped;reason=max_completion_tokens_wins",
            "safety_identifier:dropped;reason=user_wins",
        ]
    );
    assert_eq!(read(&with(r#""max_tokens":5"#)).request.max_tokens, Some(5));
    assert_eq!(read(&with(r#""safety_identifier":"s""#)).request.user.as_deref(), Some("s"));
}

#[test]
fn stop_is_a_text_or_many() {
    assert_eq!(read(&with(r#""stop":"a\n""#)).request.stop, ["a\n"]);
    let decoded = read(&with(r#""stop":["a","","b","c","d","e"]"#));
    assert_eq!(decoded.request.stop, ["a", "b", "c", "d", "e"]);
    assert_eq!(notes(&decoded), ["stop[1]:dropped;reason=empty"]);
}

#[test]
fn usage_is_included_only_in_streams() {
    assert!(read(&with(r#""stream":true,"stream_options":{"include_usage":true}"#)).include_usage);
    let plain = read(&with(r#""stream_options":{"include_usage":true}"#));
    assert!(!plain.include_usage);
    assert_eq!(notes(&plain), ["stream_options:dropped;reason=not_streaming"]);
}

#[test]
fn a_schema_keeps_the_order_of_its_keys() {
    let decoded = read(&with(
        r#""response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"z":1,"a":1.50},"strict":true}}"#,
    ));
    let OutputFormat::JsonSchema { name, schema, strict, description: None } = decoded.request.format else {
        panic!("{:?}", decoded.request.format);
    };
    assert_eq!(
        (name.as_str(), schema, strict),
        ("n", Some(Json::parse(r#"{"z":1,"a":1.50}"#).unwrap()), true)
    );
}

// Messages

#[test]
fn texts_pass_through_as_they_were_written() {
    let [Block::Text(text)] = &blocks(&talk(r#"{"role":"user","content":"a\u00e9\n\/ é"}"#))[..] else {
        panic!("one text")
    };
    assert_eq!(text.as_json(), r#""a\u00e9\n\/ é""#);
}

#[test]
fn roles_become_three() {
    let decoded = read(&talk(
        r#"{"role":"developer","content":"a"},{"role":"system","content":[{"type":"text","text":"b"}]},
           {"role":"user","content":"c","name":"bob"},{"role":"assistant","content":"d"},
           {"role":"tool","tool_call_id":"t","content":"e"}"#,
    ));
    let roles: Vec<Role> = decoded.request.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::System, Role::User, Role::Assistant, Role::User]);
    assert!(decoded.request.messages.iter().enumerate().all(|(at, message)| message.index == at));
    let [Block::ToolResult(result)] = &decoded.request.messages[4].content[..] else { panic!("a result") };
    assert_eq!(result.id, "t");
    assert_eq!(notes(&decoded), ["messages[2].name:dropped;reason=no_equivalent"]);
}

#[test]
fn what_a_message_lacks_is_named() {
    for (message, param, code) in [
        (r#"{"content":"a"}"#, "messages[0].role", "missing_required_parameter"),
        (r#"{"role":"robot","content":"a"}"#, "messages[0].role", "invalid_value"),
        (
            r#"{"role":"user","content":[{"text":"a"}]}"#,
            "messages[0].content[0].type",
            "missing_required_parameter",
        ),
        (r#"{"role":"user","content":[{"type":"video"}]}"#, "messages[0].content[0].type", "invalid_value"),
        (
            r#"{"role":"user","content":[{"type":"refusal","refusal":"a"}]}"#,
            "messages[0].content[0].type",
            "invalid_value",
        ),
        (
            r#"{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"","format":"wav"}}]}"#,
            "messages[0].content[0].input_audio.data",
            "invalid_value",
        ),
    ] {
        assert_refused(&talk(message), param, code);
    }
}

#[test]
fn what_says_nothing_is_no_reason_to_end_a_conversation() {
    for (message, blocks, note) in [
        (r#"{"role":"user"}"#, 0, "content:rewritten;reason=no_content"),
        (r#"{"role":"developer","content":null}"#, 0, "content:rewritten;reason=no_content"),
        (r#"{"role":"user","content":[]}"#, 0, ""),
        (
            r#"{"role":"user","content":[null,{"type":"text","text":"a"}]}"#,
            1,
            "content[0]:dropped;reason=no_content",
        ),
        (
            r#"{"role":"user","content":[{"type":"text","text":null}]}"#,
            1,
            "content[0].text:rewritten;reason=no_content",
        ),
        (r#"{"role":"assistant","content":null,"tool_calls":[]}"#, 0, "content:rewritten;reason=no_content"),
        (
            r#"{"role":"assistant","tool_calls":null,"refusal":null}"#,
            0,
            "content:rewritten;reason=no_content",
        ),
        (
            r#"{"role":"assistant","content":null,"reasoning_content":"I"}"#,
            0,
            "content:rewritten;reason=no_content",
        ),
        (
            r#"{"role":"assistant","content":"a","tool_calls":[null]}"#,
            1,
            "tool_calls[0]:dropped;reason=no_content",
        ),
        (r#"{"role":"tool","tool_call_id":"t","content":null}"#, 1, "content:rewritten;reason=no_content"),
        (r#"{"role":"function","name":"f","content":null}"#, 1, "content:rewritten;reason=no_content"),
    ] {
        let decoded = read(&talk(message));
        assert_eq!(decoded.request.messages[0].content.len(), blocks, "{message}");
        let noted = notes(&decoded);
        assert!(
            note.is_empty() && noted.is_empty() || noted.contains(&format!("messages[0].{note}")),
            "{noted:?}"
        );
    }
}

#[test]
fn the_result_of_a_tool_may_be_any_json() {
    let part = r#"{"type":"text","text":"part"}"#;
    for (content, texts, note) in [
        ("21.50".to_owned(), vec!["21.50"], "content:rewritten;reason=json_as_text"),
        ("true".to_owned(), vec!["true"], "content:rewritten;reason=json_as_text"),
        (
            r#"{"degrees": 21}"#.to_owned(),
            vec![r#"{"degrees": 21}"#],
            "content:rewritten;reason=json_as_text",
        ),
        (part.to_owned(), vec!["part"], "content:rewritten;reason=not_a_list"),
        (
            format!(r#"[{part},"word",{{"type":"resource","uri":"x"}},7]"#),
            vec!["part", "word", r#"{"type":"resource","uri":"x"}"#, "7"],
            "content[3]:rewritten;reason=json_as_text",
        ),
    ] {
        let decoded = read(&talk(&format!(r#"{{"role":"tool","tool_call_id":"t","content":{content}}}"#)));
        let [Block::ToolResult(result)] = &decoded.request.messages[0].content[..] else { panic!() };
        let said: Vec<_> = result
            .content
            .iter()
            .map(|block| if let Block::Text(text) = block { text.decode().into_owned() } else { panic!() })
            .collect();
        assert_eq!(said, texts);
        assert!(notes(&decoded).contains(&format!("messages[0].{note}")), "{:?}", notes(&decoded));
    }
    assert_refused(&talk(r#"{"role":"user","content":7}"#), "messages[0].content", "invalid_type");
}

#[test]
fn the_result_of_a_tool_may_hold_pictures_files_and_sounds() {
    let content = format!(
        r#"[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{PNG}"}}}},
            {{"type":"file","file":{{"filename":"a.pdf","file_data":"data:application/pdf;base64,{PDF}"}}}},
            {{"type":"input_audio","input_audio":{{"data":"AAAA","format":"wav"}}}}]"#
    );
    let decoded = read(&talk(&format!(r#"{{"role":"tool","tool_call_id":"t","content":{content}}}"#)));
    let [Block::ToolResult(result)] = &decoded.request.messages[0].content[..] else { panic!() };
    assert!(matches!(&result.content[..], [Block::Image(_), Block::Document(_), Block::Audio(_)]));
    assert!(decoded.notes.is_empty());
}

#[test]
fn calls_without_ids_or_names_and_odd_arguments_are_read() {
    for (call, input) in [
        (r#"{"id":"","function":{"name":"f","arguments":"{}"}}"#, "{}"),
        (r#"{"id":null,"function":{"name":"f","arguments":null}}"#, "{}"),
        (r#"{"function":{"arguments":"null"}}"#, "{}"),
        (r#"{"function":{"name":"","arguments":"[1]"}}"#, r#"{"_raw":"[1]"}"#),
        (r#"{"function":{"name":"f","arguments":[1,2]}}"#, r#"{"_raw":[1,2]}"#),
        (r#"{"function":{"name":"f","arguments":5}}"#, r#"{"_raw":5}"#),
        (r#"{"function":{"name":"f","arguments":"{\"a\":"}}"#, r#"{"_raw":"{\"a\":"}"#),
    ] {
        let body = talk(&format!(r#"{{"role":"assistant","content":null,"tool_calls":[{call}]}}"#));
        let [Block::ToolUse(call)] = &blocks(&body)[..] else { panic!() };
        assert_eq!((call.id.as_str(), call.input.as_str()), ("", input));
    }
}

#[test]
fn an_answer_comes_back_as_the_sdk_dumps_it() {
    let decoded = read(&talk(
        r#"{"role":"assistant","content":null,"refusal":"no","annotations":[],"audio":null,"function_call":null,
            "tool_calls":[{"id":"t","type":"function","index":0,"function":{"name":"f","arguments":"{\"z\":1, \"a\":2}"}}]}"#,
    ));
    assert!(decoded.notes.is_empty(), "{:?}", decoded.notes);
    let [Block::Text(refusal), Block::ToolUse(call)] = &decoded.request.messages[0].content[..] else {
        panic!("{:?}", decoded.request.messages)
    };
    assert_eq!(refusal.decode(), "no");
    assert_eq!((call.id.as_str(), call.name.as_str()), ("t", "f"));
    assert_eq!(call.input.as_str(), r#"{"z":1, "a":2}"#);
}

#[test]
fn arguments_are_never_an_error() {
    let body = |arguments: &str| {
        talk(&format!(
            r#"{{"role":"assistant","tool_calls":[{{"id":"t","function":{{"name":"f","arguments":{arguments}}}}}]}}"#
        ))
    };
    let deep = format!("\"{}1{}\"", r#"{\"a\":"#.repeat(70), "}".repeat(70));
    for (arguments, input, noted) in [
        (r#""""#, "{}", None),
        (r#"" ""#, "{}", None),
        ("null", "{}", None),
        (r#""{\"a\":1}""#, r#"{"a":1}"#, None),
        (r#""{\"a\":""#, r#"{"_raw":"{\"a\":"}"#, Some("invalid_arguments")),
        (r#""[1]""#, r#"{"_raw":"[1]"}"#, Some("invalid_arguments")),
        (r#"{"a":1}"#, r#"{"a":1}"#, Some("not_a_string")),
        (&deep, &format!(r#"{{"_raw":{deep}}}"#), Some("invalid_arguments")),
    ] {
        let decoded = read(&body(arguments));
        let [Block::ToolUse(call)] = &decoded.request.messages[0].content[..] else { panic!("a call") };
        assert_eq!(call.input.as_str(), input);
        let path = "messages[0].tool_calls[0].function.arguments";
        let expected: Vec<String> =
            noted.iter().map(|reason| format!("{path}:rewritten;reason={reason}")).collect();
        assert_eq!(notes(&decoded), expected);
    }
}

#[test]
fn a_cache_point_inside_a_result_stands_behind_it() {
    let part = |text: &str, mark: &str| format!(r#"{{"type":"text","text":"{text}"{mark}}}"#);
    let mark = r#","cache_control":{"type":"ephemeral"}"#;
    for (parts, noted) in [
        (format!("{},{}", part("a", ""), part("b", mark)), false),
        (format!("{},{}", part("a", mark), part("b", "")), true),
        (format!("{},{}", part("a", mark), part("b", mark)), true),
    ] {
        let decoded = read(&talk(&format!(r#"{{"role":"tool","tool_call_id":"t","content":[{parts}]}}"#)));
        let [Block::ToolResult(result), Block::CachePoint(_)] = &decoded.request.messages[0].content[..]
        else {
            panic!("{:?}", decoded.request.messages)
        };
        assert_eq!(result.content.len(), 2);
        let note = "messages[0].content:rewritten;reason=cache_point_behind_result".to_owned();
        assert_eq!(notes(&decoded), Vec::from_iter(noted.then_some(note)), "{parts}");
    }
}

#[test]
fn deprecated_function_calls_get_an_id_that_their_result_shares() {
    let decoded = read(&talk(
        r#"{"role":"user","content":"a"},
           {"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},
           {"role":"function","name":"f","content":"r"}"#,
    ));
    let [Block::ToolUse(call)] = &decoded.request.messages[1].content[..] else { panic!("a call") };
    let [Block::ToolResult(result)] = &decoded.request.messages[2].content[..] else { panic!("a result") };
    assert_eq!((call.id.as_str(), result.id.as_str()), ("call_1", "call_1"));
    assert_eq!(
        notes(&decoded),
        [
            "messages[1].function_call:rewritten;reason=deprecated",
            "messages[2].role:rewritten;reason=deprecated",
        ]
    );
}

#[test]
fn thoughts_come_back_only_with_their_proof() {
    let decoded = read(&talk(
        r#"{"role":"assistant","content":"a","reasoning_content":"th","reasoning_details":[
              {"type":"reasoning.text","index":0,"text":"th","signature":"s"},
              {"type":"reasoning.encrypted","index":1,"data":"d"},{"type":"reasoning.text","text":"x"}]},
           {"role":"assistant","content":"b","reasoning_content":"th"}"#,
    ));
    let [Message { content, .. }, Message { content: unsigned, .. }] = &decoded.request.messages[..] else {
        panic!("two")
    };
    let [Block::Reasoning(signed), Block::Reasoning(redacted), Block::Text(_)] = &content[..] else {
        panic!("{content:?}")
    };
    assert_eq!((&signed.text, &signed.signature), (&Text::new("th"), &Some(Text::new("s"))));
    assert_eq!(redacted.redacted, Some(Text::new("d")));
    assert!(matches!(unsigned[..], [Block::Text(_)]));
    assert_eq!(
        notes(&decoded),
        [
            "messages[0].reasoning_details[2]:dropped;reason=unsigned",
            "messages[1].reasoning_content:dropped;reason=unsigned",
        ]
    );
}

#[test]
fn what_a_role_has_no_use_for_is_noted() {
    let decoded = read(&talk(r#"{"role":"user","content":"a","tool_call_id":"t","refusal":"r"}"#));
    assert_eq!(
        notes(&decoded),
        [
            "messages[0].refusal:dropped;reason=not_of_this_role",
            "messages[0].tool_call_id:dropped;reason=not_of_this_role",
        ]
    );
}

// Pictures and files

fn picture(url: &str) -> String {
    parts(&format!(r#"{{"type":"image_url","image_url":{{"url":"{url}"}}}}"#))
}

#[test]
fn a_picture_is_what_its_bytes_say() {
    for (media_type, data, format, noted) in [
        ("image/png", PNG, ImageFormat::Png, false),
        ("IMAGE/JPG", JPEG, ImageFormat::Jpeg, false),
        ("image/gif;name=a.gif", GIF, ImageFormat::Gif, false),
        ("image/webp", WEBP, ImageFormat::Webp, false),
        ("image/png", JPEG, ImageFormat::Jpeg, true),
        ("", PNG, ImageFormat::Png, true),
    ] {
        let decoded = read(&picture(&format!("data:{media_type};base64,{data}")));
        let [Block::Image(image)] = &decoded.request.messages[0].content[..] else { panic!("a picture") };
        let Source::Inline(bytes) = &image.source else { panic!("a picture's bytes") };
        assert_eq!((image.format, bytes), (format, &Text::new(data)), "{media_type}");
        assert_eq!(!decoded.notes.is_empty(), noted, "{media_type}: {:?}", decoded.notes);
    }
    // PHP escapes slashes.
    let escaped = picture(&format!("data:image\\/jpeg;base64,{}", JPEG.replace('/', "\\/")));
    assert!(matches!(blocks(&escaped)[..], [Block::Image(_)]));
}

#[test]
fn a_url_that_is_no_picture_is_refused() {
    let param = "messages[0].content[0].image_url.url";
    for (url, code) in [
        ("ftp://example.com/a.png", "unsupported_value"),
        ("s3://bucket/a.txt", "unsupported_value"),
        ("data:image/png;base64,", "invalid_value"),
        ("data:image/png;base64,iVBORw0KGgoAA", "invalid_value"),
        ("data:image/png;base64,iVBO_w0KGgoAAAAN", "unsupported_value"),
        ("data:image/png;base64,iVB=Rw0KGgoAAAAN", "invalid_value"),
        ("data:image/png;base64,====", "invalid_value"),
        ("data:image/png,abc", "invalid_value"),
        ("data:image/png", "invalid_value"),
        ("data:", "invalid_value"),
        ("data:image/png;base64,AAAA", "unsupported_value"),
    ] {
        assert_refused(&picture(url), param, code);
    }
}

#[test]
fn a_url_may_stand_where_its_object_belongs_and_a_file_in_a_pictures_place() {
    let part = format!(r#"{{"type":"image_url","image_url":"data:image/png;base64,{PNG}"}}"#);
    let decoded = read(&parts(&part));
    assert!(matches!(decoded.request.messages[0].content[..], [Block::Image(_)]));
    assert_eq!(notes(&decoded), ["messages[0].content[0].image_url:rewritten;reason=not_an_object"]);
    let decoded = read(&picture(&format!("data:application/pdf;base64,{PDF}")));
    assert!(matches!(decoded.request.messages[0].content[..], [Block::Document(_)]));
    assert_eq!(notes(&decoded), ["messages[0].content[0].image_url.url:rewritten;reason=is_a_file"]);
}

#[test]
fn a_whole_number_may_be_written_with_a_fraction_of_nothing() {
    let decoded = read(&with(
        r#""max_tokens":100.0,"n":2.0,"top_k":5e1,"seed":-7.0,"logprobs":true,"top_logprobs":3.00"#,
    ));
    let request = &decoded.request;
    assert_eq!((request.max_tokens, decoded.choices, request.top_k), (Some(100), 2, Some(50)));
    assert_eq!((request.draw.seed, request.draw.logprobs), (Some(-7), Some(3)));
    assert!(decoded.notes.is_empty());
    assert_eq!(
        read(&with(r#""thinking":{"type":"enabled","budget_tokens":2048.0}"#)).request.reasoning,
        Some(Effort::Low)
    );
    for (members, param, code) in [
        (r#""max_tokens":100.5"#, "max_tokens", "invalid_type"),
        (r#""n":1e-3"#, "n", "invalid_type"),
        (r#""seed":1e30"#, "seed", "invalid_value"),
        (r#""seed":18446744073709551615"#, "seed", "invalid_value"),
        (r#""top_k":-1.0"#, "top_k", "integer_below_min_value"),
        (r#""max_completion_tokens":"100""#, "max_completion_tokens", "invalid_type"),
    ] {
        assert_refused(&with(members), param, code);
    }
}

#[test]
fn base64_is_taken_however_it_is_written() {
    let written = "//79//79/v4=";
    for data in [
        "//79\\r\\n//79\\n/v4=\\n",
        " //79 //79 /v4= ",
        "//79//79/v4",
        "__79__79_v4",
        "__79__79_v4=",
        "%2F%2F79//79/v4%3D",
    ] {
        let data = data.replace("\\\\", "\\");
        for part in [
            format!(
                r#"{{"type":"file","file":{{"filename":"a.pdf","file_data":"data:application/pdf;base64,{data}"}}}}"#
            ),
            format!(r#"{{"type":"file","file":{{"filename":"a.pdf","file_data":"{data}"}}}}"#),
            format!(r#"{{"type":"input_audio","input_audio":{{"format":"wav","data":"{data}"}}}}"#),
        ] {
            let decoded = read(&parts(&part));
            let text = match &decoded.request.messages[0].content[..] {
                [Block::Document(document)] => match &document.source {
                    Source::Inline(text) => text.clone(),
                    Source::S3 { .. } => panic!("inline"),
                },
                [Block::Audio(audio)] => audio.data.clone(),
                other => panic!("{other:?}"),
            };
            assert_eq!(text.decode(), written, "{data}");
            assert!(notes(&decoded)[0].ends_with("rewritten;reason=unusual_base64"), "{:?}", notes(&decoded));
        }
    }
}

#[test]
fn detail_is_noted_unless_it_is_automatic() {
    let body = |detail: &str| {
        parts(&format!(
            r#"{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{PNG}","detail":"{detail}"}}}}"#
        ))
    };
    assert!(read(&body("auto")).notes.is_empty());
    assert_eq!(
        notes(&read(&body("high"))),
        ["messages[0].content[0].image_url.detail:dropped;reason=no_equivalent"]
    );
    assert_refused(&body("ultra"), "messages[0].content[0].image_url.detail", "invalid_value");
}

#[test]
fn a_file_is_told_by_its_media_type_its_name_or_its_bytes() {
    let body = |members: &str| parts(&format!(r#"{{"type":"file","file":{{{members}}}}}"#));
    for (members, name, format) in [
        (
            format!(r#""file_data":"data:application/pdf;base64,{PDF}","filename":"a.b.pdf""#),
            "a.b.pdf",
            "pdf",
        ),
        (r#""file_data":"data:text/markdown;charset=utf-8;base64,QUJD""#.into(), "document", "md"),
        (r#""file_data":"QUJD","filename":"t.CSV""#.into(), "t.CSV", "csv"),
        (
            r#""file_data":"data:application/octet-stream;base64,QUJD","filename":"t.htm""#.into(),
            "t.htm",
            "html",
        ),
        (format!(r#""file_data":"{PDF}""#), "document", "pdf"),
        (
            r#""file_data":"data:application/vnd.ms-excel;base64,QUJD","filename":"t.csv""#.into(),
            "t.csv",
            "csv",
        ),
        (r#""file_data":"QUJD","filename":"a.exe""#.into(), "a.exe", "txt"),
        (r#""file_data":"QU","filename":"a.toml""#.into(), "a.toml", "txt"),
    ] {
        let [Block::Document(document)] = &blocks(&body(&members))[..] else { panic!("a document") };
        assert_eq!((document.name.as_str(), document.format.as_str()), (name, format));
    }
    let decoded = read(&body(&format!(r#""file_data":"data:image/png;base64,{PNG}""#)));
    assert!(matches!(decoded.request.messages[0].content[..], [Block::Image(_)]));
    assert_eq!(notes(&decoded), ["messages[0].content[0].file:rewritten;reason=is_an_image"]);

    let path = |member: &str| format!("messages[0].content[0].file.{member}");
    assert_refused(&body(r#""file_id":"f-1""#), &path("file_id"), "unsupported_value");
    assert_refused(&body(""), &path("file_data"), "missing_required_parameter");
    assert_refused(
        &body(r#""file_data":"f0VMRgIBAQA=","filename":"a.exe""#),
        &path("file_data"),
        "unsupported_file",
    );
    assert_refused(&body(r#""file_data":"Q","filename":"a.txt""#), &path("file_data"), "invalid_value");
}

// Tools

const TOOLS: &str = r#""tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}},
                               {"type":"function","function":{"name":"g"}}]"#;

fn choose(choice: &str) -> String {
    with(&format!(r#"{TOOLS},"tool_choice":{choice}"#))
}

#[test]
fn tool_choice_has_many_forms() {
    for (choice, expected, tools) in [
        (r#""none""#, ToolChoice::None, 2),
        (r#""auto""#, ToolChoice::Auto, 2),
        (r#""required""#, ToolChoice::Required, 2),
        (r#"{"type":"function","function":{"name":"g"}}"#, ToolChoice::Named("g".into()), 2),
        (
            r#"{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"g"}}]}}"#,
            ToolChoice::Required,
            1,
        ),
    ] {
        let decoded = read(&choose(choice));
        assert_eq!(decoded.request.tool_choice, Some(expected));
        assert_eq!(decoded.request.tools.len(), tools, "{choice}");
        assert!(decoded.notes.is_empty(), "{:?}", decoded.notes);
    }
}

#[test]
fn a_choice_that_cannot_be_made_is_refused() {
    for (choice, param) in [
        (r#""any""#, "tool_choice"),
        (r#"{"type":"function","function":{"name":"h"}}"#, "tool_choice.function.name"),
        (r#"{"type":"tool"}"#, "tool_choice.type"),
        (
            r#"{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"h"}}]}}"#,
            "tool_choice.allowed_tools.tools[0].function.name",
        ),
    ] {
        assert_refused(&choose(choice), param, "invalid_value");
    }
    assert_refused(&with(r#""tool_choice":"required""#), "tool_choice", "invalid_value");
    assert_eq!(read(&with(r#""tool_choice":"auto""#)).request.tool_choice, Some(ToolChoice::Auto));
}

#[test]
fn what_a_tool_lacks_is_named() {
    for (tool, param, code) in [
        (r#"{"function":{"name":"f"}}"#, "tools[0].type", "missing_required_parameter"),
        (r#"{"type":"function","name":"f"}"#, "tools[0].function", "missing_required_parameter"),
        (r#"{"type":"function","function":{}}"#, "tools[0].function.name", "missing_required_parameter"),
        (r#"{"type":"function","function":{"name":""}}"#, "tools[0].function.name", "invalid_value"),
        (r#"{"type":"web_search"}"#, "tools[0].type", "invalid_value"),
    ] {
        assert_refused(&with(&format!(r#""tools":[{tool}]"#)), param, code);
    }
}

#[test]
fn deprecated_functions_become_tools() {
    let decoded = read(&with(r#""functions":[{"name":"f","parameters":{}}],"function_call":{"name":"f"}"#));
    assert_eq!(decoded.request.tools[0].name, "f");
    assert_eq!(decoded.request.tool_choice, Some(ToolChoice::Named("f".into())));
    assert_eq!(
        notes(&decoded),
        ["functions:rewritten;reason=deprecated", "function_call:rewritten;reason=deprecated"]
    );
    assert_refused(&with(&format!(r#"{TOOLS},"functions":[{{"name":"f"}}]"#)), "functions", "invalid_value");
}

#[test]
fn custom_tools_become_functions_of_one_text() {
    let decoded = read(
        r#"{"messages":[{"role":"assistant","tool_calls":[{"id":"t","type":"custom","custom":{"name":"c","input":"a\n\"b\""}}]}],
            "tools":[{"type":"custom","custom":{"name":"c","format":{"type":"grammar","grammar":{}}}}]}"#,
    );
    assert_eq!(decoded.request.tools[0].schema.as_ref().unwrap().as_str(), tools::CUSTOM_SCHEMA);
    let [Block::ToolUse(call)] = &decoded.request.messages[0].content[..] else { panic!("a call") };
    assert_eq!(call.input.as_str(), r#"{"input":"a\n\"b\""}"#);
    assert_eq!(
        notes(&decoded),
        [
            "tools[0].custom:emulated;reason=custom_tool",
            "tools[0].custom.format:dropped;reason=no_equivalent"
        ]
    );
}
