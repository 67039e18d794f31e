//! From target to target, until one answers.
//!
//! A call has so many attempts (`retry.max_attempts`), and each target gets one before any gets a second: a failure that
//! may not come again at once is tried again where it was, as long as enough attempts are left for the others; any other
//! moves the call on. A target whose breaker is open is passed over, unless all are. One deadline covers all of it, and a
//! failure that is the request's own ends it.

use std::sync::Arc;

use tokio::time::Instant;

use super::blame::Blame;
use super::order::{Candidate, Seed, order};
use super::upstream::{Caller, Turn, Upstream};
use super::{Fault, Gateway, Route, Target, Trail, retry, upstream};
use crate::chat::Action;
use crate::telemetry::Label;

/// What is done at a target.
pub(super) trait Errand {
    /// What comes of it.
    type Answer;

    /// Who sends it, where callers are told apart.
    fn caller(&self) -> Option<&Arc<str>>;

    /// Prepares the call for the target and makes it. The second value is how many attempts that took.
    async fn run(
        &mut self,
        target: &Target,
        stay: &Stay,
        trail: &mut Trail,
    ) -> (Result<Self::Answer, Fault>, u32);
}

/// What may be done at one target.
pub(super) struct Stay {
    /// Leave to call it.
    pub(super) turn: Turn,
    /// Attempts, the first one included.
    pub(super) attempts: u32,
    /// There is another target to go to.
    pub(super) has_others: bool,
    /// For whom, if others want their part of it, too.
    pub(super) caller: Option<Arc<str>>,
}

impl Stay {
    /// How many calls of one request may be made at once there, of as many as may be made at all.
    pub(super) fn at_once(&self, target: &Target, most: usize) -> usize {
        let there = match (target.concurrency, &self.caller) {
            (None, _) => usize::MAX,
            (Some(all), None) => all,
            (Some(all), Some(_)) => upstream::share_of(all),
        };
        most.min(there).max(1)
    }
}

/// Runs an errand along a route.
pub(super) async fn run<E: Errand>(
    gateway: &Gateway,
    route: &Route,
    seed: Seed,
    mut errand: E,
    deadline: Instant,
    trail: &mut Trail,
) -> Result<E::Answer, Fault> {
    let targets = in_order(gateway, route, seed);
    let caller = Caller::of(errand.caller().map(|caller| &**caller));
    let most = targets.len().min(usize::from(gateway.policy.retry.max_fallbacks) + 1);
    let attempts = gateway.policy.retry.max_attempts.max(u32::try_from(most).unwrap_or(u32::MAX));
    let notes = trail.notes.clone();
    let mut failed: Option<Failed> = None;
    let (mut tried, mut made, mut was_slow) = (0, 0, false);
    for (at, (target, upstream)) in targets.iter().enumerate() {
        if tried == most || made >= attempts {
            break;
        }
        let rest = targets.get(at + 1..).unwrap_or_default();
        let turn = match upstream.turn(caller) {
            Some(turn) => turn,
            // With nobody to go to that isn't left alone as well, it is called all the same.
            None if tried == 0 && rest.iter().all(|(_, other)| other.is_left_alone()) => {
                upstream.turn_anyway(caller)
            }
            None => {
                gateway.metrics.model(target.label()).fallback(Label::from("breaker_open"));
                continue;
            }
        };
        tried += 1;
        // Those that are left alone are no help: the attempts are this one's then.
        let others = rest.iter().filter(|(_, other)| !other.is_left_alone()).count();
        let others = u32::try_from(others.min(most - tried)).unwrap_or(u32::MAX);
        let stay = Stay {
            turn,
            attempts: attempts.saturating_sub(made).saturating_sub(others).max(1),
            has_others: others > 0,
            caller: errand.caller().filter(|_| gateway.policy.upstream.shared).cloned(),
        };
        if tried > 1 {
            trail.notes.clone_from(&notes);
        }
        trail.aim(target, &gateway.routes);
        let (outcome, took) = errand.run(target, &stay, trail).await;
        made += took;
        let fault = match outcome {
            Ok(answer) => {
                if at > 0 {
                    trail.notes.add("model", Action::Rerouted, "fallback");
                }
                return Ok(answer);
            }
            Err(fault) => fault,
        };
        let (blame, label) = (Blame::of(&fault), fault.label());
        // What a stand-in says of the request is news of the stand-in: the client hears why one was needed.
        let is_stand_ins = blame == Blame::Request && tried > 1;
        if !is_stand_ins {
            failed = Some(Failed { fault, at: trail.clone() });
        }
        let is_over = !is_stand_ins && !blame.moves_on() || was_slow && blame == Blame::Slow;
        // A target that was told there is no other has had all there is: who has come back since is too late.
        if is_over || !stay.has_others || retry::is_too_late(deadline) {
            break;
        }
        was_slow |= blame == Blame::Slow;
        gateway.metrics.model(target.label()).fallback(Label::from(label));
    }
    Err(failed.map_or_else(|| Fault::internal("a route without targets"), |failed| failed.tell(trail)))
}

/// A target's failure, and what of the trail belongs to it.
struct Failed {
    fault: Fault,
    at: Trail,
}

impl Failed {
    /// The trail becomes what it was at this target; attempts are those at all.
    fn tell(self, trail: &mut Trail) -> Fault {
        let attempts = trail.attempts;
        *trail = Trail { attempts, ..self.at };
        self.fault
    }
}

/// A route's targets, first choice first.
fn in_order<'a>(gateway: &Gateway, route: &'a Route, seed: Seed) -> Vec<(&'a Target, Arc<Upstream>)> {
    let upstream = |target| gateway.upstreams.of(target, &gateway.routes.site(target));
    if let [only] = &*route.targets {
        return vec![(only, upstream(only))];
    }
    let sites: Vec<_> = route.targets.iter().map(|target| gateway.routes.site(target)).collect();
    let candidates: Vec<_> = route
        .targets
        .iter()
        .zip(&sites)
        .map(|(target, site)| Candidate { name: (site, target.model.as_str()), weight: target.weight })
        .collect();
    let order = order(&candidates, seed);
    let targets = order.into_iter().filter_map(|at| route.targets.get(at));
    targets.map(|target| (target, upstream(target))).collect()
}
