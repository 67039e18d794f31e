//! Z.ai: GLM. 5.3 can be told to call one certain tool.

use super::{Capabilities, Family, FormatKind};
use crate::bedrock::ModelId;
use crate::formats::{ChatFormat, OPENAI_CHAT};

pub(super) struct Glm;

impl Family for Glm {
    fn name(&self) -> &'static str {
        "glm"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("zai.")
    }

    fn capabilities(&self, model: &ModelId, format: FormatKind) -> Capabilities {
        let able = Capabilities {
            tool_choice_any: true,
            tool_choice_named: model.base().starts_with("zai.glm-5.3"),
            images: false,
            documents: false,
            json_schema: true,
            leading_assistant: true,
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
