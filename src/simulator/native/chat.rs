//! `OpenAI`'s Chat Completions as the open-weight models, Mistral's and Jamba have them, each with habits of its own.

use super::{chunk, usage};
use crate::simulator::answer::{Answer, Block, Stop, pieces};
use crate::simulator::converse::{list, strings};
use crate::simulator::event_stream::Event;
use crate::simulator::models::{Format, Model};
use crate::simulator::turn::{Force, Thinks, Tool, Turn};
use serde_json::{Value, json};

/// Reads a validated request.
pub(super) fn read(body: &Value) -> Turn {
    let stop = &body["stop"];
    let effort = body["reasoning_effort"].as_str();
    let mut turn = Turn {
        max_tokens: body["max_completion_tokens"].as_u64().or_else(|| body["max_tokens"].as_u64()),
        stops: stop.as_str().map_or_else(|| strings(stop), |stop| vec![stop.to_owned()]),
        schema: schema(&body["response_format"]),
        thinks: if effort.is_some_and(|effort| effort != "none") { Thinks::Aloud } else { Thinks::No },
        ..Turn::default()
    };
    for tool in list(&body["tools"]) {
        turn.hear(&tool.to_string(), false);
        let function = &tool["function"];
        let name = function["name"].as_str().unwrap_or_default().to_owned();
        turn.tools.push(Tool { name, schema: function["parameters"].clone() });
    }
    let messages = list(&body["messages"]);
    let answered = messages.iter().rposition(|message| message["role"] == "assistant");
    for (index, message) in messages.iter().enumerate() {
        read_message(message, answered.is_none_or(|answered| index > answered), &mut turn);
    }
    let choice = &body["tool_choice"];
    turn.force = match (choice.as_str(), choice["function"]["name"].as_str()) {
        (Some("any" | "required"), _) => Force::Any,
        (_, Some(name)) => Force::Named(name.to_owned()),
        (Some(_) | None, None) => Force::No,
    };
    turn
}

fn read_message(message: &Value, last: bool, turn: &mut Turn) {
    let content = &message["content"];
    let texts: Vec<&str> = match content.as_str() {
        Some(text) => vec![text],
        None => list(content).iter().filter_map(|part| part["text"].as_str()).collect(),
    };
    match message["role"].as_str() {
        Some("system" | "developer") => texts.into_iter().for_each(|text| turn.obey(text)),
        Some("tool") => {
            let text = texts.concat();
            turn.hear(&text, false);
            if last {
                turn.results.push(text);
            }
        }
        Some("assistant") => {
            for text in texts {
                turn.hear(text, false);
            }
            for call in list(&message["tool_calls"]) {
                turn.hear(call["function"]["arguments"].as_str().unwrap_or_default(), false);
                turn.called.extend(call["function"]["name"].as_str().map(str::to_owned));
            }
        }
        _ => {
            turn.called.clear();
            for text in texts {
                turn.hear(text, last);
            }
            for image in list(content).iter().filter(|part| part["type"] == "image_url") {
                turn.see(image.to_string().as_bytes());
                if last {
                    turn.media.push("image".to_owned());
                }
            }
        }
    }
}

/// The schema of a response format; one without a schema takes any object.
fn schema(format: &Value) -> Option<Value> {
    match format["type"].as_str() {
        Some("json_schema") => Some(format["json_schema"]["schema"].clone()),
        Some("json_object") => Some(json!({"type": "object"})),
        _ => None,
    }
}

/// The reply of `InvokeModel`.
pub(super) fn reply(form: Format, answer: &Answer, model: &Model) -> Value {
    let said = Said::of(form, answer, model);
    let mut message = json!({"role": "assistant", "content": said.content});
    if let Some(reasoning) = &said.reasoning {
        message["reasoning_content"] = json!(reasoning);
    }
    let calls: Vec<Value> = said
        .calls
        .iter()
        .map(|(id, name, input)| json!({"id": id, "type": "function", "function": {"name": name, "arguments": input}}))
        .collect();
    if !calls.is_empty() {
        message["tool_calls"] = Value::Array(calls);
        if said.content.is_empty() {
            message["content"] = Value::Null;
        }
    } else if form == Format::Jamba {
        message["tool_calls"] = Value::Null;
    }
    let mut choice = json!({"index": 0, "message": message});
    choice[finish_member(form, model)] = json!(finish(&answer.stop));
    let mut reply = head(answer, model, "chat.completion");
    reply["choices"] = json!([choice]);
    reply["usage"] = usage(answer);
    if form == Format::Jamba {
        reply["meta"] = json!({"requestDurationMillis": 214});
    }
    reply
}

/// The chunks of `InvokeModelWithResponseStream`.
pub(super) fn events(form: Format, answer: &Answer, model: &Model) -> Vec<Event> {
    let said = Said::of(form, answer, model);
    // The first Mistral that spoke so calls its deltas messages.
    let delta_member = if model.id.contains("large-2407") { "message" } else { "delta" };
    let piece = |delta: Value, finish: Value, content: bool| {
        let mut choice = json!({"index": 0});
        choice[delta_member] = delta;
        choice[finish_member(form, model)] = finish;
        let mut payload = head(answer, model, "chat.completion.chunk");
        payload["choices"] = json!([choice]);
        chunk(payload, content)
    };
    let mut chunks = vec![piece(json!({"role": "assistant", "content": ""}), Value::Null, false)];
    let delta = |delta: Value| piece(delta, Value::Null, true);
    for part in said.reasoning.iter().flat_map(|text| pieces(text, None)) {
        chunks.push(delta(json!({"reasoning_content": part})));
    }
    for part in pieces(&said.content, answer.deltas) {
        chunks.push(delta(json!({"content": part})));
    }
    for (index, (id, name, input)) in said.calls.iter().enumerate() {
        let function = json!({"name": name, "arguments": ""});
        let call = json!({"index": index, "id": id, "type": "function", "function": function});
        chunks.push(piece(json!({"tool_calls": [call]}), Value::Null, false));
        for part in pieces(input, None) {
            let call = json!({"index": index, "function": {"arguments": part}});
            chunks.push(delta(json!({"tool_calls": [call]})));
        }
    }
    let mut last = piece(json!({"content": ""}), json!(finish(&answer.stop)), false);
    last.payload["usage"] = usage(answer);
    chunks.push(last);
    chunks
}

/// An answer in the parts that a chat has.
struct Said<'a> {
    content: String,
    reasoning: Option<String>,
    /// Id, name and arguments.
    calls: Vec<(&'a str, &'a str, &'a str)>,
}

impl<'a> Said<'a> {
    fn of(form: Format, answer: &'a Answer, model: &Model) -> Self {
        let mut said = Said { content: String::new(), reasoning: None, calls: Vec::new() };
        for block in &answer.blocks {
            match block {
                // gpt-oss thinks inside of its content.
                Block::Reasoning { text, .. } if model.id.starts_with("openai.gpt-oss") => {
                    said.content = format!("<reasoning>{text}</reasoning>{}", said.content);
                }
                Block::Reasoning { text, .. } => said.reasoning.get_or_insert_default().push_str(text),
                Block::Redacted(_) => {}
                Block::Text(text) if form == Format::Jamba => {
                    said.content.push(' ');
                    said.content.push_str(text);
                }
                Block::Text(text) => said.content.push_str(text),
                Block::ToolUse { id, name, input } => said.calls.push((id, name, input)),
            }
        }
        said
    }
}

fn head(answer: &Answer, model: &Model, object: &str) -> Value {
    json!({
        "id": format!("chatcmpl-{}", answer.id),
        "object": object,
        // The simulator has no clock.
        "created": 1_767_225_600,
        "model": model.id,
    })
}

/// Mistral's older models end with `stop_reason`.
fn finish_member(form: Format, model: &Model) -> &'static str {
    let older = model.id.contains("-240") || model.id.contains("-250");
    if form == Format::MistralChat && older { "stop_reason" } else { "finish_reason" }
}

fn finish(stop: &Stop) -> &str {
    match stop {
        Stop::EndTurn | Stop::Sequence(_) => "stop",
        Stop::ToolUse => "tool_calls",
        Stop::MaxTokens => "length",
        Stop::Refusal => "content_filter",
        Stop::Other(reason) => reason,
    }
}
