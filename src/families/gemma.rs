//! Google: Gemma 3 and 4.
//!
//! JSON Schema was seen to work on Gemma 3's 27B and is listed for its 12B.

use super::{Capabilities, Family, FormatKind};
use crate::bedrock::ModelId;
use crate::formats::{ChatFormat, OPENAI_CHAT};

pub(super) struct Gemma;

impl Family for Gemma {
    fn name(&self) -> &'static str {
        "gemma"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("google.gemma-")
    }

    fn capabilities(&self, model: &ModelId, format: FormatKind) -> Capabilities {
        let base = model.base();
        let able = Capabilities {
            json_schema: base.contains("gemma-3-12b") || base.contains("gemma-3-27b"),
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
