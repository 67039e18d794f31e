//! Cohere's chat (Command R): a message, its history, tools with parameters of Python's types, and no ids.

use super::chunk;
use crate::simulator::answer::{Answer, Block, Stop, pieces};
use crate::simulator::converse::{list, parsed, strings};
use crate::simulator::event_stream::Event;
use crate::simulator::turn::{Tool, Turn};
use serde_json::{Map, Value, json};

/// Reads a validated request.
pub(super) fn read(body: &Value) -> Turn {
    let mut turn = Turn {
        max_tokens: body["max_tokens"].as_u64(),
        stops: strings(&body["stop_sequences"]),
        ..Turn::default()
    };
    for tool in list(&body["tools"]) {
        turn.hear(&tool.to_string(), false);
        let name = tool["name"].as_str().unwrap_or_default().to_owned();
        turn.tools.push(Tool { name, schema: Value::Null });
    }
    turn.obey(body["preamble"].as_str().unwrap_or_default());
    for said in list(&body["chat_history"]) {
        turn.hear(said["message"].as_str().unwrap_or_default(), false);
    }
    for document in list(&body["documents"]) {
        turn.hear(&document.to_string(), false);
    }
    let results = list(&body["tool_results"]);
    for result in results {
        let text = list(&result["outputs"]).iter().map(output).collect::<Vec<_>>().join("\n");
        turn.hear(&text, false);
        turn.results.push(text);
    }
    // The message that led to the calls comes along with their results: it has been answered.
    turn.hear(body["message"].as_str().unwrap_or_default(), results.is_empty());
    turn
}

/// A result of one member is the text of it.
fn output(output: &Value) -> String {
    let mut members = output.as_object().into_iter().flatten();
    match (members.next(), members.next()) {
        (Some((_, Value::String(text))), None) => text.clone(),
        _ => output.to_string(),
    }
}

/// The reply of `InvokeModel`.
pub(super) fn reply(answer: &Answer, turn: &Turn) -> Value {
    let text = text(answer);
    let mut reply = json!({
        "response_id": format!("{}/response", answer.id),
        "text": text,
        "generation_id": answer.id,
        "chat_history": [{"role": "USER", "message": turn.text}, {"role": "CHATBOT", "message": text}],
        "finish_reason": finish_reason(&answer.stop),
    });
    let calls = calls(answer);
    if !calls.is_empty() {
        reply["tool_calls"] = Value::Array(calls);
    }
    reply
}

/// The chunks of `InvokeModelWithResponseStream`; the last one has the whole reply again.
pub(super) fn events(answer: &Answer, turn: &Turn) -> Vec<Event> {
    let text = text(answer);
    let mut chunks: Vec<Event> = pieces(&text, answer.deltas)
        .into_iter()
        .map(|text| chunk(json!({"is_finished": false, "event_type": "text-generation", "text": text}), true))
        .collect();
    let calls = calls(answer);
    if !calls.is_empty() {
        let payload =
            json!({"is_finished": false, "event_type": "tool-calls-generation", "tool_calls": calls});
        chunks.push(chunk(payload, true));
    }
    chunks.push(chunk(
        json!({
            "is_finished": true,
            "event_type": "stream-end",
            "response": reply(answer, turn),
            "finish_reason": finish_reason(&answer.stop),
        }),
        false,
    ));
    chunks
}

fn text(answer: &Answer) -> String {
    let texts = answer.blocks.iter().filter_map(|block| match block {
        Block::Text(text) => Some(text.as_str()),
        Block::Reasoning { .. } | Block::Redacted(_) | Block::ToolUse { .. } => None,
    });
    texts.collect()
}

fn calls(answer: &Answer) -> Vec<Value> {
    let calls = answer.blocks.iter().filter_map(|block| match block {
        Block::ToolUse { name, input, .. } => {
            let parameters = match parsed(input) {
                Value::Object(parameters) => parameters,
                _ => Map::new(),
            };
            Some(json!({"name": name, "parameters": parameters}))
        }
        Block::Text(_) | Block::Reasoning { .. } | Block::Redacted(_) => None,
    });
    calls.collect()
}

fn finish_reason(stop: &Stop) -> &str {
    match stop {
        Stop::EndTurn | Stop::ToolUse | Stop::Sequence(_) => "COMPLETE",
        Stop::MaxTokens => "MAX_TOKENS",
        Stop::Refusal => "ERROR_TOXIC",
        Stop::Other(reason) => reason,
    }
}
