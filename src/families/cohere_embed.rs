//! Cohere: Embed v3, English and multilingual, and Embed v4. They insist on knowing what a vector is for.

use super::embedding::EmbedFamily;
use crate::bedrock::ModelId;
use crate::formats::{COHERE_EMBED_V3, COHERE_EMBED_V4, EmbedFormat};

pub(super) struct CohereEmbed;

impl EmbedFamily for CohereEmbed {
    fn name(&self) -> &'static str {
        "cohere-embed"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("cohere.embed-")
    }

    fn format(&self, model: &ModelId) -> &'static dyn EmbedFormat {
        if is_third(model) { &COHERE_EMBED_V3 } else { &COHERE_EMBED_V4 }
    }

    fn newest(&self) -> &'static str {
        "cohere.embed-v4:0"
    }

    fn takes_purpose(&self) -> bool {
        true
    }

    fn takes_truncate(&self) -> bool {
        true
    }

    /// The third generation's own cutting comes too late: Bedrock counts characters before the model counts
    /// tokens (user guide, Cohere Embed).
    fn longest_text(&self, model: &ModelId) -> Option<usize> {
        is_third(model).then_some(2048)
    }
}

fn is_third(model: &ModelId) -> bool {
    let third = ["cohere.embed-english-v3", "cohere.embed-multilingual-v3"];
    third.iter().any(|id| model.base().starts_with(id))
}
