//! Writer: Palmyra. Tools don't stream, and a result can't be marked as failed.

use super::{Capabilities, Family, FormatKind, StopSupport};
use crate::bedrock::ModelId;
use crate::formats::{ChatFormat, OPENAI_CHAT};

pub(super) struct Palmyra;

impl Family for Palmyra {
    fn name(&self) -> &'static str {
        "palmyra"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("writer.")
    }

    fn capabilities(&self, model: &ModelId, format: FormatKind) -> Capabilities {
        let able = Capabilities {
            tools_while_streaming: false,
            images: model.base().contains("vision"),
            stop: StopSupport::Native(4),
            ..Capabilities::CAUTIOUS
        };
        match format {
            FormatKind::Native => able.in_chat_completions(),
            FormatKind::Converse => able,
        }
    }

    fn native(&self, _model: &ModelId) -> Option<&'static dyn ChatFormat> {
        Some(&OPENAI_CHAT)
    }
}
