//! THE PIPELINE: which target, how often, how long. It decides and never translates.
//!
//! ```text
//! Call ─ route ─ prepare ─ encode ─▶ retry( time-to-commit( attempt ) ) ─▶ Answer
//!                                          └ up to the first event: status, retry, timeout are open
//! events ─ drive: idle clock, stop texts cut, JSON taken out, aliases restored ─▶ the edge
//! ```
//!
//! No HTTP and no OpenAI here: the edge hands in a decoded request and encodes what comes out.

mod attempt;
mod directory;
mod drive;
mod embeddings;
mod fault;
mod heal;
mod media;
mod models;
mod profile;
mod retry;
mod route;
mod thoughts;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::Instant;

pub use directory::{Asking, Directory};
pub use drive::EventStream;
pub use embeddings::EmbedCall;
pub use fault::{Fault, Phase};
pub use models::{Dates, Listing, ModelFacts};
pub use profile::ProfileChoice;
pub use retry::RetryPolicy;
pub use route::{Alias, ResolveError, Routes, Rules, Target, Transports};
pub use thoughts::ThoughtLimits;

pub use crate::bedrock::{ErrorKind, ModelId, Retry};
pub use crate::catalog::{Moment, Stage};
use crate::chat::{Action, InvalidRequest, Notes, Request, Response};
use crate::fetch::Fetcher;
use crate::telemetry::Metrics;

/// Runs chats and embeddings.
pub struct Gateway {
    routes: Routes,
    deadlines: Deadlines,
    retry: RetryPolicy,
    metrics: Arc<Metrics>,
    health: UpstreamHealth,
    listing: Listing,
    profiles: profile::Profiles,
    lessons: heal::Memory,
    /// Absent keeps none.
    thoughts: Option<thoughts::Thoughts>,
    bounds: Bounds,
    fetcher: Option<Fetcher>,
}

/// The longest waits. All run on one monotonic clock, and `total` covers every attempt.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// From the call's beginning to its end.
    pub total: Duration,
    /// From an attempt's beginning to its first event, for streams.
    pub first_event: Duration,
    /// Between two events of a stream.
    pub idle: Duration,
}

/// How many calls one request may become.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Most replies to one chat, each a call of its own.
    pub choices: u32,
    /// Most calls for embeddings under way at once. What one call has no room for waits.
    pub embedding_calls: usize,
}

/// A chat as the edge hands it in.
#[derive(Debug)]
pub struct Call {
    /// What the client calls the model; absent is the default model.
    pub model: Option<String>,
    /// What it asks.
    pub request: Request,
    /// What decoding it already changed.
    pub notes: Notes,
    /// Refuse what would be noted, whatever the configuration says.
    pub strict: bool,
    /// How many replies are wanted, each a call of its own upstream.
    pub choices: u32,
    /// Who is asking: nothing that is remembered of one's calls gets into another's. Without keys all are one.
    pub principal: Option<Arc<str>>,
}

/// What is known of a call besides its content: for headers, logs and metrics. It exists for failed calls
/// too, as far as they came.
#[derive(Debug, Clone, Default)]
pub struct Trail {
    /// What the client asked for, or the default model's name.
    pub requested: String,
    /// The target that answered, or was tried last.
    pub target: Option<ModelId>,
    /// The target's name as a metric's label.
    pub label: String,
    /// How often the upstream was called.
    pub attempts: u32,
    /// The upstream's id of the last attempt.
    pub upstream_request_id: Option<String>,
    /// It says of itself that it is a simulator.
    pub simulated: bool,
    /// Everything that was changed on the way.
    pub notes: Notes,
}

/// A call's outcome: the trail is there either way.
pub struct Answer<T> {
    /// What is known of it.
    pub trail: Trail,
    /// What came of it.
    pub outcome: Result<T, Fault>,
}

impl Gateway {
    /// A gateway over `routes`.
    pub fn new(
        routes: Routes,
        listing: Listing,
        deadlines: Deadlines,
        retry: RetryPolicy,
        bounds: Bounds,
        fetcher: Option<Fetcher>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            routes,
            listing,
            deadlines,
            retry,
            metrics,
            health: UpstreamHealth::default(),
            profiles: profile::Profiles::default(),
            lessons: heal::Memory::default(),
            thoughts: None,
            bounds,
            fetcher,
        }
    }

    /// With a memory for signed thoughts.
    #[must_use]
    pub fn remembering(self, thoughts: ThoughtLimits) -> Self {
        Self { thoughts: Some(thoughts::Thoughts::new(thoughts)), ..self }
    }

    /// Where names lead.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// Whether the upstream answered lately.
    pub fn health(&self) -> &UpstreamHealth {
        &self.health
    }

    /// Runs a chat to its end: a reply for each choice.
    pub async fn chat(&self, call: Call) -> Answer<Vec<Response>> {
        let mut trail = Trail::default();
        let whole = |answered| match answered {
            attempt::Answered::Whole(response) => Ok(response),
            attempt::Answered::Stream(_) => Err(Fault::internal("a stream answered a plain call")),
        };
        let outcome = self.run(call, false, &mut trail).await;
        let outcome = outcome.and_then(|choices| choices.into_iter().map(whole).collect());
        Answer { trail, outcome }
    }

    /// Runs a chat to its commit point: the first event of each choice has decoded, the rest comes with the streams.
    pub async fn chat_stream(&self, call: Call) -> Answer<Vec<EventStream>> {
        let mut trail = Trail::default();
        let stream = |answered| match answered {
            attempt::Answered::Stream(events) => Ok(*events),
            attempt::Answered::Whole(_) => Err(Fault::internal("a whole reply answered a streamed call")),
        };
        let outcome = self.run(call, true, &mut trail).await;
        let outcome = outcome.and_then(|choices| choices.into_iter().map(stream).collect());
        Answer { trail, outcome }
    }

    async fn run(
        &self,
        call: Call,
        streaming: bool,
        trail: &mut Trail,
    ) -> Result<Vec<attempt::Answered>, Fault> {
        let deadline = Instant::now() + self.deadlines.total;
        let Call { model, mut request, notes, strict, choices, principal } = call;
        trail.notes = notes;
        if choices > self.bounds.choices {
            let message = format!("At most {} choices are made for one request here.", self.bounds.choices);
            return Err(InvalidRequest {
                code: "integer_above_max_value",
                ..InvalidRequest::value("n", message)
            }
            .into());
        }
        if choices > 1 {
            trail.notes.add("n", Action::Warned, "billed_per_choice");
        }
        let target = self.find(model.as_deref(), &mut trail.requested).await?;
        trail.target = Some(target.model.clone());
        target.label().clone_into(&mut trail.label);
        media::fetch(self.fetcher.as_ref(), &mut request, &self.deadlines, deadline).await?;
        let strict = strict || target.strict;
        let owner = thoughts::Owner { principal, model: target.base.base().into() };
        let memory = self.thoughts.as_ref().map(|thoughts| (thoughts, &owner));
        let mut ask = attempt::Ask { target: &target, streaming, memory, thoughts_complete: false };
        let Some((thoughts, owner)) = memory else {
            let plan = self.plan(ask, request, strict, trail)?;
            return self.make(&target, plan, choices, deadline, trail).await;
        };
        let found = thoughts.find(owner, &request, Instant::now());
        // In case the model refuses what is put back.
        let spare = (!found.is_empty() && !strict).then(|| request.clone());
        found.restore(&mut request, &mut trail.notes);
        ask.thoughts_complete = found.complete;
        let plan = self.plan(ask, request, strict, trail)?;
        let outcome = self.make(&target, plan, choices, deadline, trail).await;
        match (outcome, spare) {
            (Err(fault), Some(spare)) if thoughts::refused(&fault) => {
                tracing::debug!(target: "outcrop::thoughts", model = target.model.as_str(), "the model refused a thought that was put back");
                thoughts.forget(&found);
                trail.notes.add("messages", Action::Dropped, "thoughts_refused");
                ask.thoughts_complete = false;
                let plan = self.plan(ask, spare, strict, trail)?;
                self.make(&target, plan, choices, deadline, trail).await
            }
            (outcome, _) => outcome,
        }
    }

    fn plan<'a>(
        &'a self,
        ask: attempt::Ask<'a>,
        request: Request,
        strict: bool,
        trail: &mut Trail,
    ) -> Result<heal::Draft<'a>, Fault> {
        heal::Draft::begin(ask, request, strict, &self.lessons, trail)
    }

    async fn make(
        &self,
        target: &Target,
        plan: heal::Draft<'_>,
        choices: u32,
        deadline: Instant,
        trail: &mut Trail,
    ) -> Result<Vec<attempt::Answered>, Fault> {
        if choices == 1 {
            let only = retry::run(self, target, plan, deadline, trail).await?;
            return Ok(vec![only]);
        }
        self.run_all(target, &plan, choices, deadline, trail).await
    }

    /// The same call several times at once. The first that fails ends them all: a client that asked for three answers
    /// isn't helped by two.
    async fn run_all(
        &self,
        target: &Target,
        plan: &heal::Draft<'_>,
        choices: u32,
        deadline: Instant,
        trail: &mut Trail,
    ) -> Result<Vec<attempt::Answered>, Fault> {
        let mut trails: Vec<_> = (0..choices).map(|_| trail.clone()).collect();
        let runs = trails.iter_mut().map(|own| retry::run(self, target, plan.clone(), deadline, own));
        let outcome = try_join_all(runs).await;
        for own in trails {
            trail.joined(own);
        }
        outcome
    }
}

impl Trail {
    /// The trail of one more call that was made for the same request.
    fn joined(&mut self, other: Self) {
        let Self { requested: _, target, label: _, attempts, upstream_request_id, simulated, notes } = other;
        self.target = target.or_else(|| self.target.take());
        self.attempts = self.attempts.saturating_add(attempts);
        self.upstream_request_id = self.upstream_request_id.take().or(upstream_request_id);
        self.simulated |= simulated;
        self.notes.extend(&notes);
    }
}

/// In strict mode nothing is changed in silence, or at all.
fn refuse_noted(notes: &Notes) -> Result<(), Fault> {
    match notes.iter().find(|note| note.action.is_change()) {
        None => Ok(()),
        Some(note) => Err(Fault::Invalid(InvalidRequest {
            param: Some(note.param.clone().into_owned()),
            code: "unsupported_parameter",
            message: format!(
                "`{}` can't be sent as it is ({}: {}), and strict mode allows no change.",
                note.param,
                note.action.as_str(),
                note.reason.replace('_', " ")
            ),
        })),
    }
}

/// When the upstream last answered, and when it last failed to.
#[derive(Debug, Default)]
pub struct UpstreamHealth {
    last: std::sync::Mutex<LastSeen>,
}

/// The two moments that tell an operator whether Bedrock answers.
#[derive(Debug, Clone, Copy, Default)]
pub struct LastSeen {
    /// It answered: with a reply, or with an error about the request.
    pub answered: Option<Instant>,
    /// It failed or could not be reached.
    pub failed: Option<Instant>,
}

impl UpstreamHealth {
    /// The two moments.
    pub fn last(&self) -> LastSeen {
        *self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn record(&self, answered: bool) {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let moment = if answered { &mut last.answered } else { &mut last.failed };
        *moment = Some(Instant::now());
    }
}
