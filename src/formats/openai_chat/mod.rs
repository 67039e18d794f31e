//! OPENAI'S CHAT COMPLETIONS BODY over InvokeModel: what most open-weight models take, and Jamba, and Mistral's with a few
//! words of their own.
//!
//! Sources: AWS's model pages, recorded traffic, and OpenAI's reference for what these leave open. Servers differ in
//! what they answer, so the decoder takes `delta` or `message`, `finish_reason` or `stop_reason`, texts or lists of
//! parts, thoughts in a member of their own or between tags in the text.
//!
//! This is what models speak, not what clients do: it has nothing in common with `crate::openai` but the reference.

mod decode;
mod encode;
mod wire;

use super::service::invoke_headers;
use super::{ChatFormat, ProtocolError, StreamDecoder};
use crate::bedrock::{Invocation, ModelId, Operation, Reply};
use crate::chat::{Event, InvalidRequest, Notes, Request};

use decode::ChatStream;
use encode::Dialect;

/// The body as OpenAI defines it.
pub static OPENAI_CHAT: OpenAiChat =
    OpenAiChat { name: "openai_chat", dialect: Dialect { required: "required", nine_letter_ids: false } };

/// The body as Mistral's models take it: `any` for "some tool", and ids of nine letters.
pub static MISTRAL_CHAT: OpenAiChat =
    OpenAiChat { name: "mistral_chat", dialect: Dialect { required: "any", nine_letter_ids: true } };

/// See [`OPENAI_CHAT`] and [`MISTRAL_CHAT`].
#[derive(Debug)]
pub struct OpenAiChat {
    name: &'static str,
    dialect: Dialect,
}

impl ChatFormat for OpenAiChat {
    fn name(&self) -> &'static str {
        self.name
    }

    fn encode(
        &self,
        request: &Request,
        model: &ModelId,
        streaming: bool,
    ) -> Result<Invocation, InvalidRequest> {
        Ok(Invocation {
            operation: Operation::invoke(streaming),
            model: model.clone(),
            headers: invoke_headers(&request.service)?,
            body: encode::body(request, self.dialect)?,
        })
    }

    fn note_rewrites(&self, request: &Request, notes: &mut Notes) {
        encode::note_ids(request, self.dialect, notes);
    }

    fn decode(&self, reply: &Reply, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        decode::reply(reply, events)
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::<ChatStream>::default()
    }
}

#[cfg(test)]
mod tests;
