//! What is known about each Bedrock model: limits, capabilities, prices, lifecycle, inference profiles.
//!
//! Facts only, embedded in the binary as `models.json` and parsed once, on first use. It isn't a list of what this
//! account may call (Bedrock alone knows, by Region and by access grants), and it decides nothing: a model that is
//! missing here works all the same. What Bedrock's own listings say is read in `live`, and goes before the embedded
//! facts. Any module may name it; it names none of ours.

mod hidden;
mod live;
mod model;
mod moment;
mod names;

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

pub use hidden::{Behind, Hiding};
pub use live::{
    FoundationModel, InferenceProfile, Life, Live, ProfilePage, foundation_models, inference_profile,
    inference_profiles, model_in_arn,
};
pub use model::{Api, Capabilities, Embedding, Lifecycle, Mode, Model, Price, Profile, Stage, Status};
pub use moment::Moment;
pub use names::{Meaning, Names, Wrapped};

/// What may stand before a model id to make it the id of a cross-Region inference profile.
pub const GEO_PREFIXES: [&str; 9] = ["us", "eu", "apac", "jp", "au", "ca", "in", "global", "us-gov"];

/// Where the facts come from, and the day (`YYYY-MM-DD`) they were collected.
#[derive(Debug)]
pub struct Source {
    /// The day the facts were collected, `YYYY-MM-DD`.
    pub as_of: &'static str,
    /// The sources, and how to read an absence.
    pub note: &'static str,
}

/// Every known model, sorted by id.
pub fn models() -> &'static [Model] {
    &CATALOG.models
}

/// Where the facts come from.
pub fn source() -> &'static Source {
    &CATALOG.source
}

/// The model with exactly this foundation-model id.
pub fn find(id: &str) -> Option<&'static Model> {
    CATALOG.by_id.get(id).and_then(|&index| CATALOG.models.get(index))
}

/// The model behind a foundation-model id, a cross-Region profile id (`us.…`), or the ARN of either.
///
/// An ARN that hides its model (application inference profile, provisioned or imported model …) gives `None`, and so
/// does a profile of a model that isn't listed. A geo prefix is enough: the profile itself needn't be listed, because
/// AWS opens new geographies faster than anyone's table follows.
pub fn find_for(id_or_profile: &str) -> Option<&'static Model> {
    let id = if id_or_profile.starts_with("arn:") { id_in_arn(id_or_profile)? } else { id_or_profile };
    find(id).or_else(|| find(without_geo_prefix(id)?))
}

fn id_in_arn(arn: &str) -> Option<&str> {
    // arn:partition:bedrock:region:account:type/id, and the id may hold colons of its own.
    let resource = arn.splitn(6, ':').nth(5)?;
    let (kind, id) = resource.rsplit_once('/')?;
    matches!(kind, "foundation-model" | "inference-profile").then_some(id)
}

fn without_geo_prefix(id: &str) -> Option<&str> {
    let (prefix, rest) = id.split_once('.')?;
    GEO_PREFIXES.contains(&prefix).then_some(rest)
}

/// Where a model is in its life: as Bedrock lists it, else as the catalogue has it.
pub fn stage(known: Option<&Model>, listed: Option<&FoundationModel>, now: Moment) -> Option<Stage> {
    if let Some(Life { status, end, .. }) = listed.map(|listed| &listed.lifecycle) {
        if end.is_some_and(|end| end <= now) {
            return Some(Stage::Retired);
        }
        match status.as_deref() {
            Some("ACTIVE") => return Some(Stage::Active),
            Some("LEGACY") => return Some(Stage::Legacy),
            Some(_) | None => {}
        }
    }
    known.map(|known| known.lifecycle.stage())
}

struct Catalog {
    source: Source,
    models: Vec<Model>,
    by_id: HashMap<&'static str, usize>,
}

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        as_of: &'static str,
        note: &'static str,
        models: Vec<Model>,
    }
    let File { as_of, note, models } = serde_json::from_str(include_str!("models.json"))
        .expect("models.json is part of the binary and a test parses it");
    let by_id = models.iter().enumerate().map(|(index, model)| (model.id, index)).collect();
    Catalog { source: Source { as_of, note }, models, by_id }
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_file_parses_and_is_sorted_by_unique_id() {
        assert!(models().len() > 100);
        assert!(models().windows(2).all(|pair| pair[0].id < pair[1].id));
        assert_eq!(source().as_of.len(), "2026-11-22".len());
    }

    #[test]
    fn every_profile_leads_back_to_its_own_model() {
        for model in models() {
            for profile in &model.profiles {
                assert_eq!(find_for(profile.id).map(|found| found.id), Some(model.id), "{}", profile.id);
            }
        }
    }

    #[test]
    fn no_model_id_starts_with_a_geo_prefix() {
        assert!(models().iter().all(|model| without_geo_prefix(model.id).is_none()));
    }

    #[test]
    fn find_takes_base_ids_only() {
        assert_eq!(find("amazon.nova-lite-v1:0").map(|m| m.family), Some("nova"));
        assert!(find("us.amazon.nova-lite-v1:0").is_none());
        assert!(find("").is_none());
    }

    #[test]
    fn find_for_understands_profiles_and_arns() {
        let nova = Some("amazon.nova-lite-v1:0");
        for id in [
            "amazon.nova-lite-v1:0",
            "us.amazon.nova-lite-v1:0",
            "us-gov.amazon.nova-lite-v1:0",
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
            "arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:inference-profile/us-gov.amazon.nova-lite-v1:0",
        ] {
            assert_eq!(find_for(id).map(|m| m.id), nova, "{id}");
        }
    }

    #[test]
    fn an_arn_that_hides_its_model_finds_nothing() {
        for id in [
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcd1234",
            // The last part alone would lead to the base model, but a custom model is not that model.
            "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0",
            "arn:aws:bedrock:us-east-1::foundation-model",
            "arn:",
            "mars.amazon.nova-lite-v1:0",
        ] {
            assert!(find_for(id).is_none(), "{id}");
        }
    }

    #[test]
    fn the_model_older_clients_default_to_counts_as_retired() {
        let stage = |id| stage(find(id), None, Moment::parse("2026-11-22").unwrap());
        assert_eq!(stage("anthropic.claude-3-sonnet-20240229-v1:0"), Some(Stage::Retired));
        assert_eq!(stage("anthropic.claude-haiku-4-5-20251001-v1:0"), Some(Stage::Active));
        assert_eq!(stage("vendor.unknown"), None);
    }

    #[test]
    fn what_bedrock_lists_goes_before_what_is_embedded() {
        let listed = |lifecycle: &str| {
            let body =
                format!(r#"{{"modelSummaries": [{{"modelId": "a.b", "modelLifecycle": {lifecycle}}}]}}"#);
            foundation_models(body.as_bytes()).unwrap().remove(0)
        };
        let retired = find("anthropic.claude-3-sonnet-20240229-v1:0");
        let now = Moment::parse("2026-11-22").unwrap();
        for (lifecycle, expected) in [
            (r#"{"status": "ACTIVE"}"#, Stage::Active),
            (r#"{"status": "LEGACY", "endOfLifeTime": "2026-11-23T00:00:00Z"}"#, Stage::Legacy),
            (r#"{"status": "LEGACY", "endOfLifeTime": "2026-11-21T00:00:00Z"}"#, Stage::Retired),
            (r#"{"status": "NEW_WORD"}"#, Stage::Retired),
            ("{}", Stage::Retired),
        ] {
            assert_eq!(stage(retired, Some(&listed(lifecycle)), now), Some(expected), "{lifecycle}");
        }
    }

    #[test]
    fn a_profile_price_replaces_only_the_prices_it_lists() {
        let model = find("anthropic.claude-sonnet-4-5-20250929-v1:0").unwrap();
        let base = model.price_for(model.id);
        let eu = model.price_for("eu.anthropic.claude-sonnet-4-5-20250929-v1:0");
        assert_eq!((base.input, eu.input), (Some(3e-6), Some(3.3e-6)));
        assert_eq!(eu.input_batch, base.input_batch);
        assert!(base.input_batch.is_some());
    }
}
