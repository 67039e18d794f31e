//! Embeddings: one request, as many calls as the model needs, one answer.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::time::Instant;

use super::attempt::{rerouted, whole_reply};
use super::retry::{self, Plan, remaining};
use super::{Answer, Deadlines, Fault, Gateway, Target, Trail, refuse_noted};
use crate::bedrock::{Invocation, ModelId};
use crate::chat::Notes;
use crate::embed::{Request, Response};
use crate::families::{self, PreparedEmbeddings};
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
}

impl Gateway {
    /// Makes a vector of each text, in order. Where the model takes fewer texts at once, several calls are made; the first
    /// that fails for good ends them all, and so does dropping the future.
    pub async fn embeddings(&self, call: EmbedCall) -> Answer<Response> {
        let mut trail = Trail::default();
        let outcome = self.embed(call, &mut trail).await;
        Answer { trail, outcome }
    }

    async fn embed(&self, call: EmbedCall, trail: &mut Trail) -> Result<Response, Fault> {
        let deadline = Instant::now() + self.deadlines.total;
        let EmbedCall { model, request, notes, strict } = call;
        trail.notes = notes;
        let (target, family) = self.find_embeddings(&model, &mut trail.requested).await?;
        trail.target = Some(target.model.clone());
        target.label().clone_into(&mut trail.label);
        target.remark(&mut trail.notes);
        let PreparedEmbeddings { pieces, format } =
            families::prepare_embeddings(family, &target.base, request, &mut trail.notes)?;
        if strict || target.strict {
            refuse_noted(&trail.notes)?;
        }
        let plans = pieces.iter().map(|piece| EmbedPlan::new(piece, &target.model, format));
        let plans = plans.collect::<Result<Vec<_>, _>>()?;
        drop(pieces);
        self.embed_pieces(&target, plans, deadline, trail).await
    }

    async fn embed_pieces(
        &self,
        target: &Target,
        plans: Vec<EmbedPlan>,
        deadline: Instant,
        trail: &mut Trail,
    ) -> Result<Response, Fault> {
        let mut trails: Vec<_> = plans.iter().map(|_| Trail::default()).collect();
        let calls = plans.into_iter().zip(&mut trails).enumerate().map(|(at, (plan, own))| async move {
            let outcome = retry::run(self, target, plan, deadline, own).await;
            outcome.map(|response| (at, response)).map_err(|fault| (at, fault))
        });
        let calls: Vec<_> = calls.collect();
        // In any order, so that a failure doesn't wait for what was asked before it.
        let answered: Result<Vec<_>, _> =
            stream::iter(calls).buffer_unordered(self.bounds.embedding_calls).try_collect().await;
        if let Err((failed, _)) = &answered {
            // The id that is shown shall be the failure's own.
            trails.swap(0, *failed);
        }
        for own in trails {
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

    async fn attempt(
        &self,
        target: &Target,
        deadlines: &Deadlines,
        deadline: Instant,
        trail: &mut Trail,
    ) -> Result<Response, Fault> {
        trail.begin_attempt();
        let left = remaining(deadline, deadlines.total)?;
        let reply = whole_reply(&self.invocation, target, left, deadlines.total, trail).await?;
        let response = self.format.decode(&reply)?;
        if response.vectors.len() != self.texts {
            return Err(ProtocolError::Grammar("a reply with another number of vectors than texts").into());
        }
        Ok(response)
    }
}
