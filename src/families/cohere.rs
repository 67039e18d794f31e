//! Cohere: Command R, and Command before it, which only completes a text. Converse doesn't know the old one.

use super::{Capabilities, Family, FormatKind, StopSupport, TopK};
use crate::bedrock::ModelId;
use crate::chat::Request;
use crate::formats::{COHERE_CHAT, COHERE_GENERATE, ChatFormat};

pub(super) struct Cohere;

impl Family for Cohere {
    fn name(&self) -> &'static str {
        "cohere"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("cohere.command")
    }

    fn capabilities(&self, model: &ModelId, format: FormatKind) -> Capabilities {
        let old = only_completes(model);
        let able = Capabilities {
            system: !old,
            tools: !old,
            images: false,
            stop: StopSupport::Native(4),
            ..Capabilities::CAUTIOUS
        };
        match format {
            FormatKind::Native if old => Capabilities {
                top_k: TopK::Own,
                // Its own default, 20, is a line.
                default_max_tokens: Some(2048),
                max_output_tokens: Some(4096),
                ..able.in_a_prompt()
            },
            FormatKind::Native => Capabilities {
                documents: false,
                top_k: TopK::Own,
                seed: true,
                penalties: true,
                least_top_p: 0.01,
                ..able
            },
            FormatKind::Converse => able,
        }
    }

    fn native(&self, model: &ModelId) -> Option<&'static dyn ChatFormat> {
        if only_completes(model) { Some(&COHERE_GENERATE) } else { Some(&COHERE_CHAT) }
    }

    fn preferred(&self, model: &ModelId, _request: &Request) -> FormatKind {
        if only_completes(model) { FormatKind::Native } else { FormatKind::Converse }
    }
}

/// `command-text` and `command-light-text`. An ARN that hides its model is taken for a later one.
fn only_completes(model: &ModelId) -> bool {
    let base = model.base();
    base.starts_with("cohere.command-text") || base.starts_with("cohere.command-light")
}
