//! A breaker where many threads come: one lock, and the probe's leave to decide.

use tokio::time::Instant;

use super::breaker::{Admitted, Breaker, BreakerPolicy, Change, Heard};
use super::sync::{AtomicBool, Mutex, MutexGuard, Ordering, PoisonError};

/// A target's breaker, if it has one.
pub(super) struct Door(Mutex<Option<Breaker>>);

/// Leave to call the target. Of all that are about, at most one is the probe's, and it decides once.
pub(super) struct Leave {
    is_probe: AtomicBool,
}

impl Leave {
    fn new(is_probe: bool) -> Self {
        Self { is_probe: AtomicBool::new(is_probe) }
    }

    fn takes_decision(&self) -> bool {
        self.is_probe.swap(false, Ordering::Relaxed)
    }
}

impl Door {
    pub(super) fn new(policy: Option<BreakerPolicy>) -> Self {
        Self(Mutex::new(policy.map(Breaker::new)))
    }

    /// Under another policy from now on. `tell` hears if that is the end of a breaker, open or not.
    pub(super) fn rebind(&self, policy: Option<BreakerPolicy>, tell: impl FnOnce()) {
        let mut breaker = self.breaker();
        match (&mut *breaker, policy) {
            (Some(breaker), Some(policy)) => breaker.rebind(policy),
            (None, Some(policy)) => *breaker = Some(Breaker::new(policy)),
            (Some(_), None) => {
                *breaker = None;
                tell();
            }
            (None, None) => {}
        }
    }

    fn breaker(&self) -> MutexGuard<'_, Option<Breaker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leave, if there is any now.
    pub(super) fn ask(&self, now: Instant) -> Option<Leave> {
        match self.breaker().as_mut().map_or(Admitted::Freely, |breaker| breaker.admit(now)) {
            Admitted::Freely => Some(Leave::new(false)),
            Admitted::AsProbe => Some(Leave::new(true)),
            Admitted::No => None,
        }
    }

    /// Leave whatever the breaker says: there is nowhere else to go.
    pub(super) fn ask_anyway(&self, now: Instant) -> Leave {
        self.ask(now).unwrap_or_else(|| Leave::new(false))
    }

    /// Whether there would be none now.
    pub(super) fn is_shut(&self, now: Instant) -> bool {
        self.breaker().as_ref().is_some_and(|breaker| breaker.refuses(now))
    }

    /// How a call went; without its leave, one that had been taken for good already. `tell` hears of a change in the order in which
    /// they happen.
    pub(super) fn hear(
        &self,
        heard: Heard,
        leave: Option<&Leave>,
        now: Instant,
        jitter: f64,
        tell: impl FnOnce(Change),
    ) {
        let is_probe = leave.is_some_and(Leave::takes_decision);
        if let Some(breaker) = self.breaker().as_mut()
            && let Some(change) = breaker.hear(heard, is_probe, now, jitter)
        {
            tell(change);
        }
    }

    /// The call ended without news of the target. If it was the probe's, the next one is.
    pub(super) fn give_back(&self, leave: &Leave, now: Instant) {
        if leave.takes_decision()
            && let Some(breaker) = self.breaker().as_mut()
        {
            breaker.give_up_probe(now);
        }
    }
}
