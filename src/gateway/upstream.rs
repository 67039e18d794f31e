//! What is remembered of each target from call to call: its breaker, its retry budget, its permits.
//!
//! A target is a model, profile or ARN in an account and region. What is remembered outlives the configuration that named it, and
//! targets that only clients have named are remembered as well, up to a number.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tower::retry::budget::{Budget as _, TpsBudget};

use super::blame::Blame;
use super::breaker::{BreakerPolicy, Change, Heard};
use super::door::{Door, Leave};
use super::{Fault, Target};
use crate::bedrock::ModelId;
use crate::telemetry::{BreakerMetrics, Metrics};

/// Most targets that are remembered.
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
}

/// How much a target may be asked again in all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BudgetPolicy {
    /// Of all calls within ten seconds, such a share may be repeated: 0.1 is every tenth.
    pub share: f32,
    /// So many a second besides.
    pub min_per_second: u32,
}

/// All targets that were called.
pub(super) struct Upstreams {
    policy: UpstreamPolicy,
    metrics: Arc<Metrics>,
    known: Arc<RwLock<HashMap<ModelId, Sites>>>,
}

/// By site.
type Sites = Vec<(Box<str>, Arc<Upstream>)>;

impl Upstreams {
    pub(super) fn new(policy: UpstreamPolicy, metrics: Arc<Metrics>) -> Self {
        Self { policy, metrics, known: Arc::default() }
    }

    /// The same targets under another policy. Whom nothing changes for is remembered; the others begin anew.
    pub(super) fn continued(&self, policy: UpstreamPolicy) -> Self {
        Self { policy, metrics: Arc::clone(&self.metrics), known: Arc::clone(&self.known) }
    }

    /// What is remembered of a target, called at `site`: [`super::Routes::site`].
    pub(super) fn of(&self, target: &Target, site: &str) -> Arc<Upstream> {
        let find = |known: &HashMap<ModelId, Sites>| {
            let sites = known.get(&target.model)?;
            let (_, upstream) = sites.iter().find(|(known, _)| **known == *site)?;
            let is_same = upstream.most == target.concurrency && upstream.policy == self.policy;
            is_same.then(|| Arc::clone(upstream))
        };
        if let Some(upstream) = find(&self.known.read().unwrap_or_else(PoisonError::into_inner)) {
            return upstream;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(upstream) = find(&known) {
            return upstream;
        }
        let metrics = self.metrics.breaker(target.label(), site);
        // The one before it may have been left alone.
        metrics.closed();
        let fresh = Arc::new(Upstream::new(self.policy, target, metrics));
        if known.len() < MOST || known.contains_key(&target.model) {
            let sites = known.entry(target.model.clone()).or_default();
            sites.retain(|(known, _)| **known != *site);
            sites.push((site.into(), Arc::clone(&fresh)));
        }
        fresh
    }
}

/// What is remembered of one target.
pub(super) struct Upstream {
    door: Door,
    budget: TpsBudget,
    permits: Option<Arc<Semaphore>>,
    /// What the permits were made for.
    most: Option<usize>,
    /// What breaker and budget were made for.
    policy: UpstreamPolicy,
    /// It may not stream: an identity without the right to.
    whole_only: AtomicBool,
    metrics: BreakerMetrics,
}

impl Upstream {
    fn new(policy: UpstreamPolicy, target: &Target, metrics: BreakerMetrics) -> Self {
        let UpstreamPolicy { breaker, budget: BudgetPolicy { share, min_per_second } } = policy;
        let most = target.concurrency;
        Self {
            door: Door::new(breaker),
            budget: TpsBudget::new(BUDGET_WINDOW, min_per_second, share),
            permits: most.map(|most| Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)))),
            most,
            policy,
            whole_only: AtomicBool::new(false),
            metrics,
        }
    }

    /// Leave to call it, if its breaker gives any.
    pub(super) fn turn(self: &Arc<Self>) -> Option<Turn> {
        let leave = self.door.ask(Instant::now())?;
        Some(Turn { upstream: Arc::clone(self), leave })
    }

    /// Leave to call it whatever its breaker says: there is no other.
    pub(super) fn turn_anyway(self: &Arc<Self>) -> Turn {
        Turn { upstream: Arc::clone(self), leave: self.door.ask_anyway(Instant::now()) }
    }

    /// Whether its breaker would give no leave now.
    pub(super) fn is_left_alone(&self) -> bool {
        self.door.is_shut(Instant::now())
    }

    /// A call to it begins, which allows a part of a retry.
    pub(super) fn earn(&self) {
        self.budget.deposit();
    }

    /// Takes a retry from the budget, if there is one in it.
    pub(super) fn spend(&self) -> bool {
        self.budget.withdraw()
    }

    /// A permit where calls are bounded. `may_wait`: there is nowhere else to go.
    pub(super) async fn permit(
        &self,
        may_wait: bool,
        deadline: Instant,
    ) -> Result<Option<OwnedSemaphorePermit>, Fault> {
        let Some(permits) = &self.permits else { return Ok(None) };
        if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
            return Ok(Some(permit));
        }
        if !may_wait {
            return Err(Fault::Overloaded);
        }
        let until = deadline.min(Instant::now() + PERMIT_WAIT);
        match timeout_at(until, Arc::clone(permits).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Some(permit)),
            Ok(Err(_)) | Err(_) => Err(Fault::Overloaded),
        }
    }

    /// Whether what is wanted whole can't be streamed from it.
    pub(super) fn is_whole_only(&self) -> bool {
        self.whole_only.load(Ordering::Relaxed)
    }

    fn hear(&self, heard: Heard, leave: Option<&Leave>) {
        self.door.hear(heard, leave, Instant::now(), fastrand::f64(), |change| match change {
            Change::Opened => self.metrics.opened(),
            Change::Closed => self.metrics.closed(),
        });
    }
}

/// Leave to call a target. If it is the probe's, dropping it without a word makes way for another.
pub(super) struct Turn {
    upstream: Arc<Upstream>,
    leave: Leave,
}

impl Turn {
    /// Whom it is for.
    pub(super) fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    /// An attempt has committed.
    pub(super) fn succeeded(&self) {
        self.upstream.hear(Heard::Good, Some(&self.leave));
    }

    /// An attempt has failed.
    pub(super) fn failed(&self, blame: Blame) {
        if let Some(heard) = blame.heard() {
            self.upstream.hear(heard, Some(&self.leave));
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.upstream.door.give_back(&self.leave, Instant::now());
    }
}

/// What an answer holds of its target until it ends.
pub(super) struct Held {
    upstream: Arc<Upstream>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Held {
    pub(super) fn new(turn: &Turn, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self { upstream: Arc::clone(turn.upstream()), _permit: permit }
    }

    /// The target has refused to stream, and answered the same call whole.
    pub(super) fn refuses_streams(&self) {
        self.upstream.whole_only.store(true, Ordering::Relaxed);
    }

    /// The answer broke after it had begun.
    pub(super) fn broke(&self, fault: &Fault) {
        if let Some(heard) = Blame::of(fault).heard() {
            self.upstream.hear(heard, None);
        }
    }
}
