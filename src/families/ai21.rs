//! AI21: Jamba. Jamba Instruct and Jurassic-2, before it, take no tools.

use super::{Capabilities, Family, FormatKind, StopSupport};
use crate::bedrock::ModelId;

pub(super) struct Ai21;

impl Family for Ai21 {
    fn name(&self) -> &'static str {
        "ai21"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("ai21.")
    }

    fn capabilities(&self, model: &ModelId, _format: FormatKind) -> Capabilities {
        Capabilities {
            tools: model.base().starts_with("ai21.jamba-1-5"),
            images: false,
            stop: StopSupport::Native(4),
            max_output_tokens: Some(4096),
            ..Capabilities::CAUTIOUS
        }
    }
}
