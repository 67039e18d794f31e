//! Mistral, in three generations: 7B and Mixtral, which know no system messages and no tools; Small 2402, which
//! knows no tools either; and all since Large. Tools don't stream, says one live-tested table, and nobody
//! contradicts it: so they are called whole.

use super::{Capabilities, Family, FormatKind, StopSupport, TopK};
use crate::bedrock::ModelId;
use crate::formats::{ChatFormat, MISTRAL_CHAT, MISTRAL_PROMPT};

pub(super) struct Mistral;

impl Family for Mistral {
    fn name(&self) -> &'static str {
        "mistral"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("mistral.")
    }

    fn capabilities(&self, model: &ModelId, format: FormatKind) -> Capabilities {
        let base = model.base();
        let is = |names: &[&str]| names.iter().any(|name| base.contains(name));
        let first = is(&["mistral-7b", "mixtral"]);
        let tools = !first && !is(&["mistral-small-2402"]);
        let able = Capabilities {
            system: !first,
            tools,
            tools_while_streaming: false,
            tool_choice_any: tools,
            images: is(&["pixtral", "magistral", "ministral-3", "mistral-large-3"]),
            documents: !is(&["voxtral"]),
            audio: is(&["voxtral"]),
            json_schema: is(&["magistral", "ministral-3", "mistral-large-3", "voxtral"]),
            stop: StopSupport::Native(10),
            ..Capabilities::CAUTIOUS
        };
        match format {
            FormatKind::Native if takes_a_prompt(model) => Capabilities {
                system: false,
                // Large knows none.
                top_k: if is(&["mistral-large"]) { TopK::No } else { TopK::Own },
                ..able.in_a_prompt()
            },
            // After a result only the assistant may speak.
            FormatKind::Native => Capabilities { mixed_tool_results: false, ..able.in_chat_completions() },
            FormatKind::Converse => able,
        }
    }

    fn native(&self, model: &ModelId) -> Option<&'static dyn ChatFormat> {
        if takes_a_prompt(model) { Some(&MISTRAL_PROMPT) } else { Some(&MISTRAL_CHAT) }
    }
}

/// 7B, Mixtral and the models of 2402; of these Large takes chats as well. All others take chats only.
fn takes_a_prompt(model: &ModelId) -> bool {
    ["mistral-7b", "mixtral", "2402"].iter().any(|name| model.base().contains(name))
}
