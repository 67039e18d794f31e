//! Tools, the choice among them, and the calls in the history.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::value::RawValue;

use super::super::calls::CallForms;
use super::ledger::Ledger;
use super::object::{Array, Str};
use super::path::Path;
use super::{MAX_DEPTH, bounds, extensions, invalid, missing, not_one_of, parse, wire};
use crate::chat::{Action, InvalidRequest, Json, Text, Tool, ToolChoice, ToolUse, without_lone_surrogates};

/// Schema of the one-string function that stands for a custom tool.
pub(super) const CUSTOM_SCHEMA: &str =
    r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}"#;

pub(super) fn tools(
    tools: Option<Array<wire::Tool<'_>, 4_096>>,
    functions: Option<Array<wire::Function<'_>, 4_096>>,
    ledger: &mut Ledger,
) -> Result<(Vec<Tool>, CallForms), InvalidRequest> {
    let root = Path::Root;
    let mut forms = CallForms::default();
    let tools = tools.map(|tools| tools.0).unwrap_or_default();
    let functions = functions.map(|functions| functions.0).unwrap_or_default();
    if !tools.is_empty() && !functions.is_empty() {
        return Err(invalid(&root.member("functions"), "it can't be given together with 'tools'"));
    }
    if !functions.is_empty() {
        ledger.rewritten(&root.member("functions"), "deprecated");
        forms.expect_function_call();
    }
    let mut read = Vec::with_capacity(tools.len().max(functions.len()));
    let list = root.member("tools");
    for (index, wire) in tools.into_iter().enumerate() {
        read.push(tool(wire, &list.item(index), &mut forms, ledger)?);
    }
    let list = root.member("functions");
    for (index, wire) in functions.into_iter().enumerate() {
        read.push(function(wire, &list.item(index), ledger)?);
    }
    bounds::tools(&read)?;
    Ok((read, forms))
}

fn tool(
    wire: wire::Tool<'_>,
    path: &Path<'_>,
    forms: &mut CallForms,
    ledger: &mut Ledger,
) -> Result<Tool, InvalidRequest> {
    let wire::Tool { kind, function: as_function, custom: as_custom, cache_control, rest } = wire;
    let kind = kind.ok_or_else(|| missing(&path.member("type")))?;
    let (mut tool, other, stray) = match &*kind {
        "function" => {
            let path = path.member("function");
            let wire = as_function.ok_or_else(|| missing(&path))?;
            (function(wire, &path, ledger)?, "custom", as_custom.is_some())
        }
        "custom" => {
            let path = path.member("custom");
            let wire = as_custom.ok_or_else(|| missing(&path))?;
            let tool = custom(wire, &path, ledger)?;
            forms.add_custom(&tool.name);
            (tool, "function", as_function.is_some())
        }
        _ => return Err(not_one_of(&path.member("type"), &["function", "custom"])),
    };
    if stray {
        ledger.dropped(&path.member(other), "not_of_this_type");
    }
    ledger.unknown(path, &rest);
    tool.cache = extensions::cache_point(None, cache_control, path, ledger)?;
    Ok(tool)
}

fn function(wire: wire::Function<'_>, path: &Path<'_>, ledger: &mut Ledger) -> Result<Tool, InvalidRequest> {
    let wire::Function { name, description, parameters, strict, rest } = wire;
    ledger.unknown(path, &rest);
    // PHP writes an empty object as a list.
    let parameters = parameters.filter(|raw| {
        let is_empty_list =
            raw.get().strip_prefix('[').is_some_and(|inside| inside.trim_start().starts_with(']'));
        if is_empty_list {
            ledger.rewritten(&path.member("parameters"), "empty_list");
        }
        !is_empty_list
    });
    Ok(Tool {
        name: parse::name(name, &path.member("name"))?,
        description: description.map(|raw| parse::text(raw, &path.member("description"))).transpose()?,
        schema: parameters.map(|raw| parse::object(raw, &path.member("parameters"))).transpose()?,
        strict,
        cache: None,
    })
}

/// A custom tool takes free text. The nearest thing is a function of one string; [`CallForms`] turns its
/// calls back.
fn custom(wire: wire::CustomTool<'_>, path: &Path<'_>, ledger: &mut Ledger) -> Result<Tool, InvalidRequest> {
    let wire::CustomTool { name, description, format, rest } = wire;
    ledger.add(path, Action::Emulated, "custom_tool");
    ledger.unknown(path, &rest);
    if let Some(wire::CustomFormat { kind, grammar, rest }) = format {
        let path = path.member("format");
        ledger.unknown(&path, &rest);
        if kind.is_some_and(|kind| &*kind != "text") || grammar.is_some() {
            ledger.dropped(&path, "no_equivalent");
        }
    }
    Ok(Tool {
        name: parse::name(name, &path.member("name"))?,
        description: description.map(|raw| parse::text(raw, &path.member("description"))).transpose()?,
        schema: Some(constant(CUSTOM_SCHEMA)),
        strict: None,
        cache: None,
    })
}

/// The choice, and the tools that are left of it: `allowed_tools` takes some away.
pub(super) fn choice(
    mut tools: Vec<Tool>,
    tool_choice: Option<&RawValue>,
    function_call: Option<&RawValue>,
    ledger: &mut Ledger,
) -> Result<(Vec<Tool>, Option<ToolChoice>), InvalidRequest> {
    let root = Path::Root;
    let choice = match (tool_choice, function_call) {
        (Some(raw), legacy) => {
            if legacy.is_some() {
                ledger.dropped(&root.member("function_call"), "tool_choice_wins");
            }
            let path = root.member("tool_choice");
            if raw.get().starts_with('"') {
                Some(mode(&parse::island::<Str<'_>>(raw, &path)?, &["none", "auto", "required"], &path)?)
            } else {
                Some(chosen(parse::island(raw, &path)?, &mut tools, &path, ledger)?)
            }
        }
        (None, Some(raw)) => {
            let path = root.member("function_call");
            ledger.rewritten(&path, "deprecated");
            if raw.get().starts_with('"') {
                Some(mode(&parse::island::<Str<'_>>(raw, &path)?, &["none", "auto"], &path)?)
            } else {
                Some(ToolChoice::Named(named(Some(parse::island(raw, &path)?), has(&tools), &path, ledger)?))
            }
        }
        (None, None) => None,
    };
    if tools.is_empty() && choice == Some(ToolChoice::Required) {
        return Err(invalid(&root.member("tool_choice"), "it asks for a call, but there are no tools"));
    }
    Ok((tools, choice))
}

fn chosen(
    wire: wire::ToolChoice<'_>,
    tools: &mut Vec<Tool>,
    path: &Path<'_>,
    ledger: &mut Ledger,
) -> Result<ToolChoice, InvalidRequest> {
    let wire::ToolChoice { kind, function, custom, allowed_tools, rest } = wire;
    ledger.unknown(path, &rest);
    let kind = kind.ok_or_else(|| missing(&path.member("type")))?;
    match &*kind {
        "function" => named(function, has(tools), &path.member("function"), ledger).map(ToolChoice::Named),
        "custom" => named(custom, has(tools), &path.member("custom"), ledger).map(ToolChoice::Named),
        "allowed_tools" => {
            let path = path.member("allowed_tools");
            allowed(allowed_tools.ok_or_else(|| missing(&path))?, tools, &path, ledger)
        }
        _ => Err(not_one_of(&path.member("type"), &["function", "custom", "allowed_tools"])),
    }
}

fn allowed(
    wire: wire::AllowedTools<'_>,
    tools: &mut Vec<Tool>,
    path: &Path<'_>,
    ledger: &mut Ledger,
) -> Result<ToolChoice, InvalidRequest> {
    let wire::AllowedTools { mode: word, tools: list, rest } = wire;
    ledger.unknown(path, &rest);
    let mode_path = path.member("mode");
    let word = word.ok_or_else(|| missing(&mode_path))?;
    let choice = mode(&word, &["auto", "required"], &mode_path)?;
    let list_path = path.member("tools");
    let known: HashSet<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    let mut names = HashSet::new();
    for (index, entry) in list.ok_or_else(|| missing(&list_path))?.0.into_iter().enumerate() {
        let path = list_path.item(index);
        let wire::AllowedTool { kind, function, custom, rest } = entry;
        ledger.unknown(&path, &rest);
        names.insert(match kind.as_deref() {
            Some("function") => {
                named(function, |name| known.contains(name), &path.member("function"), ledger)?
            }
            Some("custom") => named(custom, |name| known.contains(name), &path.member("custom"), ledger)?,
            Some(_) => return Err(not_one_of(&path.member("type"), &["function", "custom"])),
            None => return Err(missing(&path.member("type"))),
        });
    }
    tools.retain(|tool| names.contains(&tool.name));
    Ok(choice)
}

/// Whether there is a tool of a name. For one name; each look goes through all tools.
fn has(tools: &[Tool]) -> impl Fn(&str) -> bool {
    |name| tools.iter().any(|tool| tool.name == name)
}

/// The name of a tool that the request has.
fn named(
    wire: Option<wire::Named<'_>>,
    is_known: impl Fn(&str) -> bool,
    path: &Path<'_>,
    ledger: &mut Ledger,
) -> Result<String, InvalidRequest> {
    let wire::Named { name, rest } = wire.ok_or_else(|| missing(path))?;
    ledger.unknown(path, &rest);
    let path = path.member("name");
    let name = parse::name(name, &path)?;
    if is_known(&name) { Ok(name) } else { Err(invalid(&path, "the request has no tool of that name")) }
}

fn mode(word: &str, words: &[&str], path: &Path<'_>) -> Result<ToolChoice, InvalidRequest> {
    if !words.contains(&word) {
        return Err(not_one_of(path, words));
    }
    Ok(match word {
        "none" => ToolChoice::None,
        "required" => ToolChoice::Required,
        _ => ToolChoice::Auto,
    })
}

/// A call in an assistant's message.
pub(super) fn call(
    wire: wire::ToolCall<'_>,
    path: &Path<'_>,
    ledger: &mut Ledger,
) -> Result<ToolUse, InvalidRequest> {
    let wire::ToolCall { id, kind, function, custom, index: _, rest } = wire;
    ledger.unknown(path, &rest);
    // One that is empty or absent gets another when results are put with their calls.
    let id = id.map(Str::into_owned).unwrap_or_default();
    match kind.as_deref() {
        // Said to be required, left out by more than one client, and clear without it.
        None | Some("function") => {
            let path = path.member("function");
            function_call(id, function.ok_or_else(|| missing(&path))?, &path, ledger)
        }
        Some("custom") => {
            let path = path.member("custom");
            let wire::CustomCall { name, input, rest } = custom.ok_or_else(|| missing(&path))?;
            ledger.unknown(&path, &rest);
            let input_path = path.member("input");
            let input = parse::text(input.ok_or_else(|| missing(&input_path))?, &input_path)?;
            Ok(ToolUse {
                id,
                name: parse::name(name, &path.member("name"))?,
                input: wrapped("input", &input),
            })
        }
        Some(_) => Err(not_one_of(&path.member("type"), &["function", "custom"])),
    }
}

/// The name and the arguments of a call.
pub(super) fn function_call(
    id: String,
    wire: wire::FunctionCall<'_>,
    path: &Path<'_>,
    ledger: &mut Ledger,
) -> Result<ToolUse, InvalidRequest> {
    let wire::FunctionCall { name, arguments: written, rest } = wire;
    ledger.unknown(path, &rest);
    // A model may well call a tool without a name. That it did stays in the history, under a name that can be
    // sent.
    let name = name.map(Str::into_owned).unwrap_or_default();
    let path = path.member("arguments");
    let input = match written {
        None => Json::empty_object(),
        Some(raw) => arguments(raw, &path, ledger)?,
    };
    Ok(ToolUse { id, name, input })
}

/// Arguments are JSON in a string, written by a model: they may be anything. What is no object can't be a
/// tool's input, and must not cost the conversation either, so it is wrapped in one.
fn arguments(raw: &RawValue, path: &Path<'_>, ledger: &mut Ledger) -> Result<Json, InvalidRequest> {
    match raw.get().as_bytes().first() {
        Some(b'"') => {}
        Some(b'{') => {
            ledger.rewritten(path, "not_a_string");
            return parse::object(raw, path);
        }
        Some(_) | None => {
            ledger.rewritten(path, "invalid_arguments");
            return Ok(constant(&format!("{{\"_raw\":{}}}", parse::json(raw, path)?.as_str())));
        }
    }
    let text = parse::text(raw, path)?;
    let decoded = text.decode();
    match decoded.trim() {
        "" => return Ok(Json::empty_object()),
        "null" => {
            ledger.rewritten(path, "invalid_arguments");
            return Ok(Json::empty_object());
        }
        _ => {}
    }
    // JSON within JSON has escapes of its own.
    let json = without_lone_surrogates(&decoded);
    if matches!(json, Cow::Owned(_)) {
        ledger.rewritten(path, "lone_surrogate");
    }
    match Json::parse(&json) {
        Ok(json) if json.is_object() && json.depth() <= MAX_DEPTH => Ok(json),
        Ok(_) | Err(_) => {
            ledger.rewritten(path, "invalid_arguments");
            Ok(wrapped("_raw", &text))
        }
    }
}

/// `{"<key>": <text>}`
fn wrapped(key: &str, text: &Text) -> Json {
    constant(&format!("{{\"{key}\":{}}}", text.as_json()))
}

fn constant(json: &str) -> Json {
    match Json::parse(json) {
        Ok(json) => json,
        Err(_) => unreachable!("an object around a JSON string is valid JSON"),
    }
}
