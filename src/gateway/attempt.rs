//! One try: send, decode, up to the commit point.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::StreamExt as _;
use tokio::time::timeout;

use super::drive::{EventStream, Filters, IdleClock, WayBack};
use super::retry::{Plan, Within};
use super::thoughts::{Owner, Thoughts};
use super::upstream::Held;
use super::{Fault, Phase, Target, Trail};
use crate::bedrock::{Invocation, ModelId, Reply, ReplyHead};
use crate::catalog;
use crate::chat::{
    Action, Event, InputNamer, JsonAsk, JsonReply, MarkupReader, MemberNames, Notes, Request, Response,
    StopCutter, StopReason, StopTexts,
};
use crate::families::{self, Lessons, ModelLimits, StreamingMode, Terms};
use crate::formats::{ChatFormat, ProtocolError};

/// A chat as every attempt at its target makes it.
#[derive(Clone)]
pub(super) struct ChatPlan {
    invocation: Invocation,
    format: &'static dyn ChatFormat,
    mode: StreamingMode,
    /// Other names of the members of calls' inputs, by tool.
    input_names: Option<Arc<HashMap<String, MemberNames>>>,
    caches: bool,
    way_back: WayBack,
    markup: Option<MarkupReader>,
    /// What is watched for here.
    stops: Option<Arc<StopTexts>>,
    json: Option<JsonAsk>,
    /// The most tokens that it asks for.
    max_tokens: Option<u32>,
    /// The client named what the upstream has to have access to, beside the model.
    names_resources: bool,
}

/// What a plan is made for, beside the request.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) target: &'a Target,
    pub(super) streaming: bool,
    /// A whole reply of more than so many tokens is put together from a stream; `None`: none is.
    pub(super) folding: Option<u32>,
    /// Where signed thoughts are kept, and for whom.
    pub(super) memory: Option<(&'a Thoughts, &'a Owner)>,
    /// The turns of the open tool loop bring all their thoughts.
    pub(super) thoughts_complete: bool,
}

/// A committed attempt.
pub(super) enum Answered {
    /// The whole reply.
    Whole(Response),
    /// The first event is there; boxed, it is the larger by far.
    Stream(Box<EventStream>),
}

impl ChatPlan {
    /// Bends the request to the target and writes it.
    pub(super) fn new(
        ask: &Ask<'_>,
        mut request: Request,
        lessons: Lessons,
        notes: &mut Notes,
    ) -> Result<Self, Fault> {
        let Ask { target, streaming, folding, memory, thoughts_complete } = *ask;
        let facts = catalog::find(target.base.as_str());
        let terms = Terms {
            family: target.family,
            model: &target.base,
            forced: target.format,
            lessons,
            overrides: target.overrides,
            limits: ModelLimits {
                max_output_tokens: facts.and_then(|facts| facts.max_output_tokens),
                prompt_cache_min_tokens: facts.and_then(|facts| facts.prompt_cache_min_tokens),
            },
            streaming,
            folding,
            thoughts_complete,
            cache: target.cache,
        };
        target.remark(notes);
        if let Some(guardrail) = &target.guardrail
            && request.service.guardrail.replace(guardrail.clone()).is_some()
        {
            notes.add("bedrock.guardrailConfig", Action::Dropped, "set_by_operator");
        }
        let names_resources = request.names_resources(target.guardrail.is_none());
        let prepared = families::prepare(&terms, request, notes)?;
        let streamed = prepared.streaming == StreamingMode::Native;
        let mut invocation = prepared.format.encode(&prepared.request, &target.model, streamed)?;
        if prepared.streaming == StreamingMode::Folded {
            invocation.operation = invocation.operation.streamed();
        }
        let recorder = memory.map(|(thoughts, owner)| thoughts.recorder(owner.clone()));
        Ok(Self {
            invocation,
            format: prepared.format,
            mode: prepared.streaming,
            input_names: (!prepared.input_names.is_empty()).then(|| Arc::new(prepared.input_names)),
            caches: prepared.caches,
            way_back: WayBack::new(prepared.aliases, prepared.extras, recorder),
            markup: prepared.markup,
            stops: (!prepared.local_stop.is_empty())
                .then(|| Arc::new(StopTexts::new(prepared.local_stop.iter().map(String::as_str)))),
            json: prepared.json,
            max_tokens: prepared.request.max_tokens,
            names_resources,
        })
    }

    async fn open(&self, target: &Target, clock: IdleClock, trail: &mut Trail) -> Result<EventStream, Fault> {
        let streamed = target.transport.invoke_stream(self.invocation.clone()).await;
        let streamed =
            streamed.inspect_err(|error| trail.upstream_request_id.clone_from(&error.request_id))?;
        trail.answered(&streamed.head);
        let decoder = self.format.stream_decoder();
        let filters = Filters {
            markup: self.markup.clone(),
            namer: self.namer(),
            cutter: self.cutter(),
            json: self.json.map(JsonReply::new),
        };
        let mut stream = EventStream::new(streamed.frames, decoder, filters, self.way_back.clone(), clock);
        stream.first_event().await?;
        Ok(stream)
    }

    /// Opens a stream, as far as its first event.
    async fn begin(&self, target: &Target, within: &Within, trail: &mut Trail) -> Result<EventStream, Fault> {
        let Within { limits, deadline } = *within;
        let left = within.left()?;
        let (wait, phase, limit) = if left < limits.first_event {
            (left, Phase::Total, limits.total)
        } else {
            (limits.first_event, Phase::FirstEvent, limits.first_event)
        };
        let clock = IdleClock::new(limits.idle, limits.total, deadline);
        let stream = self.open(target, clock, trail);
        timeout(wait, stream).await.map_err(|_| Fault::Deadline(phase, limit))?
    }

    /// Reads a stream to its end. What breaks on the way has gone to nobody, so it may be tried again.
    async fn fold(&self, stream: EventStream, trail: &mut Trail) -> Result<Response, Fault> {
        let mut stream = stream.kept();
        let mut events = Vec::new();
        while let Some(event) = stream.next().await {
            events.push(event?);
        }
        self.look_for_json(stream.found_json(), &events, trail);
        Ok(Response::assemble(events)?)
    }

    async fn whole(&self, target: &Target, within: &Within, trail: &mut Trail) -> Result<Vec<Event>, Fault> {
        // A short one is complete in the time that a long one may take to begin.
        let limit = (self.mode == StreamingMode::Short).then_some(within.limits.first_event);
        let reply = whole_reply(&self.invocation, target, within, limit, trail).await?;
        let mut events = Vec::new();
        self.format.decode(&reply, &mut events)?;
        if is_silent(&events) {
            return Err(ProtocolError::Silent.into());
        }
        if let Some(mut markup) = self.markup.clone() {
            let mut kept = Vec::with_capacity(events.len());
            for event in events {
                markup.push(event, &mut kept);
            }
            events = kept;
        }
        if let Some(mut namer) = self.namer() {
            let mut named = Vec::with_capacity(events.len());
            for event in events {
                namer.push(event, &mut named);
            }
            events = named;
        }
        if let Some(mut cutter) = self.cutter() {
            events = cut_whole(&mut cutter, events);
        }
        if let Some(ask) = self.json {
            let mut reply = JsonReply::new(ask);
            let mut kept = Vec::with_capacity(events.len());
            for event in events {
                reply.push(event, &mut kept);
            }
            events = kept;
            self.look_for_json(reply.found(), &events, trail);
        }
        let mut way_back = self.way_back.clone();
        events.retain_mut(|event| way_back.passes(event));
        Ok(events)
    }

    /// Says so if the model has been asked for JSON, has come to its end, and there is none.
    fn look_for_json(&self, found: bool, events: &[Event], trail: &mut Trail) {
        if self.json.is_some() && !found && events.contains(&Event::Stop(StopReason::EndTurn)) {
            trail.notes.add("response_format", Action::Warned, "reply_is_no_json");
        }
    }

    /// Asks for the whole reply instead of a stream of it. `false`: that is what it did already, or the client wants the stream.
    pub(super) fn unfold(&mut self) -> bool {
        if self.mode != StreamingMode::Folded {
            return false;
        }
        self.mode = StreamingMode::Plain;
        self.invocation.operation = self.invocation.operation.whole();
        true
    }

    /// The most tokens that it asks for.
    pub(super) fn max_tokens(&self) -> Option<u32> {
        self.max_tokens
    }

    /// Whether cache points go along.
    pub(super) fn caches(&self) -> bool {
        self.caches
    }

    /// Would the upstream get the same?
    pub(super) fn calls_like(&self, other: &Self) -> bool {
        let Invocation { operation, model: _, headers, body } = &self.invocation;
        let theirs = &other.invocation;
        *operation == theirs.operation && *headers == theirs.headers && *body == theirs.body
    }

    fn namer(&self) -> Option<InputNamer> {
        self.input_names.clone().map(InputNamer::new)
    }

    fn cutter(&self) -> Option<StopCutter> {
        self.stops.clone().map(StopCutter::new)
    }
}

impl Plan for ChatPlan {
    type Answer = Answered;

    fn model(&self) -> &ModelId {
        &self.invocation.model
    }

    fn names_resources(&self) -> bool {
        self.names_resources
    }

    fn reroute(&mut self, profile: ModelId, trail: &mut Trail) {
        rerouted(&mut self.invocation, profile, trail);
    }

    async fn attempt(
        &self,
        target: &Target,
        within: &Within,
        trail: &mut Trail,
    ) -> Result<Self::Answer, Fault> {
        trail.begin_attempt();
        match self.mode {
            StreamingMode::Native => {
                let stream = self.begin(target, within, trail).await?;
                Ok(Answered::Stream(Box::new(stream)))
            }
            StreamingMode::Folded => {
                let stream = self.begin(target, within, trail).await?;
                Ok(Answered::Whole(self.fold(stream, trail).await?))
            }
            StreamingMode::Plain | StreamingMode::Short => {
                let events = self.whole(target, within, trail).await?;
                Ok(Answered::Whole(Response::assemble(events)?))
            }
            StreamingMode::Synthesised => {
                let events = self.whole(target, within, trail).await?;
                let Within { limits, deadline } = *within;
                let clock = IdleClock::new(limits.idle, limits.total, deadline);
                Ok(Answered::Stream(Box::new(EventStream::synthesised(events, clock))))
            }
        }
    }

    fn committed(&self, answer: &mut Answered, held: Held) {
        match answer {
            Answered::Whole(_) => {}
            Answered::Stream(stream) => stream.hold(held),
        }
    }
}

/// Sends the call to another id of the same model.
pub(super) fn rerouted(invocation: &mut Invocation, profile: ModelId, trail: &mut Trail) {
    trail.notes.add("model", Action::Rerouted, "profile_required");
    trail.target = Some(profile.clone());
    invocation.model = profile;
}

/// Makes a call that is answered whole, within the call's time, and within `limit`.
pub(super) async fn whole_reply(
    invocation: &Invocation,
    target: &Target,
    within: &Within,
    limit: Option<Duration>,
    trail: &mut Trail,
) -> Result<Reply, Fault> {
    let left = within.left()?;
    let (wait, phase, limit) = match limit {
        Some(limit) if limit < left => (limit, Phase::Reply, limit),
        Some(_) | None => (left, Phase::Total, within.limits.total),
    };
    let call = target.transport.invoke(invocation.clone());
    let reply = timeout(wait, call).await.map_err(|_| Fault::Deadline(phase, limit))?;
    let reply = reply.inspect_err(|error| trail.upstream_request_id.clone_from(&error.request_id))?;
    trail.answered(&reply.head);
    Ok(reply)
}

/// Is it the end of a turn in which nothing was said, and for which nothing was written? No model does that: something on
/// the way has lost its answer, and who gets it takes it for one.
pub(super) fn is_silent(events: &[Event]) -> bool {
    let mut ended = false;
    let mut unwritten = false;
    for event in events {
        match event {
            Event::BlockStart { .. } | Event::Refusal(_) => return false,
            Event::Stop(reason) => ended = *reason == StopReason::EndTurn,
            Event::Usage(usage) => unwritten = usage.output == 0,
            Event::Start
            | Event::Delta { .. }
            | Event::BlockStop { .. }
            | Event::ServiceTier(_)
            | Event::Extra(_) => {}
        }
    }
    ended && unwritten
}

/// What is left of a whole reply where a stop text cuts it. Its cost stays what it was.
fn cut_whole(cutter: &mut StopCutter, events: Vec<Event>) -> Vec<Event> {
    let usage = events.iter().rev().find(|event| matches!(event, Event::Usage(_))).cloned();
    let mut kept = Vec::with_capacity(events.len());
    let cut = events.into_iter().any(|event| cutter.push(event, &mut kept));
    if cut {
        kept.extend(usage);
    } else {
        cutter.finish(&mut kept);
    }
    kept
}

impl Trail {
    /// Nothing is known yet of the attempt that begins.
    pub(super) fn begin_attempt(&mut self) {
        self.upstream_request_id = None;
        self.simulated = false;
    }

    fn answered(&mut self, head: &ReplyHead) {
        let ReplyHead { request_id, tokens: _, simulated } = head;
        self.upstream_request_id.clone_from(request_id);
        self.simulated = *simulated;
    }
}
