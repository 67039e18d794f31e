//! HOW BYTES LOOK: one file (or folder) for each body format that Bedrock takes.
//!
//! A format is a pure codec between the canonical model and JSON: no async, no IO, no AWS crate, and no
//! format names another. Which format a model gets is its family's decision. What formats share is
//! beside them here: the bookkeeping of open blocks, lenient scalars, guardrail traces, tool schemas.

pub mod anthropic_messages;
mod blocks;
pub mod converse;
mod fuzz;
mod guardrail;
#[cfg(test)]
mod samples;
mod scalar;
mod tool_schema;

pub use anthropic_messages::ANTHROPIC_MESSAGES;
pub use converse::CONVERSE;

mod bedrock_extras;
mod completion;
mod guardrail;
pub mod llama_prompt;
mod scalar;
mod stub;
pub mod titan_text;

pub use llama_prompt::LLAMA_PROMPT;
pub use stub::{ANTHROPIC_MESSAGES, CONVERSE};
pub use titan_text::TITAN_TEXT;

use bytes::Bytes;

use crate::bedrock::{Frame, Invocation, ModelId, Reply};
use crate::chat::{Event, InvalidRequest, Request, Usage};

/// Every format for chats.
pub static CHAT_FORMATS: &[&dyn ChatFormat] = &[&CONVERSE, &ANTHROPIC_MESSAGES];

/// A body format for chats.
pub trait ChatFormat: Sync {
    /// For logs and `/v1/models`: `anthropic_messages`, `converse` …
    fn name(&self) -> &'static str;

    /// Writes the call. `request` has been adapted by its family, so what the format has no place for is gone.
    fn encode(
        &self,
        request: &Request,
        model: &ModelId,
        streaming: bool,
    ) -> Result<Invocation, InvalidRequest>;

    /// Reads a whole reply, as the events that a stream of the same reply would give.
    fn decode(&self, reply: &Reply, events: &mut Vec<Event>) -> Result<(), ProtocolError>;

    /// Reads a stream.
    fn stream_decoder(&self) -> Box<dyn StreamDecoder>;
}

/// Reads one stream, frame by frame.
pub trait StreamDecoder: Send {
    /// Takes the next frame and appends the events it stands for: none, one or many.
    fn push(&mut self, frame: &Frame, events: &mut Vec<Event>) -> Result<(), ProtocolError>;

    /// The stream ended cleanly. An end before the model's own stop is [`ProtocolError::Truncated`].
    fn finish(&mut self, events: &mut Vec<Event>) -> Result<(), ProtocolError>;

    /// What is known of the cost so far: also for a stream that is left before its end.
    fn usage(&self) -> Option<Usage>;

    /// How many blocks, deltas and events of unknown kinds were passed over so far. Formats whose streams
    /// have one kind of event only have none to pass over.
    fn skipped(&self) -> u32 {
        0
    }
}

/// The upstream said something that is not its own protocol.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// Not JSON, or JSON of another shape.
    #[error("{what} is not what the format promises: {source}")]
    Shape {
        /// Which piece: `contentBlockDelta`, `reply` …
        what: &'static str,
        /// What the parser says. Never holds text of the reply.
        #[source]
        source: serde_json::Error,
    },
    /// An event out of its place.
    #[error("{0}")]
    Grammar(&'static str),
    /// The upstream sent an error in the place of an event.
    #[error("the model reported {0:?} instead of going on")]
    Reported(String),
    /// The stream ended before the model did.
    #[error("the stream ended before the model's stop event")]
    Truncated,
}

impl ProtocolError {
    /// For `map_err` on a parse of `what`.
    pub(crate) fn shape(what: &'static str) -> impl Fn(serde_json::Error) -> Self {
        move |source| Self::Shape { what, source }
    }
}

/// Serialises a wire type. The types of this crate's formats have string keys and no fallible parts.
pub(crate) fn to_body(wire: &impl serde::Serialize) -> Result<Bytes, InvalidRequest> {
    serde_json::to_vec(wire).map(Bytes::from).map_err(|error| InvalidRequest {
        param: None,
        code: "invalid_value",
        message: format!("the request can't be written as JSON: {error}"),
    })
}
