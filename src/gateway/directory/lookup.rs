//! What is behind the ARNs that hide their model, one question each, never twice at once.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::{AGAIN, Directory, is_final, malformed};
use crate::bedrock::{BedrockError, ModelId};
use crate::catalog::{Behind, Hiding};
use crate::families::{self, Family};

/// Most ARNs that are remembered: what clients may write is unbounded.
const MOST: usize = 1000;

/// Most questions at a time.
const AT_ONCE: usize = 8;

/// Most questions that come to nothing within [`WHILE`]. Each ARN that a client makes up is one.
const MOST_FRUITLESS: usize = 20;

/// See [`MOST_FRUITLESS`].
const WHILE: Duration = Duration::from_secs(10);

/// Longest way from an ARN to its model: a provisioned custom model, say.
const MOST_STEPS: usize = 4;

/// What a hidden model turned out to be.
#[derive(Clone)]
pub(crate) enum Base {
    /// A foundation model, or one trained from it.
    Model(ModelId),
    /// Imported weights that behave like this family.
    Family(&'static dyn Family),
}

/// What is known of one ARN.
#[derive(Default)]
pub(super) struct Lookup {
    base: Option<Base>,
    /// When to ask again.
    until: Option<Instant>,
    /// When it was last asked.
    asked: Option<Instant>,
    /// Closes when the question that is under way has its answer.
    pending: Option<watch::Receiver<()>>,
}

impl Directory {
    /// What is behind an ARN, as far as it is known. What isn't is asked for in the background.
    pub(crate) fn behind(self: &Arc<Self>, arn: &ModelId) -> Option<Base> {
        if let Some(base) = self.listed(arn) {
            return Some(Base::Model(base));
        }
        let hiding = Hiding::of(arn.as_str()).filter(|_| self.asks())?;
        let mut lookups = self.lookups();
        let lookup = lookups.get(arn);
        let known = lookup.and_then(|lookup| lookup.base.clone());
        let is_due = lookup.is_none_or(|lookup| {
            lookup.pending.is_none() && lookup.until.is_none_or(|until| until <= Instant::now())
        });
        let now = Instant::now();
        let is_fruitless = |lookup: &Lookup| {
            lookup.base.is_none() && lookup.asked.is_some_and(|asked| now.duration_since(asked) < WHILE)
        };
        let (mut under_way, mut fruitless) = (0, 0);
        for lookup in lookups.values().filter(|_| is_due) {
            under_way += usize::from(lookup.pending.is_some());
            fruitless += usize::from(is_fruitless(lookup));
        }
        if is_due && under_way < AT_ONCE && fruitless < MOST_FRUITLESS {
            if lookups.len() >= MOST {
                lookups.retain(|_, lookup| {
                    lookup.base.is_some() || lookup.pending.is_some() || is_fruitless(lookup)
                });
            }
            if lookups.len() < MOST || lookups.contains_key(arn) {
                let (done, pending) = watch::channel(());
                let lookup = lookups.entry(arn.clone()).or_default();
                (lookup.pending, lookup.asked) = (Some(pending), Some(now));
                tokio::spawn(Arc::clone(self).look_up(arn.clone(), hiding, done));
            }
        }
        known
    }

    /// Waits for a question that is under way, within bounds. True if it is known now what is behind the ARN.
    pub(crate) async fn found(self: &Arc<Self>, arn: &ModelId) -> bool {
        let pending = self.lookups().get(arn).and_then(|lookup| lookup.pending.clone());
        if let Some(mut pending) = pending {
            // Answered is closed; and what is too late for this request is in time for the next.
            let _late = timeout(self.asking.lookup_wait, pending.changed()).await;
        }
        self.lookups().get(arn).is_some_and(|lookup| lookup.base.is_some())
    }

    fn listed(&self, arn: &ModelId) -> Option<ModelId> {
        let snapshots = self.snapshots.read().unwrap_or_else(PoisonError::into_inner);
        snapshots.values().find_map(|live| parsed(live.base(arn.as_str())?))
    }

    async fn look_up(self: Arc<Self>, arn: ModelId, hiding: Hiding, done: watch::Sender<()>) {
        let found = self.follow(&arn, hiding).await;
        let interval = self.asking.interval.unwrap_or(AGAIN);
        let pause = match &found {
            Err(error) if !is_final(error.kind) => AGAIN.min(interval),
            Ok(_) | Err(_) => interval,
        };
        if let Err(error) = &found
            && self.lamented.lock().unwrap_or_else(PoisonError::into_inner).insert((hiding, error.kind))
        {
            tracing::warn!(
                kind = error.kind.label(),
                detail = error.detail,
                "what is behind an ARN can't be looked up; its family may have to be configured"
            );
        }
        let mut lookups = self.lookups();
        let lookup = lookups.entry(arn).or_default();
        lookup.until = Some(Instant::now() + pause);
        lookup.pending = None;
        // No news, and what was known stays.
        if let Ok(Some(base)) = found {
            lookup.base = Some(base);
        }
        drop(lookups);
        drop(done);
    }

    /// Waits for everything that is being looked up.
    pub async fn settled(&self) {
        loop {
            let pending = self.lookups().values().find_map(|lookup| lookup.pending.clone());
            let Some(mut pending) = pending else { return };
            // Answered is closed.
            let _answered = pending.changed().await;
        }
    }

    async fn follow(&self, arn: &ModelId, hiding: Hiding) -> Result<Option<Base>, BedrockError> {
        let (mut arn, mut hiding) = (arn.as_str().to_owned(), hiding);
        for _ in 0..MOST_STEPS {
            let region = arn.split(':').nth(3).filter(|region| !region.is_empty());
            // Only regions that may be called are asked: a client's word shall not choose a host.
            let region = self.asking.regions.iter().find(|known| Some(known.as_str()) == region);
            let Some(region) = region.or_else(|| self.asking.regions.first()) else { return Ok(None) };
            let reply = self.read(region, &hiding.question(&arn)).await?;
            match hiding.answer(&reply.body).map_err(|error| malformed(&error))? {
                Behind::Model(id) => return Ok(parsed(&id).map(Base::Model)),
                Behind::Architecture(name) => return Ok(family_of(&name).map(Base::Family)),
                Behind::Nothing => return Ok(None),
                Behind::Arn(next) => {
                    if let Some(id) = self.snapshot(region).base(&next) {
                        return Ok(parsed(id).map(Base::Model));
                    }
                    match Hiding::of(&next) {
                        Some(next_hiding) => (arn, hiding) = (next, next_hiding),
                        // A profile of AWS's own names its model.
                        None => return Ok(parsed(&next).and_then(|arn| parsed(arn.base())).map(Base::Model)),
                    }
                }
            }
        }
        Ok(None)
    }

    /// What was found so far. Questions under way are another's.
    pub(super) fn found_so_far(&self) -> std::collections::HashMap<ModelId, Lookup> {
        let lookups = self.lookups();
        let answered = lookups.iter().filter(|(_, lookup)| lookup.pending.is_none());
        let found = answered.map(|(arn, Lookup { base, until, asked, pending: _ })| {
            (arn.clone(), Lookup { base: base.clone(), until: *until, asked: *asked, pending: None })
        });
        found.collect()
    }

    fn lookups(&self) -> MutexGuard<'_, std::collections::HashMap<ModelId, Lookup>> {
        self.hidden.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// AWS's word for an id, which is taken for none if it isn't one.
fn parsed(id: &str) -> Option<ModelId> {
    #[expect(clippy::disallowed_methods, reason = "an id that can't be called is no id")]
    ModelId::parse(id).ok()
}

/// The family that imported weights behave like (Bedrock's user guide, "Supported architectures" of custom model
/// import). An architecture that isn't here stays unknown.
fn family_of(architecture: &str) -> Option<&'static dyn Family> {
    const TABLE: [(&str, &[&str]); 4] = [
        ("llama", &["LLAMA2", "LLAMA3", "LLAMA3_1", "LLAMA3_2", "LLAMA3_3", "MLLAMA"]),
        ("mistral", &["MISTRAL", "MIXTRAL"]),
        ("qwen", &["QWEN2", "QWEN2_5", "QWEN2_VL", "QWEN2_5_VL", "QWEN3"]),
        ("gpt_oss", &["GPT_OSS"]),
    ];
    let word = architecture.to_ascii_uppercase().replace(['-', '.'], "_");
    let (family, _) = TABLE.iter().find(|(_, known)| known.contains(&word.as_str()))?;
    families::named(family)
}
