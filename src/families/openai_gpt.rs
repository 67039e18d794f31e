//! OpenAI: GPT 5 and 6. They set their own sampling, refuse stop texts, and take no limit below 16 tokens.
//! They think; Astra and 6.1 Sol can't be told not to. 5.6 and later know the hardest effort, too.

use super::thinking::{Member, Off, Thinking, Words};
use super::{Capabilities, Family, FormatKind, Replay, Sampling};
use crate::bedrock::ModelId;

pub(super) struct OpenAiGpt;

impl Family for OpenAiGpt {
    fn name(&self) -> &'static str {
        "openai_gpt"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("openai.gpt-") && !model.base().starts_with("openai.gpt-oss")
    }

    fn capabilities(&self, model: &ModelId, _format: FormatKind) -> Capabilities {
        let always = ["gpt-6-astra", "gpt-6.1-sol"].iter().any(|name| model.base().contains(name));
        let up_to_xhigh = ["gpt-5.4", "gpt-5.5"].iter().any(|name| model.base().contains(name));
        let off = Off::Member(Member { path: EFFORT, text: Words::NONE });
        Capabilities {
            thinking: Thinking {
                by_default: true,
                ..Thinking::words(
                    EFFORT,
                    if up_to_xhigh { UP_TO_XHIGH } else { WORDS },
                    if always { Off::Never } else { off },
                )
            },
            tool_choice_any: true,
            tool_choice_named: true,
            replay: Replay::Encrypted,
            sampling: Sampling::Refused,
            least_max_tokens: 16,
            ..Capabilities::CAUTIOUS
        }
    }
}

const EFFORT: &[&str] = &["reasoning", "effort"];

/// `max`: probed by two projects in September 2026 on 5.6 and 6.
const WORDS: [&str; 6] = ["low", "low", "medium", "high", "xhigh", "max"];

/// Nobody has seen the generations before take it.
const UP_TO_XHIGH: [&str; 6] = ["low", "low", "medium", "high", "xhigh", "xhigh"];
