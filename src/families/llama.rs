//! Meta: Llama 2 to 4. Their own body is one prompt, which streams well and has a place for text only; tools
//! and media go through Converse, where tools don't stream.

use super::{Capabilities, Family, FormatKind};
use crate::bedrock::ModelId;
use crate::chat::{Block, Request};
use crate::formats::{ChatFormat, LLAMA_PROMPT, LLAMA2_PROMPT};

pub(super) struct Llama;

impl Family for Llama {
    fn name(&self) -> &'static str {
        "llama"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("meta.llama")
    }

    fn capabilities(&self, model: &ModelId, format: FormatKind) -> Capabilities {
        let base = model.base();
        let is = |names: &[&str]| names.iter().any(|name| base.contains(name));
        let sees = is(&["llama3-2-11b", "llama3-2-90b", "llama4"]);
        let calls = sees || is(&["llama3-1", "llama3-3"]);
        let converse = match format {
            FormatKind::Native => false,
            FormatKind::Converse => true,
        };
        Capabilities {
            tools: calls && converse,
            tools_while_streaming: false,
            images: sees && converse,
            documents: converse,
            // Its own default, 512, cuts most answers short; AWS's table ends at 2048.
            default_max_tokens: Some(2048),
            ..Capabilities::CAUTIOUS
        }
    }

    /// An ARN that hides its model is taken for a later one.
    fn native(&self, model: &ModelId) -> Option<&'static dyn ChatFormat> {
        let old = model.base().starts_with("meta.llama2");
        Some(if old { &LLAMA2_PROMPT } else { &LLAMA_PROMPT })
    }

    /// AWS documents Llama 3's template for Llama 4 too, Meta another one: Converse knows which.
    fn preferred(&self, model: &ModelId, request: &Request) -> FormatKind {
        let text_only = request.tools.is_empty()
            && request.messages.iter().flat_map(|message| &message.content).all(|block| match block {
                Block::Text(_) | Block::Reasoning(_) | Block::CachePoint(_) => true,
                Block::Image(_)
                | Block::Document(_)
                | Block::Audio(_)
                | Block::Remote(_)
                | Block::ToolUse(_)
                | Block::ToolResult(_) => false,
            });
        if text_only && model.base().starts_with("meta.llama3") {
            FormatKind::Native
        } else {
            FormatKind::Converse
        }
    }
}
