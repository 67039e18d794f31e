//! The small native formats: prompts with few members, Titan Text, and what Nova's has beyond Converse's parts.

use super::{conversation, fields, tools};
use crate::simulator::fault::Fault;
use crate::simulator::models::{Can, Format, Model};
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

/// A prompt, and what each family takes beside it.
pub(in crate::simulator) fn prompt(model: &Model, form: Format, body: &Value) -> Result<(), Fault> {
    let request = object(body, "")?;
    let (known, limit_name): (&[&str], &str) = match form {
        Format::ClaudeText => (
            &[
                "prompt",
                "max_tokens_to_sample",
                "temperature",
                "top_p",
                "top_k",
                "stop_sequences",
                "anthropic_version",
            ],
            "max_tokens_to_sample",
        ),
        Format::CohereCommand => (
            &[
                "prompt",
                "max_tokens",
                "temperature",
                "p",
                "k",
                "stop_sequences",
                "num_generations",
                "stream",
                "return_likelihoods",
                "truncate",
                "logit_bias",
            ],
            "max_tokens",
        ),
        Format::DeepSeekPrompt => (&["prompt", "max_tokens", "temperature", "top_p", "stop"], "max_tokens"),
        _ if model.id.contains("large") => {
            (&["prompt", "max_tokens", "temperature", "top_p", "stop"], "max_tokens")
        }
        _ => (&["prompt", "max_tokens", "temperature", "top_p", "top_k", "stop"], "max_tokens"),
    };
    only(request, "", known)?;
    let text = string(required(request, "", "prompt")?, "/prompt")?;
    if text.is_empty() {
        return Err(Fault::malformed("/prompt", "expected minLength: 1, actual: 0"));
    }
    if form == Format::ClaudeText {
        required(request, "", limit_name)?;
        if !(text.contains("Human:") && text.contains("Assistant:")) {
            return Err(Fault::validation(
                "Invalid prompt: prompt must start with \"\\n\\nHuman:\" turn, prompt must end with \
                 \"\\n\\nAssistant:\" turn",
            ));
        }
    }
    let hottest = if form == Format::CohereCommand { 5.0 } else { 1.0 };
    let ranges = [
        ("temperature", 0.0, hottest),
        ("top_p", 0.0, 1.0),
        ("p", 0.0, 1.0),
        ("top_k", 0.0, 500.0),
        ("k", 0.0, 500.0),
        ("num_generations", 1.0, 5.0),
    ];
    for (name, low, high) in ranges {
        if let Some(value) = request.get(name) {
            within(value, &format!("/{name}"), low, high)?;
        }
    }
    if let Some(count) = request.get(limit_name) {
        limit(count, &format!("/{limit_name}"), model)?;
    }
    for name in ["stop", "stop_sequences"] {
        let Some(stops) = request.get(name) else { continue };
        let stops = array(stops, &format!("/{name}"))?;
        if name == "stop" && stops.len() > 10 {
            return Err(Fault::malformed("/stop", "expected maximum item count: 10"));
        }
        stops.iter().try_for_each(|stop| string(stop, &format!("/{name}")).map(|_| ()))?;
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
    if let Some(config) = request.get("reasoningConfig") {
        fields::nova_reasoning(config, &request.get("inferenceConfig").cloned().unwrap_or_default())?;
    }
    if let Some(system) = request.get("system") {
        conversation::system(model, system)?;
    }
    conversation::messages(model, request.get("messages").unwrap_or(&Value::Null))?;
    tools::tools(model, body, streaming)
}

fn limit(value: &Value, at: &str, model: &Model) -> Result<(), Fault> {
    if whole(value, at, 1)? > model.max_tokens {
        within(value, at, 1.0, f64::from(u32::try_from(model.max_tokens).unwrap_or(u32::MAX)))?;
    }
    Ok(())
}
