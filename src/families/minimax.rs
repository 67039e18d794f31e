//! M2, by the vendor of the same name. It always thinks.

use super::thinking::Thinking;
use super::{Capabilities, Family, FormatKind, Replay};
use crate::bedrock::ModelId;
use crate::formats::{ChatFormat, OPENAI_CHAT};

pub(super) struct MiniMax;

impl Family for MiniMax {
    fn name(&self) -> &'static str {
        "minimax"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("minimax.")
    }

    fn capabilities(&self, _model: &ModelId, format: FormatKind) -> Capabilities {
        let able = Capabilities {
            images: false,
            documents: false,
            json_schema: true,
            replay: Replay::Plain,
            thinking: Thinking::ALWAYS,
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
