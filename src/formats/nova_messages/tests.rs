use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::bedrock::{Frame, ReplyHead, TokenCounts};
use crate::chat::{
    Block, CachePoint, Delta, Image, ImageFormat, Json, Message, ModelField, OutputFormat, Response, Role,
    Source, StopReason, Text, Tool, ToolChoice, ToolResult, ToolUse, Usage,
};
use crate::formats::fuzz;
use crate::formats::samples::{Said, View, input, lines, reply, view};

fn message(role: Role, content: Vec<Block>) -> Message {
    Message { role, content, index: 2 }
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

fn written(request: &Request) -> String {
    let model = ModelId::parse("amazon.nova-lite-v1:0").unwrap();
    let call = NOVA_MESSAGES.encode(request, &model, false).unwrap();
    assert_eq!(call.operation, Operation::InvokeModel);
    String::from_utf8(call.body.to_vec()).unwrap()
}

#[test]
fn the_least_request_has_the_schemas_version_and_nothing_else() {
    assert_eq!(
        written(&ask(vec![text("hi")])),
        r#"{"schemaVersion":"messages-v1","messages":[{"role":"user","content":[{"text":"hi"}]}]}"#
    );
}

#[test]
fn the_settings_have_their_places() {
    let mut request = Request {
        max_tokens: Some(9),
        temperature: Some(0.7),
        top_p: Some(0.5),
        top_k: Some(20),
        stop: vec!["END".into()],
        tools: vec![Tool { description: Some(Text::new("d")), ..tool("f") }, tool("g")],
        tool_choice: Some(ToolChoice::Named("f".into())),
        model_fields: vec![ModelField::new(
            &["reasoningConfig", "type"],
            Json::parse("\"enabled\"").unwrap(),
        )],
        ..ask(vec![text("hi"), Block::CachePoint(CachePoint { ttl: None })])
    };
    request.messages.insert(0, message(Role::System, vec![text("be brief")]));
    assert_eq!(
        written(&request),
        concat!(
            r#"{"schemaVersion":"messages-v1","system":[{"text":"be brief"}],"#,
            r#""messages":[{"role":"user","content":[{"text":"hi"},{"cachePoint":{"type":"default"}}]}],"#,
            r#""inferenceConfig":{"maxTokens":9,"temperature":0.7,"topP":0.5,"topK":20,"stopSequences":["END"]},"#,
            r#""toolConfig":{"tools":["#,
            r#"{"toolSpec":{"name":"f","description":"d","inputSchema":{"json":{"type":"object","properties":{}}}}},"#,
            r#"{"toolSpec":{"name":"g","inputSchema":{"json":{"type":"object","properties":{}}}}}],"#,
            r#""toolChoice":{"tool":{"name":"f"}}},"reasoningConfig":{"type":"enabled"}}"#,
        )
    );
}

#[test]
fn calls_results_and_pictures_are_blocks() {
    let picture = |source| Block::Image(Image { format: ImageFormat::Png, source });
    let request = Request {
        messages: vec![
            message(
                Role::Assistant,
                vec![Block::ToolUse(ToolUse {
                    id: "t".into(),
                    name: "f".into(),
                    input: Json::parse(r#"{"z": 1}"#).unwrap(),
                })],
            ),
            message(
                Role::User,
                vec![
                    Block::ToolResult(ToolResult {
                        id: "t".into(),
                        content: vec![text("no"), picture(Source::Inline(Text::new("iVBO")))],
                        is_error: true,
                    }),
                    picture(Source::S3 { uri: "s3://b/k".into(), owner: Some("1".into()) }),
                ],
            ),
        ],
        ..Request::default()
    };
    let body = written(&request);
    assert!(body.contains(r#"{"toolUse":{"toolUseId":"t","name":"f","input":{"z": 1}}}"#), "{body}");
    let result = concat!(
        r#"{"toolResult":{"toolUseId":"t","content":[{"text":"no"},"#,
        r#"{"image":{"format":"png","source":{"bytes":"iVBO"}}}],"status":"error"}},"#,
        r#"{"image":{"format":"png","source":{"s3Location":{"uri":"s3://b/k","bucketOwner":"1"}}}}"#,
    );
    assert!(body.contains(result), "{body}");
}

#[test]
fn what_has_no_place_is_refused() {
    let model = ModelId::parse("amazon.nova-lite-v1:0").unwrap();
    let refusal = |request: &Request| NOVA_MESSAGES.encode(request, &model, false).unwrap_err().param;
    let file = crate::chat::Document {
        name: "a".into(),
        format: "pdf".into(),
        source: Source::Inline(Text::new("")),
    };
    assert_eq!(refusal(&ask(vec![Block::Document(file)])).as_deref(), Some("messages[2]"));
    let request = Request { format: OutputFormat::JsonObject, ..ask(vec![text("hi")]) };
    assert_eq!(refusal(&request).as_deref(), Some("response_format"));
}

fn whole_with(body: &Value, tokens: TokenCounts) -> Result<Vec<Event>, ProtocolError> {
    let mut events = Vec::new();
    let head = ReplyHead { tokens, ..ReplyHead::default() };
    let reply = Reply { head, body: Bytes::from(body.to_string()) };
    NOVA_MESSAGES.decode(&reply, &mut events).map(|()| events)
}

fn whole(body: &Value) -> Result<Vec<Event>, ProtocolError> {
    whole_with(body, TokenCounts::default())
}

fn streamed(chunks: &[Value]) -> Result<Vec<Event>, ProtocolError> {
    let (mut decoder, mut events) = (NOVA_MESSAGES.stream_decoder(), Vec::new());
    for chunk in chunks {
        let payload = Bytes::from(chunk.to_string());
        decoder.push(&Frame { event: "chunk".into(), payload }, &mut events)?;
    }
    decoder.finish(&mut events).map(|()| events)
}

fn response(events: Result<Vec<Event>, ProtocolError>) -> Response {
    Response::assemble(events.unwrap()).unwrap()
}

fn delta(index: u32, delta: &Value) -> Value {
    json!({"contentBlockDelta":{"delta":delta,"contentBlockIndex":f64::from(index)}})
}

fn end(index: u32) -> Value {
    json!({"contentBlockStop":{"contentBlockIndex":index}})
}

fn stop(reason: &str) -> Value {
    json!({"messageStop":{"stopReason":reason}})
}

#[test]
fn pieces_of_a_text_are_one_block_though_each_has_its_own() {
    let events = streamed(&[
        json!({"messageStart":{"role":"assistant"}}),
        delta(0, &json!({"text":"on"})),
        end(0),
        delta(1, &json!({"text":"e"})),
        end(1),
        stop("end_turn"),
    ])
    .unwrap();
    let texts = events.iter().filter(|event| matches!(event, Event::Delta { delta: Delta::Text(_), .. }));
    assert_eq!(texts.count(), 2);
    let starts = events.iter().filter(|event| matches!(event, Event::BlockStart { .. }));
    assert_eq!(starts.count(), 1);
    assert_eq!(Response::assemble(events).unwrap().text, Some(Text::new("one")));
}

#[test]
fn counts_have_two_spellings_and_gaps() {
    let body = |usage: Value| json!({"output":{"message":{"content":[{"text":"a"}]}},"stopReason":"end_turn","usage":usage});
    let headers = TokenCounts { input: Some(1), output: Some(2), ..TokenCounts::default() };
    for (usage, counted) in [
        (json!({"inputTokens":30}), Usage { input: 30, output: 2, ..Usage::default() }),
        (
            json!({"inputTokens":3.0,"outputTokens":4,"cacheReadInputTokenCount":5,"cacheReadInputTokens":5,"cacheWriteInputTokens":6}),
            Usage { input: 3, output: 4, cache_read: 5, cache_write: 6, reasoning: None },
        ),
        (Value::Null, Usage { input: 1, output: 2, ..Usage::default() }),
    ] {
        assert_eq!(response(whole_with(&body(usage), headers)).usage, Some(counted));
    }
}

#[test]
fn the_guardrails_trace_comes_with_the_last_chunk() {
    let chunks = |trace: Value| {
        [
            json!({"contentBlockDelta":{"delta":{"text":"{Name}"},"contentBlockIndex":0},"amazon-bedrock-guardrailAction":"INTERVENED"}),
            stop("end_turn"),
            json!({"metadata":{"usage":{"inputTokens":3,"outputTokens":4},"metrics":{},"trace":{}},
                "amazon-bedrock-invocationMetrics":{"inputTokenCount":3,"outputTokenCount":4},
                "amazon-bedrock-guardrailAction":"INTERVENED","amazon-bedrock-trace":trace}),
        ]
    };
    let masked = response(streamed(&chunks(json!({"guardrail":{"outputs":[{"action":"ANONYMIZED"}]}}))));
    assert_eq!((masked.stop, masked.usage.unwrap().output), (StopReason::EndTurn, 4));
    assert_eq!(response(streamed(&chunks(Value::Null))).stop, StopReason::ContentFiltered);
}

#[test]
fn unknown_kinds_are_counted_and_passed_over() {
    let (mut decoder, mut events) = (NOVA_MESSAGES.stream_decoder(), Vec::new());
    for chunk in [
        json!({"contentBlockStart":{"start":{"hologram":{}},"contentBlockIndex":0}}),
        delta(0, &json!({"hologram":[1]})),
        json!({"somethingNew":{}}),
        json!({"contentBlockStart":{"start":{"toolUse":{"toolUseId":"t","name":"nova_grounding","type":"server_tool_use"}},"contentBlockIndex":1}}),
        delta(1, &json!({"toolUse":{"input":"{\"q\":1}"}})),
        delta(2, &json!({"text":"hi"})),
        stop("end_turn"),
    ] {
        let payload = Bytes::from(chunk.to_string());
        decoder.push(&Frame { event: "chunk".into(), payload }, &mut events).unwrap();
    }
    decoder.finish(&mut events).unwrap();
    assert_eq!(decoder.skipped(), 3);
    let said = view(events);
    assert_eq!((said.text.as_deref(), said.tools.len()), (Some("hi"), 0));
}

#[test]
fn every_stop_reason_has_its_meaning() {
    for (word, reason) in [
        ("end_turn", StopReason::EndTurn),
        ("stop_sequence", StopReason::StopSequence),
        ("tool_use", StopReason::ToolUse),
        ("max_tokens", StopReason::MaxTokens),
        ("content_filtered", StopReason::ContentFiltered),
        ("malformed_tool_use", StopReason::Malformed),
        ("tired", StopReason::Other("tired".into())),
    ] {
        assert_eq!(response(streamed(&[stop(word)])).stop, reason, "{word}");
    }
}

fn said_whole(said: &[Said]) -> Value {
    let content = said.iter().map(|block| match block {
        Said::Text(pieces) => json!({"text":pieces.concat()}),
        Said::Thought { pieces, signature } => {
            json!({"reasoningContent":{"reasoningText":{"text":pieces.concat(),"signature":signature}}})
        }
        Said::Redacted(data) => json!({"reasoningContent":{"redactedContent":data}}),
        Said::Tool { id, name, pieces } => {
            json!({"toolUse":{"toolUseId":id,"name":name,"input":input(pieces)}})
        }
    });
    json!({
        "output": {"message":{"role":"assistant","content":content.collect::<Vec<_>>()}},
        "stopReason": "end_turn",
        "usage": {"inputTokens":7,"outputTokens":9},
    })
}

fn said_in_chunks(said: &[Said]) -> Vec<Value> {
    let mut chunks = vec![json!({"messageStart":{"role":"assistant"}})];
    let mut index = 0;
    let mut piece = |inside: Value, chunks: &mut Vec<Value>| {
        chunks.extend([delta(index, &inside), end(index)]);
        index += 1;
        index
    };
    for block in said {
        match block {
            Said::Text(pieces) => pieces.iter().for_each(|text| {
                piece(json!({"text":text}), &mut chunks);
            }),
            Said::Thought { pieces, signature } => {
                for text in pieces {
                    piece(json!({"reasoningContent":{"text":text}}), &mut chunks);
                }
                if let Some(signature) = signature {
                    piece(json!({"reasoningContent":{"signature":signature}}), &mut chunks);
                }
            }
            Said::Redacted(data) => {
                piece(json!({"reasoningContent":{"redactedContent":data}}), &mut chunks);
            }
            Said::Tool { id, name, pieces } => {
                let number = piece(json!({"text":""}), &mut chunks);
                let start = json!({"toolUse":{"toolUseId":id,"name":name}});
                chunks.push(json!({"contentBlockStart":{"start":start,"contentBlockIndex":number}}));
                chunks.extend(pieces.iter().map(|piece| delta(number, &json!({"toolUse":{"input":piece}}))));
                chunks.push(end(number));
                piece(json!({"text":""}), &mut chunks);
            }
        }
    }
    chunks.push(stop("end_turn"));
    chunks.push(json!({"metadata":{"usage":{"inputTokens":7,"outputTokens":9}}}));
    chunks
}

proptest! {
    #[test]
    fn a_stream_says_what_the_whole_reply_says(said in reply()) {
        let one: View = view(whole(&said_whole(&said)).unwrap());
        let texts: String = said.iter().filter_map(|block| match block {
            Said::Text(pieces) => Some(pieces.concat()),
            Said::Thought { .. } | Said::Redacted(_) | Said::Tool { .. } => None,
        }).collect();
        prop_assert_eq!(one.text.clone().unwrap_or_default(), texts);
        let tools = said.iter().filter(|block| matches!(block, Said::Tool { .. })).count();
        prop_assert_eq!(one.tools.len(), tools);
        prop_assert_eq!(&view(streamed(&said_in_chunks(&said)).unwrap()), &one);
    }

    #[test]
    fn a_cut_stream_is_no_reply(said in reply(), at in any::<prop::sample::Index>()) {
        let chunks = said_in_chunks(&said);
        prop_assert!(streamed(&chunks[..at.index(chunks.len() - 1)]).is_err());
    }

    #[test]
    fn no_bytes_break_the_decoder(data in lines(&[
        "messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata",
        "contentBlockIndex", "start", "delta", "toolUse", "toolUseId", "name", "input", "text",
        "reasoningContent", "signature", "stopReason", "end_turn",
    ])) {
        fuzz::feed(&mut NovaStream::default(), &["chunk"], &data);
    }
}
