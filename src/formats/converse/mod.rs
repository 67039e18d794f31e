//! Converse and ConverseStream: Bedrock's own body, the same for every vendor's models.
//!
//! Shapes: the service model of `bedrock-runtime` (botocore 1.44.5) and recorded traffic. The bodies are
//! our own types and bytes, because the SDK's lose what they don't know and the order of schema keys.
//! It doesn't know what one vendor's models refuse: requests come here bent by their family.

mod decode;
mod encode;
mod reply_fields;
mod stream;
mod wire;

use crate::bedrock::{Invocation, ModelId, Operation, Reply};
use crate::chat::{Event, InvalidRequest, Request};

use super::{ChatFormat, ProtocolError, StreamDecoder};

pub use stream::{ConverseStream, fuzz_frames};

/// The Converse body.
pub static CONVERSE: Converse = Converse;

/// See [`CONVERSE`].
#[derive(Debug)]
pub struct Converse;

impl ChatFormat for Converse {
    fn name(&self) -> &'static str {
        "converse"
    }

    fn encode(
        &self,
        request: &Request,
        model: &ModelId,
        streaming: bool,
    ) -> Result<Invocation, InvalidRequest> {
        let operation = if streaming { Operation::ConverseStream } else { Operation::Converse };
        Ok(Invocation {
            operation,
            model: model.clone(),
            headers: Vec::new(),
            body: encode::body(request, streaming)?,
        })
    }

    fn takes_empty_keys(&self) -> bool {
        false
    }

    fn decode(&self, reply: &Reply, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        decode::reply(&reply.body, events)
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::<ConverseStream>::default()
    }
}

#[cfg(test)]
mod tests;
