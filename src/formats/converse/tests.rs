use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::bedrock::{Frame, ReplyHead};
use crate::chat::{BlockIndex, BlockKind, Delta, Extra, StopReason, Text, Usage};
use crate::formats::samples::{Said, View, expected, input, lines, reply, view};

const A: BlockIndex = BlockIndex(0);

fn frame(event: &str, payload: &Value) -> Frame {
    Frame { event: event.to_owned().into(), payload: Bytes::from(payload.to_string()) }
}

fn whole(body: &Value) -> Result<Vec<Event>, ProtocolError> {
    let mut events = Vec::new();
    let reply = Reply { head: ReplyHead::default(), body: Bytes::from(body.to_string()) };
    CONVERSE.decode(&reply, &mut events).map(|()| events)
}

fn streamed(frames: &[Frame]) -> Result<Vec<Event>, ProtocolError> {
    let (mut decoder, mut events) = (CONVERSE.stream_decoder(), Vec::new());
    for frame in frames {
        decoder.push(frame, &mut events)?;
    }
    decoder.finish(&mut events).map(|()| events)
}

/// A stream around some events.
fn around(middle: impl IntoIterator<Item = Frame>) -> Vec<Frame> {
    let mut frames = vec![frame("messageStart", &json!({"role":"assistant"}))];
    frames.extend(middle);
    frames.push(frame("messageStop", &json!({"stopReason":"end_turn"})));
    frames
}

fn text_delta(block: u32, text: &str) -> Frame {
    frame("contentBlockDelta", &json!({"contentBlockIndex":block,"delta":{"text":text},"p":"abc"}))
}

fn a_stop(reason: &str, trace: &Value) -> Value {
    json!({"output":{"message":{"role":"assistant","content":[]}},"stopReason":reason,"trace":trace})
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
        "usage": {"inputTokens":7,"outputTokens":9.0,"totalTokens":17,"cacheReadInputTokens":1},
    })
}

fn said_in_frames(said: &[Said]) -> Vec<Frame> {
    let mut frames = Vec::new();
    for (block, index) in said.iter().zip(0..) {
        let mut delta = |delta: Value| {
            frames.push(frame("contentBlockDelta", &json!({"contentBlockIndex":index,"delta":delta})));
        };
        match block {
            Said::Text(pieces) => pieces.iter().for_each(|piece| delta(json!({"text":piece}))),
            Said::Thought { pieces, signature } => {
                for piece in pieces {
                    delta(json!({"reasoningContent":{"text":piece}}));
                }
                if let Some(signature) = signature {
                    delta(json!({"reasoningContent":{"signature":signature}}));
                }
            }
            Said::Redacted(data) => delta(json!({"reasoningContent":{"redactedContent":data}})),
            Said::Tool { id, name, pieces } => {
                let start = json!({"toolUse":{"toolUseId":id,"name":name}});
                frames.push(frame("contentBlockStart", &json!({"contentBlockIndex":index,"start":start})));
                for piece in pieces {
                    let delta = json!({"toolUse":{"input":piece}});
                    frames
                        .push(frame("contentBlockDelta", &json!({"contentBlockIndex":index,"delta":delta})));
                }
            }
        }
        frames.push(frame("contentBlockStop", &json!({"contentBlockIndex":index})));
    }
    let mut frames = around(frames);
    let usage = json!({"inputTokens":7,"outputTokens":9,"totalTokens":17,"cacheReadInputTokens":1});
    frames.push(frame("metadata", &json!({"usage":usage,"metrics":{"latencyMs":5}})));
    frames
}

proptest! {
    #[test]
    fn a_stream_cut_anywhere_and_the_whole_reply_say_the_same(said in reply()) {
        let usage = Usage { input: 7, output: 9, cache_read: 1, ..Usage::default() };
        let expected: View = expected(&said, StopReason::EndTurn, Some(usage));
        prop_assert_eq!(&view(whole(&said_whole(&said)).unwrap()), &expected);
        prop_assert_eq!(&view(streamed(&said_in_frames(&said)).unwrap()), &expected);
    }

    #[test]
    fn no_bytes_break_the_decoder(data in any::<Vec<u8>>()) {
        fuzz_frames(&data);
        let mut events = Vec::new();
        let reply = Reply { head: ReplyHead::default(), body: Bytes::from(data) };
        let _ = CONVERSE.decode(&reply, &mut events);
    }

    #[test]
    fn no_json_breaks_the_decoder(data in lines(&[
        "contentBlockIndex", "delta", "start", "text", "toolUse", "toolUseId", "name", "input",
        "reasoningContent", "signature", "redactedContent", "stopReason", "usage", "inputTokens", "trace",
        "action", "end_turn", "type",
    ])) {
        let mut started = b"\x03{}\n".to_vec();
        started.extend_from_slice(&data);
        fuzz_frames(&started);
    }
}

#[test]
fn text_blocks_open_themselves_and_changes_of_kind_are_new_blocks() {
    let thought = json!({"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"hm"}}});
    let events =
        streamed(&around([frame("contentBlockDelta", &thought), text_delta(0, ""), text_delta(0, "hi")]))
            .unwrap();
    assert_eq!(
        events,
        [
            Event::Start,
            Event::BlockStart { block: A, kind: BlockKind::Reasoning },
            Event::Delta { block: A, delta: Delta::Reasoning(Text::new("hm")) },
            Event::BlockStop { block: A },
            Event::BlockStart { block: A, kind: BlockKind::Text },
            Event::Delta { block: A, delta: Delta::Text(Text::new("hi")) },
            Event::BlockStop { block: A },
            Event::Stop(StopReason::EndTurn),
        ]
    );
}

#[test]
fn unknown_kinds_are_counted_and_passed_over() {
    let unknown = [
        frame("contentBlockStart", &json!({"contentBlockIndex":0,"start":{"hologram":{"x":1}}})),
        frame("contentBlockDelta", &json!({"contentBlockIndex":0,"delta":{"hologram":[1]}})),
        frame("contentBlockStop", &json!({"contentBlockIndex":0})),
        frame("somethingNew", &json!({"a":1})),
        text_delta(1, "hi"),
    ];
    let (mut decoder, mut events) = (CONVERSE.stream_decoder(), Vec::new());
    for frame in around(unknown) {
        decoder.push(&frame, &mut events).unwrap();
    }
    decoder.finish(&mut events).unwrap();
    assert_eq!(decoder.skipped(), 3);
    assert_eq!(view(events).text.unwrap(), "hi");
}

#[test]
fn a_call_that_bedrock_answers_itself_is_not_the_clients() {
    let server = json!({"toolUseId":"t","name":"nova_code_interpreter","type":"server_tool_use","input":{}});
    let frames = around([
        frame("contentBlockStart", &json!({"contentBlockIndex":0,"start":{"toolUse":server}})),
        frame("contentBlockDelta", &json!({"contentBlockIndex":0,"delta":{"toolUse":{"input":"{}"}}})),
        text_delta(1, "42"),
    ]);
    assert_eq!(view(streamed(&frames).unwrap()).tools, []);
    let mut body = a_stop("end_turn", &Value::Null);
    body["output"]["message"]["content"] = json!([{"toolUse":server},{"text":"42"}]);
    assert_eq!(view(whole(&body).unwrap()).tools, []);
}

#[test]
fn every_stop_reason_has_its_meaning() {
    for (word, reason) in [
        ("end_turn", StopReason::EndTurn),
        ("stop_sequence", StopReason::StopSequence),
        ("tool_use", StopReason::ToolUse),
        ("max_tokens", StopReason::MaxTokens),
        ("model_context_window_exceeded", StopReason::ContextFull),
        ("guardrail_intervened", StopReason::ContentFiltered),
        ("content_filtered", StopReason::ContentFiltered),
        ("malformed_model_output", StopReason::Malformed),
        ("malformed_tool_use", StopReason::Malformed),
        ("refusal", StopReason::Refusal),
        ("tired", StopReason::Other("tired".into())),
    ] {
        assert_eq!(view(whole(&a_stop(word, &Value::Null)).unwrap()).stop, reason, "{word}");
    }
}

#[test]
fn the_stop_waits_for_the_trace_that_tells_masking_from_blocking() {
    let masked = json!({"guardrail":{"outputAssessments":{"g":[{"pii":[{"action":"ANONYMIZED"}]}]}}});
    assert_eq!(view(whole(&a_stop("guardrail_intervened", &masked)).unwrap()).stop, StopReason::EndTurn);

    let (mut decoder, mut events) = (CONVERSE.stream_decoder(), Vec::new());
    decoder.push(&frame("messageStart", &json!({})), &mut events).unwrap();
    decoder.push(&frame("messageStop", &json!({"stopReason":"guardrail_intervened"})), &mut events).unwrap();
    assert_eq!(events, [Event::Start]);
    let usage = json!({"inputTokens":3,"outputTokens":4});
    decoder.push(&frame("metadata", &json!({"trace":masked,"usage":usage})), &mut events).unwrap();
    let usage = Usage { input: 3, output: 4, ..Usage::default() };
    assert_eq!(events[1..3], [Event::Stop(StopReason::EndTurn), Event::Usage(usage)]);
    assert!(matches!(&events[3..], [Event::Extra(Extra { name: "trace", value: _ })]));
    assert_eq!(decoder.usage(), Some(usage));
}

#[test]
fn a_stream_out_of_order_is_an_error() {
    let stop = || frame("messageStop", &json!({"stopReason":"end_turn"}));
    let metadata = || frame("metadata", &json!({}));
    for frames in [
        vec![text_delta(0, "x")],
        vec![stop()],
        [around([]), vec![text_delta(0, "x")]].concat(),
        [around([]), vec![stop()]].concat(),
        [around([]), around([])].concat(),
        [around([]), vec![metadata(), metadata()]].concat(),
        around([metadata()]),
        around([frame(
            "contentBlockDelta",
            &json!({"contentBlockIndex":0,"delta":{"toolUse":{"input":"{}"}}}),
        )]),
    ] {
        assert!(matches!(streamed(&frames), Err(ProtocolError::Grammar(_))), "{frames:?}");
    }
}

#[test]
fn an_end_before_the_models_own_is_a_cut_stream() {
    let mut cut = around([text_delta(0, "x")]);
    cut.pop();
    assert!(matches!(streamed(&cut), Err(ProtocolError::Truncated)));
    assert!(matches!(streamed(&[]), Err(ProtocolError::Truncated)));
}

#[test]
fn success_without_output_is_not_a_reply() {
    for body in [json!({}), json!({"Output":{}}), json!({"message":"ok"}), json!([]), json!("<html>")] {
        assert!(matches!(whole(&body), Err(ProtocolError::Shape { what: "reply", .. })), "{body}");
    }
}
