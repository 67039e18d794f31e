//! Claude's native request, in the words of the model itself.

use super::claude_rules::{self, Parameters};
use super::conversation::signed;
use super::media::picture;
use super::schema;
use crate::simulator::converse::{list, strings};
use crate::simulator::fault::Fault;
use crate::simulator::models::{Can, Model};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
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

type Check = Result<(), String>;

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
    claude_rules::check(model, &parameters(body, limit))
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
        interleaved: strings(&body["anthropic_beta"])
            .iter()
            .any(|beta| beta.starts_with("interleaved-thinking")),
    }
}

fn only(members: &Map<String, Value>, at: &str, known: &[&str]) -> Check {
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

fn words(text: &Value, at: &str) -> Check {
    match text.as_str() {
        None => Err(format!("{at}text: Input should be a valid string")),
        Some("") => Err(format!("{at}text: text content blocks must be non-empty")),
        Some(text) if text.trim().is_empty() => {
            Err(format!("{at}text: text content blocks must contain non-whitespace text"))
        }
        Some(_) => Ok(()),
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
        for (place, block) in list(content).iter().enumerate() {
            self::block(model, block, role, index, place)?;
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

fn block(model: &Model, block: &Value, role: &str, message: usize, place: usize) -> Check {
    let at = format!("messages.{message}.content.{place}.");
    let Some(members) = block.as_object() else { return Err(format!("{at}Input should be an object")) };
    let kind = block["type"].as_str().unwrap_or_default();
    let known: &[&str] = match kind {
        "text" => &["text", "citations"],
        "image" => &["source"],
        "document" => &["source", "title", "context", "citations"],
        "tool_use" => &["id", "name", "input", "caller"],
        "tool_result" => &["tool_use_id", "content", "is_error"],
        "thinking" => &["thinking", "signature"],
        "redacted_thinking" => &["data"],
        "search_result" => &["source", "title", "content", "citations"],
        _ => return Err(format!("{at}type: Input tag '{kind}' does not match any of the expected tags")),
    };
    let known: Vec<&str> = known.iter().copied().chain(["type", "cache_control"]).collect();
    only(members, &format!("{at}{kind}."), &known)?;
    let own = if role == "user" { ["tool_use", "thinking"] } else { ["tool_result", "image"] };
    if own.contains(&kind) {
        return Err(format!("messages.{message}: `{kind}` blocks can't be in {role} messages"));
    }
    match kind {
        "text" => words(&block["text"], &at),
        "image" => image(&block["source"], &at),
        "tool_use" => {
            name(&block["id"], &format!("{at}tool_use.id"), usize::MAX)?;
            name(&block["name"], &format!("{at}tool_use.name"), 200)?;
            match block["input"] {
                Value::Object(_) => Ok(()),
                _ => Err(format!("{at}tool_use.input: Input should be a valid dictionary")),
            }
        }
        "thinking" => {
            let text = block["thinking"].as_str().unwrap_or_default();
            signed(text, block["signature"].as_str(), message, place)
        }
        "redacted_thinking" if !model.can(Can::Reasoning) => {
            Err(format!("{at}type: thinking is not supported"))
        }
        _ => Ok(()),
    }
}

fn image(source: &Value, at: &str) -> Check {
    if source["type"] != "base64" {
        return Err(format!("{at}image.source.type: Input should be 'base64'"));
    }
    let media = source["media_type"].as_str().unwrap_or_default();
    if !["image/jpeg", "image/png", "image/gif", "image/webp"].contains(&media) {
        return Err(format!(
            "{at}image.source.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or \
             'image/webp'"
        ));
    }
    let bytes = BASE64_STANDARD
        .decode(source["data"].as_str().unwrap_or_default())
        .map_err(|_| format!("{at}image.source.base64.data: invalid base64 data"))?;
    match picture(&bytes) {
        Some(real) if media.strip_prefix("image/") == Some(real) => Ok(()),
        Some(real) => Err(format!(
            "{at}image.source.base64.data: The image was specified using the {media} media type, but the image \
             appears to be a image/{real} image"
        )),
        None => Err("Could not process image".to_owned()),
    }
}

/// Letters, digits, `_` and `-`.
fn name(value: &Value, at: &str, longest: usize) -> Check {
    let fits = value.as_str().is_some_and(|text| {
        !text.is_empty()
            && text.chars().count() <= longest
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    });
    if fits { Ok(()) } else { Err(format!("{at}: String should match pattern '^[a-zA-Z0-9_-]+$'")) }
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
    }
    let Some(choice) = body.get("tool_choice") else { return Ok(()) };
    let known = ["type", "name", "disable_parallel_tool_use"];
    only(choice.as_object().unwrap_or(&Map::new()), "tool_choice.", &known)?;
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
    if config.get("format").is_some() && !model.can(Can::JsonSchema) {
        return Err("output_config.format: Extra inputs are not permitted".to_owned());
    }
    schema::compiles(&config["format"]["schema"]).map_err(|why| format!("output_config.format.schema: {why}"))
}
