//! A chat at one target: its thoughts put back, bent to the model, made once or several times at once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::time::Instant;

use super::attempt::{Answered, Ask};
use super::drive::IdleClock;
use super::fallback::{Errand, Stay};
use super::heal::Draft;
use super::retry::{self, Within};
use super::{Fault, Folding, Gateway, Target, Trail, thoughts};
use crate::chat::{Action, Request};
use crate::families::{self, Replay};

/// A chat on its way along a route.
pub(super) struct Chat<'a> {
    pub(super) gateway: &'a Gateway,
    /// As decoded. The last target takes it, those before it a copy.
    pub(super) request: Option<Request>,
    pub(super) streaming: bool,
    /// Refuse what would be noted, whatever the target says.
    pub(super) strict: bool,
    pub(super) choices: u32,
    pub(super) at_once: usize,
    pub(super) principal: Option<Arc<str>>,
    /// The client sends calls of tools back without their ids.
    pub(super) unnamed_calls: bool,
    pub(super) within: Within,
}

impl Errand for Chat<'_> {
    type Answer = Vec<Answered>;

    fn caller(&self) -> Option<&Arc<str>> {
        self.principal.as_ref()
    }

    async fn run(
        &mut self,
        target: &Target,
        stay: &Stay,
        trail: &mut Trail,
    ) -> (Result<Self::Answer, Fault>, u32) {
        let request = if stay.has_others { self.request.clone() } else { self.request.take() };
        let Some(request) = request else { return (Err(Fault::internal("a chat was given away twice")), 0) };
        let mut made = 0;
        // The larger part of a call by far: it is put in its place once, and not moved from future to future.
        (Box::pin(self.ask(request, target, stay, trail, &mut made)).await, made)
    }
}

/// What any model writes in this time: none on Bedrock is slower than ten tokens a second for long.
fn short(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX).saturating_mul(10)
}

impl Chat<'_> {
    async fn ask(
        &self,
        mut request: Request,
        target: &Target,
        stay: &Stay,
        trail: &mut Trail,
        made: &mut u32,
    ) -> Result<Vec<Answered>, Fault> {
        let strict = self.strict || target.strict;
        // Of several choices nobody could say which it was that came back.
        let unnamed = (self.unnamed_calls && self.choices == 1 && self.gateway.thoughts.is_some())
            .then(|| thoughts::Conversation::of(&request.messages));
        let principal = self.principal.clone();
        let takes = families::replay(target.family, &target.base, &request, target.format);
        let owner = thoughts::Owner { principal, model: target.base.base().into(), unnamed, takes };
        let memory = self.gateway.thoughts.as_ref().filter(|_| takes != Replay::No);
        let memory = memory.map(|thoughts| (thoughts, &owner));
        let folding = match self.gateway.policy.folding {
            Folding::Never => None,
            Folding::Always => Some(0),
            Folding::Long => Some(short(self.within.limits.first_event)),
        };
        let folding = folding.filter(|_| !stay.turn.upstream().is_whole_only());
        let mut ask = Ask { target, streaming: self.streaming, folding, memory, thoughts_complete: false };
        let found = memory.map(|(thoughts, owner)| thoughts.find(owner, &request, Instant::now()));
        let found = found.unwrap_or_default();
        // In case the model refuses what is put back, by us or by the client: where that is a habit of some models and no
        // condition of theirs, they are asked again without any.
        let brings = takes.is_of_the_loop() && thoughts::brings(&request, takes);
        let spare = ((brings || !found.is_empty()) && !strict).then(|| {
            let mut spare = request.clone();
            if brings {
                thoughts::strip(&mut spare);
            }
            spare
        });
        found.restore(&mut request, takes, &mut trail.notes);
        ask.thoughts_complete = found.complete;
        let draft = self.draft(ask, request, strict, trail)?;
        let outcome = self.make(target, draft, stay, trail, made).await;
        match (outcome, spare) {
            (Err(fault), Some(spare)) if thoughts::refused(&fault) => {
                tracing::debug!(target: "outcrop::thoughts", model = target.model.as_str(), "the model refused a thought that was put back");
                if let Some((thoughts, _)) = memory {
                    thoughts.forget(&found);
                }
                trail.notes.add("messages", Action::Dropped, "thoughts_refused");
                ask.thoughts_complete = false;
                let draft = self.draft(ask, spare, strict, trail)?;
                self.make(target, draft, stay, trail, made).await
            }
            (outcome, _) => outcome,
        }
    }

    fn clock(&self) -> IdleClock {
        let Within { limits, deadline } = self.within;
        IdleClock::new(limits.idle, limits.total, deadline)
    }

    fn draft<'d>(
        &'d self,
        ask: Ask<'d>,
        request: Request,
        strict: bool,
        trail: &mut Trail,
    ) -> Result<Draft<'d>, Fault> {
        Draft::begin(ask, request, strict, &self.gateway.lessons, trail)
    }

    async fn make(
        &self,
        target: &Target,
        draft: Draft<'_>,
        stay: &Stay,
        trail: &mut Trail,
        made: &mut u32,
    ) -> Result<Vec<Answered>, Fault> {
        if self.choices == 1 {
            let (outcome, took) = retry::run(self.gateway, target, draft, stay, &self.within, trail).await;
            *made += took;
            return Ok(vec![outcome?]);
        }
        self.make_all(target, &draft, stay, trail, made).await
    }

    /// The same call several times, as many at once as there may be. The first that fails ends them all: a client that asked for
    /// three answers isn't helped by two. The longest of them counts.
    ///
    /// Of streams whose calls take turns, each is read to its end before another begins.
    async fn make_all(
        &self,
        target: &Target,
        draft: &Draft<'_>,
        stay: &Stay,
        trail: &mut Trail,
        made: &mut u32,
    ) -> Result<Vec<Answered>, Fault> {
        let at_once = stay.at_once(target, self.at_once);
        let in_turns = at_once < self.choices as usize;
        if in_turns {
            trail.notes.add("n", Action::Warned, "calls_in_turns");
        }
        let mut each: Vec<_> = (0..self.choices).map(|_| (trail.clone(), 0)).collect();
        let runs = each.iter_mut().enumerate().map(|(at, (own, took))| async move {
            let (outcome, made) =
                retry::run(self.gateway, target, draft.clone(), stay, &self.within, own).await;
            *took = made;
            Ok::<_, Fault>((
                at,
                match outcome? {
                    Answered::Stream(stream) if in_turns => {
                        Answered::Stream(Box::new(stream.read_whole(self.clock()).await?))
                    }
                    answered => answered,
                },
            ))
        });
        let runs: Vec<_> = runs.collect();
        // In any order, so that a failure doesn't wait for what was begun before it.
        let outcome: Result<Vec<_>, _> = stream::iter(runs).buffer_unordered(at_once).try_collect().await;
        *made += each.iter().map(|(_, took)| *took).max().unwrap_or_default();
        for (own, _) in each {
            trail.joined(own);
        }
        let mut answered = outcome?;
        answered.sort_unstable_by_key(|(at, _)| *at);
        Ok(answered.into_iter().map(|(_, answered)| answered).collect())
    }
}
