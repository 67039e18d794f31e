use serde_json::{Value, json};

use super::*;
use crate::chat::{GuardrailTrace, ImageFormat, Latency, ModelField, ServiceTier};

fn message(role: Role, content: Vec<Block>) -> Message {
    Message { role, content, index: 0 }
}

fn text(plain: &str) -> Block {
    Block::Text(Text::new(plain))
}

fn tool(name: &str) -> Tool {
    Tool { name: name.into(), description: None, schema: None, strict: None, cache: None }
}

fn ask(content: Vec<Block>) -> Request {
    Request { messages: vec![message(Role::User, content)], ..Request::default() }
}

fn written(request: &Request) -> Result<Bytes, InvalidRequest> {
    body(request, false)
}

fn sent(request: &Request) -> Value {
    serde_json::from_slice(&written(request).unwrap()).unwrap()
}

#[test]
fn what_is_absent_stays_absent() {
    let body = written(&ask(vec![text("hi")])).unwrap();
    assert_eq!(body, r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#);
}

#[test]
fn instructions_leave_the_conversation_wherever_they_stand() {
    let mut request = ask(vec![text("hi")]);
    request.messages.insert(0, message(Role::System, vec![text("a"), text("b")]));
    request.messages.push(message(Role::System, vec![text("c")]));
    assert_eq!(sent(&request)["system"], json!([{"text":"a"},{"text":"b"},{"text":"c"}]));
    assert_eq!(sent(&request)["messages"].as_array().unwrap().len(), 1);
}

#[test]
fn the_sampling_settings_have_their_places() {
    let request = Request {
        max_tokens: Some(9),
        temperature: Some(0.7),
        top_p: Some(1.0),
        stop: vec!["END".into()],
        ..ask(vec![text("hi")])
    };
    assert_eq!(
        sent(&request)["inferenceConfig"],
        json!({"maxTokens":9,"temperature":0.7,"topP":1.0,"stopSequences":["END"]})
    );
}

#[test]
fn a_tool_turn_is_written_block_by_block() {
    let request = Request {
        messages: vec![
            message(Role::User, vec![text("weather?")]),
            message(
                Role::Assistant,
                vec![
                    text("let me see"),
                    Block::ToolUse(ToolUse {
                        id: "t1".into(),
                        name: "weather".into(),
                        input: Json::parse(r#"{"z": 1.50, "a":"\u00e9"}"#).unwrap(),
                    }),
                    Block::Reasoning(Reasoning {
                        text: Text::new("hm"),
                        signature: Some(Text::new("sig")),
                        redacted: None,
                    }),
                    Block::Reasoning(Reasoning {
                        text: Text::new(""),
                        signature: None,
                        redacted: Some(Text::new("cmVk")),
                    }),
                ],
            ),
            message(
                Role::User,
                vec![
                    Block::ToolResult(ToolResult {
                        id: "t1".into(),
                        content: vec![text("rain")],
                        is_error: false,
                    }),
                    Block::ToolResult(ToolResult { id: "t2".into(), content: vec![], is_error: true }),
                ],
            ),
        ],
        ..Request::default()
    };
    let body = String::from_utf8(written(&request).unwrap().to_vec()).unwrap();
    // Thoughts come first, and the input is the client's to the byte.
    assert!(body.contains(concat!(
        r#"{"role":"assistant","content":["#,
        r#"{"reasoningContent":{"reasoningText":{"text":"hm","signature":"sig"}}},"#,
        r#"{"reasoningContent":{"redactedContent":"cmVk"}},"#,
        r#"{"text":"let me see"},"#,
        r#"{"toolUse":{"toolUseId":"t1","name":"weather","input":{"z": 1.50, "a":"\u00e9"}}}]}"#,
    )));
    // Only a failure has a status: some models refuse the member.
    assert!(body.contains(concat!(
        r#"{"toolResult":{"toolUseId":"t1","content":[{"text":"rain"}]}},"#,
        r#"{"toolResult":{"toolUseId":"t2","content":[],"status":"error"}}"#,
    )));
}

#[test]
fn tools_have_a_description_and_an_object_schema_whatever_the_client_left_out() {
    let mut request = ask(vec![text("hi")]);
    request.tools = vec![
        tool("bare"),
        Tool {
            name: "full".into(),
            description: Some(Text::new("does")),
            schema: Some(Json::parse(r#"{"type":"object","properties":{"z":{},"a":{}}}"#).unwrap()),
            strict: Some(true),
            cache: None,
        },
        Tool { description: Some(Text::new(" ")), strict: Some(false), ..tool("blank") },
    ];
    let body = String::from_utf8(written(&request).unwrap().to_vec()).unwrap();
    let expected = concat!(
        r#""toolConfig":{"tools":["#,
        r#"{"toolSpec":{"name":"bare","description":"bare","inputSchema":{"json":{"type":"object","properties":{}}}}},"#,
        r#"{"toolSpec":{"name":"full","description":"does","inputSchema":{"json":{"type":"object","properties":{"z":{},"a":{}}}},"strict":true}},"#,
        r#"{"toolSpec":{"name":"blank","description":"blank","inputSchema":{"json":{"type":"object","properties":{}}}}}]}"#,
    );
    assert!(body.contains(expected), "{body}");
}

#[test]
fn each_tool_choice_has_its_shape() {
    for (choice, expected) in [
        (None, Value::Null),
        (Some(ToolChoice::Auto), Value::Null),
        (Some(ToolChoice::None), Value::Null),
        (Some(ToolChoice::Required), json!({"any":{}})),
        (Some(ToolChoice::Named("f".into())), json!({"tool":{"name":"f"}})),
    ] {
        let request = Request { tools: vec![tool("f")], tool_choice: choice, ..ask(vec![text("hi")]) };
        assert_eq!(sent(&request)["toolConfig"]["toolChoice"], expected);
    }
}

#[test]
fn the_service_is_asked_for_in_bedrocks_own_members() {
    let request = Request {
        service: Service {
            metadata: vec![("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())],
            cache_key: None,
            tier: Some(ServiceTier::Priority),
            latency: Some(Latency::Optimized),
            guardrail: Some(Guardrail {
                id: "g".to_owned(),
                version: "DRAFT".to_owned(),
                trace: GuardrailTrace::Full,
                synchronous: Some(true),
            }),
            reply_fields: vec!["/stop_sequence".to_owned()],
        },
        model_fields: vec![ModelField::new(&["top_k"], Json::number(7))],
        ..ask(vec![text("hi")])
    };
    let mut whole = sent(&request);
    let mut streamed: Value = serde_json::from_slice(&body(&request, true).unwrap()).unwrap();
    whole.as_object_mut().unwrap().remove("messages");
    assert_eq!(
        whole,
        json!({
            "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "DRAFT", "trace": "enabled_full"},
            "additionalModelRequestFields": {"top_k": 7},
            "additionalModelResponseFieldPaths": ["/stop_sequence"],
            "requestMetadata": {"a": "1", "b": "2"},
            "performanceConfig": {"latency": "optimized"},
            "serviceTier": {"type": "priority"},
        })
    );
    assert_eq!(streamed["guardrailConfig"]["streamProcessingMode"].take(), "sync");
}

#[test]
fn a_cache_point_stands_behind_what_it_keeps() {
    let point = CachePoint { ttl: Some(CacheTtl::OneHour) };
    let mut request = ask(vec![text("long"), Block::CachePoint(CachePoint { ttl: None }), text("short")]);
    request.messages.insert(0, message(Role::System, vec![text("a"), Block::CachePoint(point)]));
    request.tools = vec![Tool { cache: Some(point), ..tool("f") }, tool("g")];
    let sent = sent(&request);
    let written = json!({"cachePoint": {"type": "default", "ttl": "1h"}});
    assert_eq!(sent["system"][1], written);
    assert_eq!(sent["toolConfig"]["tools"][1], written);
    assert_eq!(sent["messages"][0]["content"][1], json!({"cachePoint": {"type": "default"}}));
}

#[test]
fn pictures_and_files_pass_through_in_base64() {
    let file = |name: &str| {
        Block::Document(Document {
            name: name.into(),
            format: "pdf".into(),
            source: Source::Inline(Text::new("JVBERg==")),
        })
    };
    let picture =
        Block::Image(Image { format: ImageFormat::Webp, source: Source::Inline(Text::new("UklGRg==")) });
    let request = ask(vec![picture, file("a_b.pdf"), file("a_b.pdf")]);
    assert_eq!(
        sent(&request)["messages"][0]["content"],
        json!([
            {"image":{"format":"webp","source":{"bytes":"UklGRg=="}}},
            {"document":{"format":"pdf","name":"a-b","source":{"bytes":"JVBERg=="}}},
            {"document":{"format":"pdf","name":"a-b (2)","source":{"bytes":"JVBERg=="}}},
        ])
    );
}

#[test]
fn a_reply_schema_is_sent_as_a_string() {
    let mut request = ask(vec![text("hi")]);
    request.format = OutputFormat::JsonSchema {
        name: "answer".into(),
        description: None,
        schema: Some(Json::parse(r#"{"z":1, "a":2}"#).unwrap()),
        strict: true,
    };
    assert_eq!(
        sent(&request)["outputConfig"],
        json!({"textFormat":{"type":"json_schema","structure":{"jsonSchema":{
            "schema":"{\"z\":1,\"a\":2}","name":"answer"}}}})
    );
    request.format = OutputFormat::JsonObject;
    assert_eq!(written(&request).unwrap_err().param.unwrap(), "response_format");
}

#[test]
fn what_has_no_place_in_a_block_is_refused_by_its_place() {
    let mut request = ask(vec![Block::ToolResult(ToolResult {
        id: "t".into(),
        content: vec![Block::ToolUse(ToolUse {
            id: "t".into(),
            name: "f".into(),
            input: Json::empty_object(),
        })],
        is_error: false,
    })]);
    assert_eq!(written(&request).unwrap_err().param.unwrap(), "messages[0].content");
    let picture = Block::Image(Image { format: ImageFormat::Png, source: Source::Inline(Text::new("")) });
    request.messages = vec![message(Role::System, vec![picture])];
    assert_eq!(written(&request).unwrap_err().param.unwrap(), "messages[0].content");
}

#[test]
fn texts_are_not_rewritten() {
    let raw: &serde_json::value::RawValue = serde_json::from_str(r#""a\u00e9\/\n""#).unwrap();
    let request = ask(vec![Block::Text(Text::from_raw(raw).unwrap())]);
    let body = written(&request).unwrap();
    assert!(String::from_utf8(body.to_vec()).unwrap().contains(r#""a\u00e9\/\n""#));
}
