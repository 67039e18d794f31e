//! AMAZON NOVA'S OWN BODY, `messages-v1`, over InvokeModel.
//!
//! Its blocks look like Converse's, its settings don't, and neither do its stream's: here every piece of a text has
//! a block of its own. It has no place for documents. Shapes: AWS's user guide and recorded traffic.

mod decode;
mod encode;
mod wire;

use super::service::invoke_headers;
use super::{ChatFormat, ProtocolError, StreamDecoder};
use crate::bedrock::{Invocation, ModelId, Operation, Reply};
use crate::chat::{Event, InvalidRequest, Request};

use decode::NovaStream;

/// The `messages-v1` body.
pub static NOVA_MESSAGES: NovaMessages = NovaMessages;

/// See [`NOVA_MESSAGES`].
#[derive(Debug)]
pub struct NovaMessages;

impl ChatFormat for NovaMessages {
    fn name(&self) -> &'static str {
        "nova_messages"
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

    fn takes_empty_keys(&self) -> bool {
        false
    }

    fn decode(&self, reply: &Reply, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        decode::reply(reply, events)
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::<NovaStream>::default()
    }
}

#[cfg(test)]
mod tests;
