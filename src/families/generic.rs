//! Models that no family claims: new ones, and those behind ids that say nothing.

use super::{Capabilities, Family, FormatKind};
use crate::bedrock::ModelId;

pub(super) struct Generic;

impl Family for Generic {
    fn name(&self) -> &'static str {
        "generic"
    }

    fn claims(&self, _model: &ModelId) -> bool {
        false
    }

    fn capabilities(&self, _model: &ModelId, _format: FormatKind) -> Capabilities {
        Capabilities::CAUTIOUS
    }
}
