//! Amazon: Nova 1 and 2. Micro reads text only; 2 can think.

use super::thinking::{Control, Member, Off, Thinking, Words};
use super::{CacheSupport, Capabilities, Family, FormatKind, StopSupport, ToolSchemas, TopK};
use crate::bedrock::ModelId;
use crate::chat::{Effort, NamePattern};
use crate::formats::{ChatFormat, NOVA_MESSAGES};

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

    fn capabilities(&self, model: &ModelId, format: FormatKind) -> Capabilities {
        let media = !model.base().contains("nova-micro");
        let able = Capabilities {
            tool_choice_any: true,
            tool_choice_named: true,
            tool_schemas: ToolSchemas { references: false, ..ToolSchemas::ANY },
            // It calls `get-it` in a way that its own service can't read.
            tool_names: NamePattern::Marks("_"),
            mixed_tool_results: true,
            images_in_tool_results: media,
            tool_result_status: true,
            images: media,
            documents: media,
            thinking: if model.base().starts_with("amazon.nova-2") { THINKING } else { Thinking::UNKNOWN },
            // AWS's user guide: system and messages, from 1,000 tokens on, five minutes.
            cache: Some(CacheSupport { least_tokens: 1000, tools: false, one_hour: false }),
            web_search: model.base().contains("nova-2"),
            top_k: TopK::Field(&["inferenceConfig", "topK"]),
            // Recorded: Nova reads pictures and files from S3, where Claude refuses the member.
            s3: media,
            stop: StopSupport::Native(4),
            ..Capabilities::CAUTIOUS
        };
        match format {
            FormatKind::Native => {
                Capabilities { documents: false, web_search: false, top_k: TopK::Own, ..able }
            }
            FormatKind::Converse => able,
        }
    }

    fn native(&self, _model: &ModelId) -> Option<&'static dyn ChatFormat> {
        Some(&NOVA_MESSAGES)
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
