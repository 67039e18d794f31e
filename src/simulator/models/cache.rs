//! How many tokens a prefix needs before a model caches it.

use super::{Can, Format, Model};

/// The least tokens of a checkpoint, by a part of the id; the first that fits counts. AWS's table, where its texts
/// and the model's card differ the card.
const LEAST: [(&str, u64); 12] = [
    ("opus-5", 512),
    ("sonnet-5-5", 512),
    ("haiku-5-5", 512),
    ("fable-5", 512),
    ("mythos", 512),
    ("3-5-haiku", 2048),
    ("opus-4-5", 4096),
    ("opus-4-6", 4096),
    ("opus-4-7", 4096),
    ("haiku-4-5", 4096),
    ("claude", 1024),
    ("nova", 1000),
];

impl Model {
    /// The least tokens that are worth a checkpoint; none if the model caches nothing.
    pub(in crate::simulator) fn least_cached(&self) -> Option<u64> {
        if !self.can(Can::CachePoints) {
            return None;
        }
        LEAST.iter().find_map(|(part, least)| self.id.contains(part).then_some(*least))
    }

    /// Whether cache points may stand among the tools.
    pub(in crate::simulator) fn caches_tools(&self) -> bool {
        self.can(Can::CachePoints) && self.facts.format != Format::Nova
    }
}

#[cfg(test)]
mod tests {
    use crate::simulator::models::{Can, all, find};

    #[test]
    fn every_model_that_caches_says_from_where_on() {
        for model in all().iter().filter(|model| model.can(Can::CachePoints)) {
            assert!(model.least_cached().is_some(), "{}", model.id);
        }
        assert_eq!(find("anthropic.claude-opus-4-5-20251101-v1:0").unwrap().model.least_cached(), Some(4096));
        assert_eq!(find("anthropic.claude-sonnet-5").unwrap().model.least_cached(), Some(1024));
    }
}
