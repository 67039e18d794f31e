//! The blocks of Claude's native messages.

use super::claude::{Check, only};
use super::conversation::signed;
use super::media::picture;
use crate::simulator::answer::redacted;
use crate::simulator::converse::list;
use crate::simulator::models::{Can, Model};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

/// One block of a message.
pub(super) fn block(model: &Model, block: &Value, role: &str, message: usize, place: usize) -> Check {
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
    // Reasoning can't be cached by itself.
    let cacheable = !matches!(kind, "thinking" | "redacted_thinking");
    let also = ["type", "cache_control"];
    let known: Vec<&str> =
        known.iter().copied().chain(also.into_iter().take(1 + usize::from(cacheable))).collect();
    only(members, &format!("{at}{kind}."), &known)?;
    let own = if role == "user" { ["tool_use", "thinking"] } else { ["tool_result", "image"] };
    if own.contains(&kind) {
        return Err(format!("messages.{message}: `{kind}` blocks can't be in {role} messages"));
    }
    match kind {
        "text" => words(&block["text"], &at),
        "image" if !model.can(Can::Images) => {
            Err(format!("{at}type: images are not supported by this model"))
        }
        "image" => image(&block["source"], &at),
        "document" => document(&block["source"], &at),
        "tool_result" => tool_result(model, &block["content"], &at),
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
        "redacted_thinking" if block["data"] != redacted() => {
            Err(format!("messages.{message}.content.{place}: Invalid `data` in `redacted_thinking` block"))
        }
        _ => Ok(()),
    }
}

fn document(source: &Value, at: &str) -> Check {
    let media = source["media_type"].as_str().unwrap_or_default();
    match source["type"].as_str() {
        Some("base64") if media != "application/pdf" => {
            Err(format!("{at}document.source.base64.media_type: Input should be 'application/pdf'"))
        }
        Some("base64") => match BASE64_STANDARD.decode(source["data"].as_str().unwrap_or_default()) {
            Ok(bytes) if bytes.starts_with(b"%PDF") => Ok(()),
            Ok(_) => Err(format!("{at}document.source.base64.data: The PDF specified was not valid.")),
            Err(_) => Err(format!("{at}document.source.base64.data: invalid base64 data")),
        },
        Some("text") if media != "text/plain" => {
            Err(format!("{at}document.source.text.media_type: Input should be 'text/plain'"))
        }
        Some("text") if !source["data"].is_string() => {
            Err(format!("{at}document.source.text.data: Input should be a valid string"))
        }
        Some("text" | "content") => Ok(()),
        _ => Err(format!(
            "{at}document.source: Input tag does not match any of the expected tags: 'base64', 'content', 'text'"
        )),
    }
}

fn tool_result(model: &Model, content: &Value, at: &str) -> Check {
    for (index, part) in list(content).iter().enumerate() {
        let at = format!("{at}tool_result.content.{index}.");
        match part["type"].as_str() {
            Some("text") => words(&part["text"], &at)?,
            Some("image") if model.can(Can::Images) => image(&part["source"], &at)?,
            Some("document") => document(&part["source"], &at)?,
            Some("search_result") => {}
            _ => return Err(format!("{at}type: Input tag does not match any of the expected tags")),
        }
    }
    Ok(())
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
pub(super) fn name(value: &Value, at: &str, longest: usize) -> Check {
    let fits = value.as_str().is_some_and(|text| {
        !text.is_empty()
            && text.chars().count() <= longest
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    });
    if fits { Ok(()) } else { Err(format!("{at}: String should match pattern '^[a-zA-Z0-9_-]+$'")) }
}

/// A text that says something.
pub(super) fn words(text: &Value, at: &str) -> Check {
    match text.as_str() {
        None => Err(format!("{at}text: Input should be a valid string")),
        Some("") => Err(format!("{at}text: text content blocks must be non-empty")),
        Some(text) if text.trim().is_empty() => {
            Err(format!("{at}text: text content blocks must contain non-whitespace text"))
        }
        Some(_) => Ok(()),
    }
}
