//! Amazon: Nova Multimodal Embeddings.

use super::embedding::EmbedFamily;
use crate::bedrock::ModelId;
use crate::formats::{EmbedFormat, NOVA_EMBED};

pub(super) struct NovaEmbed;

impl EmbedFamily for NovaEmbed {
    fn name(&self) -> &'static str {
        "nova-embed"
    }

    fn claims(&self, model: &ModelId) -> bool {
        let base = model.base();
        base.starts_with("amazon.nova-") && base.contains("embeddings")
    }

    fn format(&self, _model: &ModelId) -> &'static dyn EmbedFormat {
        &NOVA_EMBED
    }

    fn newest(&self) -> &'static str {
        "amazon.nova-2-multimodal-embeddings-v1:0"
    }

    fn takes_purpose(&self) -> bool {
        true
    }

    fn takes_truncate(&self) -> bool {
        true
    }
}
