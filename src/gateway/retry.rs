//! The one retry loop. The SDK's own is off, so that attempts don't multiply.

use std::time::Duration;

use tokio::time::Instant;

use super::blame::Blame;
use super::fallback::Stay;
use super::upstream::Held;
use super::{Deadlines, Fault, Gateway, Phase, Target, Trail};
use crate::bedrock::{ErrorKind, ModelId, Retry};
use crate::telemetry::Label;

/// How often, and after how long a pause, an attempt that failed before its commit point is repeated.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Attempts in all, the first included. At least 1.
    pub max_attempts: u32,
    /// The first pause is between 0 and this; each later one's bound is twice the one before.
    pub base_delay: Duration,
    /// No bound is above this.
    pub max_delay: Duration,
    /// A longer wait that the upstream asks for is not waited: the failure goes to the client, with it.
    pub max_retry_after: Duration,
    /// Most other targets that a call is taken to.
    pub max_fallbacks: u8,
}

/// The time that a call has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Within {
    /// How long each wait may be.
    pub(super) limits: Deadlines,
    /// When all of it ends.
    pub(super) deadline: Instant,
}

impl Within {
    /// What is left of the whole call's time.
    pub(super) fn left(&self) -> Result<Duration, Fault> {
        match self.deadline.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => Ok(left),
            Some(_) | None => Err(Fault::Deadline(Phase::Total, self.limits.total)),
        }
    }
}

impl RetryPolicy {
    /// The pause before attempt `made + 1`, or `None` if there shall be none. `jitter` is in `0.0..1.0`.
    fn pause(&self, fault: &Fault, made: u32, jitter: f64) -> Option<Duration> {
        let allowed = match fault.retry() {
            Retry::No => 1,
            Retry::Once => 2,
            Retry::Yes => u32::MAX,
        };
        if made >= allowed.min(self.max_attempts) {
            return None;
        }
        if let Some(asked) = fault.retry_after() {
            // Up to a quarter more than was asked: everybody else was asked the same.
            let more = self.base_delay.max(asked / 4).mul_f64(jitter);
            return (asked <= self.max_retry_after).then(|| asked + more);
        }
        let doublings = made.saturating_sub(1).min(20);
        let bound = self.base_delay.saturating_mul(1 << doublings).min(self.max_delay);
        Some(bound.mul_f64(jitter))
    }
}

/// What an attempt at a target does: made once, however often it is tried.
pub(super) trait Plan {
    /// What a committed attempt gives.
    type Answer;

    /// Where it goes now.
    fn model(&self) -> &ModelId;

    /// Does the request name resources of its own (a guardrail, something in S3), which may be denied to it alone?
    fn names_resources(&self) -> bool {
        false
    }

    /// The same call, to another id of the same model.
    fn reroute(&mut self, profile: ModelId, trail: &mut Trail);

    /// One try, up to its commit point.
    async fn attempt(
        &self,
        target: &Target,
        within: &Within,
        trail: &mut Trail,
    ) -> Result<Self::Answer, Fault>;

    /// An attempt has committed. What is held of the target is held until it is dropped: an answer that goes on keeps it.
    fn committed(&self, _answer: &mut Self::Answer, _held: Held) {}

    /// Prepares another way what the model has refused. `false`: it can't, or that would change nothing.
    fn mend(&mut self, _fault: &Fault, _trail: &mut Trail) -> Result<bool, Fault> {
        Ok(false)
    }
}

/// Makes attempts at one target until one commits, or it is better to go elsewhere or to give up. The second value is how
/// many of them count against the policy.
pub(super) async fn run<P: Plan>(
    gateway: &Gateway,
    target: &Target,
    mut plan: P,
    stay: &Stay,
    within: &Within,
    trail: &mut Trail,
) -> (Result<P::Answer, Fault>, u32) {
    let mut made = 0;
    let outcome = attempts(gateway, target, &mut plan, stay, within, trail, &mut made).await;
    (outcome, made)
}

async fn attempts<P: Plan>(
    gateway: &Gateway,
    target: &Target,
    plan: &mut P,
    stay: &Stay,
    within: &Within,
    trail: &mut Trail,
    made: &mut u32,
) -> Result<P::Answer, Fault> {
    let Stay { turn, attempts, has_others, caller } = stay;
    let upstream = turn.upstream();
    let is_required = || gateway.profiles.is_required(&target.model, gateway.routes.region(target));
    let detour = || is_required().then(|| gateway.routes.detour(target)).flatten();
    if let Some(profile) = target.profile.clone().or_else(detour) {
        plan.reroute(profile, trail);
    }
    upstream.earn();
    loop {
        let permit =
            upstream.permit(target.concurrency, caller.as_ref(), !has_others, within.deadline).await?;
        trail.attempts += 1;
        *made += 1;
        let began = Instant::now();
        let mut fault = match plan.attempt(target, within, trail).await {
            Ok(mut answered) => {
                gateway.health.record(true);
                turn.succeeded();
                if *plan.model() != target.model && target.profile.is_none() {
                    gateway.profiles.learn(&target.model, gateway.routes.region(target));
                }
                plan.committed(&mut answered, Held::new(turn, permit));
                let metrics = gateway.metrics.model(target.label());
                metrics.attempt(Label::from("ok"));
                metrics.upstream_first_byte(began.elapsed());
                return Ok(answered);
            }
            Err(fault) => fault,
        };
        drop(permit);
        let blame = match (&mut fault, plan.names_resources()) {
            (Fault::Upstream(error), true) => {
                error.of_own_resources();
                Blame::of(&fault).with_own_resources(&fault)
            }
            _ => Blame::of(&fault),
        };
        turn.failed(blame);
        gateway.metrics.model(target.label()).attempt(Label::from(fault.label()));
        gateway.health.record(answered(&fault));
        // Not a retry but a detour, once: the id that was asked for is only sold as a profile.
        if fault.kind() == Some(ErrorKind::ProfileRequired)
            && *plan.model() == target.model
            && let Some(profile) = gateway.routes.detour(target)
        {
            plan.reroute(profile, trail);
            *made -= 1;
            continue;
        }
        if plan.mend(&fault, trail)? {
            *made -= 1;
            continue;
        }
        if *has_others && (blame.moves_at_once() || upstream.is_left_alone()) {
            return Err(fault);
        }
        let policy = RetryPolicy { max_attempts: *attempts, ..gateway.policy.retry };
        let Some(pause) = policy.pause(&fault, *made, fastrand::f64()) else {
            return Err(fault);
        };
        if is_too_late_after(pause, within.deadline) {
            return Err(fault);
        }
        if !upstream.spend() {
            gateway.metrics.retry_refused();
            trail.spent = true;
            return Err(fault);
        }
        tracing::debug!(
            target: "outcrop::retry",
            model = target.model.as_str(),
            attempt = trail.attempts,
            kind = fault.label(),
            pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            "attempt failed, trying again"
        );
        gateway.metrics.retry(Label::from(fault.label()));
        tokio::time::sleep(pause).await;
    }
}

/// With less time than this an attempt isn't begun: it would only keep the client waiting for the same news.
const LEAST: Duration = Duration::from_millis(100);

/// Is there too little time left for another attempt?
pub(super) fn is_too_late(deadline: Instant) -> bool {
    is_too_late_after(Duration::ZERO, deadline)
}

fn is_too_late_after(pause: Duration, deadline: Instant) -> bool {
    Instant::now() + pause + LEAST >= deadline
}

/// Did Bedrock answer at all, if only to say no?
fn answered(fault: &Fault) -> bool {
    match fault.kind() {
        Some(
            ErrorKind::Unreachable
            | ErrorKind::Timeout
            | ErrorKind::Malformed
            | ErrorKind::Internal
            | ErrorKind::Unavailable
            | ErrorKind::NoCredentials
            | ErrorKind::Unsendable,
        ) => false,
        Some(
            ErrorKind::CredentialsRefused
            | ErrorKind::ClockSkew
            | ErrorKind::AccessDenied
            | ErrorKind::AccessPending
            | ErrorKind::Validation
            | ErrorKind::ContextLength
            | ErrorKind::UnknownModel
            | ErrorKind::ProfileRequired
            | ErrorKind::UnsupportedFeature
            | ErrorKind::NotFound
            | ErrorKind::QuotaExceeded
            | ErrorKind::Throttled
            | ErrorKind::DailyQuota
            | ErrorKind::ModelNotReady
            | ErrorKind::ModelTimeout
            | ErrorKind::ModelRefused
            | ErrorKind::ResourceRefused
            | ErrorKind::InvalidOutput
            | ErrorKind::Oversized
            | ErrorKind::ModelError
            | ErrorKind::StreamError,
        )
        | None => true,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::bedrock::BedrockError;

    const POLICY: RetryPolicy = RetryPolicy {
        max_attempts: 3,
        base_delay: Duration::from_millis(100),
        max_delay: Duration::from_secs(5),
        max_retry_after: Duration::from_secs(20),
        max_fallbacks: 3,
    };

    fn fault(kind: ErrorKind, retry_after: Option<u64>) -> Fault {
        let mut error = BedrockError::new(kind, "");
        error.retry_after = retry_after.map(Duration::from_secs);
        Fault::Upstream(error)
    }

    #[test]
    fn three_attempts_and_no_more() {
        let throttled = fault(ErrorKind::Throttled, None);
        assert!(POLICY.pause(&throttled, 1, 0.5).is_some());
        assert!(POLICY.pause(&throttled, 2, 0.5).is_some());
        assert_eq!(POLICY.pause(&throttled, 3, 0.5), None);
    }

    #[test]
    fn what_would_fail_again_is_not_tried_again() {
        for kind in
            [ErrorKind::Validation, ErrorKind::AccessDenied, ErrorKind::NotFound, ErrorKind::DailyQuota]
        {
            assert_eq!(POLICY.pause(&fault(kind, None), 1, 0.5), None, "{kind:?}");
        }
        let slow = fault(ErrorKind::ModelTimeout, None);
        assert!(POLICY.pause(&slow, 1, 0.5).is_some());
        assert_eq!(POLICY.pause(&slow, 2, 0.5), None);
    }

    #[test]
    fn the_upstreams_wish_is_honoured_up_to_a_cap() {
        let short = POLICY.pause(&fault(ErrorKind::Throttled, Some(8)), 1, 0.5).unwrap();
        assert_eq!(short, Duration::from_secs(9));
        let none = POLICY.pause(&fault(ErrorKind::Throttled, Some(0)), 1, 0.5).unwrap();
        assert_eq!(none, Duration::from_millis(50));
        assert_eq!(POLICY.pause(&fault(ErrorKind::Throttled, Some(21)), 1, 0.5), None);
    }

    /// The most that fall into one span of 100 ms, for each that fall into one on average.
    fn crowding(moments: &[Duration]) -> f64 {
        let mut spans = BTreeMap::<u32, u32>::new();
        for moment in moments {
            *spans.entry(u32::try_from(moment.as_millis() / 100).unwrap()).or_default() += 1;
        }
        let last = spans.keys().max().copied().unwrap();
        let most = spans.values().max().copied().unwrap();
        f64::from(most * (last + 1)) / f64::from(u32::try_from(moments.len()).unwrap())
    }

    #[test]
    fn a_thousand_clients_that_failed_at_once_spread() {
        let mut random = fastrand::Rng::with_seed(77);
        let policy = RetryPolicy { max_attempts: 8, ..POLICY };
        let unavailable = fault(ErrorKind::Unavailable, None);
        let mut clients = vec![Duration::ZERO; 1000];
        let mut all = Vec::new();
        for made in 1..8 {
            let pauses: Vec<_> =
                clients.iter().map(|_| policy.pause(&unavailable, made, random.f64()).unwrap()).collect();
            // Every one of them had the same failure at the same moment …
            assert!(crowding(&pauses) <= 3.0, "attempt {made}: {}", crowding(&pauses));
            for (client, pause) in clients.iter_mut().zip(pauses) {
                *client += pause;
                all.push(*client);
            }
            // … or the one before it, too.
            assert!(crowding(&clients) <= 3.0, "attempt {made}: {}", crowding(&clients));
        }
        let first: Vec<_> = all.iter().copied().take(2000).collect();
        assert!(crowding(&first) <= 3.0, "three attempts: {}", crowding(&first));
    }

    #[test]
    fn a_thousand_clients_that_were_told_when_to_come_spread_after_that() {
        let mut random = fastrand::Rng::with_seed(77);
        let asked = Duration::from_secs(4);
        let told = fault(ErrorKind::Throttled, Some(4));
        let over: Vec<_> = (0..1000)
            .map(|_| POLICY.pause(&told, 1, random.f64()).unwrap().checked_sub(asked).unwrap())
            .collect();
        assert!(crowding(&over) <= 3.0, "{}", crowding(&over));
        let latest = over.iter().max().unwrap();
        assert!(*latest > Duration::from_millis(900) && *latest <= Duration::from_secs(1), "{latest:?}");
    }

    proptest! {
        #[test]
        fn pauses_stay_within_their_bounds(made in 1_u32..100, jitter in 0.0_f64..1.0, attempts in 1_u32..100) {
            let policy = RetryPolicy { max_attempts: attempts, ..POLICY };
            let pause = policy.pause(&fault(ErrorKind::Unavailable, None), made, jitter);
            prop_assert_eq!(pause.is_some(), made < attempts);
            if let Some(pause) = pause {
                prop_assert!(pause <= policy.max_delay);
                prop_assert!(pause <= policy.base_delay.saturating_mul(1 << (made - 1).min(20)));
            }
        }
    }
}
