//! Tools and their choice, in the shape that Converse and Nova's native format share.

use super::conversation::{NAME_MARKS, from_model, unsupported};
use super::{cache_points, dialect, schema};
use crate::simulator::converse::list;
use crate::simulator::fault::Fault;
use crate::simulator::models::{Can, Model};
use crate::simulator::shape::{array, named, object, only, required, string, union};
use serde_json::{Map, Value};

/// `toolConfig`: its shape, and whether the model takes it at all.
pub(super) fn tools(model: &Model, body: &Value, streaming: bool) -> Result<(), Fault> {
    let used = list(&body["messages"])
        .iter()
        .flat_map(|message| list(&message["content"]))
        .any(|block| block.get("toolUse").is_some() || block.get("toolResult").is_some());
    let Some(config) = body.get("toolConfig") else {
        if used {
            return Err(Fault::validation(
                "The toolConfig field must be defined when using toolUse and toolResult content blocks.",
            ));
        }
        return Ok(());
    };
    let config = object(config, "/toolConfig")?;
    only(config, "/toolConfig", &["tools", "toolChoice"])?;
    let tools = array(required(config, "/toolConfig", "tools")?, "/toolConfig/tools")?;
    if tools.is_empty() {
        return Err(Fault::validation(
            "1 validation error detected: Value '[]' at 'toolConfig.tools' failed to satisfy constraint: Member \
             must have length greater than or equal to 1",
        ));
    }
    if !model.can(Can::Tools) {
        return Err(Fault::validation("This model doesn't support tool use."));
    }
    if streaming && !model.can(Can::StreamTools) {
        return Err(Fault::validation("This model doesn't support tool use in streaming mode."));
    }
    let mut names = Vec::new();
    for (index, tool) in tools.iter().enumerate() {
        let at = format!("/toolConfig/tools/{index}");
        match union(tool, &at, &["toolSpec", "systemTool", "cachePoint"])? {
            ("toolSpec", spec) => {
                let name = tool_spec(model, object(spec, &at)?, &format!("{at}/toolSpec"))?;
                if names.contains(&name) {
                    return Err(from_model("tools: Tool names must be unique."));
                }
                names.push(name);
            }
            ("cachePoint", _) if model.can(Can::CachePoints) && !model.caches_tools() => {
                return Err(unsupported("cachePoint field in toolConfig"));
            }
            ("cachePoint", point) => cache_points::point(model, point, &at)?,
            _ => {}
        }
    }
    let strict = tools.iter().map(|tool| &tool["toolSpec"]).filter(|spec| spec["strict"] == true);
    schema::fits_together(model, strict.map(|spec| &spec["inputSchema"]["json"]))
        .map_err(|why| from_model(&why))?;
    match config.get("toolChoice") {
        Some(choice) => {
            tool_choice(model, choice, &names)?;
            calls_can_be_read(model, choice, &names)
        }
        None => Ok(()),
    }
}

/// Nova writes calls of tools with a hyphen in their name in a way that its own service can't read.
fn calls_can_be_read(model: &Model, choice: &Value, names: &[&str]) -> Result<(), Fault> {
    let called = match choice["tool"]["name"].as_str() {
        Some(name) => Some(name),
        None if choice.get("any").is_some() => names.first().copied(),
        None => None,
    };
    if model.provider() == "amazon" && called.is_some_and(|name| name.contains('-')) {
        let message = "Model produced invalid sequence as part of ToolUse. Please refer to the model tool use \
                       troubleshooting guide.";
        return Err(Fault::new(424, "ModelErrorException", message));
    }
    Ok(())
}

fn tool_spec<'a>(model: &Model, spec: &'a Map<String, Value>, at: &str) -> Result<&'a str, Fault> {
    only(spec, at, &["name", "description", "inputSchema", "strict"])?;
    let name = named(required(spec, at, "name")?, &format!("{at}/name"), 64, NAME_MARKS)?;
    if let Some(description) = spec.get("description")
        && string(description, at)?.is_empty()
    {
        let path = at.trim_start_matches('/').replace('/', ".");
        return Err(Fault::validation(format!(
            "1 validation error detected: Value '' at '{path}.description' failed to satisfy constraint: Member \
             must have length greater than or equal to 1"
        )));
    }
    let (_, schema) = union(required(spec, at, "inputSchema")?, &format!("{at}/inputSchema"), &["json"])?;
    if schema["type"] != "object" {
        let path = at.trim_start_matches('/').replace('/', ".");
        return Err(Fault::validation(format!(
            "The value at {path}.inputSchema.json.type must be one of the following: object."
        )));
    }
    if let Err(why) = dialect::takes(model, schema) {
        return Err(match model.provider() {
            "anthropic" => from_model(&format!("tools.0.custom.input_schema: {why}")),
            _ => Fault::validation(format!("Invalid schema at {at}/inputSchema/json: {why}")),
        });
    }
    if spec.get("strict") == Some(&Value::Bool(true)) {
        if !model.can(Can::Strict) {
            return Err(Fault::validation(
                "This model doesn't support the strict field in toolSpec. Remove strict and try again.",
            ));
        }
        schema::compiles(model, schema)
            .map_err(|why| from_model(&format!("tools.custom.input_schema: {why}")))?;
    }
    Ok(name)
}

fn tool_choice(model: &Model, choice: &Value, names: &[&str]) -> Result<(), Fault> {
    let (kind, value) = union(choice, "/toolConfig/toolChoice", &["auto", "any", "tool"])?;
    let refused = match kind {
        "any" => !model.can(Can::ForceAny),
        "tool" => !model.can(Can::ForceTool),
        _ => false,
    };
    if refused {
        return Err(Fault::validation(format!(
            "This model doesn't support the toolConfig.toolChoice.{kind} field. Remove toolConfig.toolChoice.{kind} \
             and try again."
        )));
    }
    if kind == "tool" && !value["name"].as_str().is_some_and(|name| names.contains(&name)) {
        return Err(from_model("tool_choice: Tool not found in provided tools"));
    }
    Ok(())
}
