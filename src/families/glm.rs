//! Z.ai: GLM. 5.3 can be told to call one certain tool, and always thinks, in steps; the others think or don't.

use super::thinking::{Member, Off, Thinking, Words};
use super::{Capabilities, Family, FormatKind, Replay};
use crate::bedrock::ModelId;
use crate::formats::{ChatFormat, OPENAI_CHAT};

pub(super) struct Glm;

impl Family for Glm {
    fn name(&self) -> &'static str {
        "glm"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("zai.")
    }

    fn capabilities(&self, model: &ModelId, format: FormatKind) -> Capabilities {
        let in_steps = model.base().starts_with("zai.glm-5.3");
        let able = Capabilities {
            tool_choice_any: true,
            tool_choice_named: in_steps,
            thinking: if in_steps { IN_STEPS } else { ON_OR_OFF },
            images: false,
            documents: false,
            json_schema: true,
            replay: Replay::Plain,
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

const IN_STEPS: Thinking = Thinking {
    by_default: true,
    ..Thinking::words(&["reasoning_effort"], ["low", "low", "medium", "high", "xhigh", "max"], Off::Never)
};

const ON_OR_OFF: Thinking = Thinking::words(
    &["reasoning_effort"],
    ["none", "high", "high", "high", "high", "high"],
    Off::Member(Member { path: &["reasoning_effort"], text: Words::NONE }),
);
