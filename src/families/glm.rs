//! Z.ai: GLM. 5.3 can be told to call one certain tool.

use super::{Capabilities, Family, FormatKind};
use crate::bedrock::ModelId;

pub(super) struct Glm;

impl Family for Glm {
    fn name(&self) -> &'static str {
        "glm"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("zai.")
    }

    fn capabilities(&self, model: &ModelId, _format: FormatKind) -> Capabilities {
        Capabilities {
            tool_choice_any: true,
            tool_choice_named: model.base().starts_with("zai.glm-5.3"),
            images: false,
            documents: false,
            json_schema: true,
            leading_assistant: true,
            ..Capabilities::CAUTIOUS
        }
    }
}
