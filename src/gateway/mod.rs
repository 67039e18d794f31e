//! THE PIPELINE: which target, how often, how long. It decides and never translates.
//!
//! ```text
//! Call ─ route ─▶ fallback( breaker( prepare ─ encode ─ retry( time-to-commit( attempt ) ) ) ) ─▶ Answer
//!                                                             └ up to the first event: status, retry, timeout, target are open
//! events ─ drive: idle clock, stop texts cut, JSON taken out, aliases restored ─▶ the edge
//! ```
//!
//! No HTTP and no OpenAI here: the edge hands in a decoded request and encodes what comes out.

mod attempt;
mod blame;
mod breaker;
mod chat;
mod default;
mod directory;
mod door;
mod drive;
mod embeddings;
mod fallback;
mod fault;
mod heal;
mod media;
mod models;
mod name;
mod order;
mod profile;
mod retry;
mod route;
mod sync;
mod target;
mod thoughts;
mod upstream;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use breaker::BreakerPolicy;
pub use default::DefaultModel;
pub use directory::{Asking, Directory};
pub use drive::EventStream;
pub use embeddings::EmbedCall;
pub use fault::{Fault, Phase};
pub use models::{Dates, Listing, ModelFacts, Place};
pub use name::{ResolveError, shortened};
pub use profile::ProfileChoice;
pub use retry::RetryPolicy;
pub use route::{Alias, AliasTarget, Routes, Rules, Transports};
pub use target::{Route, Target, Timeouts};
pub use thoughts::ThoughtLimits;
pub use upstream::{BudgetPolicy, UpstreamPolicy};

pub use crate::bedrock::{ErrorKind, ModelId, Retry};
pub use crate::catalog::{Moment, Stage};
use crate::chat::{Action, InvalidRequest, Notes, Request, Response};
use crate::fetch::Fetcher;
use crate::telemetry::Metrics;
use chat::Chat;
use order::Seed;
use retry::Within;

/// Runs chats and embeddings, by one configuration. What it learns outlives that: [`Gateway::continuing`].
pub struct Gateway {
    // What the configuration says.
    routes: Routes,
    policy: Policy,
    listing: Listing,
    fetcher: Option<Fetcher>,
    metrics: Arc<Metrics>,
    // What the calls so far have shown.
    health: Arc<UpstreamHealth>,
    upstreams: upstream::Upstreams,
    profiles: Arc<profile::Profiles>,
    lessons: Arc<heal::Memory>,
    /// Absent keeps none.
    thoughts: Option<thoughts::Thoughts>,
}

/// How calls are made: how long, how often, how many.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// The longest waits.
    pub deadlines: Deadlines,
    /// When an attempt is repeated, and where.
    pub retry: RetryPolicy,
    /// What holds for each target.
    pub upstream: UpstreamPolicy,
    /// How many calls one request may become.
    pub bounds: Bounds,
    /// Which replies that are wanted whole are streamed from Bedrock, where that can be.
    pub folding: Folding,
}

/// Which replies that are wanted whole are streamed from Bedrock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folding {
    /// All.
    Always,
    /// Those that may not be complete within [`Deadlines::first_event`].
    Long,
    /// None.
    Never,
}

/// The longest waits. All run on one monotonic clock, and `total` covers every attempt at every target.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// From the call's beginning to its end.
    pub total: Duration,
    /// From an attempt's beginning to its first event, for streams.
    pub first_event: Duration,
    /// Between two events of a stream.
    pub idle: Duration,
}

impl Deadlines {
    /// With less time in all, if less is given.
    fn lowered(self, total: Option<Duration>) -> Self {
        Self { total: total.map_or(self.total, |total| total.min(self.total)), ..self }
    }
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
    /// How many of those calls may be under way at once; the others wait for their turn.
    pub at_once: usize,
    /// The time that the client gives, if it is less than there would be.
    pub timeout: Option<Duration>,
    /// Who is asking: nothing that is remembered of one's calls gets into another's. Without keys all are one.
    pub principal: Option<Arc<str>>,
    /// The client sends calls of tools back without their ids.
    pub unnamed_calls: bool,
}

/// What is known of a call besides its content: for headers, logs and metrics. It exists for failed calls
/// too, as far as they came.
#[derive(Debug, Clone, Default)]
pub struct Trail {
    /// What the client asked for, or the default model's name.
    pub requested: String,
    /// The target that answered, or was tried last.
    pub target: Option<ModelId>,
    /// Where that was called.
    pub region: String,
    /// The target's name as a metric's label.
    pub label: String,
    /// How often the upstream was called.
    pub attempts: u32,
    /// What may be tried again here has been; a client had better not.
    pub spent: bool,
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
        policy: Policy,
        fetcher: Option<Fetcher>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            routes,
            listing,
            policy,
            upstreams: upstream::Upstreams::new(policy.upstream, Arc::clone(&metrics)),
            metrics,
            health: Arc::default(),
            profiles: Arc::default(),
            lessons: Arc::default(),
            thoughts: None,
            fetcher,
        }
    }

    /// With a memory for signed thoughts.
    #[must_use]
    pub fn remembering(self, thoughts: ThoughtLimits) -> Self {
        Self { thoughts: Some(thoughts::Thoughts::new(thoughts)), ..self }
    }

    /// In the place of another, whose calls go on: with everything that was learnt, kept and counted there, but for what is
    /// remembered of targets that were configured there and aren't here. Settings are its own.
    #[must_use]
    pub fn continuing(self, before: &Self) -> Self {
        // Taken apart, so that a new field has to be put on one side or the other.
        let Self {
            routes,
            policy: _,
            listing: _,
            fetcher: _,
            metrics: _,
            health,
            upstreams,
            profiles,
            lessons,
            thoughts,
        } = before;
        let thoughts = match (self.thoughts, thoughts) {
            (Some(own), Some(kept)) => Some(kept.rebound(own.limits())),
            (own, _) => own,
        };
        let mut gone = routes.locations();
        for location in self.routes.locations() {
            gone.remove(&location);
        }
        Self {
            health: Arc::clone(health),
            upstreams: upstreams.continued(self.policy.upstream, &gone),
            profiles: Arc::clone(profiles),
            lessons: Arc::clone(lessons),
            thoughts,
            ..self
        }
    }

    /// Where names lead.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// Whether the upstream answered lately.
    pub fn health(&self) -> &UpstreamHealth {
        &self.health
    }

    /// Whether so many replies may be asked for in one request: each is a call.
    pub fn may_choose(&self, choices: u32) -> Result<(), Fault> {
        let most = self.policy.bounds.choices;
        if choices <= most {
            return Ok(());
        }
        let message = format!("At most {most} choices are made for one request here.");
        Err(InvalidRequest { code: "integer_above_max_value", ..InvalidRequest::value("n", message) }.into())
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
        let began = Instant::now();
        let Call { model, mut request, notes, strict, choices, at_once, timeout, principal, unnamed_calls } =
            call;
        trail.notes = notes;
        if choices > 1 {
            trail.notes.add("n", Action::Warned, "billed_per_choice");
        }
        let route = self.find(model.as_deref(), &mut trail.requested).await?;
        trail.aim(route.first(), &self.routes);
        let limits = route.timeouts.over(self.policy.deadlines).lowered(timeout);
        let within = Within { limits, deadline: began + limits.total };
        media::fetch(self.fetcher.as_ref(), &mut request, &within).await?;
        let mut seed = Seed::random();
        if route.is_shared() {
            // It is put to use here, and so it isn't lost.
            let key = request.service.cache_key.take();
            if route.sticky {
                seed = Seed::of(&request, key.as_deref(), principal.as_deref());
            }
        }
        let chat = Chat {
            gateway: self,
            request: Some(request),
            streaming,
            strict,
            choices,
            at_once,
            principal,
            unnamed_calls,
            within,
        };
        fallback::run(self, &route, seed, chat, within.deadline, trail).await
    }
}

impl Trail {
    /// A target is about to be called.
    fn aim(&mut self, target: &Target, routes: &Routes) {
        self.target = Some(target.model.clone());
        routes.region(target).clone_into(&mut self.region);
        target.label().clone_into(&mut self.label);
    }

    /// The trail of one more call that was made for the same request.
    fn joined(&mut self, other: Self) {
        let Self {
            requested: _,
            target,
            region: _,
            label: _,
            attempts,
            spent,
            upstream_request_id,
            simulated,
            notes,
        } = other;
        self.target = target.or_else(|| self.target.take());
        self.attempts = self.attempts.saturating_add(attempts);
        self.upstream_request_id = self.upstream_request_id.take().or(upstream_request_id);
        self.spent |= spent;
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
