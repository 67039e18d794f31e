//! Messages and system text, in the blocks that Converse and Nova's native format share.

use super::{cache_points, media};
use crate::simulator::answer::{redacted, signature};
use crate::simulator::converse::list;
use crate::simulator::fault::Fault;
use crate::simulator::models::{Can, Fields, Format, Model, Stop};
use crate::simulator::shape::{array, named, object, one_of, only, required, string, union};
use serde_json::Value;

const BLOCKS: [&str; 12] = [
    "text",
    "image",
    "document",
    "video",
    "audio",
    "toolUse",
    "toolResult",
    "guardContent",
    "cachePoint",
    "reasoningContent",
    "citationsContent",
    "searchResult",
];
const ID_MARKS: &str = "_.:-";
pub(super) const NAME_MARKS: &str = "_-";

/// `system`: texts, guarded texts and cache points.
pub(super) fn system(model: &Model, system: &Value) -> Result<(), Fault> {
    let blocks = array(system, "/system")?;
    if !blocks.is_empty() && !model.can(Can::System) {
        return Err(Fault::validation(
            "This model doesn't support system messages. Try again without a system message or use a model that \
             supports system messages.",
        ));
    }
    for (index, block) in blocks.iter().enumerate() {
        let at = format!("/system/{index}");
        let (kind, value) = union(block, &at, &["text", "guardContent", "cachePoint"])?;
        match kind {
            "text" if string(value, &at)?.trim().is_empty() => {
                return Err(Fault::validation(format!(
                    "The text field in the SystemContentBlock object at system.{index} is blank. Add text to the \
                     text field, and try again."
                )));
            }
            "cachePoint" => cache_points::point(model, value, &at)?,
            _ => {}
        }
    }
    Ok(())
}

/// `messages`: roles, blocks, and which tool result answers which tool use.
pub(super) fn messages(model: &Model, messages: &Value) -> Result<(), Fault> {
    let messages = array(messages, "/messages")?;
    let mut before: Option<&str> = None;
    let mut asked: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let at = format!("/messages/{index}");
        let members = object(message, &at)?;
        only(members, &at, &["role", "content"])?;
        let role = required(members, &at, "role")?;
        one_of(role, &format!("{at}/role"), &["user", "assistant", "system"])?;
        let role = string(role, &at)?;
        if role == "system" {
            system_turn(model, required(members, &at, "content")?, &at)?;
            continue;
        }
        if before.is_none() && role == "assistant" && !model.can(Can::AssistantFirst) {
            return Err(starts_with_user());
        }
        // Some models merge neighbours of one role; this is the strictest behaviour known.
        if before == Some(role) {
            return Err(Fault::validation(
                "A conversation must alternate between user and assistant roles. Make sure the conversation \
                 alternates between user and assistant roles and try again.",
            ));
        }
        let content = array(required(members, &at, "content")?, &at)?;
        if content.is_empty() {
            return Err(Fault::validation(format!(
                "The content field in the Message object at messages.{index} is empty. Add a ContentBlock object \
                 to the content field and try again."
            )));
        }
        for (place, block) in content.iter().enumerate() {
            self::block(model, block, role, &Place { message: index, block: place })?;
        }
        pairing(model, index, content, role, &mut asked)?;
        media::turn(content)?;
        before = Some(role);
    }
    if before.is_none() {
        return Err(starts_with_user());
    }
    if !asked.is_empty() {
        return Err(unanswered(messages.len(), &asked));
    }
    media::conversation(messages)?;
    last_turn(model, messages)
}

/// System text in the middle of a conversation.
fn system_turn(model: &Model, content: &Value, at: &str) -> Result<(), Fault> {
    if !model.can(Can::SystemTurns) {
        return Err(Fault::validation(
            "This model doesn't support the system role in messages. Use the system field and try again.",
        ));
    }
    for (index, block) in array(content, at)?.iter().enumerate() {
        let at = format!("{at}/content/{index}");
        let (kind, value) = union(block, &at, &["text", "cachePoint", "toolAddition", "toolRemoval"])?;
        match kind {
            "text" if string(value, &at)?.trim().is_empty() => return Err(blank(&at)),
            "cachePoint" => cache_points::point(model, value, &at)?,
            _ => {}
        }
    }
    Ok(())
}

fn blank(at: &str) -> Fault {
    let place = at.trim_start_matches('/').replace('/', ".");
    Fault::validation(format!(
        "The text field in the ContentBlock object at {place} is blank. Add text to the text field, and try again."
    ))
}

fn starts_with_user() -> Fault {
    Fault::validation(
        "A conversation must start with a user message. Try again with a conversation that starts with a user \
         message.",
    )
}

/// Where a block is.
struct Place {
    message: usize,
    block: usize,
}

impl Place {
    fn pointer(&self) -> String {
        format!("/messages/{}/content/{}", self.message, self.block)
    }
}

fn block(model: &Model, block: &Value, role: &str, place: &Place) -> Result<(), Fault> {
    let at = place.pointer();
    let (kind, value) = union(block, &at, &BLOCKS)?;
    match kind {
        "text" if string(value, &at)?.trim().is_empty() => Err(blank(&at)),
        "image" | "document" | "video" | "audio" => media::block(model, kind, value, role, &at),
        "guardContent" => {
            let (kind, value) = union(value, &at, &["text", "image"])?;
            if kind == "text" {
                string(required(object(value, &at)?, &at, "text")?, &at)?;
            }
            Ok(())
        }
        "toolUse" => tool_use(value, role, &at),
        "toolResult" => tool_result(model, value, role, &at),
        "cachePoint" => cache_points::point(model, value, &at),
        "reasoningContent" => reasoning(model, value, role, place),
        "citationsContent" | "searchResult" if !model.can(Can::Citations) => {
            Err(Fault::validation("This model doesn't support citations."))
        }
        _ => Ok(()),
    }
}

fn tool_use(value: &Value, role: &str, at: &str) -> Result<(), Fault> {
    let members = object(value, at)?;
    only(members, at, &["toolUseId", "name", "input", "type"])?;
    named(required(members, at, "toolUseId")?, &format!("{at}/toolUse/toolUseId"), 64, ID_MARKS)?;
    named(required(members, at, "name")?, &format!("{at}/toolUse/name"), 64, NAME_MARKS)?;
    let input = required(members, at, "input")?;
    if !input.is_object() || has_empty_keys(input) {
        let path = at.trim_start_matches('/').replace('/', ".");
        return Err(Fault::validation(format!(
            "The format of the value at {path}.toolUse.input is invalid. Provide a json object for the field and \
             try again."
        )));
    }
    if role == "user" {
        return Err(Fault::validation("User messages cannot contain toolUse content blocks."));
    }
    Ok(())
}

/// Members without a name, at any depth.
fn has_empty_keys(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.iter().any(|(key, value)| key.is_empty() || has_empty_keys(value)),
        Value::Array(items) => items.iter().any(has_empty_keys),
        _ => false,
    }
}

fn tool_result(model: &Model, value: &Value, role: &str, at: &str) -> Result<(), Fault> {
    let members = object(value, at)?;
    only(members, at, &["toolUseId", "content", "status", "type"])?;
    named(required(members, at, "toolUseId")?, &format!("{at}/toolResult/toolUseId"), 64, ID_MARKS)?;
    if let Some(status) = members.get("status") {
        one_of(status, &format!("{at}/toolResult/status"), &["success", "error"])?;
        if !model.can(Can::ResultStatus) {
            return Err(unsupported("status field"));
        }
    }
    if role == "assistant" {
        return Err(Fault::validation("Assistant messages cannot contain toolResult content blocks."));
    }
    let content = array(required(members, at, "content")?, at)?;
    for (index, part) in content.iter().enumerate() {
        let at = format!("{at}/toolResult/content/{index}");
        let (kind, value) =
            union(part, &at, &["json", "text", "image", "document", "video", "searchResult"])?;
        match kind {
            "text" if string(value, &at)?.trim().is_empty() => {
                let path = at.trim_start_matches('/').replace('/', ".");
                return Err(Fault::validation(format!(
                    "The text field in the ToolResultContentBlock object at {path} is blank. Add text to the text \
                     field, and try again."
                )));
            }
            "image" | "document" | "video" if !model.can(Can::ResultMedia) => {
                return Err(unsupported(&format!("{kind} content block that you provided in toolResult")));
            }
            "image" | "document" | "video" => media::block(model, kind, value, role, &at)?,
            "searchResult" if !model.can(Can::Citations) => {
                return Err(Fault::validation("This model doesn't support citations."));
            }
            _ => {}
        }
    }
    Ok(())
}

fn reasoning(model: &Model, value: &Value, role: &str, place: &Place) -> Result<(), Fault> {
    let at = place.pointer();
    if role == "user" {
        return Err(Fault::validation("User messages cannot contain reasoning content"));
    }
    if !model.can(Can::Reasoning) {
        return Err(unsupported("reasoningContent content block that you provided"));
    }
    let (kind, value) = union(value, &at, &["reasoningText", "redactedContent"])?;
    // GPT and Grok encrypt what they think, open models never do.
    let encrypts = matches!(model.facts.fields, Fields::Reasoning(_));
    let own = model.facts.format == Format::Claude || encrypts == (kind == "redactedContent");
    if !own {
        return Err(unsupported(&format!("reasoningContent.{kind} content block that you provided")));
    }
    if kind == "redactedContent" {
        let data = string(value, &at)?;
        if model.facts.format == Format::Claude && data != redacted() {
            let (message, block) = (place.message, place.block);
            return Err(from_model(&format!(
                "messages.{message}.content.{block}: Invalid `data` in `redacted_thinking` block"
            )));
        }
        return Ok(());
    }
    let members = object(value, &at)?;
    only(members, &at, &["text", "signature"])?;
    let text = string(required(members, &at, "text")?, &at)?;
    if model.facts.format == Format::Claude {
        signed(text, members.get("signature").and_then(Value::as_str), place.message, place.block)
            .map_err(|why| from_model(&why))?;
    }
    Ok(())
}

/// Claude takes back its reasoning only with the signature it gave it.
pub(super) fn signed(text: &str, given: Option<&str>, message: usize, block: usize) -> Result<(), String> {
    match given {
        None | Some("") => {
            Err(format!("messages.{message}.content.{block}.thinking.signature: Field required"))
        }
        Some(given) if given == signature(text) => Ok(()),
        Some(_) => {
            Err(format!("messages.{message}.content.{block}: Invalid `signature` in `thinking` block"))
        }
    }
}

/// Checks that a turn answers exactly the tool uses of the turn before it.
fn pairing<'a>(
    model: &Model,
    index: usize,
    content: &'a [Value],
    role: &str,
    asked: &mut Vec<&'a str>,
) -> Result<(), Fault> {
    let ids = |kind: &'static str| content.iter().filter_map(move |block| block[kind]["toolUseId"].as_str());
    if role == "assistant" {
        *asked = ids("toolUse").collect();
        if let Some(id) =
            asked.iter().enumerate().find_map(|(n, id)| asked.get(..n)?.contains(id).then_some(id))
        {
            return Err(Fault::validation(format!(
                "The toolUse blocks at messages.{index}.content contain duplicate Ids: {id}"
            )));
        }
        return Ok(());
    }
    let answered: Vec<&str> = ids("toolResult").collect();
    let missing: Vec<&str> = asked.iter().copied().filter(|id| !answered.contains(id)).collect();
    if !missing.is_empty() {
        return Err(unanswered(index, &missing));
    }
    if answered.len() > asked.len() {
        return Err(Fault::validation(format!(
            "The number of toolResult blocks at messages.{index}.content exceeds the number of toolUse blocks of \
             previous turn."
        )));
    }
    if !answered.is_empty() && answered.len() < content.len() && !model.can(Can::MixResults) {
        return Err(Fault::validation(
            "Conversation blocks and tool result blocks cannot be provided in the same turn.",
        ));
    }
    asked.clear();
    Ok(())
}

fn unanswered(index: usize, ids: &[&str]) -> Fault {
    Fault::validation(format!(
        "Expected toolResult blocks at messages.{index}.content for the following Ids: {}",
        ids.join(", ")
    ))
}

/// What the last turn of a conversation may be.
fn last_turn(model: &Model, messages: &[Value]) -> Result<(), Fault> {
    let Some(last) = messages.last().filter(|last| last["role"] == "assistant") else { return Ok(()) };
    if model.facts.format == Format::Claude {
        if !model.can(Can::Prefill) {
            return Err(from_model(
                "This model does not support assistant message prefill. The conversation must end with a user \
                 message.",
            ));
        }
        let text = list(&last["content"]).last().and_then(|block| block["text"].as_str()).unwrap_or_default();
        if text.ends_with(char::is_whitespace) {
            return Err(from_model("messages: final assistant content cannot end with trailing whitespace"));
        }
    }
    Ok(())
}

/// Stop sequences, which some models restrict or refuse.
pub(super) fn stops(model: &Model, value: &Value, at: &str) -> Result<(), Fault> {
    let stops = array(value, at)?;
    for stop in stops {
        let stop = string(stop, at)?;
        if stop.is_empty() {
            return Err(Fault::malformed(at, "expected minLength: 1, actual: 0"));
        }
        if model.facts.format == Format::Claude && stop.trim().is_empty() {
            return Err(from_model("stop_sequences: each stop sequence must contain non-whitespace"));
        }
        if model.facts.stop == Stop::Bars && stop != "User:" && !stop.chars().all(|c| c == '|') {
            return Err(Fault::malformed(
                &format!("{at}/0"),
                &format!("string [{stop}] does not match pattern ^(\\|+|User:)$"),
            ));
        }
    }
    if !stops.is_empty() && model.facts.stop == Stop::Refused {
        return Err(Fault::validation(
            "This model doesn't support the stopSequences field. Remove stopSequences and try again.",
        ));
    }
    Ok(())
}

/// `This model doesn't support the …`
pub(super) fn unsupported(what: &str) -> Fault {
    Fault::validation(format!(
        "This model doesn't support the {what}. Update the content block and try again."
    ))
}

/// A refusal by the model itself, as Converse hands it on.
pub(super) fn from_model(why: &str) -> Fault {
    Fault::validation(format!("The model returned the following errors: {why}"))
}
