//! Alibaba: Qwen 3. Only VL sees pictures; no choice of tools is taken; Coder refuses stop texts, so none is sent.

use super::{Capabilities, Family, FormatKind};
use crate::bedrock::ModelId;

pub(super) struct Qwen;

impl Family for Qwen {
    fn name(&self) -> &'static str {
        "qwen"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("qwen.")
    }

    fn capabilities(&self, model: &ModelId, _format: FormatKind) -> Capabilities {
        Capabilities {
            images: model.base().contains("-vl-"),
            documents: false,
            json_schema: true,
            leading_assistant: true,
            ..Capabilities::CAUTIOUS
        }
    }
}
