//! The rules about tools.

use std::collections::HashSet;

use crate::chat::{
    Action, Block, InvalidRequest, Json, Message, ModelField, Notes, Request, Tool, ToolChoice,
};
use crate::families::{Capabilities, SingleCall};

/// Keeps of the tools, and of what is asked about them, what the model takes.
pub(super) fn tools(
    request: &mut Request,
    able: &Capabilities,
    notes: &mut Notes,
) -> Result<(), InvalidRequest> {
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
    if !able.strict_tools {
        for (position, tool) in request.tools.iter_mut().enumerate() {
            if tool.strict.take() == Some(true) {
                notes.add(format!("tools[{position}].strict"), Action::Dropped, "no_equivalent");
            }
        }
    }
    Ok(())
}

/// "At most one call a turn", where the model can be told. That there may be more is what silence means.
fn single_call(request: &mut Request, able: &Capabilities, notes: &mut Notes) {
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
