//! Whether a target is worth a call: a state machine that is told the time and how calls went.
//!
//! Two signals open it: failures in a row, which tell of a target that is gone, and the share of good answers in a window, which
//! tells of one that is half gone. Throttling counts for the window only: a target that is busy answers some. While it is
//! open it admits nobody; then one call, the probe, and what comes of that decides. It is told so by whoever made
//! the call, so that the answers of calls from before it opened decide nothing.
//!
//! It never says that nothing is to be called: with nowhere else to go a call is made all the same (`fallback`).

use std::time::Duration;

use tokio::time::Instant;

/// When a breaker opens and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerPolicy {
    /// So many failures in a row open it.
    pub failures: u32,
    /// How long an answer counts.
    pub window: Duration,
    /// With fewer answers in the window their share says nothing.
    pub min_calls: u32,
    /// A smaller share of good answers in the window opens it.
    pub min_success: f64,
    /// The first time it is open for so long; each further time for twice as long …
    pub open: Duration,
    /// … and never for longer.
    pub max_open: Duration,
}

/// How a call went, as far as its target is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// It answered, if only to say that the request is wrong.
    Good,
    /// It has too much to do.
    Busy,
    /// It failed.
    Bad,
}

/// May a call be made?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admitted {
    /// Like any other.
    Freely,
    /// As the probe: whoever makes it has to tell what came of it, or that nothing did.
    AsProbe,
    /// Not now.
    No,
}

/// What a call's outcome has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// It is open from now on, or again.
    Opened,
    /// It is closed again.
    Closed,
}

/// One target's breaker.
#[derive(Debug)]
pub(super) struct Breaker {
    policy: BreakerPolicy,
    state: State,
    /// Failures since the last answer.
    in_a_row: u32,
    window: Window,
    /// How often it has opened without a long rest in between.
    times: u32,
    closed_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        until: Instant,
    },
    /// The probe is under way.
    Probed,
}

impl Breaker {
    /// Closed.
    pub(super) fn new(policy: BreakerPolicy) -> Self {
        Self {
            policy,
            state: State::Closed,
            in_a_row: 0,
            window: Window::default(),
            times: 0,
            closed_since: None,
        }
    }

    /// Another policy from now on. What is open stays so for as long as it was to be.
    pub(super) fn rebind(&mut self, policy: BreakerPolicy) {
        self.policy = policy;
    }

    /// Asks for a call.
    pub(super) fn admit(&mut self, now: Instant) -> Admitted {
        match self.state {
            State::Closed => Admitted::Freely,
            State::Open { until } if now >= until => {
                self.state = State::Probed;
                Admitted::AsProbe
            }
            State::Open { .. } | State::Probed => Admitted::No,
        }
    }

    /// Whether [`Self::admit`] would say no. Changes nothing.
    pub(super) fn refuses(&self, now: Instant) -> bool {
        match self.state {
            State::Closed => false,
            State::Open { until } => now < until,
            State::Probed => true,
        }
    }

    /// How a call went. `jitter` is in `0.0..1.0`.
    pub(super) fn hear(&mut self, heard: Heard, is_probe: bool, now: Instant, jitter: f64) -> Option<Change> {
        match (self.state, is_probe, heard) {
            (State::Probed, true, Heard::Good) => {
                self.state = State::Closed;
                self.in_a_row = 0;
                self.window = Window::default();
                self.closed_since = Some(now);
                Some(Change::Closed)
            }
            (State::Probed, true, Heard::Busy | Heard::Bad) => Some(self.open(now, jitter)),
            (State::Closed, _, _) => {
                let is_good = heard == Heard::Good;
                self.window.count(is_good, now, self.policy.window);
                match heard {
                    Heard::Good => self.in_a_row = 0,
                    Heard::Bad => self.in_a_row = self.in_a_row.saturating_add(1),
                    Heard::Busy => {}
                }
                let is_gone = self.in_a_row >= self.policy.failures;
                let is_half_gone = !is_good && self.window.is_poor(&self.policy);
                (is_gone || is_half_gone).then(|| self.open(now, jitter))
            }
            // From before it opened, or made with nowhere else to go.
            (State::Open { .. } | State::Probed, _, _) => None,
        }
    }

    /// The probe ended without news of the target: its client left. The next call is the probe.
    pub(super) fn give_up_probe(&mut self, now: Instant) {
        if self.state == State::Probed {
            self.state = State::Open { until: now };
        }
    }

    fn open(&mut self, now: Instant, jitter: f64) -> Change {
        let BreakerPolicy { open, max_open, .. } = self.policy;
        if self.closed_since.is_none_or(|since| now.duration_since(since) > max_open) {
            self.times = 0;
        }
        let bound = open.saturating_mul(1 << self.times.min(20)).min(max_open);
        self.times = self.times.saturating_add(1);
        // Not all processes at once.
        self.state = State::Open { until: now + bound.mul_f64(0.75 + 0.25 * jitter) };
        // A failed probe goes on from here, without a rest.
        self.closed_since = Some(now);
        Change::Opened
    }
}

const SLOTS: usize = 10;

/// Answers of the last while, in slots of a tenth of it.
#[derive(Debug, Default)]
struct Window {
    slots: [Slot; SLOTS],
    at: usize,
    since: Option<Instant>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Slot {
    good: u32,
    all: u32,
}

impl Window {
    fn count(&mut self, is_good: bool, now: Instant, length: Duration) {
        let slot = (length / 10).max(Duration::from_millis(1));
        let since = *self.since.get_or_insert(now);
        let passed = now.duration_since(since).as_nanos() / slot.as_nanos();
        if passed > 0 {
            let cleared = usize::try_from(passed).unwrap_or(SLOTS).min(SLOTS);
            for _ in 0..cleared {
                self.at = (self.at + 1) % SLOTS;
                self.slots[self.at] = Slot::default();
            }
            // The slot's own beginning, so that slots stay as long as they are said to be.
            let passed = slot.saturating_mul(u32::try_from(passed).unwrap_or(u32::MAX));
            self.since = Some(since.checked_add(passed).unwrap_or(now));
        }
        let slot = &mut self.slots[self.at];
        slot.all = slot.all.saturating_add(1);
        slot.good = slot.good.saturating_add(u32::from(is_good));
    }

    fn is_poor(&self, policy: &BreakerPolicy) -> bool {
        let all: u32 = self.slots.iter().map(|slot| slot.all).sum();
        let good: u32 = self.slots.iter().map(|slot| slot.good).sum();
        all >= policy.min_calls.max(1) && f64::from(good) < f64::from(all) * policy.min_success
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: BreakerPolicy = BreakerPolicy {
        failures: 5,
        window: Duration::from_secs(30),
        min_calls: 20,
        min_success: 0.5,
        open: Duration::from_secs(5),
        max_open: Duration::from_mins(1),
    };

    fn second(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// Opened by failures in a row at `now`, with the longest pause.
    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::new(POLICY);
        for _ in 0..4 {
            assert_eq!(breaker.hear(Heard::Bad, false, now, 1.0), None);
        }
        assert_eq!(breaker.hear(Heard::Bad, false, now, 1.0), Some(Change::Opened));
        breaker
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_one_answer_starts_the_count_again() {
        let now = Instant::now();
        let mut breaker = Breaker::new(POLICY);
        for _ in 0..20 {
            for _ in 0..4 {
                assert_eq!(breaker.hear(Heard::Bad, false, now, 0.5), None);
            }
            // Enough of them to keep the window well.
            for _ in 0..8 {
                assert_eq!(breaker.hear(Heard::Good, false, now, 0.5), None);
            }
        }
        assert!(opened(now).refuses(now));
    }

    #[test]
    fn a_busy_target_is_left_when_more_than_half_is_refused_and_not_sooner() {
        let now = Instant::now();
        let mut breaker = Breaker::new(POLICY);
        for _ in 0..19 {
            assert_eq!(breaker.hear(Heard::Busy, false, now, 0.5), None, "too few to say anything");
        }
        assert_eq!(breaker.hear(Heard::Busy, false, now, 0.5), Some(Change::Opened));
        let mut half = Breaker::new(POLICY);
        for _ in 0..100 {
            assert_eq!(half.hear(Heard::Good, false, now, 0.5), None);
            assert_eq!(half.hear(Heard::Busy, false, now, 0.5), None);
        }
    }

    #[test]
    fn what_is_older_than_the_window_counts_no_more() {
        let now = Instant::now();
        let mut breaker = Breaker::new(POLICY);
        for _ in 0..19 {
            breaker.hear(Heard::Busy, false, now, 0.5);
        }
        assert_eq!(breaker.hear(Heard::Busy, false, now + second(31), 0.5), None);
        let mut spread = Breaker::new(POLICY);
        let opened = (0..20).find(|at| {
            spread.hear(Heard::Busy, false, now + Duration::from_millis(at * 1_300), 0.5).is_some()
        });
        assert_eq!(opened, Some(19), "all within the window");
    }

    #[test]
    fn one_probe_is_let_through_and_closes_it_or_opens_it_for_twice_as_long() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert_eq!(breaker.admit(now + Duration::from_millis(4_999)), Admitted::No);
        let mut now = now + second(5);
        for pause in [10, 20, 40, 60, 60] {
            assert_eq!(breaker.admit(now), Admitted::AsProbe);
            assert_eq!(breaker.admit(now), Admitted::No, "one at a time");
            assert_eq!(breaker.hear(Heard::Bad, true, now, 1.0), Some(Change::Opened));
            assert_eq!(breaker.admit(now + second(pause) - Duration::from_millis(1)), Admitted::No);
            now += second(pause);
        }
        assert_eq!(breaker.admit(now), Admitted::AsProbe);
        assert_eq!(breaker.hear(Heard::Good, false, now, 0.5), None, "that was another call");
        assert_eq!(breaker.hear(Heard::Good, true, now, 0.5), Some(Change::Closed));
        assert_eq!(breaker.admit(now), Admitted::Freely);
        for _ in 0..5 {
            breaker.hear(Heard::Bad, false, now, 1.0);
        }
        assert!(breaker.refuses(now + second(59)), "it has rested for too short a time to begin anew");
    }

    #[test]
    fn a_long_rest_forgets_how_often_it_was_open() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert_eq!(breaker.admit(now + second(5)), Admitted::AsProbe);
        assert_eq!(breaker.hear(Heard::Good, true, now + second(5), 0.5), Some(Change::Closed));
        let later = now + second(66);
        for _ in 0..5 {
            breaker.hear(Heard::Bad, false, later, 1.0);
        }
        assert!(breaker.refuses(later + Duration::from_millis(4_999)));
        assert!(!breaker.refuses(later + second(5)));
    }

    #[test]
    fn a_busy_probe_fails_and_one_that_nobody_waits_for_makes_way() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert_eq!(breaker.admit(now + second(5)), Admitted::AsProbe);
        breaker.give_up_probe(now + second(5));
        assert_eq!(breaker.admit(now + second(5)), Admitted::AsProbe);
        assert_eq!(breaker.hear(Heard::Busy, true, now + second(5), 0.5), Some(Change::Opened));
        breaker.give_up_probe(now + second(5));
        assert!(breaker.refuses(now + second(5)), "only a probe under way can be given up");
    }

    /// What a call may do to a breaker.
    #[derive(Debug, Clone)]
    enum Step {
        Ask,
        Hear(Heard),
        ProbeHears(Heard),
        GiveUp,
        Wait(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let heard = || prop_oneof![Just(Heard::Good), Just(Heard::Busy), Just(Heard::Bad)];
        proptest::collection::vec(
            prop_oneof![
                3 => Just(Step::Ask),
                6 => heard().prop_map(Step::Hear),
                2 => heard().prop_map(Step::ProbeHears),
                1 => Just(Step::GiveUp),
                2 => (0_u64..20_000).prop_map(Step::Wait),
            ],
            0..200,
        )
    }

    proptest! {
        /// Against a model that knows only what was promised: at most one probe at once, nothing admitted while it is
        /// open, no pause above the bound, and a change of state only by a probe or while it is closed.
        #[test]
        fn it_keeps_its_promises(steps in steps(), jitter in 0.0_f64..1.0) {
            let mut breaker = Breaker::new(POLICY);
            let mut now = Instant::now();
            let (mut is_probing, mut opened_at, mut in_a_row) = (false, None::<Instant>, 0_u32);
            for step in steps {
                match step {
                    Step::Wait(millis) => now += Duration::from_millis(millis),
                    Step::Ask => match breaker.admit(now) {
                        Admitted::Freely => prop_assert!(opened_at.is_none()),
                        Admitted::AsProbe => {
                            let at = opened_at.unwrap();
                            prop_assert!(!is_probing);
                            prop_assert!(now >= at + POLICY.open.mul_f64(0.75));
                            is_probing = true;
                        }
                        Admitted::No => {
                            let at = opened_at.unwrap();
                            prop_assert!(is_probing || now < at + POLICY.max_open, "never shut for good");
                        }
                    },
                    Step::Hear(heard) => {
                        let change = breaker.hear(heard, false, now, jitter);
                        if opened_at.is_some() {
                            prop_assert_eq!(change, None);
                            continue;
                        }
                        match heard {
                            Heard::Good => in_a_row = 0,
                            Heard::Bad => in_a_row += 1,
                            Heard::Busy => {}
                        }
                        prop_assert_ne!(change, Some(Change::Closed));
                        prop_assert!(!(heard == Heard::Good && change.is_some()));
                        prop_assert!(in_a_row < POLICY.failures || change.is_some());
                        if change.is_some() {
                            (opened_at, in_a_row) = (Some(now), 0);
                        }
                    }
                    Step::ProbeHears(heard) if is_probing => {
                        let change = breaker.hear(heard, true, now, jitter);
                        is_probing = false;
                        if heard == Heard::Good {
                            prop_assert_eq!(change, Some(Change::Closed));
                            opened_at = None;
                        } else {
                            prop_assert_eq!(change, Some(Change::Opened));
                            opened_at = Some(now);
                        }
                    }
                    Step::GiveUp if is_probing => {
                        breaker.give_up_probe(now);
                        is_probing = false;
                    }
                    Step::ProbeHears(_) | Step::GiveUp => {}
                }
            }
        }
    }
}
