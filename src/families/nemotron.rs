//! NVIDIA: Nemotron. Of the Nano models only the 12B sees pictures.

use super::{Capabilities, Family, FormatKind};
use crate::bedrock::ModelId;

pub(super) struct Nemotron;

impl Family for Nemotron {
    fn name(&self) -> &'static str {
        "nemotron"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("nvidia.")
    }

    fn capabilities(&self, model: &ModelId, _format: FormatKind) -> Capabilities {
        let base = model.base();
        Capabilities {
            images: base.contains("nano-12b"),
            json_schema: base.contains("nano"),
            ..Capabilities::CAUTIOUS
        }
    }
}
