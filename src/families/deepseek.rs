//! R1, which only talks, and V3.x, which also calls tools, by the vendor of the same name. R1 takes up to 10
//! stop texts; V3 refuses any.

use super::{Capabilities, Family, FormatKind, StopSupport};
use crate::bedrock::ModelId;
use crate::formats::{ChatFormat, DEEPSEEK_PROMPT, OPENAI_CHAT};

pub(super) struct DeepSeek;

impl Family for DeepSeek {
    fn name(&self) -> &'static str {
        "deepseek"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("deepseek.")
    }

    fn capabilities(&self, model: &ModelId, format: FormatKind) -> Capabilities {
        let rest = Capabilities { images: false, ..Capabilities::CAUTIOUS };
        if model.base().starts_with("deepseek.r1") {
            let able = Capabilities {
                tools: false,
                stop: StopSupport::Native(10),
                max_output_tokens: Some(32_768),
                ..rest
            };
            match format {
                FormatKind::Native => able.in_a_prompt(),
                FormatKind::Converse => able,
            }
        } else {
            let able = Capabilities { tool_choice_any: true, ..rest };
            match format {
                FormatKind::Native => able.in_chat_completions(),
                FormatKind::Converse => able,
            }
        }
    }

    fn native(&self, model: &ModelId) -> Option<&'static dyn ChatFormat> {
        if model.base().starts_with("deepseek.r1") { Some(&DEEPSEEK_PROMPT) } else { Some(&OPENAI_CHAT) }
    }
}
