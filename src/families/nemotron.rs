//! NVIDIA: Nemotron. Of the Nano models only the 12B sees pictures.

use super::{Capabilities, Family, FormatKind};
use crate::bedrock::ModelId;
use crate::formats::{ChatFormat, OPENAI_CHAT};

pub(super) struct Nemotron;

impl Family for Nemotron {
    fn name(&self) -> &'static str {
        "nemotron"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("nvidia.")
    }

    fn capabilities(&self, model: &ModelId, format: FormatKind) -> Capabilities {
        let base = model.base();
        let able = Capabilities {
            images: base.contains("nano-12b"),
            json_schema: base.contains("nano"),
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
