//! OpenAI: the open weights, gpt-oss. Converse refuses stop texts and knows no forced tools for them.

use super::{Capabilities, Family, FormatKind};
use crate::bedrock::ModelId;
use crate::formats::{ChatFormat, OPENAI_CHAT};

pub(super) struct GptOss;

impl Family for GptOss {
    fn name(&self) -> &'static str {
        "gpt_oss"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("openai.gpt-oss")
    }

    fn capabilities(&self, _model: &ModelId, format: FormatKind) -> Capabilities {
        let able = Capabilities { images: false, documents: false, ..Capabilities::CAUTIOUS };
        match format {
            FormatKind::Native => able.in_chat_completions(),
            FormatKind::Converse => able,
        }
    }

    fn native(&self, _model: &ModelId) -> Option<&'static dyn ChatFormat> {
        Some(&OPENAI_CHAT)
    }
}
