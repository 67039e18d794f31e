//! What the native operations are told in headers: guardrail, tier, latency and metadata.

use super::fault::Fault;
use super::models::Model;
use super::reply::Reply;
use super::shape::one_of;
use super::turn::Guardrail;
use super::validate;
use http::HeaderMap;
use serde_json::Value;

const LATENCY: &str = "X-Amzn-Bedrock-PerformanceConfig-Latency";
const TIER: &str = "X-Amzn-Bedrock-Service-Tier";
/// The longest metadata.
const METADATA_LIMIT: usize = 8_500;

/// The wishes of a request.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    pub(super) guardrail: Option<Guardrail>,
    latency: Option<String>,
    tier: Option<String>,
}

impl Wishes {
    /// Reads and checks the headers of a native call with this body.
    pub(super) fn read(headers: &HeaderMap, body: &Value) -> Result<Self, Fault> {
        let id = value(headers, "X-Amzn-Bedrock-GuardrailIdentifier")?;
        let version = value(headers, "X-Amzn-Bedrock-GuardrailVersion")?;
        let trace = value(headers, "X-Amzn-Bedrock-Trace")?;
        if let Some(trace) = trace {
            one_of(&Value::from(trace), "/trace", &["ENABLED", "DISABLED", "ENABLED_FULL"])?;
        }
        let guardrail = match (id, version) {
            (Some(id), Some(version)) => {
                validate::guardrail(id, version)?;
                Some(Guardrail { traced: trace.is_some_and(|trace| trace != "DISABLED") })
            }
            (None, None) => None,
            _ => {
                return Err(Fault::validation(
                    "Guardrail identifier and guardrail version must be provided together.",
                ));
            }
        };
        if let Some(config) = body.get("amazon-bedrock-guardrailConfig") {
            validate::native_guardrail_config(config)?;
            if guardrail.is_none() {
                return Err(Fault::validation(
                    "The amazon-bedrock-guardrailConfig field needs a guardrail identifier and version.",
                ));
            }
        }
        let latency = value(headers, LATENCY)?;
        if let Some(latency) = latency {
            one_of(&Value::from(latency), "/performanceConfigLatency", &["standard", "optimized"])?;
        }
        let tier = value(headers, TIER)?;
        if let Some(tier) = tier {
            one_of(&Value::from(tier), "/serviceTier", &["priority", "default", "flex", "reserved"])?;
        }
        if let Some(metadata) = value(headers, "X-Amzn-Bedrock-Request-Metadata")? {
            match serde_json::from_str(metadata) {
                Ok(Value::Object(pairs)) if metadata.len() <= METADATA_LIMIT => {
                    validate::request_metadata(&pairs)?;
                }
                _ => {
                    return Err(Fault::malformed(
                        "/requestMetadata",
                        "expected a JSON map of 8500 characters",
                    ));
                }
            }
        }
        Ok(Self { guardrail, latency: latency.map(str::to_owned), tier: tier.map(str::to_owned) })
    }

    /// Refuses what this model can't grant.
    pub(super) fn check(&self, model: &Model) -> Result<(), Fault> {
        if let Some(latency) = &self.latency {
            validate::latency(model, latency)?;
        }
        match &self.tier {
            Some(tier) => validate::tier(model, tier),
            None => Ok(()),
        }
    }

    /// Repeats what was granted in the headers of the reply.
    pub(super) fn granted(&self, mut reply: Reply) -> Reply {
        for (name, value) in [(LATENCY, &self.latency), (TIER, &self.tier)] {
            if let Some(value) = value {
                reply = reply.with_header(name, value);
            }
        }
        reply
    }
}

fn value<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Fault> {
    match headers.get(name).map(http::HeaderValue::to_str) {
        None => Ok(None),
        Some(Ok(value)) => Ok(Some(value)),
        Some(Err(_)) => Err(Fault::validation(format!("The header {name} is not plain text."))),
    }
}
