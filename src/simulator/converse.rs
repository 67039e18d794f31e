//! The Converse format: requests read, replies and events written.

use super::answer::{Answer, Block, Stop, Usage, pieces};
use super::event_stream::Event;
use super::models::{Fields, Format, Model};
use super::turn::{Force, Guardrail, Thinks, Tool, Turn, last_user};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

/// What every reply reports.
pub(super) const LATENCY_MS: u64 = 42;

/// Reads a validated request.
pub(super) fn read(body: &Value, model: &Model) -> Turn {
    let mut turn = Turn {
        max_tokens: body["inferenceConfig"]["maxTokens"].as_u64(),
        stops: strings(&body["inferenceConfig"]["stopSequences"]),
        schema: body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"]
            .as_str()
            .and_then(|schema| serde_json::from_str::<Option<Value>>(schema).unwrap_or_default()),
        thinks: thinks(&body["additionalModelRequestFields"], model),
        guardrail: body.get("guardrailConfig").map(|config| Guardrail {
            traced: config["trace"].as_str().is_some_and(|trace| trace != "disabled"),
        }),
        ..Turn::default()
    };
    read_conversation(body, &mut turn);
    if body["additionalModelRequestFields"]["tool_choice"]["type"] == "none" {
        turn.force = Force::No;
    }
    turn
}

/// Whether the additional fields ask for reasoning, in the words of the model's family.
fn thinks(fields: &Value, model: &Model) -> Thinks {
    let on = |effort: &Value| effort.as_str().is_some_and(|effort| effort != "none");
    let aloud = |thinks: bool| if thinks { Thinks::Aloud } else { Thinks::No };
    match model.facts.fields {
        Fields::Claude => super::claude::thinks(&fields["thinking"]),
        Fields::NovaReasoning => aloud(fields["reasoningConfig"]["type"] == "enabled"),
        Fields::Effort(_) => aloud(on(&fields["reasoning_effort"])),
        // Less than "high" doesn't reason.
        Fields::Config(_) => {
            aloud(fields["reasoning_config"] == "high" && model.can(super::models::Can::Reasoning))
        }
        Fields::Reasoning(_) if on(&fields["reasoning"]["effort"]) => Thinks::Opaquely,
        Fields::Reasoning(_) | Fields::Nothing | Fields::Only(_) | Fields::Nova | Fields::Chat => Thinks::No,
    }
}

/// Reads `toolConfig`, `system` and `messages`, which Nova's native format has as well, in the order of the cache.
pub(super) fn read_conversation(body: &Value, turn: &mut Turn) {
    for tool in list(&body["toolConfig"]["tools"]) {
        let spec = &tool["toolSpec"];
        if let Some(name) = spec["name"].as_str() {
            turn.hear(&spec.to_string(), false);
            turn.tools.push(Tool { name: name.to_owned(), schema: spec["inputSchema"]["json"].clone() });
        }
        read_cache_point(tool, turn);
    }
    for block in list(&body["system"]) {
        turn.obey(block["text"].as_str().unwrap_or_default());
        read_cache_point(block, turn);
    }
    let messages = list(&body["messages"]);
    let last = last_user(messages);
    for (index, message) in messages.iter().enumerate() {
        let blocks = list(&message["content"]);
        if message["role"] == "user" && blocks.iter().any(|block| block.get("text").is_some()) {
            turn.called.clear();
        }
        for block in blocks {
            if message["role"] == "system" {
                turn.obey(block["text"].as_str().unwrap_or_default());
                read_cache_point(block, turn);
            } else {
                read_block(block, Some(index) == last, turn);
            }
        }
    }
    let choice = &body["toolConfig"]["toolChoice"];
    if let Some(name) = choice["tool"]["name"].as_str() {
        turn.force = Force::Named(name.to_owned());
    } else if !choice["any"].is_null() {
        turn.force = Force::Any;
    }
}

fn read_cache_point(block: &Value, turn: &mut Turn) {
    if let Some(point) = block.get("cachePoint") {
        turn.checkpoint(point["ttl"] == "1h");
    }
}

fn read_block(block: &Value, last: bool, turn: &mut Turn) {
    read_cache_point(block, turn);
    if let Some(text) = block["text"].as_str().or_else(|| block["guardContent"]["text"]["text"].as_str()) {
        turn.hear(text, last);
    }
    if let Some(text) = block["reasoningContent"]["reasoningText"]["text"].as_str() {
        turn.hear(text, false);
    }
    for part in list(&block["citationsContent"]["content"]) {
        turn.hear(part["text"].as_str().unwrap_or_default(), false);
    }
    if let Some(call) = block.get("toolUse") {
        turn.hear(&call["input"].to_string(), false);
        turn.called.extend(call["name"].as_str().map(str::to_owned));
    }
    if let Some(result) = block.get("toolResult") {
        let text: Vec<String> = list(&result["content"]).iter().map(result_text).collect();
        let text = text.join("\n");
        turn.hear(&text, false);
        if last {
            turn.results.push(text);
        }
    }
    for kind in ["image", "document", "video", "audio"] {
        if let Some(media) = block.get(kind) {
            turn.see(media.to_string().as_bytes());
            if last {
                turn.media.push(describe(kind, media));
            }
        }
    }
}

fn result_text(content: &Value) -> String {
    if let Some(text) = content["text"].as_str() {
        return text.to_owned();
    }
    if let Some(json) = content.get("json") {
        return json.to_string();
    }
    ["image", "document", "video"]
        .into_iter()
        .find_map(|kind| content.get(kind).map(|media| describe(kind, media)))
        .unwrap_or_else(|| content.to_string())
}

/// `image/png, 68 bytes`.
fn describe(kind: &str, media: &Value) -> String {
    let format = media["format"].as_str().unwrap_or("unknown");
    let source = &media["source"];
    match source["bytes"].as_str().map(|text| BASE64_STANDARD.decode(text)) {
        Some(Ok(bytes)) => format!("{kind}/{format}, {} bytes", bytes.len()),
        Some(Err(_)) | None => format!("{kind}/{format}"),
    }
}

/// The reply of Converse. `request` decides on what is echoed and on additional fields.
pub(super) fn reply(answer: &Answer, request: &Value, model: &Model, native: &Value) -> Value {
    let mut reply = json!({
        "output": {"message": {"role": "assistant", "content": content(answer)}},
        "stopReason": ended(answer),
        "usage": usage(answer.usage, model),
        "metrics": {"latencyMs": LATENCY_MS},
    });
    if let Some(blocks) = reply["output"]["message"]["content"].as_array_mut() {
        for call in blocks.iter_mut().filter_map(|block| block.get_mut("toolUse")) {
            if model.facts.format == Format::Claude {
                call["type"] = json!("tool_use");
            }
        }
        if model.id.starts_with("deepseek.r1") {
            // It thinks first and says so last, unless streamed.
            blocks.sort_by_key(|block| block.get("reasoningContent").is_some());
        }
    }
    if let Some(trace) = answer.trace() {
        reply["trace"] = trace;
    }
    if let Some(fields) = additional_fields(request, native) {
        reply["additionalModelResponseFields"] = fields;
    }
    for echoed in ["serviceTier", "performanceConfig"] {
        if let Some(value) = request.get(echoed) {
            reply[echoed] = value.clone();
        }
    }
    reply
}

/// The content blocks of an answer.
pub(super) fn content(answer: &Answer) -> Vec<Value> {
    answer
        .blocks
        .iter()
        .map(|block| match block {
            Block::Text(text) => json!({"text": text}),
            Block::Reasoning { text, signature } => {
                let mut reasoning = json!({"text": text});
                if let Some(signature) = signature {
                    reasoning["signature"] = json!(signature);
                }
                json!({"reasoningContent": {"reasoningText": reasoning}})
            }
            Block::Redacted(data) => json!({"reasoningContent": {"redactedContent": data}}),
            Block::ToolUse { id, name, input } => {
                json!({"toolUse": {"toolUseId": id, "name": name, "input": parsed(input)}})
            }
        })
        .collect()
}

/// The events of `ConverseStream`.
pub(super) fn events(answer: &Answer, request: &Value, model: &Model, native: &Value) -> Vec<Event> {
    let mut events = vec![event("messageStart", json!({"role": "assistant"}), false)];
    // A gpt-oss stream opens with a block of no text.
    let opened = usize::from(model.id.starts_with("openai.gpt-oss"));
    if opened == 1 {
        events.push(event(
            "contentBlockDelta",
            json!({"contentBlockIndex": 0, "delta": {"text": ""}}),
            false,
        ));
        events.push(event("contentBlockStop", json!({"contentBlockIndex": 0}), false));
    }
    for (index, block) in answer.blocks.iter().enumerate() {
        let index = index + opened;
        let delta = |delta: Value| {
            event("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta}), true)
        };
        match block {
            Block::Text(text) => {
                events.extend(
                    pieces(text, answer.deltas).into_iter().map(|piece| delta(json!({"text": piece}))),
                );
            }
            Block::Reasoning { text, signature } => {
                events.extend(
                    pieces(text, None)
                        .into_iter()
                        .map(|piece| delta(json!({"reasoningContent": {"text": piece}}))),
                );
                if let Some(signature) = signature {
                    events.push(delta(json!({"reasoningContent": {"signature": signature}})));
                }
            }
            Block::Redacted(data) => {
                events.push(delta(json!({"reasoningContent": {"redactedContent": data}})));
            }
            Block::ToolUse { id, name, input } => {
                let mut start = json!({"toolUseId": id, "name": name});
                if model.facts.format == Format::Claude {
                    start["type"] = json!("tool_use");
                }
                let start = json!({"contentBlockIndex": index, "start": {"toolUse": start}});
                events.push(event("contentBlockStart", start, false));
                // A tool without arguments may come without any delta.
                let input = if input == "{}" { "" } else { input };
                events.extend(
                    pieces(input, None).into_iter().map(|piece| delta(json!({"toolUse": {"input": piece}}))),
                );
            }
        }
        events.push(event("contentBlockStop", json!({"contentBlockIndex": index}), false));
    }
    let mut stop = json!({"stopReason": ended(answer)});
    if let Some(fields) = additional_fields(request, native) {
        stop["additionalModelResponseFields"] = fields;
    }
    events.push(event("messageStop", stop, false));
    let mut metadata = json!({"usage": usage(answer.usage, model), "metrics": {"latencyMs": LATENCY_MS}});
    if let Some(trace) = answer.trace() {
        metadata["trace"] = trace;
    }
    for echoed in ["serviceTier", "performanceConfig"] {
        if let Some(value) = request.get(echoed) {
            metadata[echoed] = value.clone();
        }
    }
    events.push(event("metadata", metadata, false));
    events
}

fn event(name: &'static str, payload: Value, content: bool) -> Event {
    Event { name, payload, content }
}

/// How an answer ended. A guardrail that did anything, be it masking, is all that Converse reports.
fn ended(answer: &Answer) -> &str {
    if answer.intervened() { "guardrail_intervened" } else { stop_reason(&answer.stop) }
}

/// The stop reason in Converse's words.
pub(super) fn stop_reason(stop: &Stop) -> &str {
    match stop {
        Stop::EndTurn => "end_turn",
        Stop::ToolUse => "tool_use",
        Stop::MaxTokens => "max_tokens",
        Stop::Sequence(_) => "stop_sequence",
        Stop::Refusal => "content_filtered",
        Stop::Other(reason) => reason,
    }
}

fn usage(usage: Usage, model: &Model) -> Value {
    let mut counts = json!({
        "inputTokens": usage.input,
        "outputTokens": usage.output,
        "totalTokens": usage.total(),
    });
    if model.facts.format == Format::Claude {
        counts["serverToolUsage"] = json!({});
    }
    // Both names arrive from Bedrock.
    for (name, count) in [("cacheRead", usage.cache_read), ("cacheWrite", usage.cache_write)] {
        if let Some(count) = count {
            counts[format!("{name}InputTokens")] = json!(count);
            counts[format!("{name}InputTokenCount")] = json!(count);
        }
    }
    let written = usage.cache_write.unwrap_or(0);
    let details: Vec<Value> =
        [("5m", written.saturating_sub(usage.cache_write_hour)), ("1h", usage.cache_write_hour)]
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(ttl, count)| json!({"ttl": ttl, "inputTokens": count}))
            .collect();
    if !details.is_empty() {
        counts["cacheDetails"] = Value::Array(details);
    }
    counts
}

/// What `additionalModelResponseFieldPaths` points at in the model's own reply, in the same place.
fn additional_fields(request: &Value, native: &Value) -> Option<Value> {
    let mut fields = Value::Null;
    for path in strings(&request["additionalModelResponseFieldPaths"]) {
        let Some(found) = native.pointer(&path) else { continue };
        let mut place = &mut fields;
        for name in path.split('/').skip(1) {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            place = &mut place[name];
        }
        *place = found.clone();
    }
    (!fields.is_null()).then_some(fields)
}

/// A tool's input as a value; the scenario made sure that it is JSON.
pub(super) fn parsed(input: &str) -> Value {
    serde_json::from_str(input).unwrap_or_else(|_| Value::Object(Map::new()))
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn strings(value: &Value) -> Vec<String> {
    list(value).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
