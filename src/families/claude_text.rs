//! Anthropic: Claude Instant and Claude 2 in their Text Completions, older than the Messages that they take too. For
//! whoever names this family in config; by their ids they are `anthropic`.

use super::{Capabilities, Family, FormatKind, StopSupport, TopK};
use crate::bedrock::ModelId;
use crate::chat::Request;
use crate::formats::{CLAUDE_TEXT, ChatFormat};

pub(super) struct ClaudeText;

impl Family for ClaudeText {
    fn name(&self) -> &'static str {
        "claude_text"
    }

    fn claims(&self, _model: &ModelId) -> bool {
        false
    }

    fn capabilities(&self, _model: &ModelId, format: FormatKind) -> Capabilities {
        let able = Capabilities {
            prefill: true,
            stop: StopSupport::Native(64),
            max_output_tokens: Some(4096),
            default_max_tokens: Some(4096),
            ..Capabilities::CAUTIOUS.in_a_prompt()
        };
        match format {
            FormatKind::Native => Capabilities { top_k: TopK::Own, ..able },
            FormatKind::Converse => able,
        }
    }

    fn native(&self, _model: &ModelId) -> Option<&'static dyn ChatFormat> {
        Some(&CLAUDE_TEXT)
    }

    fn preferred(&self, _model: &ModelId, _request: &Request) -> FormatKind {
        FormatKind::Native
    }
}
