//! The request of Converse and `ConverseStream` as a whole.

use super::claude_rules::{self, Parameters};
use super::conversation::{self, from_model};
use super::{cache_points, fields, history, service_members, tools};
use crate::simulator::converse::{list, strings};
use crate::simulator::fault::Fault;
use crate::simulator::models::{Format, Model, Sampling};
use crate::simulator::shape::{object, only, whole, within};
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
/// Refuses what Bedrock would refuse.
pub(in crate::simulator) fn converse(model: &Model, body: &Value, streaming: bool) -> Result<(), Fault> {
    if model.facts.format.embeds() {
        return Err(Fault::validation(
            "This action doesn't support the model that you provided. Try again with a supported text or chat \
             model.",
        ));
    }
    let request = object(body, "")?;
    only(request, "", &MEMBERS)?;
    if let Some(system) = request.get("system") {
        conversation::system(model, system)?;
    }
    conversation::messages(model, request.get("messages").unwrap_or(&Value::Array(Vec::new())))?;
    tools::tools(model, body, streaming)?;
    if let Some(config) = request.get("inferenceConfig") {
        inference_config(model, object(config, "/inferenceConfig")?)?;
    }
    if let Some(fields) = request.get("additionalModelRequestFields") {
        fields::check(model, object(fields, "/additionalModelRequestFields")?, body)?;
    }
    if model.facts.format == Format::Claude {
        claude_rules::check(model, &parameters(body)).map_err(|why| from_model(&why))?;
        history::converse(body).map_err(|why| from_model(&why))?;
    }
    cache_points::converse(model, body)?;
    service_members::check(model, request, streaming)
}

fn inference_config(model: &Model, config: &Map<String, Value>) -> Result<(), Fault> {
    let at = "/inferenceConfig";
    only(config, at, &["maxTokens", "temperature", "topP", "stopSequences"])?;
    if let Some(limit) = config.get("maxTokens") {
        let limit = whole(limit, "/inferenceConfig/maxTokens", model.facts.min_tokens)?;
        let most = model.max_tokens;
        if limit > most || limit == most && model.excludes_its_limit() {
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
        betas: strings(&fields["anthropic_beta"]),
        user: fields["metadata"].get("user_id"),
    }
}
