//! Temporary: stands for the formats of another branch until both are merged.
use super::{ChatFormat, ProtocolError, StreamDecoder};
use crate::bedrock::{Invocation, ModelId, Reply};
use crate::chat::{Event, InvalidRequest, Request};

/// See the other branch.
pub static CONVERSE: Stub = Stub("converse");
/// See the other branch.
pub static ANTHROPIC_MESSAGES: Stub = Stub("anthropic_messages");

/// A name.
pub struct Stub(&'static str);

impl ChatFormat for Stub {
    fn name(&self) -> &'static str {
        self.0
    }
    fn encode(&self, _: &Request, _: &ModelId, _: bool) -> Result<Invocation, InvalidRequest> {
        unreachable!()
    }
    fn decode(&self, _: &Reply, _: &mut Vec<Event>) -> Result<(), ProtocolError> {
        unreachable!()
    }
    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        unreachable!()
    }
}
