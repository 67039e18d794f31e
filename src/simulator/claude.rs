//! Claude's native format (Anthropic Messages): requests read, replies and stream chunks written.

use super::answer::{Answer, Block, Stop, Usage, pieces};
use super::converse::{list, parsed, strings};
use super::event_stream::Event;
use super::models::Model;
use super::turn::{Force, Thinks, Tool, Turn, last_user};
use serde_json::{Value, json};

/// Reads a validated request.
pub(super) fn read(body: &Value) -> Turn {
    let mut turn = Turn {
        max_tokens: body["max_tokens"].as_u64(),
        stops: strings(&body["stop_sequences"]),
        schema: body["output_config"]["format"].get("schema").cloned(),
        thinks: thinks(&body["thinking"]),
        ..Turn::default()
    };
    for tool in list(&body["tools"]) {
        turn.hear(&tool.to_string(), false);
        let name = tool["name"].as_str().unwrap_or_default().to_owned();
        turn.tools.push(Tool { name, schema: tool["input_schema"].clone() });
        read_cache_control(tool, &mut turn);
    }
    match body["system"].as_str() {
        Some(text) => turn.obey(text),
        None => list(&body["system"]).iter().for_each(|block| obey(block, &mut turn)),
    }
    let messages = list(&body["messages"]);
    let last = last_user(messages);
    for (index, message) in messages.iter().enumerate() {
        read_message(message, Some(index) == last, &mut turn);
    }
    turn.force = match body["tool_choice"]["type"].as_str() {
        Some("any") => Force::Any,
        Some("tool") => Force::Named(body["tool_choice"]["name"].as_str().unwrap_or_default().to_owned()),
        _ => Force::No,
    };
    turn
}

/// What a `thinking` member asks for.
pub(super) fn thinks(thinking: &Value) -> Thinks {
    match thinking["type"].as_str() {
        Some("enabled" | "adaptive") if thinking["display"] == "omitted" => Thinks::Silently,
        Some("enabled" | "adaptive") => Thinks::Aloud,
        _ => Thinks::No,
    }
}

fn read_message(message: &Value, last: bool, turn: &mut Turn) {
    let blocks = list(&message["content"]);
    let text = message["content"].as_str();
    if message["role"] == "system" {
        turn.obey(text.unwrap_or_default());
        for block in blocks {
            obey(block, turn);
        }
        return;
    }
    if message["role"] == "user" && (text.is_some() || blocks.iter().any(|block| block["type"] == "text")) {
        turn.called.clear();
    }
    if let Some(text) = text {
        turn.hear(text, last);
    }
    for block in blocks {
        read_block(block, last, turn);
        read_cache_control(block, turn);
    }
}

fn obey(block: &Value, turn: &mut Turn) {
    turn.obey(block["text"].as_str().unwrap_or_default());
    read_cache_control(block, turn);
}

fn read_cache_control(block: &Value, turn: &mut Turn) {
    if block["cache_control"].is_object() {
        turn.checkpoint(block["cache_control"]["ttl"] == "1h");
    }
}

fn read_block(block: &Value, last: bool, turn: &mut Turn) {
    match block["type"].as_str() {
        Some("text") => turn.hear(block["text"].as_str().unwrap_or_default(), last),
        Some("thinking") => turn.hear(block["thinking"].as_str().unwrap_or_default(), false),
        Some("tool_use") => {
            turn.hear(&block["input"].to_string(), false);
            turn.called.extend(block["name"].as_str().map(str::to_owned));
        }
        Some("tool_result") => {
            let text = texts(&block["content"]).join("\n");
            turn.hear(&text, false);
            if last {
                turn.results.push(text);
            }
        }
        Some(kind @ ("image" | "document")) => {
            let source = &block["source"];
            turn.see(source.to_string().as_bytes());
            if last {
                let size = source["data"].as_str().map_or(0, |data| data.len() / 4 * 3);
                let media = source["media_type"].as_str().unwrap_or(kind);
                turn.media.push(format!("{media}, about {size} bytes"));
            }
        }
        _ => {}
    }
}

/// The texts of a string or of a list of blocks.
fn texts(content: &Value) -> Vec<&str> {
    match content.as_str() {
        Some(text) => vec![text],
        None => list(content).iter().filter_map(|block| block["text"].as_str()).collect(),
    }
}

/// The reply of `InvokeModel`.
pub(super) fn reply(answer: &Answer, model: &Model) -> Value {
    let mut reply = head(answer, model);
    reply["content"] = answer.blocks.iter().map(block).collect();
    reply["stop_reason"] = json!(stop_reason(&answer.stop));
    reply["stop_sequence"] = stop_sequence(&answer.stop);
    if matches!(answer.stop, Stop::Refusal) {
        reply["stop_details"] = refusal();
    }
    reply["usage"]["output_tokens"] = json!(answer.usage.output);
    if answer.usage.reasoning > 0 {
        reply["usage"]["output_tokens_details"] = json!({"thinking_tokens": answer.usage.reasoning});
    }
    reply
}

/// Everything that is known before the first token.
fn head(answer: &Answer, model: &Model) -> Value {
    json!({
        "id": format!("msg_bdrk_{}", answer.id),
        "type": "message",
        "role": "assistant",
        "model": model.short_name(),
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        // The output count of a stream's start is a placeholder.
        "usage": usage(answer.usage, answer.usage.output.min(1)),
    })
}

fn block(block: &Block) -> Value {
    match block {
        Block::Text(text) => json!({"type": "text", "text": text}),
        Block::Reasoning { text, signature } => {
            json!({"type": "thinking", "thinking": text, "signature": signature.as_deref().unwrap_or_default()})
        }
        Block::Redacted(data) => json!({"type": "redacted_thinking", "data": data}),
        Block::ToolUse { id, name, input } => {
            json!({"type": "tool_use", "id": id, "name": name, "input": parsed(input)})
        }
    }
}

/// The chunks of `InvokeModelWithResponseStream`.
pub(super) fn events(answer: &Answer, model: &Model) -> Vec<Event> {
    let mut chunks = vec![structure(json!({"type": "message_start", "message": head(answer, model)}))];
    for (index, block) in answer.blocks.iter().enumerate() {
        let start = |start: Value| {
            structure(json!({"type": "content_block_start", "index": index, "content_block": start}))
        };
        let delta = |delta: Value| Event {
            name: "chunk",
            payload: json!({"type": "content_block_delta", "index": index, "delta": delta}),
            content: true,
        };
        match block {
            Block::Text(text) => {
                chunks.push(start(json!({"type": "text", "text": ""})));
                chunks.extend(
                    pieces(text, answer.deltas)
                        .into_iter()
                        .map(|piece| delta(json!({"type": "text_delta", "text": piece}))),
                );
            }
            Block::Reasoning { text, signature } => {
                chunks.push(start(json!({"type": "thinking", "thinking": "", "signature": ""})));
                chunks.extend(
                    pieces(text, None)
                        .into_iter()
                        .map(|piece| delta(json!({"type": "thinking_delta", "thinking": piece}))),
                );
                if let Some(signature) = signature {
                    chunks.push(delta(json!({"type": "signature_delta", "signature": signature})));
                }
            }
            Block::Redacted(data) => {
                chunks.push(start(json!({"type": "redacted_thinking", "data": data})));
            }
            Block::ToolUse { id, name, input } => {
                chunks.push(start(json!({"type": "tool_use", "id": id, "name": name, "input": {}})));
                // The first one is empty, and the only one of a tool without arguments.
                chunks.push(delta(json!({"type": "input_json_delta", "partial_json": ""})));
                let input = if input == "{}" { "" } else { input };
                chunks.extend(
                    pieces(input, None)
                        .into_iter()
                        .map(|piece| delta(json!({"type": "input_json_delta", "partial_json": piece}))),
                );
            }
        }
        chunks.push(structure(json!({"type": "content_block_stop", "index": index})));
    }
    let mut delta =
        json!({"stop_reason": stop_reason(&answer.stop), "stop_sequence": stop_sequence(&answer.stop)});
    if matches!(answer.stop, Stop::Refusal) {
        delta["stop_details"] = refusal();
    }
    let mut usage = json!({"output_tokens": answer.usage.output});
    if answer.usage.reasoning > 0 {
        usage["output_tokens_details"] = json!({"thinking_tokens": answer.usage.reasoning});
    }
    chunks.push(structure(json!({"type": "message_delta", "delta": delta, "usage": usage})));
    chunks.push(structure(json!({"type": "message_stop"})));
    chunks
}

/// What paths of Converse's `additionalModelResponseFieldPaths` point into: a whole reply, and the members that
/// the stream has elsewhere.
pub(super) fn fields(answer: &Answer, model: &Model) -> Value {
    let mut fields = reply(answer, model);
    fields["delta"] = json!({
        "stop_reason": stop_reason(&answer.stop),
        "stop_sequence": stop_sequence(&answer.stop),
    });
    if matches!(answer.stop, Stop::Refusal) {
        fields["delta"]["stop_details"] = refusal();
    }
    fields
}

fn structure(payload: Value) -> Event {
    Event { name: "chunk", payload, content: false }
}

fn usage(usage: Usage, output: u64) -> Value {
    let mut counts = json!({"input_tokens": usage.input, "output_tokens": output});
    if usage.cache_read.is_some() || usage.cache_write.is_some() {
        counts["cache_read_input_tokens"] = json!(usage.cache_read.unwrap_or(0));
        let written = usage.cache_write.unwrap_or(0);
        counts["cache_creation_input_tokens"] = json!(written);
        counts["cache_creation"] = json!({
            "ephemeral_5m_input_tokens": written.saturating_sub(usage.cache_write_hour),
            "ephemeral_1h_input_tokens": usage.cache_write_hour,
        });
    }
    counts
}

fn stop_reason(stop: &Stop) -> &str {
    match stop {
        Stop::EndTurn => "end_turn",
        Stop::ToolUse => "tool_use",
        Stop::MaxTokens => "max_tokens",
        Stop::Sequence(_) => "stop_sequence",
        Stop::Refusal => "refusal",
        Stop::Other(reason) => reason,
    }
}

fn stop_sequence(stop: &Stop) -> Value {
    match stop {
        Stop::Sequence(sequence) => json!(sequence),
        Stop::EndTurn | Stop::ToolUse | Stop::MaxTokens | Stop::Refusal | Stop::Other(_) => Value::Null,
    }
}

fn refusal() -> Value {
    json!({"type": "refusal", "category": null, "explanation": "The simulator was asked to refuse."})
}
