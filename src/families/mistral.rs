//! Mistral, in three generations: 7B and Mixtral, which know no system messages and no tools; Small 2402, which
//! knows no tools either; and all since Large. Tools don't stream, says one live-tested table, and nobody
//! contradicts it: so they are called whole.

use super::{Capabilities, Family, FormatKind, StopSupport};
use crate::bedrock::ModelId;

pub(super) struct Mistral;

impl Family for Mistral {
    fn name(&self) -> &'static str {
        "mistral"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("mistral.")
    }

    fn capabilities(&self, model: &ModelId, _format: FormatKind) -> Capabilities {
        let base = model.base();
        let is = |names: &[&str]| names.iter().any(|name| base.contains(name));
        let first = is(&["mistral-7b", "mixtral"]);
        let tools = !first && !is(&["mistral-small-2402"]);
        Capabilities {
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
        }
    }
}
