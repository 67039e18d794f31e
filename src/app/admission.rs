//! From configuration to what may be taken at once.

use std::num::NonZeroU32;
use std::time::Instant;

use super::count;
use crate::config::{self, Auth, Config};
use crate::limits;

/// What may be taken, by all and by each key, and what is taken already.
///
/// `threads` are those of the runtime for long requests. One of them is left to whatever else is to be done there: signals,
/// credentials, the listings.
pub(super) fn admission(config: &Config, threads: usize, before: Option<&limits::Limits>) -> limits::Limits {
    let config::Limits {
        concurrency,
        body_bytes,
        memory_percent: _,
        memory_emergency_percent: _,
        queue_length,
        queue_wait,
        per_key,
        keys: own,
    } = &config.limits;
    let settings = limits::Settings {
        concurrency: concurrency.map(count),
        queue_length: (*queue_length).into(),
        queue_wait: *queue_wait,
        body_bytes: Some(*body_bytes),
        turns: threads.saturating_sub(1).max(1),
    };
    let limits_of = |id: &str| key_limits(own.get(id).unwrap_or(per_key));
    let keys = match &config.auth {
        Auth::Open => Vec::new(),
        Auth::Keys(keys) => keys.iter().map(|key| (key.id.clone(), limits_of(&key.id))).collect(),
    };
    let (nobody, now) = (key_limits(per_key), Instant::now());
    match before {
        Some(before) => before.continued(&settings, nobody, keys, now),
        None => limits::Limits::new(&settings, nobody, keys, now),
    }
}

fn key_limits(limits: &config::KeyLimits) -> limits::KeyLimits {
    let config::KeyLimits { concurrency, requests_per_minute, tokens_per_minute } = *limits;
    limits::KeyLimits {
        concurrency: concurrency.map(count),
        requests_per_minute: requests_per_minute.map(NonZeroU32::get),
        tokens_per_minute: tokens_per_minute.map(NonZeroU32::get),
    }
}
