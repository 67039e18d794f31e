//! What is remembered of each target from call to call: its breaker, its retry budget, its permits.
//!
//! A target is a model, profile or ARN in an account and region. What is remembered outlives the configuration that named it if
//! the next one names it too. Targets that only clients have named are remembered as well, up to a number.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use tower::retry::budget::{Budget as _, TpsBudget};

use super::blame::Blame;
use super::breaker::{BreakerPolicy, Change, Heard};
use super::door::{Door, Leave};
use super::{Fault, Target};
use crate::bedrock::ModelId;
use crate::telemetry::{BreakerMetrics, Metrics};

/// Most models that are remembered.
const MOST: usize = 1000;

/// How long a retry budget looks back.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);

/// How long a call waits for a permit of the last target that it can go to.
const PERMIT_WAIT: Duration = Duration::from_millis(500);

/// What holds for each target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UpstreamPolicy {
    /// When it is left alone; `None`: never.
    pub breaker: Option<BreakerPolicy>,
    /// How much it may be asked again.
    pub budget: BudgetPolicy,
    /// Callers are several, and leave each other a part of its `concurrency`.
    pub shared: bool,
}

/// How many calls at once one of several callers may have at a target of so many, where the others have none: it leaves an
/// eighth of what they don't hold, and may always have one.
pub(super) fn share_of(most: usize) -> usize {
    (most - most.div_ceil(8)).max(1)
}

/// How much a target may be asked again in all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BudgetPolicy {
    /// Of all calls within ten seconds, such a share may be repeated: 0.1 is every tenth.
    pub share: f32,
    /// So many a second besides.
    pub min_per_second: u32,
}

/// Where a target is: what is called, and at which site ([`super::Routes::site`]).
pub(super) type Location = (ModelId, Box<str>);

/// All targets that were called. Clones are the same.
#[derive(Clone)]
pub(super) struct Upstreams {
    metrics: Arc<Metrics>,
    known: Arc<RwLock<Known>>,
}

struct Known {
    /// The latest, for calls of an earlier configuration as well.
    policy: UpstreamPolicy,
    by_model: HashMap<ModelId, Sites>,
}

/// By site.
type Sites = Vec<(Box<str>, Arc<Upstream>)>;

impl Upstreams {
    pub(super) fn new(policy: UpstreamPolicy, metrics: Arc<Metrics>) -> Self {
        Self { metrics, known: Arc::new(RwLock::new(Known { policy, by_model: HashMap::new() })) }
    }

    /// The same targets under another policy, but for those that are gone. A call of these that is under way keeps what it
    /// has of its target, and nobody else finds it.
    pub(super) fn continued(&self, policy: UpstreamPolicy, gone: &HashSet<Location>) -> Self {
        let mut known = self.write();
        for (model, site) in gone {
            let Some(sites) = known.by_model.get_mut(model) else { continue };
            sites.retain(|(known, upstream)| {
                let stays = known != site;
                if !stays {
                    upstream.metrics.forget();
                }
                stays
            });
            if sites.is_empty() {
                known.by_model.remove(model);
            }
        }
        if known.policy != policy {
            known.policy = policy;
            for (_, upstream) in known.by_model.values().flatten() {
                upstream.rebind(policy);
            }
        }
        drop(known);
        self.clone()
    }

    /// What is remembered of a target, called at `site`.
    pub(super) fn of(&self, target: &Target, site: &str) -> Arc<Upstream> {
        let find = |known: &Known| {
            let sites = known.by_model.get(&target.model)?;
            sites.iter().find(|(known, _)| **known == *site).map(|(_, upstream)| Arc::clone(upstream))
        };
        if let Some(upstream) = find(&self.known.read().unwrap_or_else(PoisonError::into_inner)) {
            return upstream;
        }
        let mut known = self.write();
        if let Some(upstream) = find(&known) {
            return upstream;
        }
        if known.by_model.len() >= MOST && !known.by_model.contains_key(&target.model) {
            // Whom nobody calls now makes room, and what is known of it is little.
            known.by_model.retain(|_, sites| sites.iter().any(|(_, upstream)| upstream.is_in_use()));
        }
        let fresh = Arc::new(Upstream::new(known.policy, self.metrics.breaker(target.label(), site)));
        if known.by_model.len() < MOST || known.by_model.contains_key(&target.model) {
            let sites = known.by_model.entry(target.model.clone()).or_default();
            sites.push((site.into(), Arc::clone(&fresh)));
        }
        fresh
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose call it is, as far as a target is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Caller(u64);

impl Caller {
    /// By the key's id. Without keys all callers are one.
    pub(super) fn of(principal: Option<&str>) -> Self {
        let mut hasher = DefaultHasher::new();
        principal.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// The callers that a target has answered last, two of them. As long as it answers others, the failures of one are that one's:
/// what it sends may be what fails.
#[derive(Debug, Default)]
struct Answered([Option<(Caller, Instant)>; 2]);

impl Answered {
    fn note(&mut self, caller: Caller, now: Instant) {
        let [last, before] = &mut self.0;
        if last.is_some_and(|(known, _)| known != caller) {
            *before = *last;
        }
        *last = Some((caller, now));
    }

    /// A caller was failed: does the target answer others all the same? What it answered to this one was before.
    fn others(&mut self, caller: Caller, now: Instant) -> bool {
        for slot in &mut self.0 {
            *slot = slot.filter(|(known, at)| *known != caller && now.duration_since(*at) < RECENT);
        }
        self.0.iter().any(Option::is_some)
    }
}

/// An answer that is older says nothing of now.
const RECENT: Duration = Duration::from_secs(30);

/// What is remembered of one target.
pub(super) struct Upstream {
    door: Door,
    answered: Mutex<Answered>,
    budget: RwLock<(BudgetPolicy, TpsBudget)>,
    /// Calls under way, whatever bound each was made under.
    calls: AtomicUsize,
    /// And of those within a bound that callers share, each one's.
    by_caller: Mutex<HashMap<Arc<str>, usize>>,
    /// One has ended.
    freed: Notify,
    /// It may not stream: an identity without the right to.
    whole_only: AtomicBool,
    metrics: BreakerMetrics,
}

fn budget(policy: BudgetPolicy) -> (BudgetPolicy, TpsBudget) {
    (policy, TpsBudget::new(BUDGET_WINDOW, policy.min_per_second, policy.share))
}

impl Upstream {
    fn new(policy: UpstreamPolicy, metrics: BreakerMetrics) -> Self {
        Self {
            door: Door::new(policy.breaker),
            answered: Mutex::default(),
            budget: RwLock::new(budget(policy.budget)),
            calls: AtomicUsize::new(0),
            by_caller: Mutex::default(),
            freed: Notify::new(),
            whole_only: AtomicBool::new(false),
            metrics,
        }
    }

    /// Another policy, from now on. A budget of another size is a new one; all else goes on.
    fn rebind(&self, policy: UpstreamPolicy) {
        self.door.rebind(policy.breaker, || self.metrics.closed());
        let mut known = self.budget.write().unwrap_or_else(PoisonError::into_inner);
        if known.0 != policy.budget {
            *known = budget(policy.budget);
        }
    }

    /// Whether anything of it would be lost with it.
    fn is_in_use(&self) -> bool {
        self.calls.load(Ordering::Relaxed) > 0 || self.is_left_alone()
    }

    /// Leave to call it, if its breaker gives any.
    pub(super) fn turn(self: &Arc<Self>, caller: Caller) -> Option<Turn> {
        let leave = self.door.ask(Instant::now())?;
        Some(Turn { upstream: Arc::clone(self), caller, leave })
    }

    /// Leave to call it whatever its breaker says: there is no other.
    pub(super) fn turn_anyway(self: &Arc<Self>, caller: Caller) -> Turn {
        Turn { upstream: Arc::clone(self), caller, leave: self.door.ask_anyway(Instant::now()) }
    }

    /// Whether its breaker would give no leave now.
    pub(super) fn is_left_alone(&self) -> bool {
        self.door.is_shut(Instant::now())
    }

    /// A call to it begins, which allows a part of a retry.
    pub(super) fn earn(&self) {
        self.budget.read().unwrap_or_else(PoisonError::into_inner).1.deposit();
    }

    /// Takes a retry from the budget, if there is one in it.
    pub(super) fn spend(&self) -> bool {
        self.budget.read().unwrap_or_else(PoisonError::into_inner).1.withdraw()
    }

    /// A permit for one call more, if fewer than `most` are under way, and of `caller`'s, if it is one of several, no more than
    /// its share. `may_wait`: there is nowhere else to go.
    pub(super) async fn permit(
        self: &Arc<Self>,
        most: Option<usize>,
        caller: Option<&Arc<str>>,
        may_wait: bool,
        deadline: Instant,
    ) -> Result<Permit, Fault> {
        if let Some(permit) = self.try_permit(most, caller) {
            return Ok(permit);
        }
        if !may_wait {
            return Err(Fault::Overloaded);
        }
        let next = async {
            loop {
                let mut freed = pin!(self.freed.notified());
                // What ends from here on is heard.
                freed.as_mut().enable();
                if let Some(permit) = self.try_permit(most, caller) {
                    return permit;
                }
                freed.await;
            }
        };
        let until = deadline.min(Instant::now() + PERMIT_WAIT);
        timeout_at(until, next).await.map_err(|_| Fault::Overloaded)
    }

    fn try_permit(self: &Arc<Self>, most: Option<usize>, caller: Option<&Arc<str>>) -> Option<Permit> {
        let (Some(most), Some(caller)) = (most, caller) else {
            let most = most.unwrap_or(usize::MAX);
            return self.has_one_more(|calls| calls < most).then(|| Permit::new(self, None));
        };
        let mut by_caller = self.by_caller();
        let own = by_caller.get(caller).copied().unwrap_or_default();
        let may = |calls: usize| {
            let left = most.saturating_sub(calls.saturating_sub(own));
            calls < most && own < share_of(left)
        };
        self.has_one_more(may).then(|| {
            *by_caller.entry(Arc::clone(caller)).or_default() += 1;
            Permit::new(self, Some(Arc::clone(caller)))
        })
    }

    fn has_one_more(&self, may: impl Fn(usize) -> bool) -> bool {
        let one_more = |calls: usize| may(calls).then_some(calls + 1);
        // A mere count: nothing is read on the strength of it.
        self.calls.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    fn by_caller(&self) -> MutexGuard<'_, HashMap<Arc<str>, usize>> {
        self.by_caller.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what is wanted whole can't be streamed from it.
    pub(super) fn is_whole_only(&self) -> bool {
        self.whole_only.load(Ordering::Relaxed)
    }

    fn hear(&self, heard: Heard, caller: Caller, leave: Option<&Leave>) {
        let now = Instant::now();
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let is_one_callers = match heard {
            Heard::Good => {
                answered.note(caller, now);
                false
            }
            Heard::Busy | Heard::Bad => answered.others(caller, now),
        };
        drop(answered);
        // What is known already needs no proof: a door that is shut is the probe's to open.
        if is_one_callers && !self.door.is_shut(now) {
            return;
        }
        self.door.hear(heard, leave, now, fastrand::f64(), |change| match change {
            Change::Opened => self.metrics.opened(),
            Change::Closed => self.metrics.closed(),
        });
    }
}

/// Leave to call a target. If it is the probe's, dropping it without a word makes way for another.
pub(super) struct Turn {
    upstream: Arc<Upstream>,
    caller: Caller,
    leave: Leave,
}

impl Turn {
    /// Whom it is for.
    pub(super) fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    /// An attempt has committed.
    pub(super) fn succeeded(&self) {
        self.upstream.hear(Heard::Good, self.caller, Some(&self.leave));
    }

    /// An attempt has failed.
    pub(super) fn failed(&self, blame: Blame) {
        if let Some(heard) = blame.heard() {
            self.upstream.hear(heard, self.caller, Some(&self.leave));
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.upstream.door.give_back(&self.leave, Instant::now());
    }
}

/// One of a target's calls. It is over when this drops.
pub(super) struct Permit {
    upstream: Arc<Upstream>,
    /// Whose it is, where callers share.
    caller: Option<Arc<str>>,
}

impl Permit {
    fn new(upstream: &Arc<Upstream>, caller: Option<Arc<str>>) -> Self {
        Self { upstream: Arc::clone(upstream), caller }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Self { upstream, caller } = self;
        let Some(caller) = caller else {
            upstream.calls.fetch_sub(1, Ordering::Relaxed);
            upstream.freed.notify_one();
            return;
        };
        let mut by_caller = upstream.by_caller();
        upstream.calls.fetch_sub(1, Ordering::Relaxed);
        if let Some(own) = by_caller.get_mut(caller) {
            *own -= 1;
            if *own == 0 {
                by_caller.remove(caller);
            }
        }
        drop(by_caller);
        // The one who has waited the longest may have its share already.
        upstream.freed.notify_waiters();
    }
}

/// What an answer holds of its target until it ends.
pub(super) struct Held {
    upstream: Arc<Upstream>,
    caller: Caller,
    _permit: Permit,
}

impl Held {
    pub(super) fn new(turn: &Turn, permit: Permit) -> Self {
        Self { upstream: Arc::clone(turn.upstream()), caller: turn.caller, _permit: permit }
    }

    /// The target has refused to stream, and answered the same call whole.
    pub(super) fn refuses_streams(&self) {
        self.upstream.whole_only.store(true, Ordering::Relaxed);
    }

    /// The answer broke after it had begun.
    pub(super) fn broke(&self, fault: &Fault) {
        if let Some(heard) = Blame::of(fault).heard() {
            self.upstream.hear(heard, self.caller, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_one_callers_as_long_as_others_are_answered() {
        let [alice, bob] = ["alice", "bob"].map(|key| Caller::of(Some(key)));
        let begun = Instant::now();
        let mut answered = Answered::default();
        assert!(!answered.others(alice, begun), "nobody was answered");
        answered.note(alice, begun);
        assert!(!answered.others(alice, begun), "nobody else was");
        answered.note(bob, begun);
        answered.note(bob, begun);
        assert!(answered.others(alice, begun) && answered.others(alice, begun));
        // Now bob is failed as well: it is the target.
        assert!(!answered.others(bob, begun));
        assert!(!answered.others(alice, begun));
        answered.note(bob, begun);
        assert!(!answered.others(alice, begun + RECENT), "that was long ago");
    }
}
