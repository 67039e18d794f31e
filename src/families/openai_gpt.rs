//! OpenAI: GPT 5 and 6. They set their own sampling, refuse stop texts, and take no limit below 16 tokens.

use super::{Capabilities, Family, FormatKind, Sampling};
use crate::bedrock::ModelId;

pub(super) struct OpenAiGpt;

impl Family for OpenAiGpt {
    fn name(&self) -> &'static str {
        "openai_gpt"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("openai.gpt-") && !model.base().starts_with("openai.gpt-oss")
    }

    fn capabilities(&self, _model: &ModelId, _format: FormatKind) -> Capabilities {
        Capabilities {
            tool_choice_any: true,
            tool_choice_named: true,
            sampling: Sampling::Refused,
            least_max_tokens: 16,
            ..Capabilities::CAUTIOUS
        }
    }
}
