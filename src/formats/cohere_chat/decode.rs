//! Replies and chunks.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::bedrock::{self, Frame};
use crate::chat::{self, Event, Json, Text};
use crate::formats::finish_word::stop_reason;
use crate::formats::scalar::text;
use crate::formats::turn::Turn;
use crate::formats::{ProtocolError, StreamDecoder};

/// Reads a body of `InvokeModel`. Its counts stand in the headers.
pub(super) fn reply(reply: &bedrock::Reply, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
    let whole: Whole<'_> = serde_json::from_slice(&reply.body).map_err(ProtocolError::shape("reply"))?;
    let mut stream = CohereStream::default();
    stream.turn.learn(&reply.body)?;
    stream.turn.fill_from_headers(reply.head.tokens);
    stream.turn.begin(events)?;
    let finish_reason = stream.rest(whole, events)?;
    if let Some(word) = finish_reason {
        stream.stop(&word, events)?;
    }
    stream.finish(events)
}

#[derive(Deserialize)]
struct Whole<'a> {
    #[serde(default, deserialize_with = "text")]
    text: Option<Text>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<Call<'a>>>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Call<'a> {
    name: String,
    #[serde(borrow, default)]
    parameters: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(default)]
    event_type: Option<String>,
    #[serde(default, deserialize_with = "text")]
    text: Option<Text>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<Call<'a>>>,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    is_finished: Option<bool>,
    /// With the last event: the whole reply.
    #[serde(borrow, default)]
    response: Option<Whole<'a>>,
}

/// Reads
///
/// ```text
/// stream-start? (text-generation | tool-calls-chunk)* tool-calls-generation? stream-end
/// ```
///
/// where other events may stand anywhere, and the last repeats all there was. See [`Turn`] for how it ends.
#[derive(Debug, Default)]
pub(super) struct CohereStream {
    turn: Turn,
    said: bool,
    calls: u64,
}

impl StreamDecoder for CohereStream {
    fn push(&mut self, frame: &Frame, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        if &*frame.event != "chunk" {
            self.turn.skip();
            return Ok(());
        }
        let chunk = serde_json::from_slice(&frame.payload).map_err(ProtocolError::shape("chunk"))?;
        self.turn.learn(&frame.payload)?;
        self.take(chunk, events)?;
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

impl CohereStream {
    fn take(&mut self, chunk: Chunk<'_>, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        let Chunk { event_type, text, tool_calls, finish_reason, is_finished, response } = chunk;
        match event_type.as_deref() {
            Some("stream-start") => self.turn.begin(events)?,
            Some("text-generation" | "tool-calls-chunk") | None => {
                if let Some(text) = text {
                    self.say(text, events)?;
                }
                self.call(tool_calls, events)?;
            }
            // Repeats the text that may have come in pieces.
            Some("tool-calls-generation") => {
                self.rest(Whole { text, tool_calls, finish_reason: None }, events)?;
            }
            Some("stream-end") => {}
            Some(_) => self.turn.skip(),
        }
        if finish_reason.is_none() && is_finished != Some(true) {
            return Ok(());
        }
        let repeated = match response {
            Some(whole) => self.rest(whole, events)?,
            None => None,
        };
        self.stop(finish_reason.or(repeated).as_deref().unwrap_or("COMPLETE"), events)
    }

    /// What of a whole reply has not been said yet. Gives its reason.
    fn rest(&mut self, whole: Whole<'_>, events: &mut Vec<Event>) -> Result<Option<String>, ProtocolError> {
        let Whole { text, tool_calls, finish_reason } = whole;
        if let Some(text) = text.filter(|_| !self.said) {
            self.say(text, events)?;
        }
        if self.calls == 0 {
            self.call(tool_calls, events)?;
        }
        Ok(finish_reason)
    }

    fn say(&mut self, text: Text, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        self.said |= !text.is_empty();
        self.turn.text(text, events)
    }

    fn call(&mut self, calls: Option<Vec<Call<'_>>>, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        for Call { name, parameters } in calls.unwrap_or_default() {
            let number = self.calls;
            self.calls += 1;
            self.turn.call(number, None, name, events)?;
            let input = parameters.map(Json::from_raw);
            let input = input.as_ref().map(Json::compact).filter(|input| input != "{}" && input != "null");
            if let Some(input) = input {
                self.turn.call_input(number, Text::new(&input), events)?;
            }
            self.turn.end_call(number, events);
        }
        Ok(())
    }

    fn stop(&mut self, word: &str, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        match word {
            "ERROR" => Err(ProtocolError::Reported(word.to_owned())),
            word => self.turn.stop(stop_reason(word), events),
        }
    }
}
