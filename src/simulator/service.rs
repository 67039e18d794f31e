//! One request, answered: route, validate, read, follow the scenario, write.

use super::answer::{Answer, Usage, answer};
use super::converse::LATENCY_MS;
use super::event_stream::{Event, Frame};
use super::fault::Fault;
use super::headers::Wishes;
use super::models::{self, Format, Model};
use super::native::{self, Native};
use super::reply::{Body, Reply, Step};
use super::route::{Call, Operation};
use super::scenario::{Mishap, MishapKind, Scenario};
use super::turn::{Turn, tokens};
use super::{Shared, catalogue, claude, converse, embed, refusal, validate};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use serde_json::{Value, json};

/// The letters that padding is made of.
const PADDING: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// What native bodies carry when a guardrail did something.
const GUARDRAIL_ACTION: &str = "amazon-bedrock-guardrailAction";
const GUARDRAIL_TRACE: &str = "amazon-bedrock-trace";

/// Answers an authenticated request.
pub(super) fn reply(shared: &Shared, call: &Call, head: &Parts, body: &Bytes) -> Reply {
    let id = call.model_id.as_deref().unwrap_or_default();
    let answered = match call.operation {
        Operation::Converse => named(shared, id).and_then(|model| converse(shared, model, head, body, false)),
        Operation::ConverseStream => {
            named(shared, id).and_then(|model| converse(shared, model, head, body, true))
        }
        Operation::InvokeModel => {
            named(shared, id).and_then(|model| invoke(shared, model, head, body, false))
        }
        Operation::InvokeModelWithResponseStream => {
            named(shared, id).and_then(|model| invoke(shared, model, head, body, true))
        }
        Operation::CountTokens => count_tokens(id, body),
        Operation::ListFoundationModels
        | Operation::GetFoundationModel
        | Operation::ListInferenceProfiles
        | Operation::GetInferenceProfile => {
            catalogue::reply(&shared.options, call.operation, id, head.uri.query().unwrap_or_default())
        }
        Operation::Unknown => {
            Err(Fault::new(404, "UnknownOperationException", "The requested operation is not recognized."))
        }
    };
    answered.unwrap_or_else(Into::into)
}

/// The model that an id names, if it may be called by that id.
fn named(shared: &Shared, id: &str) -> Result<&'static Model, Fault> {
    let options = &shared.options;
    let mut known = options.application_profiles.iter().chain(&options.extra_models);
    let other = known.find_map(|(known, model)| (known == id).then_some(model));
    let named = models::find(other.map_or(id, String::as_str))
        .filter(|named| options.serves(named.model))
        .ok_or_else(|| Fault::validation("The provided model identifier is invalid."))?;
    if options.has_retired(named.model, id) {
        return Err(Fault::new(
            404,
            "ResourceNotFoundException",
            "This model version has reached the end of its life. Please refer to the AWS documentation for more \
             details.",
        ));
    }
    let by_profile = named.profile || other.is_some();
    if shared.options.profiles_required && !named.model.on_demand && !by_profile {
        return Err(Fault::validation(format!(
            "Invocation of model ID {id} with on-demand throughput isn’t supported. Retry your request with the ID \
             or ARN of an inference profile that contains this model."
        )));
    }
    Ok(named.model)
}

/// The body; half of a surrogate pair is refused in words of its own, anything else with the parser's.
fn parsed(body: &[u8]) -> Result<Value, Result<Fault, String>> {
    serde_json::from_slice(body).map_err(|error| {
        let error = error.to_string();
        if error.contains("hex escape") {
            return Ok(Fault::validation("The request body is not valid JSON: no low surrogate in string"));
        }
        Err(error)
    })
}

fn converse(
    shared: &Shared,
    model: &Model,
    head: &Parts,
    body: &[u8],
    streaming: bool,
) -> Result<Reply, Fault> {
    let request = parsed(body)
        .map_err(|fault| fault.unwrap_or_else(|error| Fault::new(400, "SerializationException", error)))?;
    validate::converse(model, &request, streaming)?;
    let exchange = Exchange { shared, model, converse: true };
    let turn = converse::read(&request, model);
    exchange.perform(&turn, streaming, |scenario| {
        let asked = refusal::Request { body: &request, headers: &head.headers, streaming };
        refusal::check(&scenario.refuses, &asked)?;
        let answer = answer(&turn, scenario, model, "tooluse_", &shared.cache)?;
        let native =
            if model.facts.format == Format::Claude { claude::fields(&answer, model) } else { Value::Null };
        Ok(if streaming {
            Content::Stream(converse::events(&answer, &request, model, &native), answer.usage)
        } else {
            Content::Whole(converse::reply(&answer, &request, model, &native), answer.usage)
        })
    })
}

fn invoke(
    shared: &Shared,
    model: &Model,
    head: &Parts,
    body: &[u8],
    streaming: bool,
) -> Result<Reply, Fault> {
    let request = parsed(body).map_err(|fault| {
        fault.unwrap_or_else(|_| {
            Fault::validation("Malformed input request, please reformat your input and try again.")
        })
    })?;
    let exchange = Exchange { shared, model, converse: false };
    if model.facts.format.embeds() {
        if streaming {
            return Err(Fault::validation("The model is unsupported for streaming."));
        }
        let wanted = embed::read(model, &request)?;
        let usage = Usage { input: wanted.tokens(), ..Usage::default() };
        return exchange
            .perform(&wanted.turn(), false, |_| Ok(Content::Whole(embed::reply(&wanted, model), usage)));
    }
    let wishes = Wishes::read(&head.headers, &request)?;
    wishes.check(model)?;
    let mut native = native::read(model, &request, streaming)?;
    native.turn.guardrail = wishes.guardrail;
    let reply = exchange.perform(&native.turn, streaming, |scenario| {
        let asked = refusal::Request { body: &request, headers: &head.headers, streaming };
        refusal::check(&scenario.refuses, &asked)?;
        let mut answer = answer(&native.turn, scenario, model, native.tool_prefix(), &shared.cache)?;
        native.complete(&mut answer);
        Ok(guarded(&native, &answer, model, streaming))
    })?;
    Ok(wishes.granted(reply))
}

/// The native reply, with what a guardrail says of it.
fn guarded(native: &Native, answer: &Answer, model: &Model, streaming: bool) -> Content {
    let action = json!(if answer.intervened() { "INTERVENED" } else { "NONE" });
    if !streaming {
        let mut body = native.reply(answer, model);
        if answer.guardrail.is_some() {
            body[GUARDRAIL_ACTION] = action;
        }
        if let Some(trace) = answer.trace() {
            body[GUARDRAIL_TRACE] = trace;
        }
        return Content::Whole(body, answer.usage);
    }
    let mut events = native.events(answer, model);
    if answer.guardrail.is_some() {
        for event in events.iter_mut().filter(|event| event.content) {
            event.payload[GUARDRAIL_ACTION] = action.clone();
        }
        if let Some(last) = events.last_mut() {
            last.payload[GUARDRAIL_ACTION] = action;
            if let Some(trace) = answer.trace() {
                last.payload[GUARDRAIL_TRACE] = trace;
            }
        }
    }
    Content::Stream(events, answer.usage)
}

fn count_tokens(id: &str, body: &[u8]) -> Result<Reply, Fault> {
    let request: Value = serde_json::from_slice(body)
        .map_err(|error| Fault::new(400, "SerializationException", error.to_string()))?;
    let named =
        models::find(id).ok_or_else(|| Fault::validation("The provided model identifier is invalid."))?;
    if named.profile || named.model.facts.format != Format::Claude {
        return Err(Fault::validation("The provided model doesn't support counting tokens."));
    }
    let input = &request["input"];
    let turn = if input["converse"].is_object() {
        let conversation = &input["converse"];
        validate::converse(named.model, conversation, false)?;
        converse::read(conversation, named.model)
    } else {
        let native = input["invokeModel"]["body"].as_str().unwrap_or_default();
        let native = BASE64_STANDARD
            .decode(native)
            .map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).unwrap_or_default());
        validate::claude(named.model, &native)?;
        claude::read(&native)
    };
    Ok(Reply::json(200, &json!({"inputTokens": tokens(&turn.prompt)})))
}

/// What the model would send, before anything goes wrong.
enum Content {
    Whole(Value, Usage),
    Stream(Vec<Event>, Usage),
}

struct Exchange<'a> {
    shared: &'a Shared,
    model: &'a Model,
    converse: bool,
}

impl Exchange<'_> {
    fn perform(
        &self,
        turn: &Turn,
        streaming: bool,
        content: impl FnOnce(&Scenario) -> Result<Content, Fault>,
    ) -> Result<Reply, Fault> {
        let scenario = Scenario::read(&turn.text)?;
        let mut reply = match self.outcome(turn, &scenario, streaming, content) {
            Ok(reply) => reply,
            Err(fault) => fault.into(),
        };
        if let Some(delay) = scenario.delay {
            reply.before.insert(0, Step::Delay(delay));
        }
        Ok(reply)
    }

    fn outcome(
        &self,
        turn: &Turn,
        scenario: &Scenario,
        streaming: bool,
        content: impl FnOnce(&Scenario) -> Result<Content, Fault>,
    ) -> Result<Reply, Fault> {
        if let Some((times, fault)) = &scenario.fail_times
            && self.shared.fails_this_time(&turn.prompt, *times)
        {
            return Err(fault.clone());
        }
        if let Some(Mishap { kind: MishapKind::Fault(fault), after }) = &scenario.mishap
            && (after.is_none() || !streaming)
        {
            return Err(fault.clone());
        }
        match content(scenario)? {
            Content::Whole(body, usage) => Ok(self.whole(&body, usage, scenario.mishap.as_ref())),
            Content::Stream(events, usage) => self.stream(events, usage, scenario),
        }
    }

    fn whole(&self, body: &Value, usage: Usage, mishap: Option<&Mishap>) -> Reply {
        let text = body.to_string();
        let half = text.as_bytes().get(..text.len() / 2).map(Bytes::copy_from_slice).unwrap_or_default();
        let mut reply = Reply::recorded(200, [("content-type", "application/json")], text.clone());
        if !self.converse {
            reply = token_headers(reply, usage);
        }
        let Some(Mishap { kind, after }) = mishap else { return reply };
        let last = match kind {
            MishapKind::Fault(fault) => return fault.clone().into(),
            MishapKind::ErrorMessage(code) => return Reply::error(500, code, "Simulated failure."),
            MishapKind::Stall => return reply.after(Step::Stall),
            MishapKind::End | MishapKind::Corrupt => {
                reply.body = Body::Whole(half);
                return reply;
            }
            MishapKind::Cut => Step::Cut,
            MishapKind::Reset => Step::Reset,
        };
        if after.is_none() {
            return reply.after(last);
        }
        reply.headers.insert(CONTENT_LENGTH, text.len().into());
        reply.body = Body::Steps(vec![Step::Raw(half), last]);
        reply
    }

    fn stream(&self, mut events: Vec<Event>, usage: Usage, scenario: &Scenario) -> Result<Reply, Fault> {
        if !self.converse
            && let Some(last) = events.last_mut()
        {
            last.payload["amazon-bedrock-invocationMetrics"] = metrics(usage);
        }
        let cut = scenario.mishap.as_ref().map(|mishap| place(&events, mishap.after.unwrap_or(0)));
        let mut frames: Vec<Step> = Vec::with_capacity(events.len());
        for (index, event) in events.iter().enumerate() {
            let broken = cut == Some(index)
                && matches!(scenario.mishap, Some(Mishap { kind: MishapKind::Corrupt, .. }));
            let frame = self.frame(event.name, &event.payload);
            frames.push(Step::Frame(if broken { frame.corrupted() } else { frame }));
        }
        let mut reply = Reply::stream([]);
        if let (Some(Mishap { kind, after }), Some(cut)) = (&scenario.mishap, cut) {
            let last = match kind {
                MishapKind::Corrupt => None,
                MishapKind::End => {
                    frames.truncate(cut);
                    None
                }
                MishapKind::Fault(fault) => {
                    Some(Step::Frame(fault.frame(self.converse).ok_or_else(|| {
                        Fault::validation(format!(
                            "The simulator can't follow a directive: this operation's stream has no '{}'.",
                            fault.code.as_deref().unwrap_or_default()
                        ))
                    })?))
                }
                MishapKind::ErrorMessage(code) => Some(Step::Frame(Frame::error(code, "Simulated failure."))),
                MishapKind::Cut if after.is_none() => return Ok(reply.after(Step::Cut)),
                MishapKind::Reset if after.is_none() => return Ok(reply.after(Step::Reset)),
                MishapKind::Stall if after.is_none() => return Ok(reply.after(Step::Stall)),
                MishapKind::Cut => Some(Step::Cut),
                MishapKind::Reset => Some(Step::Reset),
                MishapKind::Stall => Some(Step::Stall),
            };
            if let Some(last) = last {
                frames.truncate(cut);
                frames.push(last);
            }
        }
        if scenario.unknown_event && !frames.is_empty() {
            frames.splice(1..1, self.events_of_the_future());
        }
        if let Some(pace) = scenario.pace {
            frames = frames.into_iter().flat_map(|frame| [Step::Delay(pace), frame]).collect();
        }
        reply.body = Body::Steps(frames);
        if !self.converse {
            reply = reply.with_header("X-Amzn-Bedrock-Content-Type", "application/json");
        }
        Ok(reply)
    }

    fn events_of_the_future(&self) -> Vec<Step> {
        let mut frames = vec![Step::Frame(Frame::event("futureEvent", &json!({"future": true})))];
        if self.model.facts.format == Format::Claude && !self.converse {
            for chunk in [json!({"type": "ping"}), json!({"type": "future_event", "index": 0})] {
                frames.push(Step::Frame(self.frame("chunk", &chunk)));
            }
        }
        frames
    }

    /// Encodes an event. Native chunks travel in base64, and both kinds carry padding.
    fn frame(&self, name: &str, payload: &Value) -> Frame {
        let text = payload.to_string();
        let padding = PADDING.get(..text.len() % PADDING.len()).unwrap_or_default();
        if self.converse {
            let mut padded = payload.clone();
            padded["p"] = json!(padding);
            return Frame::event(name, &padded);
        }
        Frame::event(name, &json!({"bytes": BASE64_STANDARD.encode(text), "p": padding}))
    }
}

/// How many events come before what goes wrong after `count` pieces of content: with fewer pieces, it is after
/// the last of them.
fn place(events: &[Event], count: usize) -> usize {
    if count == 0 {
        return 0;
    }
    let contents = events.iter().enumerate().filter(|(_, event)| event.content).map(|(index, _)| index + 1);
    contents.take(count).last().unwrap_or(events.len())
}

fn token_headers(reply: Reply, usage: Usage) -> Reply {
    let mut headers = vec![
        ("X-Amzn-Bedrock-Input-Token-Count", usage.input),
        ("X-Amzn-Bedrock-Output-Token-Count", usage.output),
        ("X-Amzn-Bedrock-Invocation-Latency", LATENCY_MS),
    ];
    headers.extend(usage.cache_read.map(|count| ("X-Amzn-Bedrock-Cache-Read-Input-Token-Count", count)));
    headers.extend(usage.cache_write.map(|count| ("X-Amzn-Bedrock-Cache-Write-Input-Token-Count", count)));
    headers.into_iter().fold(reply, |reply, (name, count)| reply.with_header(name, &count.to_string()))
}

fn metrics(usage: Usage) -> Value {
    let mut metrics = json!({
        "inputTokenCount": usage.input,
        "outputTokenCount": usage.output,
        "invocationLatency": LATENCY_MS,
        "firstByteLatency": LATENCY_MS / 2,
    });
    for (name, count) in
        [("cacheReadInputTokenCount", usage.cache_read), ("cacheWriteInputTokenCount", usage.cache_write)]
    {
        if let Some(count) = count {
            metrics[name] = json!(count);
        }
    }
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_surrogate_pair_is_refused_in_its_own_words() {
        for body in [r#"{"a":"\ud83d"}"#, r#"{"\ude00":1}"#, r#"["\ud83d\ud83d\ude00"]"#] {
            let fault = parsed(body.as_bytes()).unwrap_err().unwrap();
            assert!(fault.message.ends_with("no low surrogate in string"), "{fault:?}");
        }
        assert!(parsed(b"{").unwrap_err().is_err());
        assert_eq!(parsed(br#""\ud83d\ude00""#), Ok(json!("\u{1f600}")));
    }
}
