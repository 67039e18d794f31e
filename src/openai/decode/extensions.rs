//! What a request says about the service rather than about the answer: caching, tiers, metadata, and the `bedrock` object,
//! our own extension for what Bedrock has and OpenAI has no word for. Its members have Bedrock's own names.

use std::borrow::Cow;

use super::ledger::Ledger;
use super::object::{Array, Pairs, Str};
use super::path::Path;
use super::{invalid, missing, not_one_of, parse, wire};
use crate::chat::{
    CacheMode, CacheOptions, CachePoint, CacheTtl, Guardrail, GuardrailTrace, InvalidRequest, Latency,
    ModelField, Request, Service, ServiceTier,
};

/// OpenAI's bounds for `metadata`.
const MOST_METADATA: usize = 16;
const LONGEST_METADATA_KEY: usize = 64;
const LONGEST_METADATA_VALUE: usize = 512;

/// `metadata`: up to 16 pairs of short strings.
pub(super) fn metadata(
    wire: Option<Pairs<'_, Str<'_>>>,
    path: &Path<'_>,
) -> Result<Vec<(String, String)>, InvalidRequest> {
    let Some(Pairs(pairs)) = wire else { return Ok(Vec::new()) };
    if pairs.len() > MOST_METADATA {
        return Err(invalid(path, &format!("at most {MOST_METADATA} pairs are allowed")));
    }
    let mut metadata = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        if key.chars().count() > LONGEST_METADATA_KEY {
            let why = format!("a key is longer than {LONGEST_METADATA_KEY} characters");
            return Err(InvalidRequest { code: "string_above_max_length", ..invalid(path, &why) });
        }
        if value.chars().count() > LONGEST_METADATA_VALUE {
            let why = format!("a value is longer than {LONGEST_METADATA_VALUE} characters");
            return Err(InvalidRequest { code: "string_above_max_length", ..invalid(path, &why) });
        }
        metadata.push((key.into_owned(), value.into_owned()));
    }
    Ok(metadata)
}

/// `service_tier`: OpenAI's words; `auto` asks for nothing.
pub(super) fn tier(
    word: Option<&str>,
    path: &Path<'_>,
    ledger: &mut Ledger,
) -> Result<Option<ServiceTier>, InvalidRequest> {
    Ok(match word {
        None | Some("auto") => None,
        Some("default") => Some(ServiceTier::Default),
        Some("flex") => Some(ServiceTier::Flex),
        Some("priority" | "fast") => Some(ServiceTier::Priority),
        Some("scale") => {
            ledger.dropped(path, "no_equivalent");
            None
        }
        Some(_) => {
            return Err(not_one_of(path, &["auto", "default", "flex", "scale", "priority", "fast"]));
        }
    })
}

/// `prompt_cache_options`
pub(super) fn cache_options(
    wire: Option<wire::CacheOptions<'_>>,
    path: &Path<'_>,
    ledger: &mut Ledger,
) -> Result<CacheOptions, InvalidRequest> {
    let Some(wire::CacheOptions { mode, ttl, rest }) = wire else { return Ok(CacheOptions::default()) };
    ledger.unknown(path, &rest);
    let mode = match mode.as_deref() {
        None => None,
        // OpenAI's word, and the configuration's.
        Some("implicit" | "auto") => Some(CacheMode::Auto),
        Some("conversations") => Some(CacheMode::Conversations),
        Some("explicit") => Some(CacheMode::Explicit),
        Some(_) => {
            let words = ["implicit", "explicit", "auto", "conversations"];
            return Err(not_one_of(&path.member("mode"), &words));
        }
    };
    let ttl = ttl.map(|word| cache_ttl(&word, &path.member("ttl"), ledger)).transpose()?;
    Ok(CacheOptions { mode, ttl })
}

/// `prompt_cache_breakpoint` (OpenAI's) or `cache_control` (Anthropic's, which many clients send to any model).
pub(super) fn cache_point(
    breakpoint: Option<wire::CacheBreakpoint<'_>>,
    control: Option<wire::CacheControl<'_>>,
    path: &Path<'_>,
    ledger: &mut Ledger,
) -> Result<Option<CachePoint>, InvalidRequest> {
    if breakpoint.is_some() && control.is_some() {
        ledger.dropped(&path.member("cache_control"), "prompt_cache_breakpoint_wins");
    }
    if let Some(wire::CacheBreakpoint { mode, ttl, rest }) = breakpoint {
        let path = path.member("prompt_cache_breakpoint");
        ledger.unknown(&path, &rest);
        if let Some(mode) = mode
            && &*mode != "explicit"
        {
            return Err(not_one_of(&path.member("mode"), &["explicit"]));
        }
        let ttl = ttl.map(|word| cache_ttl(&word, &path.member("ttl"), ledger)).transpose()?;
        return Ok(Some(CachePoint { ttl }));
    }
    let Some(wire::CacheControl { kind, ttl, rest }) = control else { return Ok(None) };
    let path = path.member("cache_control");
    ledger.unknown(&path, &rest);
    match kind.as_deref() {
        Some("ephemeral") => {}
        Some(_) => return Err(not_one_of(&path.member("type"), &["ephemeral"])),
        None => return Err(missing(&path.member("type"))),
    }
    let ttl = ttl.map(|word| cache_ttl(&word, &path.member("ttl"), ledger)).transpose()?;
    Ok(Some(CachePoint { ttl }))
}

/// Bedrock keeps prompts for five minutes or an hour; OpenAI's words become the nearest that doesn't end sooner where there
/// is one.
fn cache_ttl(word: &str, path: &Path<'_>, ledger: &mut Ledger) -> Result<CacheTtl, InvalidRequest> {
    match word {
        "5m" => Ok(CacheTtl::FiveMinutes),
        "1h" => Ok(CacheTtl::OneHour),
        "30m" | "12h" | "24h" => {
            ledger.rewritten(path, "nearest_ttl");
            Ok(CacheTtl::OneHour)
        }
        _ => Err(not_one_of(path, &["5m", "30m", "1h", "12h"])),
    }
}

/// The `bedrock` object, into the request it belongs to.
pub(super) fn bedrock(
    wire: Option<wire::Bedrock<'_>>,
    request: &mut Request,
    ledger: &mut Ledger,
) -> Result<(), InvalidRequest> {
    let Some(wire::Bedrock {
        guardrail_config,
        performance_config,
        service_tier,
        request_metadata,
        additional_model_request_fields,
        additional_model_response_field_paths,
        rest,
    }) = wire
    else {
        return Ok(());
    };
    let root = Path::Root;
    let path = root.member("bedrock");
    ledger.unknown(&path, &rest);
    let Service { metadata: pairs, cache_key: _, tier, latency, guardrail, reply_fields } =
        &mut request.service;
    if let Some(wire) = guardrail_config {
        *guardrail = Some(guardrail_of(wire, &path.member("guardrailConfig"), ledger)?);
    }
    if let Some(wire::PerformanceConfig { latency: word, rest }) = performance_config {
        let path = path.member("performanceConfig");
        ledger.unknown(&path, &rest);
        *latency = Some(match word.as_deref() {
            Some("standard") => Latency::Standard,
            Some("optimized") => Latency::Optimized,
            Some(_) => return Err(not_one_of(&path.member("latency"), &["standard", "optimized"])),
            None => return Err(missing(&path.member("latency"))),
        });
    }
    if let Some(wire::TierConfig { kind, rest }) = service_tier {
        let path = path.member("serviceTier");
        ledger.unknown(&path, &rest);
        *tier = Some(match kind.as_deref() {
            Some("default") => ServiceTier::Default,
            Some("flex") => ServiceTier::Flex,
            Some("priority") => ServiceTier::Priority,
            Some("reserved") => ServiceTier::Reserved,
            Some(_) => {
                return Err(not_one_of(&path.member("type"), &["default", "flex", "priority", "reserved"]));
            }
            None => return Err(missing(&path.member("type"))),
        });
    }
    if request_metadata.is_some() {
        let path = path.member("requestMetadata");
        for (key, value) in metadata(request_metadata, &path)? {
            pairs.retain(|(known, _)| *known != key);
            pairs.push((key, value));
        }
    }
    if let Some(Pairs(fields)) = additional_model_request_fields {
        let path = path.member("additionalModelRequestFields");
        for (name, raw) in fields {
            let value = parse::json(raw, &path.member(&name))?;
            request.model_fields.push(ModelField { path: vec![Cow::Owned(name.into_owned())], value });
        }
    }
    if let Some(Array(paths)) = additional_model_response_field_paths {
        let path = path.member("additionalModelResponseFieldPaths");
        for (index, pointer) in paths.into_iter().enumerate() {
            if !pointer.starts_with('/') || pointer.len() > 256 {
                return Err(invalid(&path.item(index), "expected a JSON pointer of at most 256 characters"));
            }
            reply_fields.push(pointer.into_owned());
        }
    }
    Ok(())
}

fn guardrail_of(
    wire: wire::GuardrailConfig<'_>,
    path: &Path<'_>,
    ledger: &mut Ledger,
) -> Result<Guardrail, InvalidRequest> {
    let wire::GuardrailConfig { identifier, version, trace, stream_processing_mode, rest } = wire;
    ledger.unknown(path, &rest);
    let (id_path, version_path) = (path.member("guardrailIdentifier"), path.member("guardrailVersion"));
    let (id, version) = (parse::name(identifier, &id_path)?, parse::name(version, &version_path)?);
    if !is_guardrail(&id) {
        return Err(invalid(
            &id_path,
            "expected a guardrail's id (lower-case letters and digits) or its ARN (arn:aws:bedrock:…:guardrail/…)",
        ));
    }
    if !is_guardrail_version(&version) {
        return Err(invalid(&version_path, "expected a number of up to 8 digits, or DRAFT"));
    }
    Ok(Guardrail {
        id,
        version,
        trace: match trace.as_deref() {
            None | Some("disabled") => GuardrailTrace::Inside,
            Some("enabled") => GuardrailTrace::Shown,
            Some("enabled_full") => GuardrailTrace::Full,
            Some(_) => {
                return Err(not_one_of(&path.member("trace"), &["disabled", "enabled", "enabled_full"]));
            }
        },
        synchronous: match stream_processing_mode.as_deref() {
            None => None,
            Some("sync") => Some(true),
            Some("async") => Some(false),
            Some(_) => return Err(not_one_of(&path.member("streamProcessingMode"), &["sync", "async"])),
        },
    })
}

/// Bedrock's `GuardrailIdentifier`: `[a-z0-9]+` or `arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:guardrail/[a-z0-9]+`, at most
/// 2,048 characters. It becomes a header of models' own bodies, where anything else may not even be sendable.
fn is_guardrail(id: &str) -> bool {
    const LONGEST: usize = 2048;
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if id.len() > LONGEST {
        return false;
    }
    if is_name(id) {
        return true;
    }
    let parts: Vec<&str> = id.splitn(6, ':').collect();
    let ["arn", partition, "bedrock", region, account, resource] = *parts else { return false };
    let is_word =
        |word: &str| word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    (partition == "aws"
        || partition.strip_prefix("aws-").is_some_and(|rest| !rest.is_empty() && is_word(rest)))
        && (1..=20).contains(&region.len())
        && is_word(region)
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit())
        && resource.strip_prefix("guardrail/").is_some_and(is_name)
}

/// Bedrock's `GuardrailVersion`: `[1-9][0-9]{0,7}` or `DRAFT`.
fn is_guardrail_version(version: &str) -> bool {
    version == "DRAFT"
        || (1..=8).contains(&version.len())
            && !version.starts_with('0')
            && version.bytes().all(|b| b.is_ascii_digit())
}
