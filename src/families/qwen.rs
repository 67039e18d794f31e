//! Alibaba: Qwen 3. Only VL sees pictures; no choice of tools is taken; Coder refuses stop texts, so none is sent.

use super::{Capabilities, Family, FormatKind};
use crate::bedrock::ModelId;
use crate::formats::{ChatFormat, OPENAI_CHAT};

pub(super) struct Qwen;

impl Family for Qwen {
    fn name(&self) -> &'static str {
        "qwen"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("qwen.")
    }

    fn capabilities(&self, model: &ModelId, format: FormatKind) -> Capabilities {
        let able = Capabilities {
            images: model.base().contains("-vl-"),
            documents: false,
            json_schema: true,
            leading_assistant: true,
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
