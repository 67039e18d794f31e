//! Writer: Palmyra. Tools don't stream, and a result can't be marked as failed.

use super::{Capabilities, Family, FormatKind, StopSupport};
use crate::bedrock::ModelId;

pub(super) struct Palmyra;

impl Family for Palmyra {
    fn name(&self) -> &'static str {
        "palmyra"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("writer.")
    }

    fn capabilities(&self, model: &ModelId, _format: FormatKind) -> Capabilities {
        Capabilities {
            tools_while_streaming: false,
            images: model.base().contains("vision"),
            stop: StopSupport::Native(4),
            ..Capabilities::CAUTIOUS
        }
    }
}
