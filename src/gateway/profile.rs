//! Models that are sold through inference profiles only.
//!
//! Most models of 2025 and later can't be called by their bare id, but clients know only that. Bedrock says so with
//! an error of its own; then the same call goes through the profile for the region, and the id is
//! remembered, so that only its first call takes the detour.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use crate::bedrock::ModelId;
use crate::catalog;

/// Most ids that are remembered: what a client may write is unbounded, what Bedrock answers so to is not.
const MOST: usize = 1000;

/// What Bedrock has said so far.
#[derive(Debug, Default)]
pub(super) struct Profiles {
    learned: RwLock<HashMap<ModelId, ModelId>>,
}

impl Profiles {
    /// The profile through which the model has to be called, if that is known by now.
    pub(super) fn known(&self, model: &ModelId) -> Option<ModelId> {
        self.learned.read().unwrap_or_else(PoisonError::into_inner).get(model).cloned()
    }

    /// The profile's call went through.
    pub(super) fn learn(&self, model: &ModelId, profile: &ModelId) {
        let mut learned = self.learned.write().unwrap_or_else(PoisonError::into_inner);
        if learned.len() < MOST {
            learned.insert(model.clone(), profile.clone());
        }
    }
}

/// The profile for a model that was refused by its bare id in a region: of the region's own geography first,
/// so that data stays in it, else the global one.
pub(super) fn profile_for(model: &ModelId, region: &str) -> Option<ModelId> {
    if model.is_arn() || model.base() != model.as_str() {
        return None;
    }
    let profile = |geo: &str| format!("{geo}.{model}");
    let geographies = geographies(region);
    let id = match catalog::find(model.as_str()) {
        // A model that is newer than the catalogue has a profile all the same.
        None => profile(geographies.first()?),
        Some(facts) => {
            let offered = |id: &String| facts.profiles.iter().any(|known| known.id == id);
            geographies.iter().chain(&["global"]).map(|geo| profile(geo)).find(offered)?
        }
    };
    #[expect(clippy::disallowed_methods, reason = "an id of the greatest length has no room for a prefix")]
    ModelId::parse(&id).ok()
}

/// Geo prefixes of profiles that can be called from a region, nearest first (AWS's user guide, "cross-Region
/// inference", as of October 2026).
fn geographies(region: &str) -> &'static [&'static str] {
    const TABLE: [(&str, &[&str]); 9] = [
        ("us-gov-", &["us-gov"]),
        ("us-", &["us"]),
        ("ca-", &["ca", "us"]),
        ("eu-", &["eu"]),
        ("ap-northeast-1", &["jp", "apac"]),
        ("ap-northeast-3", &["jp", "apac"]),
        ("ap-southeast-2", &["au", "apac"]),
        ("ap-southeast-4", &["au", "apac"]),
        ("ap-south-", &["in", "apac"]),
    ];
    match TABLE.iter().find(|(prefix, _)| region.starts_with(prefix)) {
        Some((_, geographies)) => geographies,
        None if region.starts_with("ap-") => &["apac"],
        None => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(model: &str, region: &str) -> Option<String> {
        profile_for(&ModelId::parse(model).unwrap(), region).map(|id| id.to_string())
    }

    #[test]
    fn the_profile_is_of_the_regions_own_geography() {
        let sonnet = "anthropic.claude-sonnet-4-5-20250929-v1:0";
        for (region, geo) in [
            ("us-east-1", "us"),
            ("us-gov-west-1", "us-gov"),
            ("eu-central-1", "eu"),
            ("ap-northeast-1", "jp"),
            ("ap-southeast-2", "au"),
            ("me-central-1", "global"),
        ] {
            assert_eq!(profile(sonnet, region), Some(format!("{geo}.{sonnet}")), "{region}");
        }
    }

    #[test]
    fn what_is_a_profile_already_stays_what_it_is() {
        assert_eq!(profile("us.anthropic.claude-opus-5", "eu-west-1"), None);
        assert_eq!(
            profile("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-opus-5", "us-east-1"),
            None
        );
    }

    #[test]
    fn a_model_newer_than_the_catalogue_gets_the_regions_profile() {
        assert_eq!(profile("vendor.brand-new", "eu-west-1"), Some("eu.vendor.brand-new".to_owned()));
        assert_eq!(profile("vendor.brand-new", "sa-east-1"), None);
    }

    #[test]
    fn a_model_without_a_profile_there_has_none() {
        assert_eq!(profile("meta.llama3-1-8b-instruct-v1:0", "eu-west-1"), None);
    }
}
