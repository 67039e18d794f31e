//! The control plane's listings: foundation models and inference profiles.

use super::Options;
use super::fault::Fault;
use super::models::{self, Can, Model};
use super::reply::Reply;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

const REGION: &str = "us-east-1";
/// The account in ARNs of inference profiles.
const ACCOUNT: &str = "123456789012";

/// `ListFoundationModels`: everything at once, filtered.
pub(super) fn models(query: &str) -> Result<Reply, Fault> {
    for (name, _) in pairs(query) {
        if !["byProvider", "byCustomizationType", "byOutputModality", "byInferenceType"]
            .contains(&name.as_str())
        {
            return Err(Fault::validation(format!("Unknown query parameter {name}.")));
        }
    }
    let fits =
        |name: &str, has: &dyn Fn(&str) -> bool| parameter(query, name).is_none_or(|value| has(&value));
    let summaries: Vec<Value> = models::all()
        .iter()
        .filter(|model| {
            fits("byProvider", &|provider| provider_name(model).eq_ignore_ascii_case(provider))
                && fits("byOutputModality", &|modality| output(model) == modality)
                && fits("byInferenceType", &|kind| inference_types(model).contains(&kind))
                && fits("byCustomizationType", &|_| false)
        })
        .map(summary)
        .collect();
    Ok(Reply::json(200, &json!({"modelSummaries": summaries})))
}

/// `GetFoundationModel`.
pub(super) fn model(id: &str) -> Result<Reply, Fault> {
    match models::find(id).filter(|named| !named.profile) {
        Some(named) => Ok(Reply::json(200, &json!({"modelDetails": summary(named.model)}))),
        None => {
            Err(Fault::new(404, "ResourceNotFoundException", format!("Could not resolve the model {id}.")))
        }
    }
}

/// `ListInferenceProfiles`: in pages.
pub(super) fn profiles(options: &Options, query: &str) -> Result<Reply, Fault> {
    let number = |name: &str| -> Result<Option<usize>, Fault> {
        let Some(text) = parameter(query, name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Fault::validation(format!("The value of {name} is not valid.")))
    };
    let size = number("maxResults")?.unwrap_or(100);
    if !(1..=1000).contains(&size) {
        return Err(Fault::validation("maxResults must be between 1 and 1000."));
    }
    let start = number("nextToken")?.unwrap_or(0);
    let wanted = parameter(query, "type").or_else(|| parameter(query, "typeEquals"));
    let all: Vec<Value> = all_profiles(options)
        .into_iter()
        .filter(|profile| wanted.as_deref().is_none_or(|kind| profile["type"] == kind))
        .collect();
    let end = start.saturating_add(size);
    let page: Vec<&Value> = all.iter().skip(start).take(size).collect();
    let mut reply = json!({"inferenceProfileSummaries": page});
    if end < all.len() {
        reply["nextToken"] = json!(end.to_string());
    }
    Ok(Reply::json(200, &reply))
}

/// `GetInferenceProfile`, by id or ARN.
pub(super) fn profile(options: &Options, id: &str) -> Result<Reply, Fault> {
    all_profiles(options)
        .iter()
        .find(|profile| profile["inferenceProfileId"] == id || profile["inferenceProfileArn"] == id)
        .map(|profile| Reply::json(200, profile))
        .ok_or_else(|| Fault::new(404, "ResourceNotFoundException", "Could not find the inference profile."))
}

fn all_profiles(options: &Options) -> Vec<Value> {
    let system = models::all().iter().flat_map(|model| {
        model.profile_prefixes().map(|prefix| {
            let id = format!("{prefix}.{}", model.id);
            let arn = format!("arn:aws:bedrock:{REGION}:{ACCOUNT}:inference-profile/{id}");
            described(&id, &arn, "SYSTEM_DEFINED", model)
        })
    });
    let application = options.application_profiles.iter().filter_map(|(arn, id)| {
        let model = models::find(id)?.model;
        let id = arn.rsplit_once('/').map_or(arn.as_str(), |(_, id)| id);
        Some(described(id, arn, "APPLICATION", model))
    });
    system.chain(application).collect()
}

fn described(id: &str, arn: &str, kind: &str, model: &Model) -> Value {
    json!({
        "inferenceProfileId": id,
        "inferenceProfileArn": arn,
        "inferenceProfileName": model.short_name(),
        "description": format!("Routes requests to {}.", model.id),
        "models": [{"modelArn": model_arn(model)}],
        "status": "ACTIVE",
        "type": kind,
        "createdAt": "2026-01-01T00:00:00Z",
        "updatedAt": "2026-01-01T00:00:00Z",
    })
}

fn summary(model: &Model) -> Value {
    let mut input = vec!["TEXT"];
    if model.can(Can::Images) {
        input.push("IMAGE");
    }
    if model.can(Can::Video) {
        input.push("VIDEO");
    }
    json!({
        "modelId": model.id,
        "modelArn": model_arn(model),
        "modelName": model.short_name(),
        "providerName": provider_name(model),
        "inputModalities": input,
        "outputModalities": [output(model)],
        "responseStreamingSupported": output(model) == "TEXT",
        "customizationsSupported": [],
        "inferenceTypesSupported": inference_types(model),
        "modelLifecycle": {"status": if model.legacy { "LEGACY" } else { "ACTIVE" }},
    })
}

fn model_arn(model: &Model) -> String {
    format!("arn:aws:bedrock:{REGION}::foundation-model/{}", model.id)
}

fn inference_types(model: &Model) -> Vec<&'static str> {
    vec![if model.on_demand { "ON_DEMAND" } else { "INFERENCE_PROFILE" }]
}

fn output(model: &Model) -> &'static str {
    if model.facts.format.embeds() { "EMBEDDING" } else { "TEXT" }
}

fn provider_name(model: &Model) -> &'static str {
    match model.provider() {
        "ai21" => "AI21 Labs",
        "amazon" => "Amazon",
        "anthropic" => "Anthropic",
        "cohere" => "Cohere",
        "deepseek" => "DeepSeek",
        "google" => "Google",
        "meta" => "Meta",
        "minimax" => "MiniMax",
        "mistral" => "Mistral AI",
        "moonshot" | "moonshotai" => "Moonshot AI",
        "nvidia" => "NVIDIA",
        "openai" => "OpenAI",
        "qwen" => "Qwen",
        "writer" => "Writer",
        "xai" => "xAI",
        "zai" => "Z.ai",
        other => other,
    }
}

fn parameter(query: &str, name: &str) -> Option<String> {
    pairs(query).find_map(|(known, value)| (known == name).then_some(value))
}

fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    query.split('&').filter(|pair| !pair.is_empty()).map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}
