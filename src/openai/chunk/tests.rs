use serde_json::{Value, json};

use super::*;
use crate::chat::{BlockIndex, BlockKind, Delta, StopReason, Usage};

const HEAD: Head<'static> = Head { id: "chatcmpl-1", created: 1_700_000_000, model: "a \"model\"" };
const A: BlockIndex = BlockIndex(0);
const B: BlockIndex = BlockIndex(2);
const C: BlockIndex = BlockIndex(5);

fn start(block: BlockIndex, kind: BlockKind) -> Event {
    Event::BlockStart { block, kind }
}

fn tool(id: &str) -> BlockKind {
    BlockKind::ToolUse { id: id.to_owned(), name: "look".to_owned() }
}

fn text(block: BlockIndex, text: &str) -> Event {
    Event::Delta { block, delta: Delta::Text(Text::new(text)) }
}

fn input(block: BlockIndex, fragment: &str) -> Event {
    Event::Delta { block, delta: Delta::ToolInput(Text::new(fragment)) }
}

fn stream(include_usage: bool, events: &[Event]) -> Result<String, EncodeError> {
    let mut encoder = ChunkEncoder::new(&HEAD, CallForms::default(), 1, StreamOptions { include_usage });
    let mut out = Vec::new();
    for event in events {
        encoder.push(0, event, &mut out)?;
    }
    encoder.finish(0, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

fn chunks(stream: &str) -> Vec<Value> {
    let events: Vec<&str> = stream.split_terminator("\n\n").collect();
    let (done, chunks) = events.split_last().unwrap();
    assert_eq!(*done, "data: [DONE]");
    chunks.iter().map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap()).collect()
}

fn deltas(stream: &str) -> Vec<Value> {
    let is_null = |chunk: &Value| chunk["choices"][0]["finish_reason"].is_null();
    chunks(stream).into_iter().filter(is_null).map(|mut chunk| chunk["choices"][0]["delta"].take()).collect()
}

#[test]
fn a_stream_is_written_to_the_byte() {
    let events = [
        Event::Start,
        start(A, BlockKind::Reasoning),
        Event::Delta { block: A, delta: Delta::Reasoning(Text::new("h")) },
        Event::Delta { block: A, delta: Delta::Reasoning(Text::new("m")) },
        Event::Delta { block: A, delta: Delta::Signature(Text::new("c2ln")) },
        Event::BlockStop { block: A },
        start(B, BlockKind::Text),
        text(B, "Hé,\n"),
        text(B, ""),
        text(B, "\"you\""),
        Event::BlockStop { block: B },
        start(C, tool("call_a")),
        input(C, ""),
        input(C, "{\"where\":"),
        input(C, "\"left\"}"),
        Event::BlockStop { block: C },
        start(A, tool("call_b")),
        Event::BlockStop { block: A },
        Event::Stop(StopReason::ToolUse),
        Event::Usage(Usage { input: 3, output: 5, cache_read: 7, cache_write: 0, reasoning: None }),
    ];
    assert_eq!(
        stream(true, &events).unwrap(),
        include_str!("../../../tests/fixtures/openai/stream.sse"),
        "with usage"
    );
}

#[test]
fn tool_calls_are_numbered_densely_whatever_their_blocks() {
    let events = [
        Event::Start,
        start(B, tool("b")),
        start(C, tool("c")),
        input(C, "{}"),
        input(B, "{}"),
        Event::BlockStop { block: C },
        Event::BlockStop { block: B },
        Event::Stop(StopReason::EndTurn),
    ];
    let stream = stream(false, &events).unwrap();
    let calls: Vec<(Value, Value)> = deltas(&stream)[1..]
        .iter()
        .map(|delta| (delta["tool_calls"][0]["index"].clone(), delta["tool_calls"][0]["id"].clone()))
        .collect();
    assert_eq!(
        calls,
        [(json!(0), json!("b")), (json!(1), json!("c")), (json!(1), Value::Null), (json!(0), Value::Null),]
    );
    let last = chunks(&stream).pop().unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn a_call_without_input_ends_as_an_empty_object() {
    let events = [
        Event::Start,
        start(A, tool("a")),
        input(A, ""),
        Event::BlockStop { block: A },
        Event::Stop(StopReason::ToolUse),
    ];
    let deltas = deltas(&stream(false, &events).unwrap());
    assert_eq!(deltas.last(), Some(&json!({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]})));
}

#[test]
fn usage_is_last_and_only_if_it_was_asked_for_and_told() {
    let usage = Usage { input: 1, output: 2, cache_read: 0, cache_write: 0, reasoning: None };
    let told = [Event::Usage(usage), Event::Start, Event::Stop(StopReason::EndTurn)];
    let untold = [Event::Start, Event::Stop(StopReason::EndTurn)];

    let chunks_told = chunks(&stream(true, &told).unwrap());
    let (last, others) = chunks_told.split_last().unwrap();
    assert_eq!((&last["choices"], &last["usage"]["total_tokens"]), (&json!([]), &json!(3)));
    assert!(others.iter().all(|chunk| chunk.get("usage") == Some(&Value::Null)));

    for chunk in chunks(&stream(false, &told).unwrap()) {
        assert_eq!(chunk.get("usage"), None);
    }
    for chunk in chunks(&stream(true, &untold).unwrap()) {
        assert_eq!(chunk.get("usage"), Some(&Value::Null));
    }
}

#[test]
fn events_out_of_place_end_the_stream_without_done() {
    let stop = || Event::Stop(StopReason::EndTurn);
    for events in [
        vec![text(A, "x")],
        vec![stop()],
        vec![Event::Start, Event::Start],
        vec![Event::Start, text(A, "x")],
        vec![Event::Start, Event::BlockStop { block: A }],
        vec![Event::Start, start(A, BlockKind::Text), start(A, BlockKind::Text)],
        vec![Event::Start, start(A, tool("a")), text(A, "x")],
        vec![Event::Start, start(A, BlockKind::Text), input(A, "x")],
        vec![Event::Start, start(A, BlockKind::Text), stop()],
        vec![Event::Start, stop(), stop()],
        vec![Event::Start, stop(), start(A, BlockKind::Text)],
    ] {
        let mut encoder = ChunkEncoder::new(&HEAD, CallForms::default(), 1, StreamOptions::default());
        let mut out = Vec::new();
        let (last, before) = events.split_last().unwrap();
        for event in before {
            encoder.push(0, event, &mut out).unwrap();
        }
        let length = out.len();
        assert!(matches!(encoder.push(0, last, &mut out), Err(EncodeError::Grammar(_))), "{events:?}");
        assert!(matches!(encoder.finish(0, &mut out), Err(EncodeError::Grammar(_))), "{events:?}");
        assert_eq!(out.len(), length, "an error writes nothing: {events:?}");
    }
}

#[test]
fn an_end_before_the_models_stop_is_never_done() {
    for events in [vec![], vec![Event::Start], vec![Event::Start, start(A, BlockKind::Text), text(A, "x")]] {
        assert!(matches!(stream(true, &events), Err(EncodeError::Truncated)));
    }
    let malformed = [Event::Start, Event::Stop(StopReason::Malformed)];
    assert!(matches!(stream(true, &malformed), Err(EncodeError::Malformed)));
}
