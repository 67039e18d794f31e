//! Amazon: Titan Text, at the end of its life. It knows neither system messages nor tools nor pictures, and
//! refuses all stop texts but two kinds.

use super::{Capabilities, Family, FormatKind, StopSupport};
use crate::bedrock::ModelId;
use crate::chat::Request;
use crate::formats::{ChatFormat, TITAN_TEXT};

pub(super) struct Titan;

impl Family for Titan {
    fn name(&self) -> &'static str {
        "titan"
    }

    fn claims(&self, model: &ModelId) -> bool {
        ["amazon.titan-text", "amazon.titan-tg1"].iter().any(|prefix| model.base().starts_with(prefix))
    }

    fn capabilities(&self, model: &ModelId, _format: FormatKind) -> Capabilities {
        let base = model.base();
        let most = if base.contains("express") {
            8192
        } else if base.contains("premier") {
            3072
        } else {
            4096
        };
        Capabilities {
            system: false,
            tools: false,
            images: false,
            documents: false,
            // 0 is refused.
            least_top_p: 0.0001,
            stop: StopSupport::BarsOrUser,
            max_output_tokens: Some(most),
            // Its own default, 512, cuts most answers short.
            default_max_tokens: Some(2048),
            ..Capabilities::CAUTIOUS
        }
    }

    fn native(&self, _model: &ModelId) -> Option<&'static dyn ChatFormat> {
        Some(&TITAN_TEXT)
    }

    fn preferred(&self, _model: &ModelId, _request: &Request) -> FormatKind {
        FormatKind::Native
    }
}
