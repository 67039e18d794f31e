//! Amazon: Nova 1 and 2. Micro reads text only; 2 can think.

use super::thinking::{Control, Member, Off, Thinking, Words};
use super::{Capabilities, Family, FormatKind, StopSupport};
use crate::bedrock::ModelId;
use crate::chat::Effort;

pub(super) struct Nova;

impl Family for Nova {
    fn name(&self) -> &'static str {
        "nova"
    }

    fn claims(&self, model: &ModelId) -> bool {
        let base = model.base();
        let other_trades = ["canvas", "reel", "sonic", "embeddings"];
        base.starts_with("amazon.nova-") && !other_trades.iter().any(|trade| base.contains(trade))
    }

    fn capabilities(&self, model: &ModelId, _format: FormatKind) -> Capabilities {
        let media = !model.base().contains("nova-micro");
        Capabilities {
            tool_choice_any: true,
            tool_choice_named: true,
            mixed_tool_results: true,
            images_in_tool_results: media,
            tool_result_status: true,
            images: media,
            documents: media,
            thinking: if model.base().starts_with("amazon.nova-2") { THINKING } else { Thinking::UNKNOWN },
            stop: StopSupport::Native(4),
            ..Capabilities::CAUTIOUS
        }
    }
}

/// At its hardest it refuses `temperature`, `topP` and `maxTokens`.
const THINKING: Thinking = Thinking {
    control: Control::Words(Words {
        path: &["reasoningConfig", "maxReasoningEffort"],
        words: ["low", "low", "medium", "high", "high", "high"],
        on: Some(Member { path: &["reasoningConfig", "type"], text: "enabled" }),
        off: Off::Member(Member { path: &["reasoningConfig", "type"], text: "disabled" }),
    }),
    unlimited_from: Some(Effort::High),
    ..Thinking::UNKNOWN
};
