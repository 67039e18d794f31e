//! xAI: Grok. It sets its own sampling, refuses stop texts, takes no limit below 16 tokens, and always thinks.

use super::thinking::{Off, Thinking};
use super::{Capabilities, Family, FormatKind, Replay, Sampling};
use crate::bedrock::ModelId;

pub(super) struct Grok;

impl Family for Grok {
    fn name(&self) -> &'static str {
        "grok"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("xai.grok-")
    }

    fn capabilities(&self, _model: &ModelId, _format: FormatKind) -> Capabilities {
        Capabilities {
            tool_choice_any: true,
            tool_choice_named: true,
            replay: Replay::Encrypted,
            sampling: Sampling::Refused,
            least_max_tokens: 16,
            thinking: THINKING,
            ..Capabilities::CAUTIOUS
        }
    }
}

const THINKING: Thinking = Thinking {
    by_default: true,
    ..Thinking::words(
        &["reasoning", "effort"],
        ["low", "low", "medium", "high", "xhigh", "xhigh"],
        Off::Never,
    )
};
