//! Claude's native request, in the words of the model itself.

use super::claude_blocks::{block, name, words};
use super::claude_rules::{self, Parameters};
use super::{cache_points, dialect, history, schema};
use crate::simulator::converse::{list, strings};
use crate::simulator::fault::Fault;
use crate::simulator::models::{Can, Model};
use serde_json::{Map, Value};

const MEMBERS: [&str; 16] = [
    "anthropic_version",
    "anthropic_beta",
    "max_tokens",
    "messages",
    "system",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "metadata",
    "context_management",
    "amazon-bedrock-guardrailConfig",
];

/// The error is the model's own text.
pub(super) type Check = Result<(), String>;

/// Refuses what Claude would refuse.
pub(in crate::simulator) fn claude(model: &Model, body: &Value) -> Result<(), Fault> {
    let Some(request) = body.as_object() else {
        return Err(Fault::validation("Malformed input request, please reformat your input and try again."));
    };
    check(model, request, body).map_err(Fault::validation)
}

fn check(model: &Model, request: &Map<String, Value>, body: &Value) -> Check {
    only(request, "", &MEMBERS)?;
    match request.get("anthropic_version") {
        None => return Err("anthropic_version: Field required".to_owned()),
        Some(version) if version == "bedrock-2023-05-31" => {}
        Some(_) => return Err("anthropic_version: Input should be 'bedrock-2023-05-31'".to_owned()),
    }
    let Some(limit) = request.get("max_tokens") else { return Err("max_tokens: Field required".to_owned()) };
    let Some(limit) = limit.as_u64().filter(|limit| *limit > 0) else {
        return Err("max_tokens: Input should be greater than or equal to 1".to_owned());
    };
    if limit > model.max_tokens {
        let most = model.max_tokens;
        return Err(format!(
            "max_tokens: {limit} > {most}, which is the maximum allowed number of output tokens for {}",
            model.short_name()
        ));
    }
    for name in ["temperature", "top_p"] {
        let Some(value) = request.get(name) else { continue };
        match value.as_f64() {
            Some(number) if (0.0..=1.0).contains(&number) => {}
            Some(number) => return Err(format!("{name}: range: 0..1, given {number}")),
            None => return Err(format!("{name}: Input should be a valid number")),
        }
    }
    for stop in list(&body["stop_sequences"]) {
        if stop.as_str().is_none_or(|stop| stop.trim().is_empty()) {
            return Err("stop_sequences: each stop sequence must contain non-whitespace".to_owned());
        }
    }
    system(&body["system"])?;
    messages(model, &body["messages"])?;
    tools(model, body)?;
    output_format(model, &body["output_config"])?;
    cache_points::claude(model, body)?;
    claude_rules::check(model, &parameters(body, limit))?;
    history::claude(body)
}

fn parameters(body: &Value, limit: u64) -> Parameters<'_> {
    Parameters {
        temperature: body["temperature"].as_f64(),
        top_p: body["top_p"].as_f64(),
        top_k: body.get("top_k"),
        thinking: body.get("thinking"),
        effort: body["output_config"].get("effort"),
        max_tokens: Some(limit),
        forced: matches!(body["tool_choice"]["type"].as_str(), Some("any" | "tool")),
        prefilled: list(&body["messages"]).last().is_some_and(|last| last["role"] == "assistant"),
        betas: strings(&body["anthropic_beta"]),
        user: body["metadata"].get("user_id"),
    }
}

/// Refuses members outside `known`.
pub(super) fn only(members: &Map<String, Value>, at: &str, known: &[&str]) -> Check {
    match members.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(format!("{at}{key}: Extra inputs are not permitted")),
        None => Ok(()),
    }
}

fn system(system: &Value) -> Check {
    match system {
        Value::Null | Value::String(_) => Ok(()),
        Value::Array(blocks) => blocks.iter().enumerate().try_for_each(|(index, block)| {
            let at = format!("system.{index}.");
            match block.as_object() {
                Some(members) if block["type"] == "text" => {
                    only(members, &at, &["type", "text", "cache_control", "citations"])?;
                    words(&block["text"], &at)
                }
                _ => Err(format!("{at}type: Input should be 'text'")),
            }
        }),
        _ => Err("system: Input should be a valid string or list".to_owned()),
    }
}

fn messages(model: &Model, messages: &Value) -> Check {
    let Some(messages) = messages.as_array() else { return Err("messages: Field required".to_owned()) };
    if messages.is_empty() {
        return Err("messages: at least one message is required".to_owned());
    }
    let mut asked: Vec<&str> = Vec::new();
    let mut before = None;
    for (index, message) in messages.iter().enumerate() {
        let at = format!("messages.{index}.");
        let Some(members) = message.as_object() else {
            return Err(format!("messages.{index}: Input should be an object"));
        };
        only(members, &at, &["role", "content"])?;
        if message["role"] == "system" && model.can(Can::SystemTurns) {
            system(&message["content"])?;
            continue;
        }
        let Some(role @ ("user" | "assistant")) = message["role"].as_str() else {
            return Err(format!("{at}role: Input should be 'user' or 'assistant'"));
        };
        let last = index + 1 == messages.len();
        let content = &message["content"];
        if content.as_str().is_some_and(|text| text.trim().is_empty())
            || content.as_array().is_some_and(Vec::is_empty)
        {
            if !(last && role == "assistant") {
                return Err(format!(
                    "messages.{index}: all messages must have non-empty content except for the optional final \
                     assistant message"
                ));
            }
        } else if !content.is_string() && !content.is_array() {
            return Err(format!("{at}content: Input should be a valid list"));
        }
        for (place, part) in list(content).iter().enumerate() {
            block(model, part, role, index, place)?;
        }
        pairing(index, role, content, before == Some(role), &mut asked)?;
        before = Some(role);
    }
    if let Some(id) = asked.first() {
        let index = messages.len().saturating_sub(1);
        return Err(format!(
            "messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: {id}. Each \
             `tool_use` block must have a corresponding `tool_result` block in the next message."
        ));
    }
    last_turn(model, messages)
}

/// Neighbours of one role count as one turn; every tool use needs its result in the turn after it.
fn pairing<'a>(
    index: usize,
    role: &str,
    content: &'a Value,
    continued: bool,
    asked: &mut Vec<&'a str>,
) -> Check {
    let ids = |kind: &'static str, id: &'static str| {
        list(content)
            .iter()
            .filter(move |block| block["type"] == kind)
            .filter_map(move |block| block[id].as_str())
            .collect::<Vec<_>>()
    };
    if role == "assistant" {
        if !continued {
            asked.clear();
        }
        asked.extend(ids("tool_use", "id"));
        return Ok(());
    }
    let answered = ids("tool_result", "tool_use_id");
    if let Some(orphan) = answered.iter().find(|id| !asked.contains(id)) {
        return Err(format!(
            "messages.{index}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: {orphan}. Each \
             `tool_result` block must have a corresponding `tool_use` block in the previous message."
        ));
    }
    if let Some(id) = asked.iter().find(|id| !answered.contains(id)) {
        return Err(format!(
            "messages.{}: `tool_use` ids were found without `tool_result` blocks immediately after: {id}. Each \
             `tool_use` block must have a corresponding `tool_result` block in the next message.",
            index.saturating_sub(1)
        ));
    }
    asked.clear();
    Ok(())
}

fn last_turn(model: &Model, messages: &[Value]) -> Check {
    let Some(last) = messages.last().filter(|last| last["role"] == "assistant") else { return Ok(()) };
    if !model.can(Can::Prefill) {
        return Err(
            "This model does not support assistant message prefill. The conversation must end with a user \
                    message."
                .to_owned(),
        );
    }
    let content = &last["content"];
    let text = content.as_str().or_else(|| list(content).last().and_then(|block| block["text"].as_str()));
    if text.is_some_and(|text| text.ends_with(char::is_whitespace)) {
        return Err("messages: final assistant content cannot end with trailing whitespace".to_owned());
    }
    Ok(())
}

fn tools(model: &Model, body: &Value) -> Check {
    let mut names = Vec::new();
    if !list(&body["tools"]).is_empty() && !model.can(Can::Tools) {
        return Err("tools: Extra inputs are not permitted".to_owned());
    }
    for (index, tool) in list(&body["tools"]).iter().enumerate() {
        let at = format!("tools.{index}.");
        name(&tool["name"], &format!("{at}custom.name"), 128)?;
        if names.contains(&&tool["name"]) {
            return Err("tools: Tool names must be unique.".to_owned());
        }
        names.push(&tool["name"]);
        let typed = tool["type"].as_str().is_some_and(|kind| kind != "custom");
        if typed {
            continue;
        }
        let known = ["type", "name", "description", "input_schema", "cache_control", "strict"];
        only(tool.as_object().unwrap_or(&Map::new()), &format!("{at}custom."), &known)?;
        if tool["input_schema"]["type"] != "object" {
            return Err(format!("{at}custom.input_schema.type: Field required"));
        }
        dialect::takes(model, &tool["input_schema"])
            .map_err(|why| format!("{at}custom.input_schema: {why}"))?;
        if tool["strict"] == true {
            if !model.can(Can::Strict) {
                return Err(format!("{at}custom.strict: Extra inputs are not permitted"));
            }
            schema::compiles(model, &tool["input_schema"])
                .map_err(|why| format!("{at}custom.input_schema: {why}"))?;
        }
    }
    let strict = list(&body["tools"]).iter().filter(|tool| tool["strict"] == true);
    schema::fits_together(model, strict.map(|tool| &tool["input_schema"]))?;
    let Some(choice) = body.get("tool_choice") else { return Ok(()) };
    let known = ["type", "name", "disable_parallel_tool_use"];
    only(choice.as_object().unwrap_or(&Map::new()), "tool_choice.", &known)?;
    if choice.get("disable_parallel_tool_use").is_some_and(|disabled| !disabled.is_boolean()) {
        return Err("tool_choice.disable_parallel_tool_use: Input should be a valid boolean".to_owned());
    }
    if names.is_empty() {
        return Err("tool_choice may only be specified while providing tools.".to_owned());
    }
    match choice["type"].as_str() {
        Some("auto" | "none") => Ok(()),
        Some("any" | "tool") if !model.can(Can::ForceAny) => {
            Err("tool_choice: forced tool use is not supported by this model".to_owned())
        }
        Some("any") if !names.is_empty() => Ok(()),
        Some("tool") if names.contains(&&choice["name"]) => Ok(()),
        Some("any" | "tool") => Err(format!("Tool '{}' not found in provided tools", choice["name"])),
        _ => Err(
            "tool_choice: Input tag does not match any of the expected tags: 'any', 'auto', 'none', 'tool'"
                .to_owned(),
        ),
    }
}

fn output_format(model: &Model, config: &Value) -> Check {
    if let Some(members) = config.as_object() {
        only(members, "output_config.", &["effort", "format"])?;
    }
    let Some(format) = config.get("format").filter(|format| !format.is_null()) else { return Ok(()) };
    if !model.can(Can::JsonSchema) {
        return Err("output_config.format: Extra inputs are not permitted".to_owned());
    }
    let Some(members) = format.as_object() else {
        return Err("output_config.format: Input should be an object".to_owned());
    };
    only(members, "output_config.format.", &["type", "schema"])?;
    if format["type"] != "json_schema" {
        return Err("output_config.format.type: Input should be 'json_schema'".to_owned());
    }
    schema::compiles(model, &format["schema"]).map_err(|why| format!("output_config.format.schema: {why}"))
}
