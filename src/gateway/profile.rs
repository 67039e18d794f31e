//! Models that are sold through inference profiles only.
//!
//! Most models of 2025 and later can't be called by their bare id, but clients know only that. Where Bedrock's listing or
//! the catalogue says so, the call goes through the profile for the region at once. Where they are silent, Bedrock says so
//! with an error of its own; then the same call goes through the profile, and the id is remembered, so that only its
//! first call takes the detour.

use std::collections::{BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock};

use crate::bedrock::ModelId;
use crate::catalog::{self, Live};

/// Most ids that are remembered: what a client may write is unbounded, what Bedrock answers so to is not.
const MOST: usize = 1000;

/// What Bedrock has refused so far.
#[derive(Debug, Default)]
pub(super) struct Profiles {
    required: RwLock<HashMap<ModelId, BTreeSet<String>>>,
}

impl Profiles {
    /// Whether the model has to be called through a profile in a region, as Bedrock has said by now.
    pub(super) fn is_required(&self, model: &ModelId, region: &str) -> bool {
        let required = self.required.read().unwrap_or_else(PoisonError::into_inner);
        required.get(model).is_some_and(|regions| regions.contains(region))
    }

    /// A profile's call went through where the bare id's had not.
    pub(super) fn learn(&self, model: &ModelId, region: &str) {
        let mut required = self.required.write().unwrap_or_else(PoisonError::into_inner);
        if required.len() < MOST {
            required.entry(model.clone()).or_default().insert(region.to_owned());
        }
    }
}

/// Through which profile a bare id is called, where it has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileChoice {
    /// Of the region's own geography, so that data stays in it; else the global one.
    Geo,
    /// The global one; else of the region's own geography.
    Global,
    /// Through none: what Bedrock says to the bare id goes to the client.
    Off,
}

/// The profile for a model that can't be called by its bare id in a region. Bedrock's own listing goes before the
/// catalogue, and the catalogue before a guess.
pub(super) fn profile_for(
    model: &ModelId,
    region: &str,
    choice: ProfileChoice,
    live: &Live,
) -> Option<ModelId> {
    if choice == ProfileChoice::Off || model.is_arn() || model.base() != model.as_str() {
        return None;
    }
    let geographies = geographies(region);
    let mut offered = listed(model, geographies, live);
    if offered.is_empty() {
        offered = known(model, geographies);
    }
    let is_global = |id: &String| id.starts_with("global.");
    let id = match choice {
        ProfileChoice::Global => offered.iter().find(|id| is_global(id)).or(offered.first()),
        ProfileChoice::Geo | ProfileChoice::Off => {
            offered.iter().find(|id| !is_global(id)).or(offered.first())
        }
    };
    #[expect(clippy::disallowed_methods, reason = "an id of the greatest length has no room for a prefix")]
    ModelId::parse(id?).ok()
}

/// Whether a model's bare id can't be called in a region, as far as that is known.
pub(super) fn is_profile_only(model: &ModelId, live: &Live) -> bool {
    let known = || catalog::find(model.as_str()).is_some_and(|known| known.profile_only);
    live.is_profile_only(model.as_str()).unwrap_or_else(known)
}

/// The model's profiles that Bedrock lists in the region, all of which can be called there: the nearest geography
/// first, then those that the table doesn't know.
fn listed(model: &ModelId, geographies: &[&str], live: &Live) -> Vec<String> {
    let of_model = live.system_profiles().filter(|profile| profile.model == model.as_str());
    let mut ids: Vec<_> = of_model.map(|profile| profile.id.clone()).collect();
    ids.sort_by_key(|id| {
        let is_of = |geo: &&str| id.strip_prefix(geo).is_some_and(|rest| rest.starts_with('.'));
        geographies.iter().position(is_of).unwrap_or(geographies.len())
    });
    ids
}

/// The profiles that the catalogue knows for the region. A model that is newer than the catalogue has one of the
/// region's geography all the same.
fn known(model: &ModelId, geographies: &[&str]) -> Vec<String> {
    let profile = |geo: &&str| format!("{geo}.{model}");
    match catalog::find(model.as_str()) {
        None => geographies.first().map(profile).into_iter().collect(),
        Some(facts) => {
            let is_offered = |id: &String| facts.profiles.iter().any(|known| known.id == id);
            geographies.iter().chain(&["global"]).map(profile).filter(is_offered).collect()
        }
    }
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
    use crate::catalog::{FoundationModel, InferenceProfile, Life};

    fn chosen(model: &str, region: &str, choice: ProfileChoice, live: &Live) -> Option<String> {
        profile_for(&ModelId::parse(model).unwrap(), region, choice, live).map(|id| id.to_string())
    }

    fn profile(model: &str, region: &str) -> Option<String> {
        chosen(model, region, ProfileChoice::Geo, &Live::default())
    }

    fn listing(model: &str, inference: &[&str], prefixes: &[&str]) -> Live {
        let listed = FoundationModel {
            id: model.to_owned(),
            name: None,
            provider: None,
            input: Vec::new(),
            output: Vec::new(),
            streaming: None,
            inference: inference.iter().map(|kind| (*kind).to_owned()).collect(),
            lifecycle: Life::default(),
        };
        let profile = |prefix: &&str| InferenceProfile {
            id: format!("{prefix}.{model}"),
            arn: format!("arn:aws:bedrock:us-east-1:111122223333:inference-profile/{prefix}.{model}"),
            is_system: true,
            model: model.to_owned(),
        };
        Live::new(vec![listed], prefixes.iter().map(profile).collect())
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

    #[test]
    fn config_chooses_between_geography_and_the_world() {
        let sonnet = "anthropic.claude-sonnet-4-5-20250929-v1:0";
        let choose = |choice| chosen(sonnet, "eu-west-1", choice, &Live::default());
        assert_eq!(choose(ProfileChoice::Geo), Some(format!("eu.{sonnet}")));
        assert_eq!(choose(ProfileChoice::Global), Some(format!("global.{sonnet}")));
        assert_eq!(choose(ProfileChoice::Off), None);
        // Better another than none, either way.
        let regional = listing("vendor.model", &[], &["eu"]);
        assert_eq!(
            chosen("vendor.model", "eu-west-1", ProfileChoice::Global, &regional).as_deref(),
            Some("eu.vendor.model")
        );
    }

    #[test]
    fn what_bedrock_lists_goes_before_the_catalogue() {
        let model = "anthropic.claude-sonnet-4-5-20250929-v1:0";
        // A geography that no table knows, in a region that the table sends elsewhere.
        let live = listing(model, &["INFERENCE_PROFILE"], &["global", "mx"]);
        assert_eq!(chosen(model, "mx-central-1", ProfileChoice::Geo, &live), Some(format!("mx.{model}")));
        let live = listing(model, &["INFERENCE_PROFILE"], &["apac", "global", "jp"]);
        assert_eq!(chosen(model, "ap-northeast-1", ProfileChoice::Geo, &live), Some(format!("jp.{model}")));
    }

    #[test]
    fn a_model_that_the_region_sells_on_demand_is_called_by_its_id() {
        let model = ModelId::parse("anthropic.claude-opus-5").unwrap();
        assert!(is_profile_only(&model, &Live::default()), "the catalogue says so");
        assert!(!is_profile_only(&model, &listing(model.as_str(), &["ON_DEMAND"], &["us"])));
        let unknown = ModelId::parse("vendor.brand-new").unwrap();
        assert!(!is_profile_only(&unknown, &Live::default()));
        assert!(is_profile_only(&unknown, &listing(unknown.as_str(), &["INFERENCE_PROFILE"], &["us"])));
    }
}
