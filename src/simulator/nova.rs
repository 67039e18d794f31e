//! Nova's native format: Converse's blocks in a body of its own, and a stream with a block for each delta.

use super::answer::{Answer, Block, pieces};
use super::converse::{self, content, parsed, stop_reason, strings};
use super::event_stream::Event;
use super::turn::{Thinks, Turn};
use serde_json::{Value, json};

/// Reads a validated request.
pub(super) fn read(body: &Value) -> Turn {
    let config = &body["inferenceConfig"];
    let mut turn = Turn {
        max_tokens: config["maxTokens"].as_u64().or_else(|| config["max_new_tokens"].as_u64()),
        stops: strings(&config["stopSequences"]),
        thinks: if body["reasoningConfig"]["type"] == "enabled" { Thinks::Aloud } else { Thinks::No },
        ..Turn::default()
    };
    converse::read_conversation(body, &mut turn);
    turn
}

/// The reply of `InvokeModel`.
pub(super) fn reply(answer: &Answer) -> Value {
    let mut usage = usage(answer);
    usage["totalTokens"] = json!(answer.usage.total());
    json!({
        "output": {"message": {"content": content(answer), "role": "assistant"}},
        "stopReason": stop_reason(&answer.stop),
        "usage": usage,
    })
}

/// The chunks of `InvokeModelWithResponseStream`.
pub(super) fn events(answer: &Answer) -> Vec<Event> {
    let mut chunks = vec![structure(json!({"messageStart": {"role": "assistant"}}))];
    let mut index = 0_u64;
    for block in &answer.blocks {
        match block {
            Block::Text(text) => {
                for piece in pieces(text, answer.deltas) {
                    chunks.push(delta(&json!({"text": piece}), index));
                    chunks.push(stop(index));
                    index += 1;
                }
            }
            Block::Reasoning { text, .. } => {
                for piece in pieces(text, None) {
                    chunks
                        .push(delta(&json!({"reasoningContent": {"reasoningText": {"text": piece}}}), index));
                    chunks.push(stop(index));
                    index += 1;
                }
            }
            Block::Redacted(data) => {
                chunks.push(delta(&json!({"reasoningContent": {"redactedContent": data}}), index));
                chunks.push(stop(index));
                index += 1;
            }
            Block::ToolUse { id, name, input } => {
                let start = json!({"toolUse": {"toolUseId": id, "name": name}});
                let start = json!({"contentBlockStart": {"start": start, "contentBlockIndex": index}});
                chunks.push(structure(start));
                // The whole input at once, as text.
                chunks.push(delta(&json!({"toolUse": {"input": parsed(input).to_string()}}), index));
                chunks.push(stop(index));
                index += 1;
            }
        }
    }
    chunks.push(structure(json!({"messageStop": {"stopReason": stop_reason(&answer.stop)}})));
    chunks.push(structure(json!({"metadata": {"usage": usage(answer), "metrics": {}, "trace": {}}})));
    chunks
}

fn delta(delta: &Value, index: u64) -> Event {
    Event {
        name: "chunk",
        payload: json!({"contentBlockDelta": {"delta": delta, "contentBlockIndex": index}}),
        content: true,
    }
}

fn stop(index: u64) -> Event {
    structure(json!({"contentBlockStop": {"contentBlockIndex": index}}))
}

fn structure(payload: Value) -> Event {
    Event { name: "chunk", payload, content: false }
}

fn usage(answer: &Answer) -> Value {
    json!({
        "inputTokens": answer.usage.input,
        "outputTokens": answer.usage.output,
        "cacheReadInputTokenCount": answer.usage.cache_read.unwrap_or(0),
        "cacheWriteInputTokenCount": answer.usage.cache_write.unwrap_or(0),
    })
}
