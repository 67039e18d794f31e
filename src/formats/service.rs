//! How a call is to be served, on InvokeModel: headers, because the body is the model's own. (Converse has members for it.)
//!
//! Names: the service model of `bedrock-runtime` (botocore 1.44.5), operation `InvokeModel`.

use std::collections::BTreeMap;

use crate::chat::{Guardrail, GuardrailTrace, InvalidRequest, Latency, Service, ServiceTier};

/// The longest value that Bedrock takes for all metadata together.
const LONGEST_METADATA: usize = 8500;

/// The headers for `service`: (name, value).
pub(super) fn invoke_headers(service: &Service) -> Result<Vec<(&'static str, String)>, InvalidRequest> {
    let Service { metadata, cache_key: _, tier, latency, guardrail, reply_fields: _ } = service;
    let mut headers = Vec::new();
    if let Some(Guardrail { id, version, trace, synchronous: _ }) = guardrail {
        headers.push(("x-amzn-bedrock-guardrailidentifier", id.clone()));
        headers.push(("x-amzn-bedrock-guardrailversion", version.clone()));
        headers.push(("x-amzn-bedrock-trace", guardrail_trace(*trace).to_ascii_uppercase()));
    }
    if let Some(latency) = latency {
        headers.push(("x-amzn-bedrock-performanceconfig-latency", latency_word(*latency).to_owned()));
    }
    if let Some(tier) = tier {
        headers.push(("x-amzn-bedrock-service-tier", tier_word(*tier).to_owned()));
    }
    if !metadata.is_empty() {
        headers.push(("x-amzn-bedrock-request-metadata", metadata_json(metadata)?));
    }
    Ok(headers)
}

/// Bedrock has no word for "to nobody but the gateway".
pub(super) fn guardrail_trace(trace: GuardrailTrace) -> &'static str {
    match trace {
        GuardrailTrace::Inside | GuardrailTrace::Shown => "enabled",
        GuardrailTrace::Full => "enabled_full",
    }
}

pub(super) fn latency_word(latency: Latency) -> &'static str {
    match latency {
        Latency::Standard => "standard",
        Latency::Optimized => "optimized",
    }
}

pub(super) fn tier_word(tier: ServiceTier) -> &'static str {
    match tier {
        ServiceTier::Default => "default",
        ServiceTier::Flex => "flex",
        ServiceTier::Priority => "priority",
        ServiceTier::Reserved => "reserved",
    }
}

/// Reads what Bedrock says of the tier that served a call; an unknown word is not guessed at.
pub(super) fn tier(word: &str) -> Option<ServiceTier> {
    [ServiceTier::Default, ServiceTier::Flex, ServiceTier::Priority, ServiceTier::Reserved]
        .into_iter()
        .find(|tier| tier_word(*tier) == word)
}

/// Header values are ASCII, and Bedrock's pattern for metadata is too, so nothing is escaped that it would take.
fn metadata_json(metadata: &[(String, String)]) -> Result<String, InvalidRequest> {
    let pairs: BTreeMap<&str, &str> =
        metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    match serde_json::to_string(&pairs) {
        Ok(json) if json.len() <= LONGEST_METADATA => Ok(json),
        Ok(_) | Err(_) => Err(InvalidRequest::value(
            "metadata",
            format!("All metadata together is longer than {LONGEST_METADATA} characters."),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wish_has_its_header_and_silence_has_none() {
        assert_eq!(invoke_headers(&Service::default()).unwrap(), []);
        let service = Service {
            metadata: vec![("team".to_owned(), "a b".to_owned()), ("app".to_owned(), "x".to_owned())],
            cache_key: None,
            tier: Some(ServiceTier::Flex),
            latency: Some(Latency::Optimized),
            guardrail: Some(Guardrail {
                id: "g1".to_owned(),
                version: "3".to_owned(),
                trace: GuardrailTrace::Inside,
                synchronous: None,
            }),
            reply_fields: Vec::new(),
        };
        let value = |text: &str| text.to_owned();
        assert_eq!(
            invoke_headers(&service).unwrap(),
            [
                ("x-amzn-bedrock-guardrailidentifier", value("g1")),
                ("x-amzn-bedrock-guardrailversion", value("3")),
                ("x-amzn-bedrock-trace", value("ENABLED")),
                ("x-amzn-bedrock-performanceconfig-latency", value("optimized")),
                ("x-amzn-bedrock-service-tier", value("flex")),
                ("x-amzn-bedrock-request-metadata", value(r#"{"app":"x","team":"a b"}"#)),
            ]
        );
    }

    #[test]
    fn metadata_beyond_bedrocks_bound_is_refused() {
        let service = Service { metadata: vec![("k".to_owned(), "v".repeat(9000))], ..Service::default() };
        assert_eq!(invoke_headers(&service).unwrap_err().param.as_deref(), Some("metadata"));
    }
}
