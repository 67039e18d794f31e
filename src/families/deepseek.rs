//! R1, which only talks, and V3.x, which also calls tools, by the vendor of the same name. R1 takes up to 10
//! stop texts; V3 refuses any. R1 always thinks, V3 where it is told to; then it chooses its tools itself.

use super::thinking::{Member, Off, Thinking, Words};
use super::{Capabilities, Family, FormatKind, Replay, StopSupport};
use crate::bedrock::ModelId;
use crate::chat::CallMarkup;
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
                thinking: Thinking::ALWAYS,
                stop: StopSupport::Native(10),
                max_output_tokens: Some(32_768),
                ..rest
            };
            match format {
                FormatKind::Native => able.in_a_prompt(),
                FormatKind::Converse => able,
            }
        } else {
            let able = Capabilities {
                tool_choice_any: true,
                thinking: V3,
                replay: Replay::Plain,
                // Measured on V3.2 by three projects (August and September 2026): nearly each call leaves it behind.
                call_markup: CallMarkup::Tail("<｜DSML｜function_calls"),
                ..rest
            };
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

const V3: Thinking = Thinking {
    own_tool_choice: true,
    ..Thinking::words(
        &["reasoning_effort"],
        ["none", "high", "high", "high", "high", "high"],
        Off::Member(Member { path: &["reasoning_effort"], text: Words::NONE }),
    )
};
