//! Replies and chunks: the same shape, read by the same code.

use serde_json::value::RawValue;

use super::wire::{Answer, Call, Choice, Failure, Function, Part, Said, ThoughtPart, Usage};
use crate::bedrock::{self, Frame};
use crate::chat::{self, Event, Json, NotJson, StopReason, Text};
use crate::formats::finish_word::stop_reason;
use crate::formats::scalar::Count;
use crate::formats::thoughts::{self, Thoughts};
use crate::formats::turn::{Tokens, Turn};
use crate::formats::{ProtocolError, StreamDecoder};

/// Reads a body of `InvokeModel`.
pub(super) fn reply(reply: &bedrock::Reply, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
    let mut stream = ChatStream::default();
    stream.take("reply", &reply.body, events)?;
    stream.turn.fill_from_headers(reply.head.tokens);
    stream.finish(events)
}

/// Reads
///
/// ```text
/// (role | text | thought | call | piece of a call)* reason usage?
/// ```
///
/// where each chunk may bring any of it; see [`Turn`] for how it ends.
#[derive(Debug)]
pub(super) struct ChatStream {
    turn: Turn,
    thoughts: Thoughts,
    refused: bool,
}

impl Default for ChatStream {
    fn default() -> Self {
        Self { turn: Turn::default(), thoughts: Thoughts::new(), refused: false }
    }
}

impl StreamDecoder for ChatStream {
    fn push(&mut self, frame: &Frame, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        if &*frame.event != "chunk" {
            self.turn.skip();
            return Ok(());
        }
        self.take("chunk", &frame.payload, events)?;
        self.turn.settle(events);
        Ok(())
    }

    fn finish(&mut self, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        self.turn.finish(events)
    }

    fn usage(&self) -> Option<chat::Usage> {
        self.turn.usage()
    }

    fn skipped(&self) -> u32 {
        self.turn.skipped()
    }
}

impl ChatStream {
    fn take(
        &mut self,
        what: &'static str,
        body: &[u8],
        events: &mut Vec<Event>,
    ) -> Result<(), ProtocolError> {
        let Answer { choices, usage, error } =
            serde_json::from_slice(body).map_err(ProtocolError::shape(what))?;
        if let Some(error) = error {
            return Err(ProtocolError::Reported(kind_of(error)));
        }
        self.turn.learn(body)?;
        if let Some(usage) = usage {
            self.turn.count(tokens(&usage));
        }
        for choice in choices.unwrap_or_default() {
            // Only one is ever asked for.
            if choice.index.is_some_and(|Count(index)| index > 0) {
                self.turn.skip();
                continue;
            }
            self.choice(choice, events)?;
        }
        Ok(())
    }

    fn choice(&mut self, choice: Choice<'_>, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        let Choice { index: _, message, delta, text: completion, finish_reason, stop_reason: other_reason } =
            choice;
        let word = match (finish_reason, other_reason) {
            (Some(word), _) => Some(word),
            (None, Some(other)) => text(other)?.map(|word| word.decode().into_owned()),
            (None, None) => None,
        };
        if let Some(said) = completion {
            self.text(said, events)?;
        }
        for said in message.into_iter().chain(delta) {
            self.said(said, events)?;
        }
        match word {
            Some(word) => {
                let mut parts = Vec::new();
                self.thoughts.finish(|part| parts.push(part));
                self.parts(parts, events)?;
                let reason = if self.refused { StopReason::Refusal } else { stop_reason(&word) };
                self.turn.stop(reason, events)
            }
            None => Ok(()),
        }
    }

    fn said(&mut self, said: Said<'_>, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        let Said { content, reasoning_content, reasoning, refusal, tool_calls } = said;
        let other_name = reasoning.map(text).transpose()?.flatten();
        if let Some(thought) = reasoning_content.or(other_name) {
            self.turn.thought(thought, events)?;
        }
        match content {
            Some(list) if list.get().starts_with('[') => self.list(list, events)?,
            Some(content) => {
                if let Some(text) = text(content)? {
                    self.text(text, events)?;
                }
            }
            None => {}
        }
        if let Some(refusal) = refusal.filter(|refusal| !refusal.is_empty()) {
            self.refused = true;
            self.turn.refusal(refusal, events)?;
        }
        let calls = tool_calls.unwrap_or_default();
        if !calls.is_empty() {
            let mut parts = Vec::new();
            self.thoughts.finish(|part| parts.push(part));
            self.parts(parts, events)?;
        }
        for (call, place) in calls.into_iter().zip(0..) {
            self.call(call, place, events)?;
        }
        Ok(())
    }

    fn list(&mut self, list: &RawValue, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        let parts: Vec<Part<'_>> =
            serde_json::from_str(list.get()).map_err(ProtocolError::shape("a list of parts"))?;
        for Part { text: said, thinking } in parts {
            match (said, thinking) {
                (Some(said), _) => self.text(said, events)?,
                (None, Some(thoughts)) if thoughts.get().starts_with('[') => {
                    let thoughts: Vec<ThoughtPart> = serde_json::from_str(thoughts.get())
                        .map_err(ProtocolError::shape("a list of thoughts"))?;
                    for thought in thoughts.into_iter().filter_map(|part| part.text) {
                        self.turn.thought(thought, events)?;
                    }
                }
                (None, Some(thought)) => {
                    if let Some(thought) = text(thought)? {
                        self.turn.thought(thought, events)?;
                    }
                }
                (None, None) => self.turn.skip(),
            }
        }
        Ok(())
    }

    fn text(&mut self, text: Text, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        let mut parts = Vec::new();
        self.thoughts.push(text, |part| parts.push(part));
        self.parts(parts, events)
    }

    fn parts(&mut self, parts: Vec<thoughts::Part>, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        for part in parts {
            match part {
                thoughts::Part::Thought(thought) => self.turn.thought(thought, events)?,
                thoughts::Part::Said(text) => self.turn.text(text, events)?,
            }
        }
        Ok(())
    }

    /// A call's first piece has its name. A server that gives no numbers means the calls of a list, and one
    /// that uses a number again with another id means another call.
    fn call(&mut self, call: Call<'_>, place: u64, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        let Call { index, id, function } = call;
        let number = index.map_or(place, |Count(index)| index);
        let Function { name, arguments } = function.unwrap_or(Function { name: None, arguments: None });
        let id = id.filter(|id| !id.is_empty());
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            let known = self.turn.call_id(number);
            let goes_on = known.is_some() && (id.is_none() || id.as_deref() == known);
            if !goes_on {
                self.turn.call(number, id, name, events)?;
            }
        }
        match arguments {
            Some(arguments) if arguments.get() != "null" => {
                let input =
                    text(arguments)?.unwrap_or_else(|| Text::new(&Json::from_raw(arguments).compact()));
                self.turn.call_input(number, input, events)
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// A value, if it is a string.
fn text(value: &RawValue) -> Result<Option<Text>, ProtocolError> {
    match Text::from_raw(value) {
        Ok(text) => Ok(Some(text)),
        Err(NotJson::NotAString) => Ok(None),
        Err(error @ (NotJson::LoneSurrogate | NotJson::Invalid)) => {
            Err(ProtocolError::Shape { what: "a text", problem: error.to_string() })
        }
    }
}

/// What an error calls itself; never its message, which may repeat the prompt.
fn kind_of(error: &RawValue) -> String {
    match serde_json::from_str(error.get()) {
        Ok(Failure { kind: Some(kind) }) => kind,
        Ok(Failure { kind: None }) | Err(_) => "error".to_owned(),
    }
}

fn tokens(usage: &Usage) -> Tokens {
    let Usage { prompt_tokens, completion_tokens, prompt_tokens_details, completion_tokens_details } = usage;
    let known = |count: &Option<Count>| count.map(|Count(count)| count);
    let cached = prompt_tokens_details.as_ref().and_then(|details| known(&details.cached_tokens));
    Tokens {
        input: known(prompt_tokens).map(|prompt| prompt.saturating_sub(cached.unwrap_or(0))),
        output: known(completion_tokens),
        cache_read: cached,
        cache_write: None,
        reasoning: completion_tokens_details.as_ref().and_then(|details| known(&details.reasoning_tokens)),
    }
}
