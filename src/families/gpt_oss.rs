//! OpenAI: the open weights, gpt-oss. Converse refuses stop texts and knows no forced tools for them. They always think, and
//! refuse every other word for it than three.

use super::thinking::{Off, Thinking};
use super::{Capabilities, Family, FormatKind, ToolSchemas};
use crate::bedrock::ModelId;
use crate::formats::{ChatFormat, OPENAI_CHAT};

pub(super) struct GptOss;

impl Family for GptOss {
    fn name(&self) -> &'static str {
        "gpt_oss"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("openai.gpt-oss")
    }

    fn capabilities(&self, _model: &ModelId, format: FormatKind) -> Capabilities {
        let able = Capabilities {
            tool_schemas: ToolSchemas { references: false, ..ToolSchemas::ANY },
            images: false,
            documents: false,
            thinking: THINKING,
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

const THINKING: Thinking = Thinking {
    by_default: true,
    ..Thinking::words(&["reasoning_effort"], ["low", "low", "medium", "high", "high", "high"], Off::Never)
};
