//! Moonshot: Kimi, under two prefixes. All but K2 Thinking see pictures; K3 takes no limit below 16 tokens.

use super::thinking::Thinking;
use super::{Capabilities, Family, FormatKind, Replay};
use crate::bedrock::ModelId;
use crate::chat::{CallMarkup, CallTokens};
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
            thinking: if base.contains("thinking") { Thinking::ALWAYS } else { Thinking::UNKNOWN },
            documents: false,
            json_schema: true,
            replay: Replay::Plain,
            call_markup: CallMarkup::Calls(TOKENS),
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

/// Of the model's chat template.
const TOKENS: CallTokens = CallTokens {
    begin: "<|tool_calls_section_begin|>",
    end: "<|tool_calls_section_end|>",
    call_begin: "<|tool_call_begin|>",
    arguments: "<|tool_call_argument_begin|>",
    call_end: "<|tool_call_end|>",
};
