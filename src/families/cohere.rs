//! Cohere: Command R. Command without R is served by no chat API and claimed by nobody.

use super::{Capabilities, Family, FormatKind, StopSupport};
use crate::bedrock::ModelId;

pub(super) struct Cohere;

impl Family for Cohere {
    fn name(&self) -> &'static str {
        "cohere"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("cohere.command-r")
    }

    fn capabilities(&self, _model: &ModelId, _format: FormatKind) -> Capabilities {
        Capabilities { images: false, stop: StopSupport::Native(4), ..Capabilities::CAUTIOUS }
    }
}
