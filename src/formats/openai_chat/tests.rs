use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::bedrock::{Frame, ReplyHead, TokenCounts};
use crate::chat::{
    Block, Draw, Effort, Image, ImageFormat, Json, Message, OutputFormat, Reasoning, Response, Role, Source,
    StopReason, Text, Tool, ToolChoice, ToolResult, ToolUse, Usage,
};
use crate::formats::fuzz;
use crate::formats::samples::{View, lines, view};

fn message(role: Role, content: Vec<Block>) -> Message {
    Message { role, content, index: 4 }
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

fn written(format: &OpenAiChat, request: &Request) -> String {
    let model = ModelId::parse("openai.gpt-oss-20b-1:0").unwrap();
    let call = format.encode(request, &model, true).unwrap();
    assert_eq!(call.operation, Operation::InvokeModelWithResponseStream);
    String::from_utf8(call.body.to_vec()).unwrap()
}

fn sent(format: &OpenAiChat, request: &Request) -> Value {
    serde_json::from_str(&written(format, request)).unwrap()
}

#[test]
fn what_is_absent_stays_absent() {
    assert_eq!(
        written(&OPENAI_CHAT, &ask(vec![text("hi")])),
        r#"{"messages":[{"role":"user","content":"hi"}]}"#
    );
}

#[test]
fn the_settings_have_their_places() {
    let request = Request {
        max_tokens: Some(9),
        temperature: Some(0.7),
        top_p: Some(0.5),
        stop: vec!["END".into()],
        draw: Draw {
            seed: Some(-1),
            frequency_penalty: Some(0.5),
            presence_penalty: Some(-0.5),
            logit_bias: Some(Json::parse(r#"{"7":1}"#).unwrap()),
            logprobs: None,
        },
        reasoning: Some(Effort::High),
        format: OutputFormat::JsonSchema {
            name: "answer".into(),
            description: None,
            schema: Some(Json::parse(r#"{"z":{}, "a":{}}"#).unwrap()),
            strict: true,
        },
        user: Some("u-1".into()),
        model_fields: vec![crate::chat::ModelField::new(
            &["reasoning_effort"],
            Json::parse("\"high\"").unwrap(),
        )],
        ..ask(vec![text("hi")])
    };
    let body = written(&OPENAI_CHAT, &request);
    let expected = concat!(
        r#","max_tokens":9,"temperature":0.7,"top_p":0.5,"stop":["END"],"seed":-1,"frequency_penalty":0.5,"#,
        r#""presence_penalty":-0.5,"logit_bias":{"7":1},"response_format":{"type":"json_schema","#,
        r#""json_schema":{"name":"answer","schema":{"z":{}, "a":{}},"strict":true}},"user":"u-1","#,
        r#""reasoning_effort":"high"}"#,
    );
    assert!(body.ends_with(expected), "{body}");
}

#[test]
fn results_of_tools_are_messages_of_their_own() {
    let request = Request {
        messages: vec![
            message(Role::System, vec![text("a"), text("b")]),
            message(
                Role::Assistant,
                vec![
                    Block::Reasoning(Reasoning { text: Text::new("hm"), signature: None, redacted: None }),
                    Block::ToolUse(ToolUse {
                        id: "t1".into(),
                        name: "weather".into(),
                        input: Json::parse(r#"{"z": 1.50, "a":"\u00e9"}"#).unwrap(),
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
                    text("and now?"),
                ],
            ),
        ],
        tools: vec![Tool { description: Some(Text::new("d")), ..tool("weather") }],
        tool_choice: Some(ToolChoice::Required),
        parallel_tool_calls: Some(false),
        ..Request::default()
    };
    assert_eq!(
        written(&OPENAI_CHAT, &request),
        concat!(
            r#"{"messages":[{"role":"system","content":"a\n\nb"},"#,
            r#"{"role":"assistant","reasoning_content":"hm","tool_calls":[{"id":"t1","type":"function","#,
            r#""function":{"name":"weather","arguments":"{\"z\":1.50,\"a\":\"\\u00e9\"}"}}]},"#,
            r#"{"role":"tool","content":"rain","tool_call_id":"t1"},"#,
            r#"{"role":"user","content":"and now?"}],"#,
            r#""tools":[{"type":"function","function":{"name":"weather","description":"d","#,
            r#""parameters":{"type":"object","properties":{}}}}],"#,
            r#""tool_choice":"required","parallel_tool_calls":false}"#,
        )
    );
}

#[test]
fn mistral_has_another_word_and_shorter_ids() {
    let round = |id: &str| {
        let call = ToolUse { id: id.into(), name: "f".into(), input: Json::empty_object() };
        let result = ToolResult { id: id.into(), content: vec![text("x")], is_error: false };
        [
            message(Role::Assistant, vec![Block::ToolUse(call)]),
            message(Role::User, vec![Block::ToolResult(result)]),
        ]
    };
    let request = Request {
        messages: round("call_1").into_iter().chain(round("abcDEF123")).collect(),
        tools: vec![tool("f")],
        tool_choice: Some(ToolChoice::Required),
        ..Request::default()
    };
    let body = sent(&MISTRAL_CHAT, &request);
    assert_eq!(body["tool_choice"], "any");
    let id = body["messages"][0]["tool_calls"][0]["id"].as_str().unwrap();
    assert!(id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
    assert_eq!(body["messages"][1]["tool_call_id"], id);
    assert_eq!(body["messages"][2]["tool_calls"][0]["id"], "abcDEF123");
    let mut notes = Notes::new();
    MISTRAL_CHAT.note_rewrites(&request, &mut notes);
    OPENAI_CHAT.note_rewrites(&request, &mut notes);
    let notes: Vec<_> = notes.iter().map(ToString::to_string).collect();
    assert_eq!(notes, ["messages[4]:renamed;reason=id_pattern"]);
}

#[test]
fn each_tool_choice_has_its_shape() {
    for (choice, expected) in [
        (None, Value::Null),
        (Some(ToolChoice::Auto), Value::Null),
        (Some(ToolChoice::None), json!("none")),
        (Some(ToolChoice::Required), json!("required")),
        (Some(ToolChoice::Named("f".into())), json!({"type":"function","function":{"name":"f"}})),
    ] {
        let request = Request { tools: vec![tool("f")], tool_choice: choice, ..ask(vec![text("hi")]) };
        assert_eq!(sent(&OPENAI_CHAT, &request)["tool_choice"], expected);
    }
}

#[test]
fn pictures_are_data_urls() {
    let picture = |source| Block::Image(Image { format: ImageFormat::Webp, source });
    let request = ask(vec![text("see"), picture(Source::Inline(Text::new("UklGRg==")))]);
    assert_eq!(
        sent(&OPENAI_CHAT, &request)["messages"][0]["content"],
        json!([
            {"type":"text","text":"see"},
            {"type":"image_url","image_url":{"url":"data:image/webp;base64,UklGRg=="}},
        ])
    );
    let elsewhere = ask(vec![picture(Source::S3 { uri: "s3://b/k".into(), owner: None })]);
    let model = ModelId::parse("qwen.qwen3-vl-235b-a22b").unwrap();
    let refusal = OPENAI_CHAT.encode(&elsewhere, &model, false).unwrap_err();
    assert_eq!(refusal.param.as_deref(), Some("messages[4]"));
}

fn whole_with(body: &Value, tokens: TokenCounts) -> Result<Vec<Event>, ProtocolError> {
    let mut events = Vec::new();
    let head = ReplyHead { tokens, ..ReplyHead::default() };
    let reply = Reply { head, body: Bytes::from(body.to_string()) };
    OPENAI_CHAT.decode(&reply, &mut events).map(|()| events)
}

fn whole(body: &Value) -> Result<Vec<Event>, ProtocolError> {
    whole_with(body, TokenCounts::default())
}

fn streamed(chunks: &[Value]) -> Result<Vec<Event>, ProtocolError> {
    let (mut decoder, mut events) = (OPENAI_CHAT.stream_decoder(), Vec::new());
    for chunk in chunks {
        let payload = Bytes::from(chunk.to_string());
        decoder.push(&Frame { event: "chunk".into(), payload }, &mut events)?;
    }
    decoder.finish(&mut events).map(|()| events)
}

fn response(events: Result<Vec<Event>, ProtocolError>) -> Response {
    Response::assemble(events.unwrap()).unwrap()
}

fn choice(member: &str, said: &Value, reason: &Value) -> Value {
    json!({"choices":[{"index":0,member:said,"finish_reason":reason}]})
}

#[test]
fn a_whole_reply_has_text_thoughts_calls_and_counts() {
    let said = response(whole(&json!({
        "id": "c", "object": "chat.completion", "model": "m",
        "choices": [{"index":0,"message":{
            "role":"assistant","content":"<reasoning>hm</reasoning>hi",
            "tool_calls":[{"id":"t1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},
                          {"id":"t2","type":"function","function":{"name":"g","arguments":{"b": 2}}}],
        },"finish_reason":"tool_calls"},{"index":1,"message":{"content":"no"},"finish_reason":"stop"}],
        "usage": {"prompt_tokens":10,"completion_tokens":4.0,"total_tokens":14,
                  "prompt_tokens_details":{"cached_tokens":3},"completion_tokens_details":{"reasoning_tokens":2}},
    })));
    assert_eq!(said.text, Some(Text::new("hi")));
    assert_eq!(said.reasoning[0].text, Text::new("hm"));
    let calls: Vec<_> =
        said.tool_calls.iter().map(|call| (call.id.as_str(), call.arguments.decode())).collect();
    assert_eq!(calls, [("t1", r#"{"a":1}"#.into()), ("t2", r#"{"b":2}"#.into())]);
    assert_eq!(said.stop, StopReason::ToolUse);
    let usage = Usage { input: 7, output: 4, cache_read: 3, cache_write: 0, reasoning: Some(2) };
    assert_eq!(said.usage, Some(usage));
}

#[test]
fn headers_count_what_a_body_does_not() {
    let tokens = TokenCounts { input: Some(5), output: Some(6), ..TokenCounts::default() };
    let body = choice("message", &json!({"content":"a"}), &json!("length"));
    let said = response(whole_with(&body, tokens));
    assert_eq!(said.stop, StopReason::MaxTokens);
    assert_eq!(said.usage, Some(Usage { input: 5, output: 6, ..Usage::default() }));
}

#[test]
fn other_servers_ways_to_say_it_are_understood() {
    for (said, text, thought) in [
        (json!({"message":{"content":" a","reasoning_content":"t"}}), Some(" a"), Some("t")),
        (json!({"message":{"content":"a","reasoning":"t"}}), Some("a"), Some("t")),
        (json!({"message":{"content":null,"reasoning":{"x":1},"tool_calls":null}}), None, None),
        (
            json!({"message":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"t"}]},{"type":"text","text":"a"},{"type":"new"}]}}),
            Some("a"),
            Some("t"),
        ),
        (json!({"message":{"content":[{"type":"thinking","thinking":"t"}]}}), None, Some("t")),
        (json!({"text":"a"}), Some("a"), None),
    ] {
        let mut choice = said.clone();
        choice["stop_reason"] = json!("stop");
        let read = response(whole(&json!({"choices":[choice]})));
        assert_eq!(read.text, text.map(Text::new), "{said}");
        assert_eq!(
            read.reasoning.first().map(|thought| thought.text.clone()),
            thought.map(Text::new),
            "{said}"
        );
        assert_eq!(read.stop, StopReason::EndTurn, "{said}");
    }
    // Some servers tell in `stop_reason` which token ended the reply.
    let read = response(whole(
        &json!({"choices":[{"message":{"content":"a"},"finish_reason":"length","stop_reason":200_012}]}),
    ));
    assert_eq!(read.stop, StopReason::MaxTokens);
    let read = response(whole(&choice("message", &json!({"refusal":"no"}), &json!("stop"))));
    let told = (read.text, read.refusal, read.stop);
    assert_eq!(told, (None, Some(Text::new("no")), StopReason::Refusal));
}

#[test]
fn calls_come_in_pieces_and_a_number_may_be_used_again() {
    let call = |index: &Value, id: &Value, name: &Value, arguments: &str| {
        let call = json!({"index":index,"id":id,"function":{"name":name,"arguments":arguments}});
        choice("delta", &json!({"tool_calls":[call]}), &Value::Null)
    };
    let said = response(streamed(&[
        call(&json!(0), &json!("a"), &json!("f"), ""),
        call(&json!(0), &Value::Null, &Value::Null, "{\"x\""),
        call(&json!(0), &json!("a"), &json!("f"), ":1}"),
        call(&json!(1), &Value::Null, &json!("g"), "{}"),
        call(&json!(1), &json!("c"), &json!("h"), "{}"),
        choice("delta", &json!({}), &json!("tool_calls")),
    ]));
    let calls: Vec<_> = said
        .tool_calls
        .iter()
        .map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.decode()))
        .collect();
    assert_eq!(
        calls,
        [("a", "f", r#"{"x":1}"#.into()), ("call_1", "g", "{}".into()), ("c", "h", "{}".into())]
    );
    let nameless = streamed(&[call(&json!(3), &Value::Null, &Value::Null, "{")]);
    assert!(matches!(nameless, Err(ProtocolError::Grammar(_))), "{nameless:?}");
}

#[test]
fn counts_may_come_behind_the_stop() {
    let metrics = json!({"inputTokenCount":5,"outputTokenCount":6});
    for last in [
        json!({"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":6}}),
        json!({"choices":[],"amazon-bedrock-invocationMetrics":metrics}),
    ] {
        let chunks = [
            choice("message", &json!({"role":"assistant","content":"a"}), &Value::Null),
            choice("message", &json!({"content":""}), &json!("stop")),
            last,
        ];
        let said = response(streamed(&chunks));
        assert_eq!(said.usage, Some(Usage { input: 5, output: 6, ..Usage::default() }));
        assert!(matches!(streamed(&chunks[..1]), Err(ProtocolError::Truncated)));
    }
}

#[test]
fn a_guardrail_weighs_more_than_the_models_word() {
    let chunk = |trace: Value| {
        json!({"choices":[{"delta":{"content":"no"},"finish_reason":"stop"}],
            "amazon-bedrock-guardrailAction":"INTERVENED","amazon-bedrock-trace":trace})
    };
    assert_eq!(response(streamed(&[chunk(Value::Null)])).stop, StopReason::ContentFiltered);
    let masked = json!({"guardrail":{"outputs":[{"action":"ANONYMIZED"}]}});
    assert_eq!(response(streamed(&[chunk(masked)])).stop, StopReason::EndTurn);
    let blocked =
        json!({"choices":[{"message":{"content":"no"}}],"amazon-bedrock-guardrailAction":"INTERVENED"});
    assert_eq!(response(whole(&blocked)).stop, StopReason::ContentFiltered);
}

#[test]
fn an_error_in_the_place_of_a_reply_is_told_by_its_kind() {
    for (error, kind) in [(json!({"type":"overloaded","message":"m"}), "overloaded"), (json!("m"), "error")] {
        let failed = whole(&json!({"error":error}));
        assert!(matches!(&failed, Err(ProtocolError::Reported(said)) if said == kind), "{failed:?}");
    }
}

#[derive(Debug, Clone)]
struct Sample {
    thoughts: Vec<String>,
    texts: Vec<String>,
    /// Name and the pieces of the arguments.
    calls: Vec<(String, Vec<String>)>,
}

fn sample() -> impl Strategy<Value = Sample> {
    let pieces = || prop::collection::vec(any::<String>(), 0..4);
    let arguments = any::<String>().prop_map(|value| {
        let json: Vec<char> = json!({"a": value}).to_string().chars().collect();
        json.chunks(3).map(|piece| piece.iter().collect()).collect::<Vec<String>>()
    });
    (pieces(), pieces(), prop::collection::vec(("[a-z]{1,6}", arguments), 0..3))
        .prop_map(|(thoughts, texts, calls)| Sample { thoughts, texts, calls })
}

fn in_chunks(sample: &Sample) -> Vec<Value> {
    let delta = |delta: Value| choice("delta", &delta, &Value::Null);
    let mut chunks = vec![delta(json!({"role":"assistant","content":""}))];
    chunks.extend(sample.thoughts.iter().map(|piece| delta(json!({"reasoning_content":piece}))));
    chunks.extend(sample.texts.iter().map(|piece| delta(json!({"content":piece}))));
    for (at, (name, pieces)) in sample.calls.iter().enumerate() {
        let function = json!({"name":name,"arguments":""});
        chunks.push(delta(json!({"tool_calls":[{"index":at,"id":format!("id{at}"),"function":function}]})));
        for piece in pieces {
            chunks.push(delta(json!({"tool_calls":[{"index":at,"function":{"arguments":piece}}]})));
        }
    }
    chunks.push(choice("delta", &json!({}), &json!("stop")));
    chunks.push(json!({"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":9}}));
    chunks
}

fn in_one(sample: &Sample) -> Value {
    let calls = sample.calls.iter().enumerate().map(|(at, (name, pieces))| {
        json!({"id":format!("id{at}"),"function":{"name":name,"arguments":pieces.concat()}})
    });
    let message = json!({"content":sample.texts.concat(),"reasoning_content":sample.thoughts.concat(),
        "tool_calls":calls.collect::<Vec<_>>()});
    let mut body = choice("message", &message, &json!("stop"));
    body["usage"] = json!({"prompt_tokens":7,"completion_tokens":9});
    body
}

proptest! {
    #[test]
    fn a_stream_says_what_the_whole_reply_says(sample in sample()) {
        let (one, chunks): (View, View) =
            (view(whole(&in_one(&sample)).unwrap()), view(streamed(&in_chunks(&sample)).unwrap()));
        let text = sample.texts.concat();
        prop_assert_eq!(one.text.clone(), (!text.is_empty()).then_some(text));
        prop_assert_eq!(one.tools.len(), sample.calls.len());
        prop_assert_eq!(one, chunks);
    }

    #[test]
    fn a_cut_stream_is_no_reply(sample in sample(), at in any::<prop::sample::Index>()) {
        let chunks = in_chunks(&sample);
        let cut = at.index(chunks.len() - 2);
        prop_assert!(streamed(&chunks[..cut]).is_err());
    }

    #[test]
    fn no_bytes_break_the_decoder(
        data in lines(&["choices", "delta", "message", "content", "text", "thinking", "tool_calls", "index", "id",
            "function", "name", "arguments", "finish_reason", "stop", "usage", "<think>", "</think>"]),
    ) {
        fuzz::feed(&mut ChatStream::default(), &["chunk"], &data);
    }
}
