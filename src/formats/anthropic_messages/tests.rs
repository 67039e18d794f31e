use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::bedrock::{Frame, ReplyHead, TokenCounts};
use crate::chat::{BlockIndex, BlockKind, Delta, StopReason, Text, Usage};
use crate::formats::samples::{Said, View, expected, input, lines, reply, view};

fn chunk(payload: &Value) -> Frame {
    Frame { event: "chunk".into(), payload: Bytes::from(payload.to_string()) }
}

fn whole(body: &Value, tokens: TokenCounts) -> Result<Vec<Event>, ProtocolError> {
    let mut events = Vec::new();
    let head = ReplyHead { tokens, ..ReplyHead::default() };
    let reply = Reply { head, body: Bytes::from(body.to_string()) };
    ANTHROPIC_MESSAGES.decode(&reply, &mut events).map(|()| events)
}

fn streamed(chunks: &[Value]) -> Result<Vec<Event>, ProtocolError> {
    let (mut decoder, mut events) = (ANTHROPIC_MESSAGES.stream_decoder(), Vec::new());
    for payload in chunks {
        decoder.push(&chunk(payload), &mut events)?;
    }
    decoder.finish(&mut events).map(|()| events)
}

fn started() -> Value {
    let usage = json!({"input_tokens":7,"output_tokens":1,"cache_read_input_tokens":2});
    json!({"type":"message_start","message":{"role":"assistant","content":[],"usage":usage}})
}

fn ended(reason: &str) -> Value {
    json!({"type":"message_delta","delta":{"stop_reason":reason,"stop_sequence":null},
           "usage":{"output_tokens":9.0}})
}

fn stopped() -> Value {
    json!({"type":"message_stop","amazon-bedrock-invocationMetrics":
           {"inputTokenCount":70,"outputTokenCount":90,"cacheWriteInputTokenCount":3}})
}

fn start(index: u32, block: &Value) -> Value {
    json!({"type":"content_block_start","index":index,"content_block":block})
}

fn delta(index: u32, delta: &Value) -> Value {
    json!({"type":"content_block_delta","index":index,"delta":delta})
}

fn text_delta(index: u32, text: &str) -> Value {
    delta(index, &json!({"type":"text_delta","text":text}))
}

fn said_whole(said: &[Said]) -> Value {
    let content = said.iter().map(|block| match block {
        Said::Text(pieces) => json!({"type":"text","text":pieces.concat()}),
        Said::Thought { pieces, signature } => {
            json!({"type":"thinking","thinking":pieces.concat(),"signature":signature})
        }
        Said::Redacted(data) => json!({"type":"redacted_thinking","data":data}),
        Said::Tool { id, name, pieces } => {
            json!({"type":"tool_use","id":id,"name":name,"input":input(pieces)})
        }
    });
    json!({
        "type": "message",
        "content": content.collect::<Vec<_>>(),
        "stop_reason": "end_turn",
        "usage": {"input_tokens":7,"output_tokens":9.0,"cache_read_input_tokens":2,
                  "cache_creation_input_tokens":3},
    })
}

fn said_in_chunks(said: &[Said]) -> Vec<Value> {
    let mut chunks = vec![started(), json!({"type":"ping"})];
    for (block, index) in said.iter().zip(0..) {
        match block {
            Said::Text(pieces) => {
                chunks.push(start(index, &json!({"type":"text","text":""})));
                chunks.extend(pieces.iter().map(|piece| text_delta(index, piece)));
            }
            Said::Thought { pieces, signature } => {
                chunks.push(start(index, &json!({"type":"thinking","thinking":"","signature":""})));
                chunks.extend(
                    pieces
                        .iter()
                        .map(|piece| delta(index, &json!({"type":"thinking_delta","thinking":piece}))),
                );
                chunks.extend(
                    signature
                        .iter()
                        .map(|it| delta(index, &json!({"type":"signature_delta","signature":it}))),
                );
            }
            Said::Redacted(data) => {
                chunks.push(start(index, &json!({"type":"redacted_thinking","data":data})));
            }
            Said::Tool { id, name, pieces } => {
                chunks.push(start(index, &json!({"type":"tool_use","id":id,"name":name,"input":{}})));
                chunks.push(delta(index, &json!({"type":"input_json_delta","partial_json":""})));
                chunks.extend(
                    pieces
                        .iter()
                        .map(|it| delta(index, &json!({"type":"input_json_delta","partial_json":it}))),
                );
            }
        }
        chunks.push(json!({"type":"content_block_stop","index":index}));
    }
    chunks.extend([ended("end_turn"), stopped()]);
    chunks
}

proptest! {
    #[test]
    fn a_stream_cut_anywhere_and_the_whole_reply_say_the_same(said in reply()) {
        // Claude's own counts stand; Bedrock's fill in what Claude didn't say in the stream.
        let usage = Usage { input: 7, output: 9, cache_read: 2, cache_write: 3, reasoning: None };
        let expected: View = expected(&said, StopReason::EndTurn, Some(usage));
        prop_assert_eq!(&view(whole(&said_whole(&said), TokenCounts::default()).unwrap()), &expected);
        prop_assert_eq!(&view(streamed(&said_in_chunks(&said)).unwrap()), &expected);
    }

    #[test]
    fn no_bytes_break_the_decoder(data in any::<Vec<u8>>()) {
        fuzz_frames(&data);
        let mut events = Vec::new();
        let reply = Reply { head: ReplyHead::default(), body: Bytes::from(data) };
        let _ = ANTHROPIC_MESSAGES.decode(&reply, &mut events);
    }

    #[test]
    fn no_json_breaks_the_decoder(data in lines(&[
        "type", "message_start", "content_block_start", "content_block_delta", "content_block_stop",
        "message_delta", "message_stop", "index", "content_block", "delta", "text", "tool_use", "id", "name",
        "input", "partial_json", "thinking", "stop_reason", "usage", "output_tokens",
        "amazon-bedrock-guardrailAction", "INTERVENED", "amazon-bedrock-trace", "action",
    ])) {
        fuzz_frames(&data);
    }
}

#[test]
fn every_stop_reason_has_its_meaning() {
    for (word, reason) in [
        ("end_turn", StopReason::EndTurn),
        ("pause_turn", StopReason::EndTurn),
        ("stop_sequence", StopReason::StopSequence),
        ("tool_use", StopReason::ToolUse),
        ("max_tokens", StopReason::MaxTokens),
        ("model_context_window_exceeded", StopReason::ContextFull),
        ("refusal", StopReason::Refusal),
        ("tired", StopReason::Other("tired".into())),
    ] {
        assert_eq!(view(streamed(&[started(), ended(word), stopped()]).unwrap()).stop, reason, "{word}");
        let body = json!({"content":[],"stop_reason":word});
        assert_eq!(view(whole(&body, TokenCounts::default()).unwrap()).stop, reason, "{word}");
    }
}

#[test]
fn a_refusal_may_end_a_block_that_never_began() {
    let chunks = [
        started(),
        json!({"type":"content_block_stop","index":0}),
        json!({"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":null},"usage":null}),
        json!({"type":"message_stop"}),
    ];
    let reply = view(streamed(&chunks).unwrap());
    assert_eq!((reply.text, reply.stop), (None, StopReason::Refusal));
}

#[test]
fn a_guardrail_blocks_unless_its_trace_says_that_it_masked() {
    let trace = |action: &str| json!({"guardrail":{"outputs":[{"g":{"pii":[{"action":action}]}}]}});
    for (trace, reason) in [
        (Value::Null, StopReason::ContentFiltered),
        (trace("BLOCKED"), StopReason::ContentFiltered),
        (trace("ANONYMIZED"), StopReason::MaxTokens),
    ] {
        let mut stop = stopped();
        stop["amazon-bedrock-trace"] = trace.clone();
        let mut text = text_delta(0, "hi");
        text["index"] = json!(0.0);
        text["amazon-bedrock-guardrailAction"] = json!("INTERVENED");
        // A guardrail's canned text may come without the frame around it.
        for chunks in [
            vec![started(), text.clone(), ended("max_tokens"), stop.clone()],
            vec![text, ended("max_tokens"), stop],
        ] {
            assert_eq!(view(streamed(&chunks).unwrap()).stop, reason);
        }
        let body = json!({"content":[],"stop_reason":"max_tokens","amazon-bedrock-trace":trace,
                          "amazon-bedrock-guardrailAction":"INTERVENED"});
        assert_eq!(view(whole(&body, TokenCounts::default()).unwrap()).stop, reason);
    }
    let idle = json!({"content":[],"stop_reason":"end_turn","amazon-bedrock-guardrailAction":"NONE"});
    assert_eq!(view(whole(&idle, TokenCounts::default()).unwrap()).stop, StopReason::EndTurn);
}

#[test]
fn usage_is_put_together_from_wherever_it_is_said() {
    let (mut decoder, mut events) = (ANTHROPIC_MESSAGES.stream_decoder(), Vec::new());
    decoder.push(&chunk(&started()), &mut events).unwrap();
    // Left here, the stream has cost the prompt and about a token.
    assert_eq!(decoder.usage(), Some(Usage { input: 7, output: 1, cache_read: 2, ..Usage::default() }));
    let details = json!({"type":"message_delta","delta":{"stop_reason":"end_turn"},
        "usage":{"input_tokens":0,"output_tokens":9,"output_tokens_details":{"thinking_tokens":4}}});
    decoder.push(&chunk(&details), &mut events).unwrap();
    decoder.push(&chunk(&stopped()), &mut events).unwrap();
    let usage = Usage { input: 7, output: 9, cache_read: 2, cache_write: 3, reasoning: Some(4) };
    assert_eq!(view(events).usage, Some(usage));

    // The few tokens that the start speaks of are no answer to what the reply cost.
    let silent_end = json!({"type":"message_delta","delta":{"stop_reason":"end_turn"}});
    let usage = Usage { input: 7, output: 90, cache_read: 2, cache_write: 3, reasoning: None };
    assert_eq!(view(streamed(&[started(), silent_end, stopped()]).unwrap()).usage, Some(usage));

    let only_metrics = [
        json!({"type":"message_start"}),
        json!({"type":"message_delta","delta":{"stop_reason":"end_turn"}}),
        stopped(),
    ];
    let usage = Usage { input: 70, output: 90, cache_write: 3, ..Usage::default() };
    assert_eq!(view(streamed(&only_metrics).unwrap()).usage, Some(usage));
}

#[test]
fn the_headers_know_what_a_bodys_usage_leaves_out() {
    let headers = TokenCounts { input: Some(5), output: Some(6), cache_read: None, cache_write: Some(1) };
    let body = json!({"content":[],"stop_reason":"end_turn","usage":{"input_tokens":7.0}});
    let usage = Usage { input: 7, output: 6, cache_write: 1, ..Usage::default() };
    assert_eq!(view(whole(&body, headers).unwrap()).usage, Some(usage));
    assert_eq!(
        view(whole(&json!({"content":[],"stop_reason":"end_turn"}), TokenCounts::default()).unwrap()).usage,
        None
    );
}

#[test]
fn unknown_kinds_are_counted_and_passed_over_whatever_their_shape() {
    let (mut decoder, mut events) = (ANTHROPIC_MESSAGES.stream_decoder(), Vec::new());
    for payload in [
        started(),
        json!({"type":"weather_report","delta":"sunny","index":"three"}),
        json!({"no":"type"}),
        start(0, &json!({"type":"server_tool_use","id":"s","name":"search","input":{}})),
        delta(0, &json!({"type":"input_json_delta","partial_json":"{}"})),
        start(1, &json!({"type":"text","text":"h"})),
        delta(1, &json!({"type":"citations_delta","citation":{"cited_text":"x"}})),
        text_delta(1, "i"),
        ended("end_turn"),
        stopped(),
    ] {
        decoder.push(&chunk(&payload), &mut events).unwrap();
    }
    assert_eq!(decoder.skipped(), 4);
    let reply = view(events);
    assert_eq!((reply.text.unwrap().as_str(), reply.tools.len()), ("hi", 0));
}

#[test]
fn a_stream_out_of_order_is_an_error() {
    for chunks in [
        vec![started(), started()],
        vec![started(), stopped()],
        vec![started(), ended("end_turn"), text_delta(0, "x")],
        vec![started(), ended("end_turn"), stopped(), stopped()],
        vec![started(), delta(0, &json!({"type":"input_json_delta","partial_json":"{}"}))],
        vec![started(), start(0, &json!({"type":"tool_use","name":"f"}))],
        vec![started(), json!({"type":"content_block_delta","index":0})],
        vec![started(), json!({"type":"content_block_delta","delta":{"text":"x"}})],
    ] {
        assert!(matches!(streamed(&chunks), Err(ProtocolError::Grammar(_))), "{chunks:?}");
    }
    let misshapen = [started(), json!({"type":"content_block_delta","index":0,"delta":{"text":1}})];
    assert!(matches!(streamed(&misshapen), Err(ProtocolError::Shape { .. })));
}

#[test]
fn an_error_in_the_place_of_an_event_is_told_by_its_type() {
    let error = json!({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}});
    for outcome in [streamed(&[started(), error.clone()]), whole(&error, TokenCounts::default())] {
        assert!(matches!(outcome, Err(ProtocolError::Reported(kind)) if kind == "overloaded_error"));
    }
}

#[test]
fn the_models_own_stop_ends_a_stream_and_nothing_else_does() {
    assert!(matches!(streamed(&[]), Err(ProtocolError::Truncated)));
    assert!(matches!(streamed(&[started(), text_delta(0, "x")]), Err(ProtocolError::Truncated)));
    let unconfirmed = [started(), text_delta(0, "x"), ended("end_turn")];
    assert!(matches!(streamed(&unconfirmed), Err(ProtocolError::Truncated)));
    let events = streamed(&[started(), text_delta(0, "x"), ended("end_turn"), stopped()]).unwrap();
    let block = BlockIndex(0);
    assert_eq!(
        events[..5],
        [
            Event::Start,
            Event::BlockStart { block, kind: BlockKind::Text },
            Event::Delta { block, delta: Delta::Text(Text::new("x")) },
            Event::BlockStop { block },
            Event::Stop(StopReason::EndTurn),
        ]
    );
}

#[test]
fn success_without_content_is_not_a_reply() {
    for body in [json!({}), json!({"content":[]}), json!({"stop_reason":"end_turn"}), json!([]), json!("")] {
        assert!(whole(&body, TokenCounts::default()).is_err(), "{body}");
    }
}
