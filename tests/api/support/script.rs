//! Frames to script a stream from, as Bedrock sends them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use outcrop::simulator::{Frame, Step};
use serde_json::{Value, json};

/// A frame of a native stream: the model's JSON in base64.
pub(crate) fn native_chunk(payload: &Value) -> Step {
    let bytes = BASE64_STANDARD.encode(payload.to_string());
    Step::Frame(Frame::event("chunk", &json!({"bytes": bytes, "p": "abc"})))
}

/// An exception frame.
pub(crate) fn exception(name: &str, message: &str) -> Step {
    Step::Frame(Frame::exception(name, &json!({"message": message})))
}

/// Claude's whole stream of two deltas, `one ` and `two`: eight frames, four of them before the first delta ends.
pub(crate) fn claude_stream() -> Vec<Step> {
    let delta = |text: &str| {
        native_chunk(
            &json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
        )
    };
    vec![
        native_chunk(&json!({"type": "message_start", "message": {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 3, "output_tokens": 1},
        }})),
        native_chunk(
            &json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        ),
        delta("one "),
        delta("two"),
        native_chunk(&json!({"type": "content_block_stop", "index": 0})),
        native_chunk(
            &json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 2}}),
        ),
        native_chunk(&json!({"type": "message_stop", "amazon-bedrock-invocationMetrics": {
            "inputTokenCount": 3, "outputTokenCount": 2, "invocationLatency": 10, "firstByteLatency": 5,
        }})),
    ]
}

/// The same as Converse tells it.
pub(crate) fn converse_stream() -> Vec<Step> {
    let delta = |text: &str| json!({"contentBlockIndex": 0, "delta": {"text": text}, "p": "abc"});
    [
        ("messageStart", json!({"role": "assistant"})),
        ("contentBlockDelta", delta("one ")),
        ("contentBlockDelta", delta("two")),
        ("contentBlockStop", json!({"contentBlockIndex": 0})),
        ("messageStop", json!({"stopReason": "end_turn"})),
        ("metadata", json!({"usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}, "metrics": {"latencyMs": 10}})),
    ]
    .into_iter()
    .map(|(name, payload)| Step::Frame(Frame::event(name, &payload)))
    .collect()
}
