//! What the service itself takes beside a conversation: guardrail, tier, latency, metadata, structured output.

use super::conversation::from_model;
use super::schema;
use crate::simulator::converse::list;
use crate::simulator::fault::Fault;
use crate::simulator::models::{Can, Format, Model};
use crate::simulator::shape::{array, object, one_of, only, required, string};
use serde_json::{Map, Value};

/// Models that can be asked to hurry, by a part of their ids.
const HURRIED: [&str; 5] = ["nova-pro", "nova-premier", "claude-3-5-haiku", "llama3-1-70b", "llama3-1-405b"];
/// Providers whose models have no tier but the default one; AWS's cards say "Standard only".
const ONE_TIER: [&str; 5] = ["ai21", "anthropic", "cohere", "meta", "writer"];

/// Checks them in a Converse request.
pub(super) fn check(model: &Model, request: &Map<String, Value>, streaming: bool) -> Result<(), Fault> {
    if let Some(paths) = request.get("additionalModelResponseFieldPaths") {
        response_paths(array(paths, "/additionalModelResponseFieldPaths")?)?;
    }
    if let Some(tier) = request.get("serviceTier") {
        let tier = object(tier, "/serviceTier")?;
        only(tier, "/serviceTier", &["type"])?;
        let kind = required(tier, "/serviceTier", "type")?;
        one_of(kind, "/serviceTier/type", &["priority", "default", "flex", "reserved"])?;
        self::tier(model, kind.as_str().unwrap_or_default())?;
    }
    if let Some(config) = request.get("performanceConfig") {
        let config = object(config, "/performanceConfig")?;
        only(config, "/performanceConfig", &["latency"])?;
        let latency = required(config, "/performanceConfig", "latency")?;
        one_of(latency, "/performanceConfig/latency", &["standard", "optimized"])?;
        self::latency(model, latency.as_str().unwrap_or_default())?;
    }
    if let Some(metadata) = request.get("requestMetadata") {
        request_metadata(object(metadata, "/requestMetadata")?)?;
    }
    if let Some(config) = request.get("guardrailConfig") {
        guardrail_config(object(config, "/guardrailConfig")?, streaming)?;
    }
    match request.get("outputConfig") {
        Some(config) => output_config(model, object(config, "/outputConfig")?, request),
        None => Ok(()),
    }
}

/// Whether a model has this tier.
pub(in crate::simulator) fn tier(model: &Model, tier: &str) -> Result<(), Fault> {
    if matches!(tier, "priority" | "flex") && ONE_TIER.contains(&model.provider()) {
        return Err(Fault::validation(format!(
            "This model doesn't support the {tier} service tier. Remove serviceTier and try again."
        )));
    }
    Ok(())
}

/// Whether a model can be asked to hurry.
pub(in crate::simulator) fn latency(model: &Model, latency: &str) -> Result<(), Fault> {
    if latency == "optimized" && !HURRIED.iter().any(|part| model.id.contains(part)) {
        return Err(Fault::validation(format!(
            "Latency performance configuration is not supported for {}. Remove performanceConfig and try again.",
            model.id
        )));
    }
    Ok(())
}

fn response_paths(paths: &[Value]) -> Result<(), Fault> {
    if paths.len() > 10 {
        return Err(Fault::malformed(
            "/additionalModelResponseFieldPaths",
            "expected maximum item count: 10",
        ));
    }
    for path in paths {
        let path = string(path, "/additionalModelResponseFieldPaths")?;
        let escapes = path.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if !path.starts_with('/') || path.len() > 256 || !escapes {
            return Err(Fault::validation(format!("The path {path} is not a valid JSON pointer.")));
        }
    }
    Ok(())
}

/// 1 to 16 pairs of few characters.
pub(in crate::simulator) fn request_metadata(metadata: &Map<String, Value>) -> Result<(), Fault> {
    let allowed = |text: &str| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || c.is_whitespace() || ":_@$#=/+,-.".contains(c))
            && text.chars().count() <= 256
    };
    let fits = |(key, value): (&String, &Value)| {
        !key.is_empty() && allowed(key) && value.as_str().is_some_and(allowed)
    };
    if metadata.is_empty() || metadata.len() > 16 || !metadata.iter().all(fits) {
        return Err(Fault::malformed("/requestMetadata", "1 to 16 pairs of at most 256 plain characters"));
    }
    Ok(())
}

fn guardrail_config(config: &Map<String, Value>, streaming: bool) -> Result<(), Fault> {
    let at = "/guardrailConfig";
    // Converse itself has no way to stream.
    let known = ["guardrailIdentifier", "guardrailVersion", "trace", "streamProcessingMode"];
    only(config, at, known.get(..if streaming { 4 } else { 3 }).unwrap_or_default())?;
    let id = string(required(config, at, "guardrailIdentifier")?, at)?;
    guardrail(id, string(required(config, at, "guardrailVersion")?, at)?)?;
    if let Some(trace) = config.get("trace") {
        one_of(trace, "/guardrailConfig/trace", &["enabled", "disabled", "enabled_full"])?;
    }
    match config.get("streamProcessingMode") {
        Some(mode) => one_of(mode, "/guardrailConfig/streamProcessingMode", &["sync", "async"]),
        None => Ok(()),
    }
}

/// An id or ARN, and `DRAFT` or a number.
pub(in crate::simulator) fn guardrail(id: &str, version: &str) -> Result<(), Fault> {
    let name = match id.strip_prefix("arn:") {
        Some(arn) => arn.rsplit_once(":guardrail/").map_or("", |(_, name)| name),
        None => id,
    };
    let fits = |text: &str, allowed: fn(char) -> bool| !text.is_empty() && text.chars().all(allowed);
    let numbered = fits(version, |c| c.is_ascii_digit()) && !version.starts_with('0') && version.len() <= 8;
    if id.len() > 2048 || !fits(name, |c| c.is_ascii_lowercase() || c.is_ascii_digit()) {
        return Err(Fault::validation(format!(
            "1 validation error detected: Value '{id}' at 'guardrailIdentifier' failed to satisfy constraint: Member \
             must satisfy regular expression pattern: (|([a-z0-9]+)|(arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{{1,20}}:\
             [0-9]{{12}}:guardrail/[a-z0-9]+))"
        )));
    }
    if version != "DRAFT" && !numbered {
        return Err(Fault::validation(format!(
            "1 validation error detected: Value '{version}' at 'guardrailVersion' failed to satisfy constraint: \
             Member must satisfy regular expression pattern: (|([1-9][0-9]{{0,7}})|(DRAFT))"
        )));
    }
    Ok(())
}

/// `amazon-bedrock-guardrailConfig` of the native bodies.
pub(in crate::simulator) fn native_guardrail_config(config: &Value) -> Result<(), Fault> {
    let at = "/amazon-bedrock-guardrailConfig";
    let config = object(config, at)?;
    only(config, at, &["tagSuffix", "streamProcessingMode"])?;
    if let Some(suffix) = config.get("tagSuffix") {
        let suffix = string(suffix, at)?;
        if suffix.is_empty() || suffix.len() > 20 || !suffix.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(Fault::malformed(at, "tagSuffix has 1 to 20 letters and digits"));
        }
    }
    let Some(mode) = config.get("streamProcessingMode") else { return Ok(()) };
    if mode.as_str().is_some_and(|mode| {
        ["SYNCHRONOUS", "ASYNCHRONOUS"].iter().any(|known| known.eq_ignore_ascii_case(mode))
    }) {
        return Ok(());
    }
    one_of(mode, at, &["SYNCHRONOUS", "ASYNCHRONOUS"])
}

fn output_config(
    model: &Model,
    config: &Map<String, Value>,
    request: &Map<String, Value>,
) -> Result<(), Fault> {
    let at = "/outputConfig";
    only(config, at, &["textFormat", "effort"])?;
    if let Some(effort) = config.get("effort") {
        one_of(effort, "/outputConfig/effort", &["low", "medium", "high", "xhigh", "max"])?;
        if model.facts.format != Format::Claude {
            return Err(Fault::validation(
                "This model doesn't support the outputConfig.effort field. Remove outputConfig.effort and try again.",
            ));
        }
    }
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
    let at = "/outputConfig/textFormat/structure";
    let structure = object(required(format, at, "structure")?, at)?;
    only(structure, at, &["jsonSchema"])?;
    let described = object(required(structure, at, "jsonSchema")?, at)?;
    only(described, at, &["schema", "name", "description"])?;
    let schema: Value = serde_json::from_str(string(required(described, at, "schema")?, at)?)
        .map_err(|error| Fault::validation(format!("The JSON schema is not valid JSON: {error}")))?;
    if cites(request) {
        return Err(from_model(
            "output_config.format: Citations cannot be used together with structured outputs",
        ));
    }
    schema::compiles(model, &schema).map_err(|why| from_model(&format!("output_config.format.schema: {why}")))
}

fn cites(request: &Map<String, Value>) -> bool {
    let messages = request.get("messages").unwrap_or(&Value::Null);
    list(messages).iter().flat_map(|message| list(&message["content"])).any(|block| {
        ["document", "searchResult"].iter().any(|kind| block[*kind]["citations"]["enabled"] == true)
    })
}
