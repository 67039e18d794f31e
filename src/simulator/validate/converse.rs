//! The request of Converse and `ConverseStream` as a whole.

use super::claude_rules::{self, Parameters};
use super::conversation::{self, from_model};
use super::schema;
use crate::simulator::converse::{list, strings};
use crate::simulator::fault::Fault;
use crate::simulator::models::{Can, Format, Model, Sampling};
use crate::simulator::shape::{array, object, one_of, only, required, string, whole, within};
use serde_json::{Map, Value};

const MEMBERS: [&str; 12] = [
    "messages",
    "system",
    "inferenceConfig",
    "toolConfig",
    "guardrailConfig",
    "additionalModelRequestFields",
    "additionalModelResponseFieldPaths",
    "promptVariables",
    "requestMetadata",
    "performanceConfig",
    "serviceTier",
    "outputConfig",
];
/// What Claude takes beyond Converse's own members.
const CLAUDE_FIELDS: [&str; 9] = [
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
/// What the models with `OpenAI`'s body take.
const CHAT_FIELDS: [&str; 12] = [
    "reasoning",
    "reasoning_effort",
    "reasoning_config",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "top_k",
    "chat_template_kwargs",
    "thinking",
];

/// Refuses what Bedrock would refuse.
pub(in crate::simulator) fn converse(model: &Model, body: &Value, streaming: bool) -> Result<(), Fault> {
    match model.facts.format {
        Format::TitanEmbed | Format::CohereEmbed | Format::NovaEmbed => {
            return Err(Fault::validation(
                "This action doesn't support the model that you provided. Try again with a supported text or chat \
                 model.",
            ));
        }
        Format::Claude | Format::Llama | Format::Titan | Format::Nova | Format::Foreign => {}
    }
    let request = object(body, "")?;
    only(request, "", &MEMBERS)?;
    if let Some(system) = request.get("system") {
        conversation::system(model, system)?;
    }
    conversation::messages(model, request.get("messages").unwrap_or(&Value::Array(Vec::new())))?;
    conversation::tools(model, body, streaming)?;
    if let Some(config) = request.get("inferenceConfig") {
        inference_config(model, object(config, "/inferenceConfig")?)?;
    }
    if let Some(fields) = request.get("additionalModelRequestFields") {
        additional_fields(model, object(fields, "/additionalModelRequestFields")?, body)?;
    }
    if model.facts.format == Format::Claude {
        claude_rules::check(model, &parameters(body)).map_err(|why| from_model(&why))?;
        cache_points(body)?;
    }
    the_rest(model, request)
}

fn inference_config(model: &Model, config: &Map<String, Value>) -> Result<(), Fault> {
    let at = "/inferenceConfig";
    only(config, at, &["maxTokens", "temperature", "topP", "stopSequences"])?;
    if let Some(limit) = config.get("maxTokens") {
        let limit = whole(limit, "/inferenceConfig/maxTokens", model.facts.min_tokens)?;
        let most = model.max_tokens;
        if limit > most {
            return Err(Fault::validation(format!(
                "The maximum tokens you requested exceeds the model limit of {most}. Try again with a maximum tokens \
                 value that is lower than {most}."
            )));
        }
    }
    for name in ["temperature", "topP"] {
        let Some(value) = config.get(name) else { continue };
        let number = within(value, &format!("{at}/{name}"), 0.0, 1.0)?;
        if model.facts.format == Format::Titan && name == "topP" && number <= 0.0 {
            return Err(Fault::malformed("/textGenerationConfig/topP", "0 is not higher than 0"));
        }
        if model.facts.format != Format::Claude && model.facts.sampling == Sampling::Refused {
            return Err(Fault::validation(format!(
                "This model doesn't support the {name} field. Remove {name} and try again."
            )));
        }
    }
    match config.get("stopSequences") {
        Some(stops) => conversation::stops(model, stops, "/inferenceConfig/stopSequences"),
        None => Ok(()),
    }
}

fn additional_fields(model: &Model, fields: &Map<String, Value>, body: &Value) -> Result<(), Fault> {
    match model.facts.format {
        Format::Claude => {
            const CONFLICTING: [&str; 7] = [
                "anthropic_version",
                "max_tokens",
                "messages",
                "system",
                "temperature",
                "top_p",
                "stop_sequences",
            ];
            let choice = fields.get("tool_choice").is_some_and(|choice| choice.get("type").is_some())
                && body["toolConfig"].get("toolChoice").is_some();
            let conflict = CONFLICTING.iter().copied().find(|name| fields.contains_key(*name));
            if let Some(name) = conflict.or(choice.then_some("tool_choice")) {
                return Err(Fault::validation(format!(
                    "The additional field {name} conflicts with an existing field. Remove {name} or the existing \
                     field and try again."
                )));
            }
            match fields.keys().find(|key| !CLAUDE_FIELDS.contains(&key.as_str())) {
                Some(key) => Err(from_model(&format!("{key}: Extra inputs are not permitted"))),
                None => Ok(()),
            }
        }
        Format::Nova if model.can(Can::Reasoning) => {
            only(fields, "", &["inferenceConfig", "reasoningConfig"])
        }
        Format::Nova => only(fields, "", &["inferenceConfig"]),
        Format::Foreign => only(fields, "", &CHAT_FIELDS),
        Format::Llama | Format::Titan | Format::TitanEmbed | Format::CohereEmbed | Format::NovaEmbed => {
            only(fields, "", &[])
        }
    }
}

fn parameters(body: &Value) -> Parameters<'_> {
    let config = &body["inferenceConfig"];
    let fields = &body["additionalModelRequestFields"];
    let choice = &body["toolConfig"]["toolChoice"];
    let effort = fields["output_config"].get("effort").or_else(|| body["outputConfig"].get("effort"));
    Parameters {
        temperature: config["temperature"].as_f64(),
        top_p: config["topP"].as_f64(),
        top_k: fields.get("top_k"),
        thinking: fields.get("thinking"),
        effort,
        max_tokens: config["maxTokens"].as_u64(),
        forced: choice.get("any").is_some() || choice.get("tool").is_some(),
        prefilled: list(&body["messages"]).last().is_some_and(|last| last["role"] == "assistant"),
        interleaved: strings(&fields["anthropic_beta"])
            .iter()
            .any(|beta| beta.starts_with("interleaved-thinking")),
    }
}

fn cache_points(body: &Value) -> Result<(), Fault> {
    let messages = list(&body["messages"]).iter().flat_map(|message| list(&message["content"]));
    let points = list(&body["system"])
        .iter()
        .chain(list(&body["toolConfig"]["tools"]))
        .chain(messages)
        .filter(|block| block.get("cachePoint").is_some())
        .count();
    if points > 4 {
        return Err(from_model(&format!(
            "A maximum of 4 blocks with cache_control may be provided. Found {points}."
        )));
    }
    Ok(())
}

/// The members that change no answer of the simulator.
fn the_rest(model: &Model, request: &Map<String, Value>) -> Result<(), Fault> {
    if let Some(paths) = request.get("additionalModelResponseFieldPaths") {
        let at = "/additionalModelResponseFieldPaths";
        let paths = array(paths, at)?;
        for path in paths {
            let path = string(path, at)?;
            if !path.starts_with('/') || path.len() > 256 || paths.len() > 10 {
                return Err(Fault::validation(format!("The path {path} is not a valid JSON pointer.")));
            }
        }
    }
    if let Some(tier) = request.get("serviceTier") {
        let tier = object(tier, "/serviceTier")?;
        let kinds = ["priority", "default", "flex", "reserved"];
        one_of(required(tier, "/serviceTier", "type")?, "/serviceTier/type", &kinds)?;
    }
    if let Some(config) = request.get("performanceConfig") {
        let config = object(config, "/performanceConfig")?;
        let kinds = ["standard", "optimized"];
        one_of(required(config, "/performanceConfig", "latency")?, "/performanceConfig/latency", &kinds)?;
    }
    if let Some(metadata) = request.get("requestMetadata") {
        request_metadata(object(metadata, "/requestMetadata")?)?;
    }
    if let Some(config) = request.get("guardrailConfig") {
        let at = "/guardrailConfig";
        let config = object(config, at)?;
        only(config, at, &["guardrailIdentifier", "guardrailVersion", "trace", "streamProcessingMode"])?;
    }
    match request.get("outputConfig") {
        Some(config) => output_config(model, object(config, "/outputConfig")?),
        None => Ok(()),
    }
}

fn request_metadata(metadata: &Map<String, Value>) -> Result<(), Fault> {
    let allowed = |text: &str| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || c.is_whitespace() || ":_@$#=/+,-.".contains(c))
            && text.len() <= 256
    };
    let fits = |(key, value): (&String, &Value)| {
        !key.is_empty() && allowed(key) && value.as_str().is_some_and(allowed)
    };
    if metadata.is_empty() || metadata.len() > 16 || !metadata.iter().all(fits) {
        return Err(Fault::malformed("/requestMetadata", "1 to 16 pairs of at most 256 plain characters"));
    }
    Ok(())
}

fn output_config(model: &Model, config: &Map<String, Value>) -> Result<(), Fault> {
    let at = "/outputConfig";
    only(config, at, &["textFormat", "effort"])?;
    let Some(format) = config.get("textFormat") else { return Ok(()) };
    if !model.can(Can::JsonSchema) {
        return Err(Fault::validation(
            "This model doesn't support the outputConfig.textFormat field. Remove outputConfig.textFormat and try \
             again.",
        ));
    }
    let format = object(format, at)?;
    only(format, at, &["type", "structure"])?;
    one_of(required(format, at, "type")?, "/outputConfig/textFormat/type", &["json_schema"])?;
    let schema = string(&format.get("structure").unwrap_or(&Value::Null)["jsonSchema"]["schema"], at)?;
    let schema: Value = serde_json::from_str(schema)
        .map_err(|error| Fault::validation(format!("The JSON schema is not valid JSON: {error}")))?;
    schema::compiles(&schema).map_err(|why| from_model(&format!("output_config.format.schema: {why}")))
}
