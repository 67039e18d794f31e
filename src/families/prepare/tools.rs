//! The rules about tools.

use std::collections::HashSet;

use super::schema::{self, Accepted, Bent, Budget, Counts, Held, Unfit};
use crate::chat::{
    Action, Block, InvalidRequest, Json, Message, ModelField, Notes, Request, Text, Tool, ToolChoice,
};
use crate::families::{Capabilities, SingleCall};

/// Keeps of the tools, and of what is asked about them, what the model takes.
pub(super) fn tools(
    request: &mut Request,
    able: &Capabilities,
    notes: &mut Notes,
) -> Result<(), InvalidRequest> {
    unique(&mut request.tools, notes);
    let called = request.messages.iter().any(|message| calls(message).next().is_some());
    if request.tool_choice == Some(ToolChoice::None) && !called {
        // Nothing could be called, and nothing was.
        request.tools.clear();
    }
    if !able.tools && !request.tools.is_empty() {
        return Err(InvalidRequest::unsupported("tools", "This model does not take tools."));
    }
    if request.tools.is_empty() {
        match &request.tool_choice {
            Some(ToolChoice::Required | ToolChoice::Named(_)) => {
                return Err(InvalidRequest::value("tool_choice", "There are no tools to choose from."));
            }
            Some(ToolChoice::Auto | ToolChoice::None) | None => request.tool_choice = None,
        }
        request.parallel_tool_calls = None;
        if !called || !able.tools {
            return Ok(());
        }
        // Bedrock wants the tools of a conversation that has calls in it, also when none may follow.
        request.tools = rebuilt(&request.messages);
        notes.add("tools", Action::Emulated, "rebuilt_from_history");
        request.tool_choice = able.tool_choice_none.then_some(ToolChoice::None);
        return Ok(());
    }
    tool_choice(request, able, notes)?;
    single_call(request, able, notes);
    Ok(())
}

/// A tool that is there twice is one; two servers of tools may well offer the same.
fn unique(tools: &mut Vec<Tool>, notes: &mut Notes) {
    let mut known = HashSet::new();
    let twice: Vec<bool> = tools
        .iter()
        .map(|Tool { name, description, schema, strict, cache: _ }| {
            let description = description.as_ref().map(Text::decode);
            !known.insert((
                name.clone(),
                description,
                schema.as_ref().map(Json::compact),
                *strict == Some(true),
            ))
        })
        .collect();
    if !twice.contains(&true) {
        return;
    }
    let mut kept: Vec<Tool> = Vec::with_capacity(tools.len());
    for (position, (tool, again)) in std::mem::take(tools).into_iter().zip(twice).enumerate() {
        if !again {
            kept.push(tool);
            continue;
        }
        notes.add(format!("tools[{position}]"), Action::Dropped, "duplicate_tool");
        // What is to be kept up to it is kept up to the tool before it.
        if let Some(before) = kept.last_mut() {
            before.cache = before.cache.or(tool.cache);
        }
    }
    *tools = kept;
}

/// Most strict tools of one request, and most of what is counted over the schemas that Claude is held to in it
/// (Anthropic's documentation of structured outputs).
const STRICT_TOOLS: usize = 20;
const OPTIONAL_PROPERTIES: usize = 24;
const UNIONS: usize = 16;

/// Are schemas with so much in them taken?
pub(super) fn fits(counts: Counts) -> bool {
    counts.optional <= OPTIONAL_PROPERTIES && counts.unions <= UNIONS
}

/// Gives the tools the schemas that the model takes, and keeps those strict that it can be held to: the first ones, as
/// far as its limits go. `held` is what the reply's own schema has used of them, `empty_names` whether the format has
/// a place for members without a name. Gives the names of properties that differ from the client's, by tool.
pub(super) fn schemas(
    request: &mut Request,
    able: &Capabilities,
    mut held: Counts,
    empty_names: bool,
    notes: &mut Notes,
) -> Result<Vec<Renamed>, InvalidRequest> {
    let mut budget = Budget::new();
    let mut all_renamed = Vec::new();
    let mut strict = 0;
    for (position, tool) in request.tools.iter_mut().enumerate() {
        // Bedrock refuses an empty description, and it describes nothing.
        tool.description = tool.description.take().filter(|text| !text.is_blank());
        let path = || format!("tools[{position}].function.parameters");
        let asks = tool.strict.take() == Some(true);
        if asks && able.strict_tools && tool.schema.is_none() {
            tool.schema = Some(Json::closed_object());
        }
        let Some(schema) = &mut tool.schema else {
            if asks {
                notes.add(format!("tools[{position}].strict"), Action::Dropped, "no_equivalent");
            }
            continue;
        };
        let Accepted { bent: Bent { schema: bent, changes }, renamed } =
            schema::for_tool(schema, able.tool_schemas, empty_names, &mut budget)
                .map_err(|unfit| refused(path(), &unfit))?;
        for change in changes.iter() {
            notes.add(path(), Action::Rewritten, change);
        }
        if let Some(bent) = bent {
            *schema = bent;
        }
        if !renamed.is_empty() {
            all_renamed.push(Renamed { tool: position, names: renamed });
        }
        if !asks {
            continue;
        }
        let why = match schema::held(schema, &mut budget) {
            _ if !able.strict_tools => "no_equivalent",
            Err(Unfit { at: _, why }) => why,
            Ok(Held { bent: Bent { schema: bent, changes }, counts }) => {
                let Counts { optional, unions } = counts;
                let all = Counts { optional: held.optional + optional, unions: held.unions + unions };
                if strict < STRICT_TOOLS && fits(all) {
                    (strict, held) = (strict + 1, all);
                    tool.strict = Some(true);
                    for change in changes.iter() {
                        notes.add(path(), Action::Rewritten, change);
                    }
                    if let Some(bent) = bent {
                        *schema = bent;
                    }
                    continue;
                }
                "above_limits"
            }
        };
        notes.add(format!("tools[{position}].strict"), Action::Dropped, why);
    }
    Ok(all_renamed)
}

/// Properties of a tool that the model knows by other names.
pub(super) struct Renamed {
    /// Its place among the tools.
    pub(super) tool: usize,
    /// (own, as sent)
    pub(super) names: Vec<(String, String)>,
}

fn refused(path: String, unfit: &Unfit) -> InvalidRequest {
    let Unfit { at, why } = unfit;
    let at: String = at.chars().filter(|c| !c.is_control()).take(100).collect();
    let param = Some(path);
    match *why {
        "recursive_schema" => InvalidRequest {
            param,
            code: "recursive_schema",
            message: format!(
                "This model is shown no definitions, so references have to be replaced by what they refer to, and `{at}` \
                 refers to itself. Say the same without a circle, or use a model that takes definitions."
            ),
        },
        "schema_too_large" => InvalidRequest {
            param,
            code: "schema_too_large",
            message: "This schema is longer than 1 MiB, or what has to be done to the schemas of all tools for this model, \
                      such as putting definitions where they are referred to, makes them more than 512 KiB longer."
                .to_owned(),
        },
        "schema_too_deep" => InvalidRequest {
            param,
            code: "schema_too_deep",
            message: "This schema nests deeper than 64 levels, or does once its definitions stand where they are \
                      referred to."
                .to_owned(),
        },
        _ => InvalidRequest::value(
            param.unwrap_or_default(),
            "The schema of a tool's parameters has to be of type \"object\": models call tools with an object of \
             arguments. Make what it describes a property of one.",
        ),
    }
}

/// "At most one call a turn", where the model can be told. That there may be more is what silence means.
pub(super) fn single_call(request: &mut Request, able: &Capabilities, notes: &mut Notes) {
    if request.parallel_tool_calls != Some(false) {
        request.parallel_tool_calls = None;
        return;
    }
    match able.single_call {
        SingleCall::Own => {}
        SingleCall::No => {
            request.parallel_tool_calls = None;
            notes.add("parallel_tool_calls", Action::Dropped, "no_equivalent");
        }
        SingleCall::ClaudeField => {
            request.parallel_tool_calls = None;
            if request.tool_choice.is_none() {
                // Beside a toolChoice Bedrock writes the type itself, and refuses a second one.
                request.model_fields.push(ModelField::new(&["tool_choice", "type"], Json::string("auto")));
            }
            let path = ["tool_choice", "disable_parallel_tool_use"];
            request.model_fields.push(ModelField::new(&path, Json::boolean(true)));
        }
    }
}

/// A tool for each name that was called. Formats write a schema that takes whatever input.
fn rebuilt(messages: &[Message]) -> Vec<Tool> {
    let mut seen = HashSet::new();
    messages
        .iter()
        .flat_map(calls)
        .filter(|name| seen.insert(*name))
        .map(|name| Tool {
            name: name.to_owned(),
            description: None,
            schema: None,
            strict: None,
            cache: None,
        })
        .collect()
}

/// A choice that the model doesn't know becomes the nearest that it does:
/// named → any, with that tool alone → the model's own, with that tool alone; required → the only tool by its
/// name → the model's own.
/// `none` beside calls in the history has only Claude's own format; elsewhere the model may call, and its
/// calls are passed on.
fn tool_choice(request: &mut Request, able: &Capabilities, notes: &mut Notes) -> Result<(), InvalidRequest> {
    let nearest = match request.tool_choice.take() {
        None | Some(ToolChoice::Auto) => None,
        Some(ToolChoice::None) if able.tool_choice_none => Some(ToolChoice::None),
        Some(ToolChoice::Required) if able.tool_choice_any => Some(ToolChoice::Required),
        Some(ToolChoice::Required) if able.tool_choice_named && request.tools.len() == 1 => {
            request.tools.first().map(|only| ToolChoice::Named(only.name.clone()))
        }
        Some(ToolChoice::None | ToolChoice::Required) => {
            notes.add("tool_choice", Action::Dropped, "no_equivalent");
            None
        }
        Some(ToolChoice::Named(name)) => {
            if !request.tools.iter().any(|tool| tool.name == name) {
                return Err(InvalidRequest::value("tool_choice", "The chosen tool is not among the tools."));
            }
            if able.tool_choice_named {
                Some(ToolChoice::Named(name))
            } else {
                request.tools.retain(|tool| tool.name == name);
                let (action, nearest) = if able.tool_choice_any {
                    (Action::Emulated, Some(ToolChoice::Required))
                } else {
                    (Action::Dropped, None)
                };
                notes.add("tool_choice", action, "only_this_tool_sent");
                nearest
            }
        }
    };
    request.tool_choice = nearest;
    Ok(())
}

/// Whatever tool blocks mending has left are calls with their results.
pub(super) fn refuse_calls(messages: &[Message], able: &Capabilities) -> Result<(), InvalidRequest> {
    let caller = messages.iter().find(|message| calls(message).next().is_some());
    match caller {
        Some(message) if !able.tools => Err(InvalidRequest::unsupported(
            format!("messages[{}]", message.index),
            "This model does not take tool calls.",
        )),
        Some(_) | None => Ok(()),
    }
}

/// The names of the tools that a message calls.
fn calls(message: &Message) -> impl Iterator<Item = &str> {
    message.content.iter().filter_map(|block| match block {
        Block::ToolUse(call) => Some(call.name.as_str()),
        Block::Text(_)
        | Block::Image(_)
        | Block::Document(_)
        | Block::Audio(_)
        | Block::Remote(_)
        | Block::CachePoint(_)
        | Block::ToolResult(_)
        | Block::Reasoning(_) => None,
    })
}
