//! COHERE COMMAND R'S OWN BODY over InvokeModel: the last message, and the conversation before it.
//!
//! Its tools know flat parameters only; what a schema says beyond that is told in words. Calls have no ids, their
//! results repeat them instead. Shapes: AWS's user guide and recorded traffic.

mod decode;
mod encode;
mod parameters;

use super::service::invoke_headers;
use super::{ChatFormat, ProtocolError, StreamDecoder};
use crate::bedrock::{Invocation, ModelId, Operation, Reply};
use crate::chat::{Event, InvalidRequest, Notes, Request};

use decode::CohereStream;

/// The chat body.
pub static COHERE_CHAT: CohereChat = CohereChat;

/// See [`COHERE_CHAT`].
#[derive(Debug)]
pub struct CohereChat;

impl ChatFormat for CohereChat {
    fn name(&self) -> &'static str {
        "cohere_chat"
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
            body: encode::body(request)?,
        })
    }

    fn note_rewrites(&self, request: &Request, notes: &mut Notes) {
        encode::note_rewrites(request, notes);
    }

    fn decode(&self, reply: &Reply, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        decode::reply(reply, events)
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::<CohereStream>::default()
    }
}

#[cfg(test)]
mod tests;
