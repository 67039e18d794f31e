//! The simulator that stands for Bedrock.

use super::scalar;
use super::section::Section;

/// What stands for Bedrock with `serve --simulate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulator {
    /// Ids of models that serve although AWS has retired them; `*` is all.
    pub models: Vec<String>,
}

impl Simulator {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let models = section.list("models", |item| item.read_here(scalar::text));
        Some(Self { models: models? })
    }
}
