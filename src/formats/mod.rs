//! HOW BYTES LOOK: one file (or folder) for each body format that Bedrock takes.
//!
//! A format is a pure codec between the canonical model and JSON: no async, no IO, no AWS crate, and no
//! format names another. Which format a model gets is its family's decision. What formats share is
//! beside them here: the bookkeeping of open blocks, lenient scalars, guardrail traces, tool schemas.

pub mod anthropic_messages;
mod bedrock_extras;
mod blocks;
pub mod claude_text;
pub mod cohere_chat;
pub mod cohere_embed;
pub mod cohere_generate;
mod completion;
pub mod converse;
pub mod deepseek_prompt;
mod finish_word;
mod fuzz;
mod guardrail;
pub mod llama_prompt;
pub mod mistral_prompt;
mod model_fields;
pub mod nova_embed;
pub mod nova_messages;
pub mod openai_chat;
mod prompt;
#[cfg(test)]
mod samples;
mod scalar;
mod service;
mod stop_details;
mod thoughts;
pub mod titan_embed;
pub mod titan_text;
mod tool_schema;
mod turn;
mod vectors;

pub use anthropic_messages::ANTHROPIC_MESSAGES;
pub use claude_text::CLAUDE_TEXT;
pub use cohere_chat::COHERE_CHAT;
pub use cohere_embed::{COHERE_EMBED_V3, COHERE_EMBED_V4};
pub use cohere_generate::COHERE_GENERATE;
pub use converse::CONVERSE;
pub use deepseek_prompt::DEEPSEEK_PROMPT;
pub use fuzz::fuzz_streams;
pub use llama_prompt::{LLAMA_PROMPT, LLAMA2_PROMPT};
pub use mistral_prompt::MISTRAL_PROMPT;
pub use nova_embed::NOVA_EMBED;
pub use nova_messages::NOVA_MESSAGES;
pub use openai_chat::{MISTRAL_CHAT, OPENAI_CHAT};
pub use titan_embed::{TITAN_EMBED_IMAGE, TITAN_EMBED_V1, TITAN_EMBED_V2};
pub use titan_text::TITAN_TEXT;

use bytes::Bytes;

use crate::bedrock::{Frame, Invocation, ModelId, Reply};
use crate::chat::{Event, InvalidRequest, Notes, Request, Usage};
use crate::embed;

/// Every format for chats.
pub static CHAT_FORMATS: &[&dyn ChatFormat] = &[
    &CONVERSE,
    &ANTHROPIC_MESSAGES,
    &CLAUDE_TEXT,
    &COHERE_CHAT,
    &COHERE_GENERATE,
    &DEEPSEEK_PROMPT,
    &LLAMA_PROMPT,
    &LLAMA2_PROMPT,
    &MISTRAL_CHAT,
    &MISTRAL_PROMPT,
    &NOVA_MESSAGES,
    &OPENAI_CHAT,
    &TITAN_TEXT,
];

/// Every format for embeddings.
pub static EMBED_FORMATS: &[&dyn EmbedFormat] =
    &[&TITAN_EMBED_V1, &TITAN_EMBED_V2, &TITAN_EMBED_IMAGE, &COHERE_EMBED_V3, &COHERE_EMBED_V4, &NOVA_EMBED];

/// A body format for embeddings.
pub trait EmbedFormat: Sync {
    /// For `/v1/models`: `titan_embed_v2` …
    fn name(&self) -> &'static str;

    /// Writes the call. `request` has been adapted by its family: no more texts than the model takes at once, and nothing
    /// that the format has no place for.
    fn encode(&self, request: &embed::Request, model: &ModelId) -> Result<Invocation, InvalidRequest>;

    /// Reads a whole reply. That there are as many vectors as texts is for the caller to see to.
    fn decode(&self, reply: &Reply) -> Result<embed::Response, ProtocolError>;
}

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

    /// Whether only the operation tells a streamed call from a whole one, and the body is the same.
    fn has_one_body(&self) -> bool {
        true
    }

    /// Notes what of the request this format will write in other words than the client's: before the
    /// conversation is mended, so that the notes name the client's own messages.
    fn note_rewrites(&self, _request: &Request, _notes: &mut Notes) {}

    /// Whether members of a call's input may be nameless.
    fn takes_empty_keys(&self) -> bool {
        true
    }

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
    #[error("{what} is not what the format promises: {problem}")]
    Shape {
        /// Which piece: `contentBlockDelta`, `reply` …
        what: &'static str,
        /// What the parser says, and where. Never holds text of the reply, so it may be logged.
        problem: String,
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
    /// The model ended its turn of its own will, and has said nothing and written no token.
    #[error("the model ended its turn without a token")]
    Silent,
}

impl ProtocolError {
    /// For `map_err` on a parse of `what`.
    pub(crate) fn shape(what: &'static str) -> impl Fn(serde_json::Error) -> Self {
        move |error| Self::Shape { what, problem: without_quotes(&error.to_string()) }
    }
}

/// Serde quotes the string that it found in the place of something else: that may be what a model said.
fn without_quotes(message: &str) -> String {
    match (message.find('"'), message.rfind('"')) {
        (Some(first), Some(last)) if first < last => {
            let (before, after) = (message.get(..=first), message.get(last..));
            [before.unwrap_or_default(), "…", after.unwrap_or_default()].concat()
        }
        _ => message.to_owned(),
    }
}

/// Serialises a wire type that is about so long, in bytes: a buffer that grows by doubling would copy a long one twice.
/// The types of this crate's formats have string keys and no fallible parts.
pub(crate) fn to_body(wire: &impl serde::Serialize, about: usize) -> Result<Bytes, InvalidRequest> {
    let mut body = Vec::with_capacity(about);
    serde_json::to_writer(&mut body, wire).map(|()| Bytes::from(body)).map_err(|error| InvalidRequest {
        param: None,
        code: "invalid_value",
        message: format!("the request can't be written as JSON: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parsers_complaint_tells_nothing_of_what_was_said() {
        let complaint = |json| serde_json::from_str::<Vec<u8>>(json).map_err(ProtocolError::shape("reply"));
        assert_eq!(
            complaint(r#"["a \"secret\" thing"]"#).unwrap_err().to_string(),
            r#"reply is not what the format promises: invalid type: string "…", expected u8 at line 1 column 21"#
        );
        assert!(complaint("[").unwrap_err().to_string().contains("EOF while parsing"));
    }

    #[test]
    fn every_format_has_a_name_of_its_own() {
        let chats = CHAT_FORMATS.iter().map(|format| format.name());
        let mut names: Vec<_> = chats.chain(EMBED_FORMATS.iter().map(|format| format.name())).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CHAT_FORMATS.len() + EMBED_FORMATS.len());
    }
}
