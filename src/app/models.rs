//! What the configuration says of models and calls, in the gateway's words.

use std::num::NonZeroU32;

use crate::bedrock::ModelId;
use crate::chat::{CacheMode, Guardrail, GuardrailTrace};
use crate::config::{
    self, Auth, Cache, Capabilities, Config, EntryTimeout, ModelEntry, ModelFormat, ProfileRule,
    SamplingRule, TargetEntry, Timeout, UpstreamStreams,
};
use crate::families::{self, FormatKind, Overrides, Sampling};
use crate::gateway::{
    Alias, AliasTarget, Bounds, BreakerPolicy, BudgetPolicy, Deadlines, Folding, Policy, ProfileChoice,
    RetryPolicy, Timeouts, UpstreamPolicy,
};

/// How calls are made.
pub(super) fn policy(config: &Config) -> Policy {
    let Timeout { total, first_event, idle, connect: _ } = config.timeout;
    let retry = &config.retry;
    let breaker = &config.breaker;
    Policy {
        deadlines: Deadlines { total, first_event, idle },
        retry: RetryPolicy {
            max_attempts: retry.max_attempts.get(),
            base_delay: retry.base_delay,
            max_delay: retry.max_delay,
            max_retry_after: retry.max_retry_after,
            max_fallbacks: retry.max_fallbacks,
        },
        upstream: UpstreamPolicy {
            breaker: breaker.failures.map(|failures| BreakerPolicy {
                failures: failures.get(),
                window: breaker.window,
                min_calls: breaker.min_calls.get(),
                min_success: f64::from(breaker.min_success_percent) / 100.0,
                open: breaker.open,
                max_open: breaker.max_open,
            }),
            budget: BudgetPolicy {
                share: f32::from(retry.budget.percent) / 100.0,
                min_per_second: retry.budget.min_per_second.into(),
            },
            shared: matches!(&config.auth, Auth::Keys(keys) if keys.len() > 1),
        },
        bounds: Bounds {
            choices: config.max_choices.get(),
            embedding_calls: usize::try_from(config.embeddings.concurrency.get()).unwrap_or(usize::MAX),
        },
        folding: match config.stream.upstream {
            UpstreamStreams::Auto => Folding::Long,
            UpstreamStreams::Always => Folding::Always,
            UpstreamStreams::Asked => Folding::Never,
        },
    }
}

/// An entry, judged by those who know families and formats.
pub(super) fn alias(entry: &ModelEntry) -> Result<Alias, String> {
    let ModelEntry { targets, sticky, strict, cache, timeout, successor } = entry;
    let EntryTimeout { total, first_event, idle } = *timeout;
    let targets: Vec<_> = targets.iter().map(alias_target).collect::<Result<_, _>>()?;
    let is_embeddings = targets.first().is_some_and(embeds);
    if targets.iter().any(|target| embeds(target) != is_embeddings) {
        return Err("its targets are in part for chats and in part for embeddings".to_owned());
    }
    Ok(Alias {
        targets,
        sticky: *sticky,
        strict: *strict,
        cache: cache.map(cache_mode),
        timeouts: Timeouts { total, first_event, idle },
        successor: successor.clone(),
    })
}

fn embeds(target: &AliasTarget) -> bool {
    target.embeddings.is_some()
        || target.family.is_none() && families::resolve_embeddings(&target.model, None).is_some()
}

fn alias_target(entry: &TargetEntry) -> Result<AliasTarget, String> {
    let TargetEntry {
        target,
        region,
        account,
        weight,
        concurrency,
        family,
        format,
        max_tokens,
        guardrail: own_guardrail,
        profile,
        capabilities,
    } = entry;
    let model = ModelId::parse(target).map_err(|error| error.to_string())?;
    let embeddings = family.as_deref().and_then(families::embeddings_named);
    let family = match family.as_deref() {
        Some(name) if embeddings.is_none() => Some(families::named(name).ok_or_else(|| {
            let known: Vec<_> = families::names().collect();
            format!("there is no family `{name}`; known are {}", known.join(", "))
        })?),
        Some(_) | None => None,
    };
    if embeddings.is_some() && (format.is_some() || max_tokens.is_some()) {
        return Err("an embedding model has neither `format` nor `max_tokens`".to_owned());
    }
    let format = format.map(|format| match format {
        ModelFormat::Native => FormatKind::Native,
        ModelFormat::Converse => FormatKind::Converse,
    });
    let judged = family.unwrap_or_else(|| families::resolve(&model, None));
    if format == Some(FormatKind::Native) && !families::supports_native(judged, &model) {
        let family = judged.name();
        return Err(format!("the family `{family}` has no native format here; use `format: converse`"));
    }
    if let (Some(region), Some(own)) = (region.as_deref(), model.region())
        && region != own
    {
        return Err(format!("the ARN is of the Region {own}, and can't be called in {region}"));
    }
    Ok(AliasTarget {
        model,
        region: region.clone(),
        account: account.clone(),
        weight: weight.map(NonZeroU32::get),
        concurrency: concurrency.map(|most| usize::try_from(most.get()).unwrap_or(usize::MAX)),
        family,
        embeddings,
        format,
        overrides: overrides(capabilities, *max_tokens),
        guardrail: own_guardrail.as_ref().map(guardrail),
        profiles: profile.map(profile_choice),
    })
}

fn overrides(capabilities: &Capabilities, max_tokens: Option<NonZeroU32>) -> Overrides {
    let Capabilities {
        system,
        tools,
        tools_while_streaming,
        images,
        documents,
        json_schema,
        prefill,
        sampling,
        max_output_tokens,
    } = *capabilities;
    Overrides {
        system,
        tools,
        tools_while_streaming,
        images,
        documents,
        json_schema,
        prefill,
        sampling: sampling.map(|sampling| match sampling {
            SamplingRule::Both => Sampling::Both,
            SamplingRule::Either => Sampling::Either,
            SamplingRule::Refused => Sampling::Refused,
        }),
        max_output_tokens: max_output_tokens.map(NonZeroU32::get),
        default_max_tokens: max_tokens.map(NonZeroU32::get),
    }
}

pub(super) fn cache_mode(cache: Cache) -> CacheMode {
    match cache {
        Cache::Explicit => CacheMode::Explicit,
        Cache::Auto => CacheMode::Auto,
        Cache::Conversations => CacheMode::Conversations,
    }
}

pub(super) fn profile_choice(rule: ProfileRule) -> ProfileChoice {
    match rule {
        ProfileRule::Geo => ProfileChoice::Geo,
        ProfileRule::Global => ProfileChoice::Global,
        ProfileRule::Off => ProfileChoice::Off,
    }
}

/// What it did is told to the gateway, which has to know masked words from a block, and to nobody else.
pub(super) fn guardrail(config: &config::Guardrail) -> Guardrail {
    let config::Guardrail { id, version } = config;
    Guardrail { id: id.clone(), version: version.clone(), trace: GuardrailTrace::Inside, synchronous: None }
}
