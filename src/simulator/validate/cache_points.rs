//! Where a prompt may be cut for the cache: how often, where, and for how long.

use super::conversation::from_model;
use crate::simulator::converse::list;
use crate::simulator::fault::Fault;
use crate::simulator::models::{Can, Format, Model};
use crate::simulator::shape::{object, one_of, only, required};
use serde_json::Value;

/// The most that a request may have.
const MOST: usize = 4;

/// One `cachePoint` of Converse: its shape, and whether the model takes it.
pub(super) fn point(model: &Model, value: &Value, at: &str) -> Result<(), Fault> {
    let members = object(value, at)?;
    only(members, at, &["type", "ttl"])?;
    one_of(required(members, at, "type")?, at, &["default"])?;
    if let Some(ttl) = members.get("ttl") {
        one_of(ttl, at, &["5m", "1h"])?;
    }
    if !model.can(Can::CachePoints) {
        return Err(Fault::new(
            403,
            "AccessDeniedException",
            "You invoked an unsupported model or your request did not allow prompt caching. See the documentation \
             for more information.",
        ));
    }
    if members.get("ttl").is_some_and(|ttl| ttl == "1h") && !model.can(Can::CacheHour) {
        return Err(Fault::validation(
            "This model doesn't support the ttl field in cachePoint. Remove ttl and try again.",
        ));
    }
    Ok(())
}

/// All points of a Converse request, in the order in which they count.
pub(super) fn converse(model: &Model, body: &Value) -> Result<(), Fault> {
    let mut lists = vec![
        ("toolConfig.tools".to_owned(), list(&body["toolConfig"]["tools"])),
        ("system".to_owned(), list(&body["system"])),
    ];
    for (index, message) in list(&body["messages"]).iter().enumerate() {
        lists.push((format!("messages.{index}.content"), list(&message["content"])));
    }
    let mut hours = Vec::new();
    for (at, blocks) in lists {
        let mut before: Option<&Value> = None;
        for (index, block) in blocks.iter().enumerate() {
            let Some(point) = block.get("cachePoint") else {
                before = Some(block);
                continue;
            };
            match before {
                None => {
                    return Err(Fault::validation(format!(
                        "The cachePoint at {at}.{index} has no content block before it. Move the cachePoint behind \
                         the content to cache, and try again."
                    )));
                }
                Some(before) if before.get("reasoningContent").is_some() => {
                    return Err(from_model(&format!(
                        "{at}.{index}.thinking.cache_control: Extra inputs are not permitted"
                    )));
                }
                Some(_) => hours.push((format!("{at}.{index}"), point["ttl"] == "1h")),
            }
        }
    }
    check(&hours).map_err(|why| {
        if model.facts.format == Format::Claude { from_model(&why) } else { Fault::validation(why) }
    })
}

/// All `cache_control`s of Claude's own request.
pub(super) fn claude(model: &Model, body: &Value) -> Result<(), String> {
    let mut marks = Vec::new();
    marked("tools", &body["tools"], &mut marks);
    marked("system", &body["system"], &mut marks);
    for (index, message) in list(&body["messages"]).iter().enumerate() {
        for (place, block) in list(&message["content"]).iter().enumerate() {
            let at = format!("messages.{index}.content.{place}");
            // What is inside of a result comes before the result.
            if block["type"] == "tool_result" {
                marked(&format!("{at}.tool_result.content"), &block["content"], &mut marks);
            }
            marks.extend(block.get("cache_control").map(|control| (at, control)));
        }
    }
    let mut hours = Vec::new();
    for (at, control) in marks {
        if control.is_null() {
            continue;
        }
        let members =
            control.as_object().ok_or_else(|| format!("{at}.cache_control: Input should be an object"))?;
        if let Some(extra) = members.keys().find(|key| *key != "type" && *key != "ttl") {
            return Err(format!("{at}.cache_control.ephemeral.{extra}: Extra inputs are not permitted"));
        }
        if control["type"] != "ephemeral" {
            return Err(format!("{at}.cache_control.type: Input should be 'ephemeral'"));
        }
        match members.get("ttl").map(Value::as_str) {
            None | Some(Some("5m")) => hours.push((at, false)),
            Some(Some("1h")) if model.can(Can::CacheHour) => hours.push((at, true)),
            Some(Some("1h")) => {
                return Err(format!("{at}.cache_control.ephemeral.ttl: Extra inputs are not permitted"));
            }
            Some(_) => {
                return Err(format!("{at}.cache_control.ephemeral.ttl: Input should be '5m' or '1h'"));
            }
        }
    }
    check(&hours)
}

fn marked<'a>(at: &str, blocks: &'a Value, marks: &mut Vec<(String, &'a Value)>) {
    for (index, block) in list(blocks).iter().enumerate() {
        marks.extend(block.get("cache_control").map(|control| (format!("{at}.{index}"), control)));
    }
}

/// Few enough, and the long-lived ones first.
fn check(hours: &[(String, bool)]) -> Result<(), String> {
    if hours.len() > MOST {
        return Err(format!(
            "A maximum of 4 blocks with cache_control may be provided. Found {}.",
            hours.len()
        ));
    }
    let first_short = hours.iter().position(|(_, hour)| !hour).unwrap_or(hours.len());
    match hours.iter().skip(first_short).find(|(_, hour)| *hour) {
        None => Ok(()),
        Some((at, _)) => Err(format!(
            "{at}.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control \
             block. Note that blocks are processed in the following order: `tools`, `system`, `messages`."
        )),
    }
}
