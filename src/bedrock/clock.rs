//! What time it is to AWS: this machine's clock, put right where AWS has refused its time.
//!
//! A signature holds for five minutes around AWS's own time. Every answer says in `Date` what that is, so the difference
//! is known before it does harm; but it is only used after a signature was refused for its time, because a proxy may
//! write a `Date` of its own. The SDK has such a correction too, which learns from errors alone and makes every
//! signature other than a pass's: it is off, and both ask this clock.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use aws_types::sdk_config::TimeSource;
use tokio::sync::watch;

/// Below this, a clock that was wrong counts as mended. `Date` has whole seconds and has been on its way.
const MENDED: i64 = 60_000;

/// Differences that change by less than this are the same one.
const NEWS: i64 = 1_500;

/// The clock that signatures are made by. Clones are the same clock.
#[derive(Clone)]
pub(super) struct Clock(Arc<Inner>);

struct Inner {
    machine: Box<dyn Fn() -> SystemTime + Send + Sync>,
    corrects: bool,
    /// Added to the machine's time, in milliseconds.
    offset: AtomicI64,
    skew: watch::Sender<Option<Skew>>,
}

/// How far this machine's clock is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew {
    /// AWS's time less this machine's, in milliseconds: more than 0 where the machine is behind.
    pub millis: i64,
    /// AWS has refused a signature for its time, and signatures now carry AWS's.
    pub corrected: bool,
}

impl Skew {
    /// In seconds.
    #[expect(clippy::cast_precision_loss, reason = "2^53 ms are 285,000 years")]
    pub fn seconds(self) -> f64 {
        self.millis as f64 / 1000.0
    }
}

impl Clock {
    /// `corrects`: signatures follow AWS's time once it has refused this machine's.
    pub(super) fn new(machine: impl Fn() -> SystemTime + Send + Sync + 'static, corrects: bool) -> Self {
        let (offset, skew) = (AtomicI64::new(0), watch::Sender::new(None));
        Self(Arc::new(Inner { machine: Box::new(machine), corrects, offset, skew }))
    }

    /// The time to sign with, and to judge by whether credentials have ended.
    pub(super) fn time(&self) -> SystemTime {
        shifted((self.0.machine)(), self.0.offset.load(Ordering::Relaxed))
    }

    /// The difference, whenever it changes.
    pub(super) fn skew(&self) -> watch::Receiver<Option<Skew>> {
        self.0.skew.subscribe()
    }

    /// An answer has come that says when it was given.
    pub(super) fn heard(&self, date: SystemTime) {
        let skew = difference(date, (self.0.machine)());
        if skew.abs() < MENDED && self.0.offset.swap(0, Ordering::Relaxed) != 0 {
            tracing::info!(skew_s = seconds(skew), "the clock is right again");
        }
        self.tell(skew);
    }

    /// A signature was refused for its time, in an answer of this date.
    pub(super) fn refused(&self, date: Option<SystemTime>) {
        let Some(date) = date else {
            tracing::warn!("AWS refuses this machine's time, and does not say its own: set the clock");
            return;
        };
        let skew = difference(date, (self.0.machine)());
        let before = if self.0.corrects { self.0.offset.swap(skew, Ordering::Relaxed) } else { 0 };
        if (skew - before).abs() >= NEWS {
            tracing::warn!(
                skew_s = seconds(skew),
                corrected = self.0.corrects,
                "AWS refuses this machine's time: set the clock"
            );
        }
        self.tell(skew);
    }

    fn tell(&self, millis: i64) {
        let now = Skew { millis, corrected: self.0.offset.load(Ordering::Relaxed) != 0 };
        self.0.skew.send_if_modified(|told| {
            let is_news = told.is_none_or(|told| {
                told.corrected != now.corrected || (told.millis - now.millis).abs() >= NEWS
            });
            if is_news {
                *told = Some(now);
            }
            is_news
        });
    }
}

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        self.time()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("offset_ms", &self.0.offset).finish_non_exhaustive()
    }
}

/// What a header `Date` says; nothing where it says nothing that can be read.
pub(super) fn date(text: &str) -> Option<SystemTime> {
    let Ok(date) = DateTime::from_str(text, Format::HttpDate) else { return None };
    let Ok(time) = SystemTime::try_from(date) else { return None };
    Some(time)
}

fn shifted(time: SystemTime, millis: i64) -> SystemTime {
    let by = Duration::from_millis(millis.unsigned_abs());
    let shifted = if millis < 0 { time.checked_sub(by) } else { time.checked_add(by) };
    shifted.unwrap_or(time)
}

/// `there - here`, in milliseconds.
fn difference(there: SystemTime, here: SystemTime) -> i64 {
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    match there.duration_since(here) {
        Ok(ahead) => millis(ahead),
        Err(behind) => -millis(behind.duration()),
    }
}

fn seconds(millis: i64) -> f64 {
    Skew { millis, corrected: false }.seconds()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: SystemTime = SystemTime::UNIX_EPOCH;

    fn minutes(number: i64) -> SystemTime {
        shifted(NOON, number * 60_000)
    }

    #[test]
    fn a_difference_is_told_and_changes_nothing_until_a_signature_is_refused_for_it() {
        let clock = Clock::new(|| minutes(100), true);
        let skew = clock.skew();
        clock.heard(minutes(110));
        assert_eq!(clock.time(), minutes(100));
        assert_eq!(*skew.borrow(), Some(Skew { millis: 600_000, corrected: false }));
        clock.refused(Some(minutes(110)));
        assert_eq!(clock.time(), minutes(110));
        assert_eq!(*skew.borrow(), Some(Skew { millis: 600_000, corrected: true }));
        // A wrong `Date` that was believed is put right by the next refusal.
        clock.refused(Some(minutes(93)));
        assert_eq!(clock.time(), minutes(93));
        clock.heard(minutes(100));
        assert_eq!(clock.time(), minutes(100), "somebody has set the machine's clock");
        assert_eq!(*skew.borrow(), Some(Skew { millis: 0, corrected: false }));
    }

    #[test]
    fn without_leave_or_without_a_date_nothing_is_corrected() {
        let clock = Clock::new(|| minutes(100), false);
        clock.refused(Some(minutes(110)));
        assert_eq!(clock.time(), minutes(100));
        assert_eq!(clock.skew().borrow().map(|skew| skew.corrected), Some(false));
        let clock = Clock::new(|| minutes(100), true);
        clock.refused(None);
        assert_eq!((clock.time(), *clock.skew().borrow()), (minutes(100), None));
    }

    #[test]
    fn only_a_date_is_a_date() {
        assert_eq!(date("Thu, 01 Jan 1970 00:01:00 GMT"), Some(minutes(1)));
        for text in ["", "yesterday", "2026-11-25T12:00:00Z", "\u{fffd}"] {
            assert_eq!(date(text), None, "{text}");
        }
    }
}
