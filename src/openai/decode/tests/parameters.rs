//! Parameters: what each may be, and what becomes of it.

use super::*;

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
