//! Moonshot: Kimi, under two prefixes. All but K2 Thinking see pictures; K3 takes no limit below 16 tokens.

use super::{Capabilities, Family, FormatKind};
use crate::bedrock::ModelId;
use crate::formats::{ChatFormat, OPENAI_CHAT};

pub(super) struct Kimi;

impl Family for Kimi {
    fn name(&self) -> &'static str {
        "kimi"
    }

    fn claims(&self, model: &ModelId) -> bool {
        ["moonshot.", "moonshotai."].iter().any(|prefix| model.base().starts_with(prefix))
    }

    fn capabilities(&self, model: &ModelId, format: FormatKind) -> Capabilities {
        let base = model.base();
        let able = Capabilities {
            tool_choice_named: true,
            images: !base.contains("kimi-k2-thinking"),
            documents: false,
            json_schema: true,
            leading_assistant: true,
            least_max_tokens: if base.contains("kimi-k3") { 16 } else { 1 },
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
