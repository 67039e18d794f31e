//! Amazon: Nova 1 and 2. Micro reads text only.

use super::{CacheSupport, Capabilities, Family, FormatKind, StopSupport, TopK};
use crate::bedrock::ModelId;
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
            mixed_tool_results: true,
            images_in_tool_results: media,
            tool_result_status: true,
            images: media,
            documents: media,
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
