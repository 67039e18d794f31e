//! `OpenAI`'s Chat Completions body, as the families that speak it natively take it.

use super::media::picture;
use super::{dialect, schema};
use crate::simulator::converse::list;
use crate::simulator::fault::Fault;
use crate::simulator::models::{Can, Fields, Format, Model};
use crate::simulator::shape::{array, named, object, one_of, only, required, string, whole, within};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

const CHAT: [&str; 20] = [
    "model",
    "messages",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "stop",
    "stream",
    "stream_options",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "n",
    "user",
    "logprobs",
    "top_logprobs",
];
const MISTRAL: [&str; 8] =
    ["messages", "max_tokens", "temperature", "top_p", "stop", "tools", "tool_choice", "response_format"];
const JAMBA: [&str; 10] = [
    "messages",
    "max_tokens",
    "temperature",
    "top_p",
    "stop",
    "n",
    "frequency_penalty",
    "presence_penalty",
    "tools",
    "response_format",
];

/// Refuses what the family would refuse.
pub(in crate::simulator) fn chat(
    model: &Model,
    form: Format,
    body: &Value,
    streaming: bool,
) -> Result<(), Fault> {
    let request = object(body, "")?;
    let mut known = match form {
        Format::MistralChat => MISTRAL.to_vec(),
        Format::Jamba => JAMBA.to_vec(),
        _ => CHAT.to_vec(),
    };
    if let Fields::Effort(efforts) = model.facts.fields {
        known.push("reasoning_effort");
        if let Some(effort) = request.get("reasoning_effort") {
            one_of(effort, "/reasoning_effort", efforts)?;
        }
    }
    only(request, "", &known)?;
    if let Some(named) = request.get("model")
        && named.as_str() != Some(model.id)
    {
        return Err(Fault::validation("The model in the body does not match the model ID in the path."));
    }
    if let Some(stream) = request.get("stream")
        && *stream != streaming
    {
        return Err(Fault::malformed("/stream", "does not match the operation"));
    }
    numbers(model, form, request)?;
    messages(model, form, required(request, "", "messages")?)?;
    tools(model, form, request, streaming)?;
    match request.get("response_format") {
        Some(format) => response_format(model, format),
        None => Ok(()),
    }
}

fn numbers(model: &Model, form: Format, request: &Map<String, Value>) -> Result<(), Fault> {
    for name in ["max_tokens", "max_completion_tokens"] {
        if let Some(limit) = request.get(name) {
            let at = format!("/{name}");
            if whole(limit, &at, model.facts.min_tokens)? > model.max_tokens {
                within(limit, &at, 1.0, f64::from(u32::try_from(model.max_tokens).unwrap_or(u32::MAX)))?;
            }
        }
    }
    let hottest = if form == Format::MistralChat { 1.0 } else { 2.0 };
    let ranges = [
        ("temperature", 0.0, hottest),
        ("top_p", 0.0, 1.0),
        ("frequency_penalty", -2.0, 2.0),
        ("presence_penalty", -2.0, 2.0),
        ("n", 1.0, 16.0),
    ];
    for (name, low, high) in ranges {
        if let Some(value) = request.get(name) {
            within(value, &format!("/{name}"), low, high)?;
        }
    }
    match request.get("stop") {
        None | Some(Value::Null | Value::String(_)) => Ok(()),
        Some(stops) => {
            let stops = array(stops, "/stop")?;
            if form == Format::MistralChat && stops.len() > 10 {
                return Err(Fault::malformed("/stop", "expected maxItems: 10"));
            }
            stops.iter().try_for_each(|stop| string(stop, "/stop").map(|_| ()))
        }
    }
}

fn messages(model: &Model, form: Format, messages: &Value) -> Result<(), Fault> {
    let messages = array(messages, "/messages")?;
    if messages.is_empty() {
        return Err(Fault::malformed("/messages", "expected minimum item count: 1, found: 0"));
    }
    let mut asked: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let at = format!("/messages/{index}");
        let members = object(message, &at)?;
        only(members, &at, &["role", "content", "name", "tool_calls", "tool_call_id", "reasoning_content"])?;
        let role = required(members, &at, "role")?;
        one_of(role, &format!("{at}/role"), &["system", "developer", "user", "assistant", "tool"])?;
        let role = string(role, &at)?;
        if role == "tool" {
            let id = string(required(members, &at, "tool_call_id")?, &at)?;
            let Some(place) = asked.iter().position(|known| *known == id) else {
                return Err(Fault::malformed(&at, &format!("no tool call has the id {id}")));
            };
            asked.remove(place);
        } else if let Some(id) = asked.first() {
            return Err(Fault::malformed(&at, &format!("tool call {id} has no result")));
        }
        if role == "system" && index > 0 && form == Format::Jamba {
            return Err(Fault::malformed(&at, "the system message must be the first"));
        }
        if members.contains_key("reasoning_content") && !model.can(Can::Reasoning) {
            return Err(Fault::malformed(&at, "extraneous key [reasoning_content] is not permitted"));
        }
        content(model, members, role, &at)?;
        for (place, call) in list(&message["tool_calls"]).iter().enumerate() {
            asked.push(tool_call(form, call, &format!("{at}/tool_calls/{place}"))?);
        }
    }
    if form == Format::MistralChat && messages.last().is_some_and(|last| last["role"] == "assistant") {
        return Err(Fault::validation(
            "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant",
        ));
    }
    Ok(())
}

fn content(model: &Model, members: &Map<String, Value>, role: &str, at: &str) -> Result<(), Fault> {
    match members.get("content") {
        None | Some(Value::Null) if role == "assistant" && members.contains_key("tool_calls") => Ok(()),
        None | Some(Value::Null) => Err(Fault::malformed(at, "required key [content] not found")),
        Some(Value::String(_)) => Ok(()),
        Some(parts) => {
            for (place, part) in array(parts, &format!("{at}/content"))?.iter().enumerate() {
                self::part(model, object(part, at)?, role, &format!("{at}/content/{place}"))?;
            }
            Ok(())
        }
    }
}

fn part(model: &Model, part: &Map<String, Value>, role: &str, at: &str) -> Result<(), Fault> {
    let kind = required(part, at, "type")?;
    let kinds: &[&str] =
        if role == "user" && model.can(Can::Images) { &["text", "image_url"] } else { &["text"] };
    one_of(kind, &format!("{at}/type"), kinds)?;
    if kind == "text" {
        return string(required(part, at, "text")?, at).map(|_| ());
    }
    let url = string(&required(part, at, "image_url")?["url"], at)?;
    let bytes = url
        .strip_prefix("data:image/")
        .and_then(|rest| rest.split_once(";base64,"))
        .map(|(_, data)| BASE64_STANDARD.decode(data));
    match bytes {
        Some(Ok(bytes)) if picture(&bytes).is_some() => Ok(()),
        Some(_) => Err(Fault::validation("Could not process image")),
        None => Err(Fault::malformed(at, "expected a data URL")),
    }
}

fn tool_call<'a>(form: Format, call: &'a Value, at: &str) -> Result<&'a str, Fault> {
    let members = object(call, at)?;
    only(members, at, &["id", "type", "function", "index"])?;
    let id = string(required(members, at, "id")?, at)?;
    if form == Format::MistralChat && !(id.len() == 9 && id.chars().all(|c| c.is_ascii_alphanumeric())) {
        return Err(Fault::validation(format!(
            "Tool call id was {id} but must be a-z, A-Z, 0-9, with a length of 9."
        )));
    }
    let function = object(required(members, at, "function")?, at)?;
    only(function, at, &["name", "arguments"])?;
    named(required(function, at, "name")?, &format!("{at}/function/name"), 64, "_-")?;
    let arguments = string(required(function, at, "arguments")?, at)?;
    if serde_json::from_str::<Map<String, Value>>(arguments).is_err() {
        return Err(Fault::malformed(at, "arguments are no JSON object"));
    }
    Ok(id)
}

fn tools(model: &Model, form: Format, request: &Map<String, Value>, streaming: bool) -> Result<(), Fault> {
    let Some(tools) = request.get("tools") else {
        return match request.get("tool_choice") {
            Some(_) => Err(Fault::malformed("/tool_choice", "tool_choice needs tools")),
            None => Ok(()),
        };
    };
    if !model.can(Can::Tools) {
        return Err(Fault::validation("This model doesn't support tool use."));
    }
    if streaming && !model.can(Can::StreamTools) {
        return Err(Fault::validation("This model doesn't support tool use in streaming mode."));
    }
    let mut names = Vec::new();
    for (index, tool) in array(tools, "/tools")?.iter().enumerate() {
        let at = format!("/tools/{index}");
        let members = object(tool, &at)?;
        only(members, &at, &["type", "function"])?;
        one_of(required(members, &at, "type")?, &format!("{at}/type"), &["function"])?;
        let function = object(required(members, &at, "function")?, &at)?;
        only(function, &at, &["name", "description", "parameters", "strict"])?;
        names.push(named(required(function, &at, "name")?, &format!("{at}/function/name"), 64, "_-")?);
        if let Some(schema) = function.get("parameters") {
            dialect::takes(model, schema)
                .map_err(|why| Fault::malformed(&format!("{at}/function/parameters"), &why))?;
        }
    }
    match request.get("tool_choice") {
        None => Ok(()),
        Some(Value::String(_)) if form == Format::MistralChat => {
            one_of(&request["tool_choice"], "/tool_choice", &["auto", "any", "none"])
        }
        Some(Value::String(_)) => {
            one_of(&request["tool_choice"], "/tool_choice", &["auto", "required", "none"])
        }
        Some(choice) if form == Format::MistralChat => {
            object(choice, "/tool_choice").and(Err(Fault::malformed("/tool_choice", "expected type: String")))
        }
        Some(choice) => match choice["function"]["name"].as_str() {
            Some(name) if names.contains(&name) => Ok(()),
            _ => Err(Fault::malformed("/tool_choice", "the tool is not among the tools")),
        },
    }
}

fn response_format(model: &Model, format: &Value) -> Result<(), Fault> {
    let at = "/response_format";
    let members = object(format, at)?;
    only(members, at, &["type", "json_schema"])?;
    one_of(required(members, at, "type")?, at, &["text", "json_object", "json_schema"])?;
    if format["type"] != "json_schema" {
        return Ok(());
    }
    if !model.can(Can::JsonSchema) {
        return Err(Fault::malformed(at, "json_schema is not supported by this model"));
    }
    schema::compiles(model, &format["json_schema"]["schema"])
        .map_err(|why| Fault::malformed("/response_format/json_schema/schema", &why))
}
