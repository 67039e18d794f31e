//! So many a minute.

use std::time::{Duration, Instant};

use super::Exhausted;

const MINUTE: Duration = Duration::from_mins(1);

/// A bucket that fills within a minute, written as the moment at which it will be full (the generic cell rate
/// algorithm): nothing runs in the background, and nothing is rounded away between two looks.
#[derive(Debug)]
pub(super) struct Bucket {
    per_minute: u32,
    /// In the past: it is full.
    full_at: Instant,
}

/// What is left in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// What fits.
    pub limit: u32,
    /// What is there, whole ones.
    pub remaining: u32,
    /// Until it is full again.
    pub reset: Duration,
}

impl Bucket {
    pub(super) fn full(per_minute: u32, now: Instant) -> Self {
        Self { per_minute, full_at: now }
    }

    /// Another size. What is missing stays the same part of it: a bucket that was half full is half full.
    pub(super) fn resize(&mut self, per_minute: u32) {
        self.per_minute = per_minute;
    }

    /// What a full one holds.
    pub(super) fn size(&self) -> u32 {
        self.per_minute
    }

    /// No more than a full bucket holds: more could never be taken.
    pub(super) fn most(&self, count: u64) -> u64 {
        count.min(self.per_minute.into())
    }

    /// Takes `count`, or nothing.
    pub(super) fn take(&mut self, count: u64, now: Instant) -> Result<(), Exhausted> {
        let missing = self.missing(now) + self.time(count);
        match missing.checked_sub(MINUTE) {
            None | Some(Duration::ZERO) => {
                self.full_at = now + missing;
                Ok(())
            }
            Some(wait) => Err(Exhausted { wait }),
        }
    }

    /// Takes `count`, whether it is there or not.
    pub(super) fn charge(&mut self, count: u64, now: Instant) {
        self.full_at = now + self.missing(now) + self.time(count);
    }

    /// Puts `count` back. What doesn't fit is lost.
    pub(super) fn refund(&mut self, count: u64, now: Instant) {
        self.full_at = now + self.missing(now).saturating_sub(self.time(count));
    }

    pub(super) fn level(&self, now: Instant) -> Level {
        let missing = self.missing(now);
        let left =
            MINUTE.saturating_sub(missing).as_nanos() * u128::from(self.per_minute) / MINUTE.as_nanos();
        // Never more than fits.
        let remaining = u32::try_from(left).unwrap_or(self.per_minute);
        Level { limit: self.per_minute, remaining, reset: missing }
    }

    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.missing(now).is_zero()
    }

    /// Until it is full. A clock that went back sees a bucket that isn't fuller for it.
    fn missing(&self, now: Instant) -> Duration {
        self.full_at.saturating_duration_since(now)
    }

    /// How long `count` take to flow in. Rounded down, so that a full bucket has all of its limit; at most a year, so that no clock
    /// overflows.
    fn time(&self, count: u64) -> Duration {
        const LONGEST: Duration = Duration::from_hours(365 * 24);
        let nanos = MINUTE.as_nanos() * u128::from(count) / u128::from(self.per_minute.max(1));
        u64::try_from(nanos).map_or(LONGEST, Duration::from_nanos).min(LONGEST)
    }
}
