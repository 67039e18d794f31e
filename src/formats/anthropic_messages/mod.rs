//! Claude's own body: Anthropic's Messages API over InvokeModel and InvokeModelWithResponseStream.
//!
//! Shapes: Anthropic's API reference and SDK types (2.12.0), and recorded Bedrock traffic. What one generation of
//! Claude refuses isn't known here: requests come here bent by their family.

mod decode;
mod encode;
mod stream;
mod wire;

use crate::bedrock::{Invocation, ModelId, Operation, Reply};
use crate::chat::{Event, InvalidRequest, Request};

use super::service::invoke_headers;
use super::{ChatFormat, ProtocolError, StreamDecoder};

pub use stream::{MessagesStream, fuzz_frames};

/// The Messages body.
pub static ANTHROPIC_MESSAGES: AnthropicMessages = AnthropicMessages;

/// See [`ANTHROPIC_MESSAGES`].
#[derive(Debug)]
pub struct AnthropicMessages;

impl ChatFormat for AnthropicMessages {
    fn name(&self) -> &'static str {
        "anthropic_messages"
    }

    fn encode(
        &self,
        request: &Request,
        model: &ModelId,
        streaming: bool,
    ) -> Result<Invocation, InvalidRequest> {
        let operation =
            if streaming { Operation::InvokeModelWithResponseStream } else { Operation::InvokeModel };
        let headers = invoke_headers(&request.service)?;
        Ok(Invocation { operation, model: model.clone(), headers, body: encode::body(request, streaming)? })
    }

    fn decode(&self, reply: &Reply, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        decode::reply(reply, events)
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::<MessagesStream>::default()
    }
}

#[cfg(test)]
mod tests;
