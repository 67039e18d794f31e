//! `additionalModelRequestFields`: what each family takes beyond Converse's own members.

use super::conversation::from_model;
use crate::simulator::converse::{list, strings};
use crate::simulator::fault::Fault;
use crate::simulator::models::{Fields, Model};
use crate::simulator::shape::{object, one_of, only, required, within};
use serde_json::{Map, Value};

const AT: &str = "/additionalModelRequestFields";
const CLAUDE: [&str; 9] = [
    "anthropic_beta",
    "thinking",
    "output_config",
    "top_k",
    "tool_choice",
    "metadata",
    "tools",
    "context_management",
    "speed",
];
/// What Converse has members for.
const CONFLICTING: [&str; 7] =
    ["anthropic_version", "max_tokens", "messages", "system", "temperature", "top_p", "stop_sequences"];
/// What the models with `OpenAI`'s body take.
const CHAT: [&str; 7] = [
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "chat_template_kwargs",
];

/// Refuses what the model doesn't know, and what contradicts the rest of the request.
pub(super) fn check(model: &Model, fields: &Map<String, Value>, body: &Value) -> Result<(), Fault> {
    let chat = |own: &'static str| {
        let known: Vec<&str> = CHAT.into_iter().chain([own]).collect();
        only(fields, "", &known)
    };
    match model.facts.fields {
        Fields::Nothing => only(fields, "", &[]),
        Fields::Only(known) => only(fields, "", known),
        Fields::Claude => claude(fields, body),
        Fields::Nova => {
            only(fields, "", &["inferenceConfig"])?;
            nova_inference(fields)
        }
        Fields::NovaReasoning => {
            only(fields, "", &["inferenceConfig", "reasoningConfig"])?;
            nova_inference(fields)?;
            match fields.get("reasoningConfig") {
                Some(config) => nova_reasoning(config, &body["inferenceConfig"]),
                None => Ok(()),
            }
        }
        Fields::Chat => only(fields, "", &CHAT),
        Fields::Effort(words) => {
            chat("reasoning_effort")?;
            match fields.get("reasoning_effort") {
                Some(effort) => one_of(effort, &format!("{AT}/reasoning_effort"), words),
                None => Ok(()),
            }
        }
        Fields::Config(words) => {
            chat("reasoning_config")?;
            match fields.get("reasoning_config") {
                Some(effort) => one_of(effort, &format!("{AT}/reasoning_config"), words),
                None => Ok(()),
            }
        }
        Fields::Reasoning(words) => {
            chat("reasoning")?;
            let Some(reasoning) = fields.get("reasoning") else { return Ok(()) };
            let at = format!("{AT}/reasoning");
            let reasoning = object(reasoning, &at)?;
            only(reasoning, &at, &["effort", "summary"])?;
            match reasoning.get("effort") {
                Some(effort) => one_of(effort, &format!("{at}/effort"), words),
                None => Ok(()),
            }
        }
    }
}

fn claude(fields: &Map<String, Value>, body: &Value) -> Result<(), Fault> {
    let choice = fields.get("tool_choice");
    let twice = choice.is_some_and(|choice| choice.get("type").is_some())
        && body["toolConfig"].get("toolChoice").is_some();
    let conflict = CONFLICTING.iter().copied().find(|name| fields.contains_key(*name));
    if let Some(name) = conflict.or(twice.then_some("tool_choice")) {
        return Err(Fault::validation(format!(
            "The additional field {name} conflicts with an existing field. Remove {name} or the existing field and \
             try again."
        )));
    }
    if let Some(key) = fields.keys().find(|key| !CLAUDE.contains(&key.as_str())) {
        return Err(from_model(&format!("{key}: Extra inputs are not permitted")));
    }
    if let Some(betas) = fields.get("anthropic_beta")
        && strings(betas).len() != list(betas).len().max(usize::from(!betas.is_array()))
    {
        return Err(from_model("anthropic_beta: Input should be a valid list of strings"));
    }
    if let Some(top_k) = fields.get("top_k")
        && top_k.as_u64().is_none()
    {
        return Err(from_model("top_k: Input should be a valid integer"));
    }
    if let Some(choice) = choice {
        let known = ["type", "name", "disable_parallel_tool_use"];
        let members =
            choice.as_object().ok_or_else(|| from_model("tool_choice: Input should be an object"))?;
        if let Some(key) = members.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(from_model(&format!("tool_choice.{key}: Extra inputs are not permitted")));
        }
        if body.get("toolConfig").is_none() && !fields.contains_key("tools") {
            return Err(from_model("tool_choice may only be specified while providing tools."));
        }
    }
    if let Some(config) = fields.get("output_config") {
        let members =
            config.as_object().ok_or_else(|| from_model("output_config: Input should be an object"))?;
        if let Some(key) = members.keys().find(|key| *key != "effort" && *key != "format") {
            return Err(from_model(&format!("output_config.{key}: Extra inputs are not permitted")));
        }
    }
    Ok(())
}

fn nova_inference(fields: &Map<String, Value>) -> Result<(), Fault> {
    let Some(config) = fields.get("inferenceConfig") else { return Ok(()) };
    let config = object(config, "/inferenceConfig")?;
    only(config, "/inferenceConfig", &["topK"])?;
    match config.get("topK") {
        Some(top_k) => within(top_k, "/inferenceConfig/topK", 0.0, 128.0).map(|_| ()),
        None => Ok(()),
    }
}

/// Nova 2's `reasoningConfig`. With the highest effort nothing else may be set.
pub(super) fn nova_reasoning(config: &Value, inference: &Value) -> Result<(), Fault> {
    let at = "/reasoningConfig";
    let config = object(config, at)?;
    only(config, at, &["type", "maxReasoningEffort"])?;
    let kind = required(config, at, "type")?;
    one_of(kind, "/reasoningConfig/type", &["enabled", "disabled"])?;
    let Some(effort) = config.get("maxReasoningEffort") else { return Ok(()) };
    one_of(effort, "/reasoningConfig/maxReasoningEffort", &["low", "medium", "high"])?;
    let set = ["temperature", "topP", "maxTokens"].into_iter().find(|name| inference.get(name).is_some());
    match set {
        Some(name) if effort == "high" && kind == "enabled" => Err(Fault::validation(format!(
            "The {name} field must not be set when maxReasoningEffort is high. Remove {name} and try again."
        ))),
        _ => Ok(()),
    }
}
