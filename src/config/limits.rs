//! How much at once, and how much a minute: for everybody and for each key.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use super::auth::Auth;
use super::error::Problem;
use super::nearest::nearest;
use super::scalar;
use super::section::Section;

/// How much at once, and how much a minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Calls under way at once; `None`: as many as there are connections.
    pub concurrency: Option<NonZeroU32>,
    /// Bytes of request bodies in memory at once. Never below `server.body_limit`.
    pub body_bytes: usize,
    /// From so many hundredths of the control group's memory on nothing new is called; `None`: never.
    pub memory_percent: Option<u8>,
    /// From so many on streams that nobody reads are closed as well; `None`: never. Never below `memory_percent`.
    pub memory_emergency_percent: Option<u8>,
    /// Calls that may wait for one to end.
    pub queue_length: u16,
    /// How long each may.
    pub queue_wait: Duration,
    /// Of each key that has none of its own; of everybody together, where no key is needed.
    pub per_key: KeyLimits,
    /// By a key's id, what it leaves out taken from `per_key`.
    pub keys: BTreeMap<String, KeyLimits>,
}

/// The bounds of one key; `None` is no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyLimits {
    /// Its calls under way at once.
    pub concurrency: Option<NonZeroU32>,
    /// Its requests a minute.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Its tokens a minute.
    pub tokens_per_minute: Option<NonZeroU32>,
}

const KEY_LIMITS: [&str; 3] = ["concurrency", "requests_per_minute", "tokens_per_minute"];

impl Limits {
    /// `auth` knows the keys, `body_limit` the longest single body; either may have been unreadable.
    pub(super) fn read(
        mut section: Section<'_>,
        auth: Option<&Auth>,
        body_limit: Option<usize>,
    ) -> Option<Self> {
        let concurrency = section.read("concurrency", scalar::count_or_off);
        let body_bytes = section.read("body_bytes", scalar::size);
        let memory_percent = section.read("memory_percent", scalar::percent);
        let memory_emergency_percent = section.read("memory_emergency_percent", scalar::percent);
        let (queue_length, queue_wait) = {
            let mut queue = section.section("queue");
            (queue.read("length", scalar::places), queue.read("wait", scalar::seconds))
        };
        let per_key = KeyLimits::read(&mut section.section("per_key"), KeyLimits::default());
        let keys = read_keys(section.section("keys"), auth, per_key.unwrap_or_default());
        if let (Some(all), Some(one)) = (body_bytes, body_limit)
            && all < one
        {
            section.fail("body_bytes", Problem::BodiesBelowOne);
        }
        if let (Some(short), Some(emergency @ 1..)) = (memory_percent, memory_emergency_percent)
            && emergency < short
        {
            section.fail("memory_emergency_percent", Problem::EmergencyOrder);
        }
        let from = |percent: u8| (percent > 0).then_some(percent);
        Some(Self {
            concurrency: concurrency?,
            body_bytes: body_bytes?,
            memory_percent: memory_percent.map(from)?,
            memory_emergency_percent: memory_emergency_percent.map(from)?,
            queue_length: queue_length?,
            queue_wait: queue_wait?,
            per_key: per_key?,
            keys: keys?,
        })
    }
}

impl KeyLimits {
    fn read(section: &mut Section<'_>, default: Self) -> Option<Self> {
        let mut limit =
            |key, default| section.optional(key, scalar::count_or_off).map(|limit| limit.unwrap_or(default));
        let concurrency = limit("concurrency", default.concurrency);
        let requests_per_minute = limit("requests_per_minute", default.requests_per_minute);
        let tokens_per_minute = limit("tokens_per_minute", default.tokens_per_minute);
        Some(Self {
            concurrency: concurrency?,
            requests_per_minute: requests_per_minute?,
            tokens_per_minute: tokens_per_minute?,
        })
    }
}

fn read_keys(
    mut section: Section<'_>,
    auth: Option<&Auth>,
    per_key: KeyLimits,
) -> Option<BTreeMap<String, KeyLimits>> {
    if !section.is_map() {
        return None;
    }
    let known: Option<Vec<&str>> = auth.map(|auth| match auth {
        Auth::Keys(keys) => keys.iter().map(|key| key.id.as_str()).collect(),
        Auth::Open => Vec::new(),
    });
    let mut keys = BTreeMap::new();
    let mut complete = true;
    for entry in section.node().entries() {
        let mut limits = section.entry(entry);
        if let Some(known) = &known
            && !known.contains(&entry.key.as_str())
        {
            let nearest = nearest(&entry.key, known.iter().copied());
            limits.fail_at(
                entry.place.clone(),
                format!("limits.keys.{}", entry.key),
                Problem::NoSuchKey { nearest },
            );
            complete = false;
        }
        if !limits.is_map() {
            complete = false;
            continue;
        }
        limits.only(&KEY_LIMITS, &[]);
        match KeyLimits::read(&mut limits, per_key) {
            Some(read) => drop(keys.insert(entry.key.clone(), read)),
            None => complete = false,
        }
    }
    complete.then_some(keys)
}
