//! AI21: Jamba. Jamba Instruct and Jurassic-2, before it, take no tools; Jurassic-2's own body is not written here.

use super::{Capabilities, Family, FormatKind, StopSupport};
use crate::bedrock::ModelId;
use crate::formats::{ChatFormat, OPENAI_CHAT};

pub(super) struct Ai21;

impl Family for Ai21 {
    fn name(&self) -> &'static str {
        "ai21"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("ai21.")
    }

    fn capabilities(&self, model: &ModelId, format: FormatKind) -> Capabilities {
        let able = Capabilities {
            tools: model.base().starts_with("ai21.jamba-1-5"),
            images: false,
            stop: StopSupport::Native(4),
            max_output_tokens: Some(4096),
            ..Capabilities::CAUTIOUS
        };
        match format {
            FormatKind::Native => Capabilities { penalties: true, ..able.in_chat_completions() },
            FormatKind::Converse => able,
        }
    }

    fn native(&self, model: &ModelId) -> Option<&'static dyn ChatFormat> {
        if model.base().starts_with("ai21.j2") { None } else { Some(&OPENAI_CHAT) }
    }
}
