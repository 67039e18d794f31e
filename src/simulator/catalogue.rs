//! The control plane's listings: foundation models and inference profiles.

use super::converse::list;
use super::fault::Fault;
use super::models::{self, Can, Life, Model};
use super::reply::{Reply, Step};
use super::route::Operation;
use super::{Listings, Options};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

const REGION: &str = "us-east-1";
/// The account in ARNs of inference profiles.
const ACCOUNT: &str = "123456789012";

/// The Regions that a geographic profile calls, by its prefix; the first is where it was asked for.
const REGIONS: [(&str, &[&str]); 9] = [
    ("us", &["us-east-1", "us-east-2", "us-west-2"]),
    ("eu", &["eu-central-1", "eu-west-1", "eu-west-3"]),
    ("apac", &["ap-northeast-1", "ap-southeast-1", "ap-southeast-2"]),
    ("jp", &["ap-northeast-1", "ap-northeast-3"]),
    ("au", &["ap-southeast-2", "ap-southeast-4"]),
    ("ca", &["ca-central-1"]),
    ("in", &["ap-south-1"]),
    ("us-gov", &["us-gov-west-1"]),
    // Everywhere is an ARN without a Region.
    ("global", &["us-east-1", ""]),
];

/// Answers an operation of the control plane, as the options have it.
pub(super) fn reply(options: &Options, operation: Operation, id: &str, query: &str) -> Result<Reply, Fault> {
    match options.listings {
        Listings::Open | Listings::Slow(_) => {}
        Listings::Denied => {
            return Err(Fault::new(
                403,
                "AccessDeniedException",
                format!(
                    "User: arn:aws:iam::{ACCOUNT}:user/simulated is not authorized to perform: bedrock:{operation:?} \
                     because no identity-based policy allows the bedrock:{operation:?} action"
                ),
            ));
        }
        Listings::Failing => {
            return Err(Fault::new(
                500,
                "InternalServerException",
                "The system encountered an unexpected error during processing. Try your request again.",
            ));
        }
    }
    let reply = match operation {
        Operation::ListFoundationModels => models(options, query)?,
        Operation::GetFoundationModel => model(options, id)?,
        Operation::ListInferenceProfiles => profiles(options, query)?,
        _ => profile(options, id)?,
    };
    Ok(match options.listings {
        Listings::Slow(delay) => reply.after(Step::Delay(delay)),
        Listings::Open | Listings::Denied | Listings::Failing => reply,
    })
}

/// `ListFoundationModels`: everything at once, filtered.
fn models(options: &Options, query: &str) -> Result<Reply, Fault> {
    for (name, _) in pairs(query) {
        if !["byProvider", "byCustomizationType", "byOutputModality", "byInferenceType"]
            .contains(&name.as_str())
        {
            return Err(Fault::validation(format!("Unknown query parameter {name}.")));
        }
    }
    let wanted =
        |name: &str, fits: &dyn Fn(&str) -> bool| parameter(query, name).is_none_or(|value| fits(&value));
    let listed =
        |summary: &Value, name: &str, value: &str| list(&summary[name]).iter().any(|known| known == value);
    let summaries: Vec<Value> = summaries(options)
        .into_iter()
        .filter(|summary| {
            let provider = summary["providerName"].as_str().unwrap_or_default();
            wanted("byProvider", &|wanted| provider.eq_ignore_ascii_case(wanted))
                && wanted("byOutputModality", &|modality| listed(summary, "outputModalities", modality))
                && wanted("byInferenceType", &|kind| listed(summary, "inferenceTypesSupported", kind))
                && wanted("byCustomizationType", &|_| false)
        })
        .collect();
    Ok(Reply::json(200, &json!({"modelSummaries": summaries})))
}

/// `GetFoundationModel`, by id or ARN.
fn model(options: &Options, id: &str) -> Result<Reply, Fault> {
    summaries(options)
        .into_iter()
        .find(|summary| summary["modelId"] == id || summary["modelArn"] == id)
        .map(|summary| Reply::json(200, &json!({"modelDetails": summary})))
        .ok_or_else(|| {
            Fault::new(404, "ResourceNotFoundException", format!("Could not resolve the model {id}."))
        })
}

/// The models of the table, their provisioned variants, and those of the options.
fn summaries(options: &Options) -> Vec<Value> {
    let mut summaries = Vec::new();
    for known in models::all().iter().filter(|model| options.serves(model)) {
        summaries.push(summary(options, known.id, known));
        if known.id.starts_with("anthropic.claude-3-haiku") {
            // What can be bought by the hour is listed beside what can be called.
            for size in ["48k", "200k"] {
                let mut provisioned = summary(options, &format!("{}:{size}", known.id), known);
                provisioned["inferenceTypesSupported"] = json!(["PROVISIONED"]);
                summaries.push(provisioned);
            }
        }
    }
    let extra = options.extra_models.iter().filter_map(|(id, like)| {
        let mut summary = summary(options, id, models::find(like)?.model);
        summary["inferenceTypesSupported"] = json!(["ON_DEMAND"]);
        Some(summary)
    });
    summaries.extend(extra);
    summaries
}

/// `ListInferenceProfiles`: in pages.
fn profiles(options: &Options, query: &str) -> Result<Reply, Fault> {
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
fn profile(options: &Options, id: &str) -> Result<Reply, Fault> {
    all_profiles(options)
        .iter()
        .find(|profile| profile["inferenceProfileId"] == id || profile["inferenceProfileArn"] == id)
        .map(|profile| Reply::json(200, profile))
        .ok_or_else(|| Fault::new(404, "ResourceNotFoundException", "Could not find the inference profile."))
}

fn all_profiles(options: &Options) -> Vec<Value> {
    let system = models::all().iter().filter(|model| options.serves(model)).flat_map(|model| {
        model.profile_prefixes().map(|prefix| {
            let id = format!("{prefix}.{}", model.id);
            let arn = format!("arn:aws:bedrock:{REGION}:{ACCOUNT}:inference-profile/{id}");
            let regions = REGIONS.iter().find_map(|(known, regions)| (*known == prefix).then_some(*regions));
            described(&id, &arn, "SYSTEM_DEFINED", model, regions.unwrap_or(&[REGION]))
        })
    });
    let application = options.application_profiles.iter().filter_map(|(arn, id)| {
        let model = models::find(id)?.model;
        let id = arn.rsplit_once('/').map_or(arn.as_str(), |(_, id)| id);
        Some(described(id, arn, "APPLICATION", model, &[REGION]))
    });
    system.chain(application).collect()
}

fn described(id: &str, arn: &str, kind: &str, model: &Model, regions: &[&str]) -> Value {
    let models: Vec<Value> =
        regions.iter().map(|region| json!({"modelArn": model_arn(model.id, region)})).collect();
    json!({
        "inferenceProfileId": id,
        "inferenceProfileArn": arn,
        "inferenceProfileName": model.short_name(),
        "description": format!("Routes requests to {}.", model.id),
        "models": models,
        "status": "ACTIVE",
        "type": kind,
        "createdAt": "2026-01-01T00:00:00Z",
        "updatedAt": "2026-01-01T00:00:00Z",
    })
}

fn summary(options: &Options, id: &str, model: &Model) -> Value {
    let mut input = vec!["TEXT"];
    for (can, modality) in [(Can::Images, "IMAGE"), (Can::Video, "VIDEO"), (Can::Audio, "SPEECH")] {
        if model.can(can) {
            input.push(modality);
        }
    }
    json!({
        "modelId": id,
        "modelArn": model_arn(id, REGION),
        "modelName": model.short_name(),
        "providerName": provider_name(model),
        "inputModalities": input,
        "outputModalities": [output(model)],
        "responseStreamingSupported": output(model) == "TEXT",
        "customizationsSupported": [],
        "inferenceTypesSupported": inference_types(model),
        "modelLifecycle": lifecycle(options, id, model),
    })
}

/// The dates of a life. The ends of what is served are far away.
fn lifecycle(options: &Options, id: &str, model: &Model) -> Value {
    let retired = options.has_retired(model, id);
    if model.life == Life::Active && !retired {
        return json!({"status": "ACTIVE", "startOfLifeTime": "2025-01-01T00:00:00Z"});
    }
    let end = if retired { "2026-01-01T00:00:00Z" } else { "2100-01-01T00:00:00Z" };
    json!({
        "status": "LEGACY",
        "startOfLifeTime": "2024-01-01T00:00:00Z",
        "legacyTime": "2025-07-01T00:00:00Z",
        "publicExtendedAccessTime": "2025-10-01T00:00:00Z",
        "endOfLifeTime": end,
    })
}

fn model_arn(id: &str, region: &str) -> String {
    format!("arn:aws:bedrock:{region}::foundation-model/{id}")
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
