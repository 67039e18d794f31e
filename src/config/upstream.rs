//! Patience with Bedrock: timeouts, retries, and the signs of life that clients get meanwhile.

use std::num::NonZeroU32;
use std::time::Duration;

use super::error::Problem;
use super::scalar;
use super::section::Section;

/// How long to wait for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeout {
    /// A request from beginning to end, retries included.
    pub total: Duration,
    /// From sending to the first event, or to the whole reply.
    pub first_event: Duration,
    /// Between two events of a stream.
    pub idle: Duration,
    /// For a connection to Bedrock.
    pub connect: Duration,
}

impl Timeout {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let total = section.read("total", scalar::positive_seconds);
        let first_event = section.read("first_event", scalar::positive_seconds);
        let idle = section.read("idle", scalar::positive_seconds);
        let connect = section.read("connect", scalar::positive_seconds);
        Some(Self { total: total?, first_event: first_event?, idle: idle?, connect: connect? })
    }
}

/// When to try again, before anything has reached the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// Attempts, the first one included.
    pub max_attempts: NonZeroU32,
    /// The wait before the second attempt; each later one doubles it.
    pub base_delay: Duration,
    /// The longest wait. Never below `base_delay`.
    pub max_delay: Duration,
    /// The longest `Retry-After` to wait out; a longer one goes to the client.
    pub max_retry_after: Duration,
    /// The most other targets that one call is taken to.
    pub max_fallbacks: u8,
    /// How much a target may be asked again in all.
    pub budget: RetryBudget,
}

/// How much a target may be asked again in all, so that retries don't bring down what is only busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBudget {
    /// Of a hundred calls, so many may be repeated.
    pub percent: u8,
    /// So many a second may be repeated however few calls there are.
    pub min_per_second: u16,
}

impl Retry {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let max_attempts = section.read("max_attempts", scalar::count);
        let base_delay = section.read("base_delay", scalar::seconds);
        let max_delay = section.read("max_delay", scalar::seconds);
        let max_retry_after = section.read("max_retry_after", scalar::seconds);
        let max_fallbacks = section.read("max_fallbacks", scalar::few);
        let budget = {
            let mut budget = section.section("budget");
            let percent = budget.read("percent", scalar::percent);
            let min_per_second = budget.read("min_per_second", scalar::places);
            percent.zip(min_per_second)
        };
        if let (Some(base_delay), Some(max_delay)) = (base_delay, max_delay)
            && max_delay < base_delay
        {
            section.fail("max_delay", Problem::BackoffOrder);
        }
        Some(Self {
            max_attempts: max_attempts?,
            base_delay: base_delay?,
            max_delay: max_delay?,
            max_retry_after: max_retry_after?,
            max_fallbacks: max_fallbacks?,
            budget: budget.map(|(percent, min_per_second)| RetryBudget { percent, min_per_second })?,
        })
    }
}

/// When a target that fails is left alone, if there is another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    /// So many failures in a row are enough; `None`: it is never left alone.
    pub failures: Option<NonZeroU32>,
    /// How long an answer counts.
    pub window: Duration,
    /// With fewer calls in the window their share says nothing.
    pub min_calls: NonZeroU32,
    /// Fewer good answers in a hundred are enough as well.
    pub min_success_percent: u8,
    /// How long it is left alone at first; each further time twice as long …
    pub open: Duration,
    /// … and never longer. Never below `open`.
    pub max_open: Duration,
}

impl Breaker {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let failures = section.read("failures", scalar::count_or_off);
        let window = section.read("window", scalar::positive_seconds);
        let min_calls = section.read("min_calls", scalar::count);
        let min_success_percent = section.read("min_success_percent", scalar::percent);
        let open = section.read("open", scalar::positive_seconds);
        let max_open = section.read("max_open", scalar::positive_seconds);
        if let (Some(open), Some(max_open)) = (open, max_open)
            && max_open < open
        {
            section.fail("max_open", Problem::BreakerOrder);
        }
        Some(Self {
            failures: failures?,
            window: window?,
            min_calls: min_calls?,
            min_success_percent: min_success_percent?,
            open: open?,
            max_open: max_open?,
        })
    }
}

/// How texts become vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embeddings {
    /// The most calls at once for one request, where the model takes fewer texts than the request has.
    pub concurrency: NonZeroU32,
}

impl Embeddings {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        Some(Self { concurrency: section.read("concurrency", scalar::count)? })
    }
}

/// What a streaming client gets besides events, and what happens without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// A comment goes out after this much silence; `None`: never.
    pub keep_alive: Option<Duration>,
    /// Which calls of Bedrock are streamed.
    pub upstream: UpstreamStreams,
    /// What becomes of a call whose client has left.
    pub on_disconnect: OnDisconnect,
    /// The longest that it is read on.
    pub drain_timeout: Duration,
    /// The most events that are read on.
    pub drain_events: NonZeroU32,
}

/// Which calls of Bedrock are streamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamStreams {
    /// Those whose client wants a stream, and those whose reply may be long.
    Auto,
    /// All that can be: an answer that is wanted whole is put together here.
    Always,
    /// Those whose client wants a stream.
    Asked,
}

/// What becomes of a call whose client has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDisconnect {
    /// It ends.
    Cancel,
    /// Its reply is read on, for its usage.
    Drain,
}

impl Stream {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        const POLICIES: &[(&str, OnDisconnect)] =
            &[("cancel", OnDisconnect::Cancel), ("drain", OnDisconnect::Drain)];
        let keep_alive = section.read("keep_alive", scalar::seconds_or_off);
        let upstream = section.read("upstream", |node| {
            let words = [
                ("auto", UpstreamStreams::Auto),
                ("always", UpstreamStreams::Always),
                ("asked", UpstreamStreams::Asked),
            ];
            scalar::choice(node, &words)
        });
        let on_disconnect = section.read("on_disconnect", |node| scalar::choice(node, POLICIES));
        let drain_timeout = section.read("drain_timeout", scalar::positive_seconds);
        let drain_events = section.read("drain_events", scalar::count);
        Some(Self {
            keep_alive: keep_alive?,
            upstream: upstream?,
            on_disconnect: on_disconnect?,
            drain_timeout: drain_timeout?,
            drain_events: drain_events?,
        })
    }
}
