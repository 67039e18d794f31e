//! Mends what a model refuses.
//!
//! The tables say what a model takes, but models are newer than tables, and differ between regions. When Bedrock
//! refuses one thing in a request that can be left out or done another way, the request is prepared anew without it
//! and sent again at once; if that works, it is remembered for the model until the process ends. What changes the
//! meaning (tools, messages, media) is never mended, and a change is a note like any other: strict mode refuses it.
//!
//! The request is only kept as long as it may be needed: once a model has taken everything that is in it before, a
//! request like it goes out as it would without all this.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::attempt::{Answered, Ask, ChatPlan};
use super::retry::{Plan, Within};
use super::upstream::Held;
use super::{Fault, Target, Trail, refuse_noted};
use crate::bedrock::{ModelId, Refusal, Refused};
use crate::catalog;
use crate::chat::{Notes, Request};
use crate::families::{Lessons, Risks};

/// Most models that are remembered: what a client may write is unbounded.
const MOST_MODELS: usize = 1000;
/// Most things that are mended in one call. Each costs an attempt.
const MOST_MENDS: u32 = 3;

/// What models have refused and taken so far.
#[derive(Debug, Default)]
pub(super) struct Memory {
    known: RwLock<HashMap<ModelId, Known>>,
}

/// What is known of one model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Known {
    lessons: Lessons,
    taken: Risks,
}

impl Memory {
    pub(super) fn of(&self, model: &ModelId) -> Known {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(model).copied().unwrap_or_default()
    }

    /// A draft was answered.
    fn learn(&self, model: &ModelId, draft: &Draft<'_>) {
        let before = self.of(model);
        let now = Known {
            lessons: draft.lessons.lasting(),
            taken: before.taken.and(draft.lessons.taken(draft.risks)),
        };
        if now == before {
            return;
        }
        if now.lessons != before.lessons {
            tracing::info!(
                target: "outcrop::heal",
                model = model.as_str(),
                "the model refuses what its family is said to take; remembered until the next start"
            );
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MOST_MODELS || known.contains_key(model) {
            known.insert(model.clone(), now);
        }
    }
}

/// A chat on its way to one target: its plan, and what another one can be made of.
#[derive(Clone)]
pub(super) struct Draft<'a> {
    plan: ChatPlan,
    memory: &'a Memory,
    ask: Ask<'a>,
    /// As decoded; gone if nothing in it can be refused.
    request: Option<Arc<Request>>,
    /// What decoding changed.
    notes: Notes,
    strict: bool,
    lessons: Lessons,
    risks: Risks,
    /// The client wrote members of the model's own body. What is refused may be one of those, and nobody else's.
    has_own_members: bool,
    mends: u32,
    /// The reply was to be streamed and put together here, and may not be streamed.
    unfolded: bool,
}

impl<'a> Draft<'a> {
    /// Prepares a request for the first time.
    pub(super) fn begin(
        ask: Ask<'a>,
        request: Request,
        strict: bool,
        memory: &'a Memory,
        trail: &mut Trail,
    ) -> Result<Self, Fault> {
        let caching = request.cache.mode.unwrap_or(ask.target.cache);
        let risks = Risks::of(&request, ask.streaming, caching.places_in(&request.messages));
        let Known { lessons, taken } = memory.of(&ask.target.model);
        let keep = !risks.are_within(taken) || is_kept_anyway(&request, &ask);
        let kept = keep.then(|| Arc::new(request.clone()));
        let has_own_members = !request.model_fields.is_empty();
        let notes = trail.notes.clone();
        let plan = ChatPlan::new(&ask, request, lessons, &mut trail.notes)?;
        let risks = if plan.caches() { risks } else { risks.without_cache_points() };
        if strict {
            refuse_noted(&trail.notes)?;
        }
        Ok(Self {
            plan,
            memory,
            ask,
            request: kept,
            notes,
            strict,
            lessons,
            risks,
            has_own_members,
            mends: 0,
            unfolded: false,
        })
    }

    /// Prepares it again without what was refused. `None` if that can't be mended, or changes nothing.
    fn without(&self, lessons: Lessons, trail: &mut Trail) -> Result<Option<ChatPlan>, Fault> {
        let Some(request) = self.request.as_ref().filter(|_| lessons != self.lessons) else {
            return Ok(None);
        };
        if self.mends == MOST_MENDS {
            return Ok(None);
        }
        let mut notes = self.notes.clone();
        let Ok(mut mended) = ChatPlan::new(&self.ask, Request::clone(request), lessons, &mut notes) else {
            // The refusal says more about the request than that it can't be mended.
            return Ok(None);
        };
        if mended.calls_like(&self.plan) {
            return Ok(None);
        }
        if self.strict {
            refuse_noted(&notes)?;
        }
        trail.notes = notes;
        if self.unfolded {
            mended.unfold();
        }
        if *self.plan.model() != self.ask.target.model {
            mended.reroute(self.plan.model().clone(), trail);
        }
        Ok(Some(mended))
    }
}

impl Plan for Draft<'_> {
    type Answer = Answered;

    fn model(&self) -> &ModelId {
        self.plan.model()
    }

    fn names_resources(&self) -> bool {
        self.plan.names_resources()
    }

    fn reroute(&mut self, profile: ModelId, trail: &mut Trail) {
        self.plan.reroute(profile, trail);
    }

    async fn attempt(&self, target: &Target, within: &Within, trail: &mut Trail) -> Result<Answered, Fault> {
        self.plan.attempt(target, within, trail).await
    }

    fn committed(&self, answer: &mut Answered, held: Held) {
        self.memory.learn(&self.ask.target.model, self);
        if self.unfolded {
            held.refuses_streams();
        }
        self.plan.committed(answer, held);
    }

    fn mend(&mut self, fault: &Fault, trail: &mut Trail) -> Result<bool, Fault> {
        if fault.refuses_streaming() && self.plan.unfold() {
            self.unfolded = true;
            return Ok(true);
        }
        let Some(refused) = fault.refusal() else { return Ok(false) };
        let what = match refused.what {
            // Refused at the limit itself: it is the first number that is too large.
            Refusal::MaxTokens(most) if self.plan.max_tokens() == Some(most) && most > 1 => {
                Refusal::MaxTokens(most - 1)
            }
            what => what,
        };
        for what in [Some(what), what.instead()].into_iter().flatten() {
            let lasting = refused.lasting && !self.has_own_members;
            let lessons = self.lessons.and(Refused { what, lasting });
            let Some(mended) = self.without(lessons, trail)? else { continue };
            self.plan = mended;
            self.lessons = lessons;
            self.mends += 1;
            tracing::debug!(
                target: "outcrop::heal",
                model = self.ask.target.model.as_str(),
                refused = what.label(),
                "refused by the model, trying without"
            );
            return Ok(true);
        }
        Ok(false)
    }
}

/// Is it kept whatever was taken before? A short one costs next to nothing, and it may have a value that is refused where others
/// were taken. A long one is if it may fit without its reply only: a token has two bytes at least.
fn is_kept_anyway(request: &Request, ask: &Ask<'_>) -> bool {
    const SHORT: usize = 32 * 1024;
    let weight = request.weight();
    if weight <= SHORT {
        return true;
    }
    let Some(asked) = request.max_tokens else { return false };
    let window = catalog::find(ask.target.base.as_str()).and_then(|facts| facts.context_window);
    let window = usize::try_from(window.unwrap_or(32_768)).unwrap_or(usize::MAX);
    (weight / 2).saturating_add(usize::try_from(asked).unwrap_or(usize::MAX)) > window
}
