//! Embeddings: one request, as many calls as the model needs, one answer.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::time::Instant;

use super::attempt::{rerouted, whole_reply};
use super::fallback::{self, Errand, Stay};
use super::order::Seed;
use super::retry::{self, Plan, Within};
use super::{Answer, Fault, Gateway, Target, Trail, refuse_noted};
use crate::bedrock::{Invocation, ModelId};
use crate::chat::Notes;
use crate::embed::{Request, Response};
use crate::families::{self, EmbedFamily, PreparedEmbeddings};
use crate::formats::{EmbedFormat, ProtocolError};

/// A request for embeddings as the edge hands it in.
#[derive(Debug)]
pub struct EmbedCall {
    /// What the client calls the model.
    pub model: String,
    /// What is to become vectors.
    pub request: Request,
    /// What decoding it already changed.
    pub notes: Notes,
    /// Refuse what would be noted, whatever the configuration says.
    pub strict: bool,
    /// The time that the client gives, if it is less than there would be.
    pub timeout: Option<Duration>,
    /// How many of its calls may be under way at once; the others wait for their turn.
    pub at_once: usize,
    /// Who is asking, where keys are asked for.
    pub principal: Option<Arc<str>>,
}

impl Gateway {
    /// Makes a vector of each text, in order. Where the model takes fewer texts at once, several calls are made; the first
    /// that fails for good ends them all, and so does dropping the future.
    pub async fn embeddings(&self, call: EmbedCall) -> Answer<Response> {
        let mut trail = Trail::default();
        let outcome = self.embed(call, &mut trail).await;
        Answer { trail, outcome }
    }

    /// How many calls a request for embeddings of so many texts becomes, and how many of them are made at once. One, if nobody
    /// knows the model: it isn't called then.
    pub async fn embedding_calls(&self, model: &str, texts: usize) -> (u32, usize) {
        let Ok((route, family)) = self.find_embeddings(model, &mut String::new()).await else {
            return (1, 1);
        };
        let calls = texts.div_ceil(families::most_texts(family, &route.first().base)).max(1);
        (u32::try_from(calls).unwrap_or(u32::MAX), calls.min(self.policy.bounds.embedding_calls))
    }

    async fn embed(&self, call: EmbedCall, trail: &mut Trail) -> Result<Response, Fault> {
        let began = Instant::now();
        let EmbedCall { model, request, notes, strict, timeout, at_once, principal } = call;
        trail.notes = notes;
        let (route, family) = self.find_embeddings(&model, &mut trail.requested).await?;
        trail.aim(route.first(), &self.routes);
        let limits = route.timeouts.over(self.policy.deadlines).lowered(timeout);
        let within = Within { limits, deadline: began + limits.total };
        let errand = Embed { gateway: self, request, family, strict, at_once, principal, within };
        fallback::run(self, &route, Seed::random(), errand, within.deadline, trail).await
    }
}

/// A request for embeddings on its way along a route. All its targets are the same model: another one's vectors would mean
/// something else.
struct Embed<'a> {
    gateway: &'a Gateway,
    request: Request,
    family: &'static dyn EmbedFamily,
    strict: bool,
    at_once: usize,
    principal: Option<Arc<str>>,
    within: Within,
}

impl Errand for Embed<'_> {
    type Answer = Response;

    fn caller(&self) -> Option<&Arc<str>> {
        self.principal.as_ref()
    }

    async fn run(
        &mut self,
        target: &Target,
        stay: &Stay,
        trail: &mut Trail,
    ) -> (Result<Response, Fault>, u32) {
        let mut made = 0;
        (self.embed(target, stay, trail, &mut made).await, made)
    }
}

impl Embed<'_> {
    async fn embed(
        &self,
        target: &Target,
        stay: &Stay,
        trail: &mut Trail,
        made: &mut u32,
    ) -> Result<Response, Fault> {
        target.remark(&mut trail.notes);
        let request = self.request.clone();
        let PreparedEmbeddings { pieces, format } =
            families::prepare_embeddings(self.family, &target.base, request, &mut trail.notes)?;
        if self.strict || target.strict {
            refuse_noted(&trail.notes)?;
        }
        let plans = pieces.iter().map(|piece| EmbedPlan::new(piece, &target.model, format));
        let plans = plans.collect::<Result<Vec<_>, _>>()?;
        drop(pieces);
        self.embed_pieces(target, plans, stay, trail, made).await
    }

    async fn embed_pieces(
        &self,
        target: &Target,
        plans: Vec<EmbedPlan>,
        stay: &Stay,
        trail: &mut Trail,
        made: &mut u32,
    ) -> Result<Response, Fault> {
        let mut each: Vec<_> = plans.iter().map(|_| (Trail::default(), 0)).collect();
        let calls =
            plans.into_iter().zip(&mut each).enumerate().map(|(at, (plan, (own, took)))| async move {
                let (outcome, made) = retry::run(self.gateway, target, plan, stay, &self.within, own).await;
                *took = made;
                outcome.map(|response| (at, response)).map_err(|fault| (at, fault))
            });
        let calls: Vec<_> = calls.collect();
        // In any order, so that a failure doesn't wait for what was asked before it.
        let most = stay.at_once(target, self.gateway.policy.bounds.embedding_calls.min(self.at_once));
        let answered: Result<Vec<_>, _> = stream::iter(calls).buffer_unordered(most).try_collect().await;
        if let Err((failed, _)) = &answered {
            // The id that is shown shall be the failure's own.
            each.swap(0, *failed);
        }
        *made += each.iter().map(|(_, took)| *took).max().unwrap_or_default();
        for (own, _) in each {
            trail.joined(own);
        }
        let mut answered = answered.map_err(|(_, fault)| fault)?;
        answered.sort_unstable_by_key(|(at, _)| *at);
        Ok(Response::join(answered.into_iter().map(|(_, response)| response).collect()))
    }
}

/// A call for embeddings as every attempt at its target makes it.
struct EmbedPlan {
    invocation: Invocation,
    format: &'static dyn EmbedFormat,
    texts: usize,
}

impl EmbedPlan {
    fn new(piece: &Request, model: &ModelId, format: &'static dyn EmbedFormat) -> Result<Self, Fault> {
        Ok(Self { invocation: format.encode(piece, model)?, format, texts: piece.texts.len() })
    }
}

impl Plan for EmbedPlan {
    type Answer = Response;

    fn model(&self) -> &ModelId {
        &self.invocation.model
    }

    fn reroute(&mut self, profile: ModelId, trail: &mut Trail) {
        rerouted(&mut self.invocation, profile, trail);
    }

    async fn attempt(&self, target: &Target, within: &Within, trail: &mut Trail) -> Result<Response, Fault> {
        trail.begin_attempt();
        let reply = whole_reply(&self.invocation, target, within, None, trail).await?;
        let response = self.format.decode(&reply)?;
        if response.vectors.len() != self.texts {
            return Err(ProtocolError::Grammar("a reply with another number of vectors than texts").into());
        }
        Ok(response)
    }
}
