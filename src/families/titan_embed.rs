//! Amazon: Titan Text Embeddings 1 and 2, and Titan Multimodal Embeddings. They ask nothing but the text and the size.

use super::embedding::EmbedFamily;
use crate::bedrock::ModelId;
use crate::formats::{EmbedFormat, TITAN_EMBED_IMAGE, TITAN_EMBED_V1, TITAN_EMBED_V2};

pub(super) struct TitanEmbed;

impl EmbedFamily for TitanEmbed {
    fn name(&self) -> &'static str {
        "titan-embed"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("amazon.titan-embed-")
    }

    fn format(&self, model: &ModelId) -> &'static dyn EmbedFormat {
        let base = model.base();
        if base.starts_with("amazon.titan-embed-image") {
            &TITAN_EMBED_IMAGE
        } else if ["text-v1", "g1-text"]
            .iter()
            .any(|old| base.starts_with(&format!("amazon.titan-embed-{old}")))
        {
            &TITAN_EMBED_V1
        } else {
            &TITAN_EMBED_V2
        }
    }

    fn newest(&self) -> &'static str {
        "amazon.titan-embed-text-v2:0"
    }

    fn takes_purpose(&self) -> bool {
        false
    }

    fn takes_truncate(&self) -> bool {
        false
    }
}
