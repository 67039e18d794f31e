use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::bedrock::{Frame, ReplyHead, TokenCounts};
use crate::chat::{
    Block, Draw, Json, Message, Response, Role, StopReason, Text, Tool, ToolResult, ToolUse, Usage,
};
use crate::formats::fuzz;
use crate::formats::samples::lines;

fn message(role: Role, content: Vec<Block>) -> Message {
    Message { role, content, index: 2 }
}

fn text(plain: &str) -> Block {
    Block::Text(Text::new(plain))
}

fn written(request: &Request) -> String {
    let model = ModelId::parse("cohere.command-r-v1:0").unwrap();
    let call = COHERE_CHAT.encode(request, &model, false).unwrap();
    assert_eq!(call.operation, Operation::InvokeModel);
    String::from_utf8(call.body.to_vec()).unwrap()
}

fn notes(request: &Request) -> Vec<String> {
    let mut notes = Notes::new();
    COHERE_CHAT.note_rewrites(request, &mut notes);
    notes.iter().map(ToString::to_string).collect()
}

#[test]
fn the_last_message_stands_alone_and_the_rest_is_history() {
    let request = Request {
        messages: vec![
            message(Role::System, vec![text("a"), text("b")]),
            message(Role::User, vec![text("c")]),
            message(Role::Assistant, vec![text("d")]),
            message(Role::User, vec![text("e")]),
        ],
        max_tokens: Some(9),
        temperature: Some(0.5),
        top_p: Some(0.9),
        top_k: Some(40),
        stop: vec!["END".into()],
        draw: Draw { seed: Some(7), frequency_penalty: Some(0.5), ..Draw::default() },
        ..Request::default()
    };
    assert_eq!(
        written(&request),
        concat!(
            r#"{"message":"e","chat_history":[{"role":"USER","message":"c"},{"role":"CHATBOT","message":"d"}],"#,
            r#""preamble":"a\n\nb","max_tokens":9,"temperature":0.5,"p":0.9,"k":40,"seed":7,"#,
            r#""frequency_penalty":0.5,"stop_sequences":["END"]}"#,
        )
    );
    assert_eq!(notes(&request), <[String; 0]>::default());
}

#[test]
fn results_repeat_their_calls_and_the_last_are_not_history() {
    let round = |id: &str, result: &str| {
        let input = Json::parse(r#"{"z": 1}"#).unwrap();
        let call = ToolUse { id: id.into(), name: "f".into(), input };
        let result = ToolResult { id: id.into(), content: vec![text(result)], is_error: false };
        [
            message(Role::Assistant, vec![text("ok"), Block::ToolUse(call)]),
            message(Role::User, vec![Block::ToolResult(result)]),
        ]
    };
    let mut messages = vec![message(Role::User, vec![text("q")])];
    messages.extend(round("1", "r1").into_iter().chain(round("2", "r2")));
    let tool = Tool { name: "f".into(), description: None, schema: None, strict: None, cache: None };
    let request = Request { messages, tools: vec![tool], ..Request::default() };
    let call = r#"{"name":"f","parameters":{"z": 1}}"#;
    let chatbot = format!(r#"{{"role":"CHATBOT","message":"ok","tool_calls":[{call}]}}"#);
    let result = |text: &str| format!(r#"[{{"call":{call},"outputs":[{{"result":"{text}"}}]}}]"#);
    assert_eq!(
        written(&request),
        format!(
            r#"{{"message":"","chat_history":[{{"role":"USER","message":"q"}},{chatbot},{{"role":"TOOL","tool_results":{}}},{chatbot}],"tools":[{{"name":"f","description":"f"}}],"tool_results":{}}}"#,
            result("r1"),
            result("r2")
        )
    );
    // With a text behind them they are.
    let mut request = request;
    request.messages.last_mut().unwrap().content.push(text("and?"));
    let body: Value = serde_json::from_str(&written(&request)).unwrap();
    assert_eq!((&body["message"], &body["tool_results"]), (&json!("and?"), &Value::Null));
    assert_eq!(body["chat_history"][4]["role"], "TOOL");
}

#[test]
fn what_cohere_has_no_range_or_type_for_is_bent_and_noted() {
    let schema = r##"{"properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{"A":{"type":"string"}}}"##;
    let request = Request {
        messages: vec![message(Role::User, vec![text("q")])],
        top_p: Some(1.0),
        draw: Draw { frequency_penalty: Some(-1.0), presence_penalty: Some(2.0), ..Draw::default() },
        tools: vec![Tool {
            name: "f".into(),
            description: Some(Text::new("d")),
            schema: Some(Json::parse(schema).unwrap()),
            strict: None,
            cache: None,
        }],
        ..Request::default()
    };
    let body: Value = serde_json::from_str(&written(&request)).unwrap();
    assert_eq!(body["p"], 0.99);
    assert_eq!((&body["frequency_penalty"], &body["presence_penalty"]), (&Value::Null, &json!(1.0)));
    let described = body["tools"][0]["description"].as_str().unwrap();
    assert_eq!(described, format!("d\nJSON Schema of the parameters: {schema}"));
    assert_eq!(
        notes(&request),
        [
            "top_p:clamped;reason=above_maximum",
            "frequency_penalty:dropped;reason=below_minimum",
            "presence_penalty:clamped;reason=above_maximum",
            "tools[0].function.parameters:rewritten;reason=schema_in_words",
        ]
    );
}

#[test]
fn a_turn_of_the_assistant_at_the_end_is_refused() {
    let model = ModelId::parse("cohere.command-r-v1:0").unwrap();
    let messages = vec![message(Role::User, vec![text("q")]), message(Role::Assistant, vec![text("a")])];
    let request = Request { messages, ..Request::default() };
    assert!(COHERE_CHAT.encode(&request, &model, false).is_err());
}

fn whole(body: &Value) -> Result<Vec<Event>, ProtocolError> {
    let mut events = Vec::new();
    let tokens = TokenCounts { input: Some(7), output: Some(8), ..TokenCounts::default() };
    let reply =
        Reply { head: ReplyHead { tokens, ..ReplyHead::default() }, body: Bytes::from(body.to_string()) };
    COHERE_CHAT.decode(&reply, &mut events).map(|()| events)
}

fn streamed(chunks: &[Value]) -> Result<(Vec<Event>, u32), ProtocolError> {
    let (mut decoder, mut events) = (COHERE_CHAT.stream_decoder(), Vec::new());
    for chunk in chunks {
        let payload = Bytes::from(chunk.to_string());
        decoder.push(&Frame { event: "chunk".into(), payload }, &mut events)?;
    }
    decoder.finish(&mut events)?;
    Ok((events, decoder.skipped()))
}

fn response(events: Vec<Event>) -> Response {
    Response::assemble(events).unwrap()
}

fn metrics(mut chunk: Value) -> Value {
    chunk["amazon-bedrock-invocationMetrics"] = json!({"inputTokenCount":7,"outputTokenCount":8});
    chunk
}

#[test]
fn a_stream_and_a_whole_reply_say_the_same() {
    let calls = json!([{"name":"f","parameters":{"a": 1}},{"name":"g","parameters":{}}]);
    let reply = json!({"response_id":"r","text":"I will ask.","generation_id":"g","chat_history":[],
        "finish_reason":"COMPLETE","tool_calls":calls});
    let end = metrics(
        json!({"is_finished":true,"event_type":"stream-end","finish_reason":"COMPLETE","response":reply}),
    );
    let start = json!({"is_finished":false,"event_type":"stream-start","generation_id":"g"});
    let piece = |kind: &str, text: &str| json!({"is_finished":false,"event_type":kind,"text":text});
    let generation = json!({"is_finished":false,"event_type":"tool-calls-generation","text":"I will ask.","tool_calls":calls});
    let one = format!("{:?}", response(whole(&reply).unwrap()));
    for chunks in [
        vec![
            start,
            piece("tool-calls-chunk", "I will"),
            piece("text-generation", " ask."),
            generation.clone(),
            end.clone(),
        ],
        vec![generation, end.clone()],
        vec![end],
    ] {
        let (events, skipped) = streamed(&chunks).unwrap();
        assert_eq!((format!("{:?}", response(events)), skipped), (one.clone(), 0));
    }
    let said = response(whole(&reply).unwrap());
    assert_eq!(said.usage, Some(Usage { input: 7, output: 8, ..Usage::default() }));
    let calls: Vec<_> =
        said.tool_calls.iter().map(|call| (call.id.as_str(), call.arguments.decode())).collect();
    assert_eq!(calls, [("call_1", r#"{"a":1}"#.into()), ("call_2", "{}".into())]);
}

#[test]
fn every_finish_reason_has_its_meaning() {
    for (word, stop) in [
        ("COMPLETE", StopReason::EndTurn),
        ("MAX_TOKENS", StopReason::MaxTokens),
        ("ERROR_LIMIT", StopReason::MaxTokens),
        ("ERROR_TOXIC", StopReason::ContentFiltered),
        ("USER_CANCEL", StopReason::EndTurn),
        ("STOP_SEQUENCE", StopReason::StopSequence),
        ("NEW", StopReason::Other("NEW".into())),
    ] {
        let body = json!({"text":"a","finish_reason":word});
        assert_eq!(response(whole(&body).unwrap()).stop, stop, "{word}");
    }
    let failed = whole(&json!({"text":"a","finish_reason":"ERROR"}));
    assert!(matches!(failed, Err(ProtocolError::Reported(_))), "{failed:?}");
}

#[test]
fn other_events_are_counted_and_passed_over() {
    let (events, skipped) = streamed(&[
        json!({"event_type":"citation-generation","citations":[]}),
        json!({"event_type":"text-generation","text":"a"}),
        json!({"is_finished":true,"event_type":"stream-end"}),
    ])
    .unwrap();
    assert_eq!((response(events).stop, skipped), (StopReason::EndTurn, 1));
    let cut = streamed(&[json!({"event_type":"text-generation","text":"a","is_finished":false})]);
    assert!(matches!(cut, Err(ProtocolError::Truncated)), "{cut:?}");
}

proptest! {
    #[test]
    fn however_the_text_is_cut_the_reply_is_the_same(pieces in prop::collection::vec(any::<String>(), 0..6)) {
        let mut chunks: Vec<Value> =
            pieces.iter().map(|piece| json!({"event_type":"text-generation","text":piece})).collect();
        let reply = json!({"text":pieces.concat(),"finish_reason":"COMPLETE"});
        chunks.push(metrics(json!({"event_type":"stream-end","is_finished":true,"response":reply})));
        let (events, _) = streamed(&chunks).unwrap();
        let (streamed, one) = (response(events), response(whole(&reply).unwrap()));
        prop_assert_eq!(&streamed.text, &one.text);
        prop_assert_eq!(streamed.text.map_or_else(String::new, |text| text.decode().into_owned()), pieces.concat());
    }

    #[test]
    fn no_bytes_break_the_decoder(data in lines(&[
        "event_type", "text-generation", "tool-calls-generation", "stream-end", "stream-start", "text",
        "tool_calls", "name", "parameters", "finish_reason", "is_finished", "response", "COMPLETE",
    ])) {
        fuzz::feed(&mut CohereStream::default(), &["chunk"], &data);
    }
}
