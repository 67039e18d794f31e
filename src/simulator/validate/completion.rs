//! The small native formats: Llama, Titan Text, and what Nova's has beyond Converse's parts.

use super::conversation;
use crate::simulator::fault::Fault;
use crate::simulator::models::{Can, Model};
use crate::simulator::shape::{array, object, one_of, only, required, string, whole, within};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

/// `{prompt, max_gen_len, temperature, top_p, images}` and nothing else.
pub(in crate::simulator) fn llama(model: &Model, body: &Value) -> Result<(), Fault> {
    let request = object(body, "")?;
    let mut known = vec!["prompt", "max_gen_len", "temperature", "top_p"];
    if model.can(Can::Images) {
        known.push("images");
    }
    only(request, "", &known)?;
    let prompt = string(required(request, "", "prompt")?, "/prompt")?;
    if prompt.is_empty() {
        return Err(Fault::malformed("/prompt", "expected minLength: 1, actual: 0"));
    }
    for name in ["temperature", "top_p"] {
        if let Some(value) = request.get(name) {
            within(value, &format!("/{name}"), 0.0, 1.0)?;
        }
    }
    if let Some(length) = request.get("max_gen_len") {
        limit(length, "/max_gen_len", model)?;
    }
    if let Some(images) = request.get("images") {
        for image in array(images, "/images")? {
            if BASE64_STANDARD.decode(string(image, "/images")?).is_err() {
                return Err(Fault::malformed("/images", "not base64"));
            }
        }
    }
    Ok(())
}

/// `{inputText, textGenerationConfig}`.
pub(in crate::simulator) fn titan(model: &Model, body: &Value) -> Result<(), Fault> {
    let request = object(body, "")?;
    only(request, "", &["inputText", "textGenerationConfig"])?;
    if string(required(request, "", "inputText")?, "/inputText")?.is_empty() {
        return Err(Fault::malformed("/inputText", "expected minLength: 1, actual: 0"));
    }
    let at = "/textGenerationConfig";
    let Some(config) = request.get("textGenerationConfig") else { return Ok(()) };
    let config = object(config, at)?;
    only(config, at, &["temperature", "topP", "maxTokenCount", "stopSequences"])?;
    if let Some(temperature) = config.get("temperature") {
        within(temperature, "/textGenerationConfig/temperature", 0.0, 1.0)?;
    }
    if let Some(top_p) = config.get("topP")
        && within(top_p, "/textGenerationConfig/topP", 0.0, 1.0)? <= 0.0
    {
        return Err(Fault::malformed("/textGenerationConfig/topP", "0 is not higher than 0"));
    }
    if let Some(count) = config.get("maxTokenCount") {
        limit(count, "/textGenerationConfig/maxTokenCount", model)?;
    }
    if let Some(stops) = config.get("stopSequences") {
        conversation::stops(model, stops, "/textGenerationConfig/stopSequences")?;
    }
    Ok(())
}

/// Nova's `messages-v1`.
pub(in crate::simulator) fn nova(model: &Model, body: &Value, streaming: bool) -> Result<(), Fault> {
    let request = object(body, "")?;
    let mut known = vec!["schemaVersion", "system", "messages", "inferenceConfig", "toolConfig"];
    if model.can(Can::Reasoning) {
        known.push("reasoningConfig");
    }
    only(request, "", &known)?;
    if let Some(version) = request.get("schemaVersion") {
        one_of(version, "/schemaVersion", &["messages-v1"])?;
    }
    required(request, "", "messages")?;
    if let Some(config) = request.get("inferenceConfig") {
        let at = "/inferenceConfig";
        let config = object(config, at)?;
        only(config, at, &["maxTokens", "max_new_tokens", "temperature", "topP", "topK", "stopSequences"])?;
        for name in ["maxTokens", "max_new_tokens"] {
            if let Some(count) = config.get(name) {
                limit(count, &format!("{at}/{name}"), model)?;
            }
        }
        for name in ["temperature", "topP"] {
            if let Some(value) = config.get(name) {
                within(value, &format!("{at}/{name}"), 0.0, 1.0)?;
            }
        }
        if let Some(top_k) = config.get("topK") {
            within(top_k, "/inferenceConfig/topK", 0.0, 128.0)?;
        }
        if let Some(stops) = config.get("stopSequences") {
            conversation::stops(model, stops, "/inferenceConfig/stopSequences")?;
        }
    }
    if let Some(system) = request.get("system") {
        conversation::system(model, system)?;
    }
    conversation::messages(model, request.get("messages").unwrap_or(&Value::Null))?;
    conversation::tools(model, body, streaming)
}

fn limit(value: &Value, at: &str, model: &Model) -> Result<(), Fault> {
    if whole(value, at, 1)? > model.max_tokens {
        within(value, at, 1.0, f64::from(u32::try_from(model.max_tokens).unwrap_or(u32::MAX)))?;
    }
    Ok(())
}
