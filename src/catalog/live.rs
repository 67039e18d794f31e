//! What Bedrock itself says about models and inference profiles: its listings, read, and laid out for look-ups.
//!
//! Pure: bodies in, facts out. Who asks, when, and what happens when the answer is no, is the gateway's affair. Shapes:
//! AWS's API reference of `bedrock`, as remembered and not recorded. Only ids are insisted on; everything else may be missing, and a member
//! or a word that is new does no harm.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::OnceLock;

use serde::Deserialize;

use super::{Mode, Moment, Names};

/// A model of `ListFoundationModels`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FoundationModel {
    /// The foundation-model id.
    #[serde(rename = "modelId")]
    pub id: String,
    /// What people call it.
    #[serde(rename = "modelName")]
    pub name: Option<String>,
    /// Who made it, as people write it: `Mistral AI`.
    #[serde(rename = "providerName")]
    pub provider: Option<String>,
    /// What goes in: `TEXT`, `IMAGE`, `VIDEO` …
    #[serde(default, rename = "inputModalities")]
    pub input: Vec<String>,
    /// What comes out: `TEXT`, `EMBEDDING` …
    #[serde(default, rename = "outputModalities")]
    pub output: Vec<String>,
    /// Whether its answers can be streamed.
    #[serde(rename = "responseStreamingSupported")]
    pub streaming: Option<bool>,
    /// How it is sold: `ON_DEMAND`, `PROVISIONED`, and the undocumented `INFERENCE_PROFILE`.
    #[serde(default, rename = "inferenceTypesSupported")]
    pub inference: Vec<String>,
    /// Where it is in its life, in this Region.
    #[serde(default, rename = "modelLifecycle")]
    pub lifecycle: Life,
}

/// Where a model is in its life.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Life {
    /// `ACTIVE`, `LEGACY`, or something new.
    pub status: Option<String>,
    /// When it was opened.
    #[serde(rename = "startOfLifeTime")]
    pub start: Option<Moment>,
    /// When it was declared to be legacy, or will be.
    #[serde(rename = "legacyTime")]
    pub legacy: Option<Moment>,
    /// From when it is served at other prices.
    #[serde(rename = "publicExtendedAccessTime")]
    pub extended_access: Option<Moment>,
    /// When requests stop working.
    #[serde(rename = "endOfLifeTime")]
    pub end: Option<Moment>,
}

/// A profile of `ListInferenceProfiles`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InferenceProfile {
    /// `us.anthropic.…`, or the random id of an application's own.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// AWS made it, not somebody for an application.
    pub is_system: bool,
    /// The foundation model that it routes to.
    pub model: String,
}

/// One page of `ListInferenceProfiles`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfilePage {
    /// The profiles.
    pub profiles: Vec<InferenceProfile>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// Reads the answer of `ListFoundationModels`.
pub fn foundation_models(body: &[u8]) -> Result<Vec<FoundationModel>, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        model_summaries: Vec<FoundationModel>,
    }
    serde_json::from_slice(body).map(|Answer { model_summaries }| model_summaries)
}

/// Reads an answer of `ListInferenceProfiles`. Profiles that lead to no foundation model, or aren't active, are left
/// out.
pub fn inference_profiles(body: &[u8]) -> Result<ProfilePage, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        inference_profile_summaries: Vec<Summary>,
        next_token: Option<String>,
    }
    let Answer { inference_profile_summaries, next_token } = serde_json::from_slice(body)?;
    let profiles = inference_profile_summaries.into_iter().filter_map(Summary::read).collect();
    Ok(ProfilePage { profiles, next: next_token.filter(|token| !token.is_empty()) })
}

/// Reads the answer of `GetInferenceProfile`; `None` if it leads to no foundation model.
pub fn inference_profile(body: &[u8]) -> Result<Option<InferenceProfile>, serde_json::Error> {
    serde_json::from_slice(body).map(Summary::read)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    inference_profile_id: String,
    inference_profile_arn: String,
    #[serde(default)]
    models: Vec<ModelArn>,
    status: Option<String>,
    r#type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ModelArn {
    model_arn: Option<String>,
}

impl Summary {
    fn read(self) -> Option<InferenceProfile> {
        let Self { inference_profile_id, inference_profile_arn, models, status, r#type } = self;
        // One model in several Regions.
        let model = models.iter().find_map(|model| model_in_arn(model.model_arn.as_deref()?))?;
        let is_active = status.is_none_or(|status| status == "ACTIVE");
        is_active.then(|| InferenceProfile {
            id: inference_profile_id,
            arn: inference_profile_arn,
            is_system: r#type.is_none_or(|kind| kind == "SYSTEM_DEFINED"),
            model: model.to_owned(),
        })
    }
}

/// The id in the ARN of a foundation model, without the variant (`:0:28k`) that provisioned throughput adds.
pub fn model_in_arn(arn: &str) -> Option<&str> {
    let (kind, id) = arn.strip_prefix("arn:")?.splitn(5, ':').nth(4)?.split_once('/')?;
    if kind != "foundation-model" || id.is_empty() {
        return None;
    }
    let version = id.match_indices(':').nth(1).map_or(id.len(), |(at, _)| at);
    id.get(..version)
}

impl FoundationModel {
    /// What it is for, if its modalities say.
    pub fn mode(&self) -> Option<Mode> {
        let gives = |modality: &str| self.output.iter().any(|output| output == modality);
        let takes = |modality: &str| self.input.iter().any(|input| input == modality);
        if gives("EMBEDDING") {
            Some(Mode::Embedding)
        } else if gives("SPEECH") || takes("SPEECH") && gives("TEXT") && !takes("TEXT") {
            Some(Mode::Realtime)
        } else if gives("TEXT") {
            Some(Mode::Chat)
        } else if gives("IMAGE") {
            Some(Mode::Image)
        } else {
            None
        }
    }

    /// Whether its own id can be called; `None` if the listing doesn't say.
    pub fn is_on_demand(&self) -> Option<bool> {
        (!self.inference.is_empty()).then(|| self.inference.iter().any(|kind| kind == "ON_DEMAND"))
    }
}

/// What one Region's Bedrock lists. Empty until it has been asked, and as long as it refuses.
#[derive(Debug, Default)]
pub struct Live {
    models: BTreeMap<String, FoundationModel>,
    profiles: BTreeMap<String, InferenceProfile>,
    /// Profile ids by ARN.
    by_arn: HashMap<String, String>,
    /// What stands before a model's id in its profiles' ids: `us`, `eu` …, and those that are newer than this program.
    prefixes: BTreeSet<String>,
    /// Made when somebody first uses a name that is no id.
    names: OnceLock<Names>,
}

impl Live {
    /// Lays out the listings; either may be missing.
    pub fn new(models: Vec<FoundationModel>, profiles: Vec<InferenceProfile>) -> Self {
        let prefix = |profile: &InferenceProfile| {
            let before = profile.id.strip_suffix(profile.model.as_str())?.strip_suffix('.')?;
            (profile.is_system && !before.is_empty()).then(|| before.to_owned())
        };
        Self {
            prefixes: profiles.iter().filter_map(prefix).collect(),
            by_arn: profiles.iter().map(|profile| (profile.arn.clone(), profile.id.clone())).collect(),
            models: models.into_iter().map(|model| (model.id.clone(), model)).collect(),
            profiles: profiles.into_iter().map(|profile| (profile.id.clone(), profile)).collect(),
            names: OnceLock::new(),
        }
    }

    /// What the Region's models and the catalogue's may be called. `now` counts the first time only: listings are
    /// read again before much of what they say has come to its end.
    pub fn names(&self, now: Moment) -> &Names {
        self.names.get_or_init(|| Names::new(self, now))
    }

    /// Whether the listing has profiles with this prefix.
    pub fn knows_prefix(&self, prefix: &str) -> bool {
        self.prefixes.contains(prefix)
    }

    /// Whether the Region's models are known.
    pub fn knows_models(&self) -> bool {
        !self.models.is_empty()
    }

    /// Whether the Region's profiles are known.
    pub fn knows_profiles(&self) -> bool {
        !self.profiles.is_empty()
    }

    /// The models, by id.
    pub fn models(&self) -> impl Iterator<Item = &FoundationModel> {
        self.models.values()
    }

    /// The model with exactly this foundation-model id.
    pub fn model(&self, id: &str) -> Option<&FoundationModel> {
        self.models.get(id)
    }

    /// AWS's own profiles, by id.
    pub fn system_profiles(&self) -> impl Iterator<Item = &InferenceProfile> {
        self.profiles.values().filter(|profile| profile.is_system)
    }

    /// Profiles that somebody made for an application, by id.
    pub fn application_profiles(&self) -> impl Iterator<Item = &InferenceProfile> {
        self.profiles.values().filter(|profile| !profile.is_system)
    }

    /// The foundation model behind a profile's id or ARN, or behind an id with a prefix that the listing taught.
    pub fn base<'a>(&'a self, id_or_arn: &'a str) -> Option<&'a str> {
        let id = self.by_arn.get(id_or_arn).map_or(id_or_arn, String::as_str);
        if let Some(profile) = self.profiles.get(id) {
            return Some(&profile.model);
        }
        let learned = |prefix: &String| id.strip_prefix(prefix.as_str())?.strip_prefix('.');
        self.prefixes.iter().find_map(learned)
    }

    /// Whether the model's own id can't be called here; `None` if the listings don't say.
    pub fn is_profile_only(&self, model: &str) -> Option<bool> {
        match self.model(model) {
            Some(listed) => listed.is_on_demand().map(|on_demand| !on_demand),
            // A Region may offer the profile of a model that it doesn't run itself.
            None if self.knows_models() => {
                self.system_profiles().any(|profile| profile.model == model).then_some(true)
            }
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CLAUDE: &str = "anthropic.claude-opus-5";

    fn arn(model: &str) -> String {
        format!("arn:aws:bedrock:us-east-1::foundation-model/{model}")
    }

    fn model(id: &str, inference: &[&str]) -> FoundationModel {
        let listed = json!({"modelSummaries": [{"modelId": id, "inferenceTypesSupported": inference}]});
        foundation_models(listed.to_string().as_bytes()).unwrap().remove(0)
    }

    fn profile(id: &str, kind: &str, model: &str) -> InferenceProfile {
        let summary = json!({
            "inferenceProfileId": id,
            "inferenceProfileArn": format!("arn:aws:bedrock:us-east-1:111122223333:{kind}/{id}"),
            "models": [{"modelArn": arn(model)}],
            "type": if kind == "inference-profile" { "SYSTEM_DEFINED" } else { "APPLICATION" },
            "toolboxArn": "what nobody has documented",
        });
        inference_profile(summary.to_string().as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn a_model_is_read_with_its_life() {
        let body = json!({"modelSummaries": [{
            "modelId": CLAUDE, "modelArn": arn(CLAUDE), "modelName": "Claude Opus 5", "providerName": "Anthropic",
            "inputModalities": ["TEXT", "IMAGE"], "outputModalities": ["TEXT"], "responseStreamingSupported": true,
            "customizationsSupported": [], "inferenceTypesSupported": ["INFERENCE_PROFILE"],
            "modelLifecycle": {"status": "LEGACY", "startOfLifeTime": "2026-01-02T03:04:05Z",
                "legacyTime": 1_790_000_000, "endOfLifeTime": 1_800_000_000.5},
        }]});
        let models = foundation_models(body.to_string().as_bytes()).unwrap();
        let [model] = models.as_slice() else { panic!("{models:?}") };
        assert_eq!((model.mode(), model.is_on_demand()), (Some(Mode::Chat), Some(false)));
        let Life { status, start, legacy, extended_access, end } = &model.lifecycle;
        assert_eq!(status.as_deref(), Some("LEGACY"));
        assert_eq!(start.map(Moment::date).as_deref(), Some("2026-01-02"));
        assert_eq!(legacy.map(Moment::seconds), Some(1_790_000_000));
        assert_eq!((*extended_access, end.map(Moment::seconds)), (None, Some(1_800_000_000)));
    }

    #[test]
    fn only_ids_are_insisted_on() {
        assert_eq!(model("a.b", &[]).is_on_demand(), None);
        assert_eq!(model("a.b", &[]).mode(), None);
        assert!(foundation_models(br#"{"modelSummaries": [{}]}"#).is_err());
        assert!(foundation_models(br#"{"message": "no"}"#).is_err());
    }

    #[test]
    fn modalities_say_what_a_model_is_for() {
        for (input, output, mode) in [
            (vec!["TEXT"], vec!["TEXT"], Some(Mode::Chat)),
            (vec!["TEXT", "SPEECH"], vec!["TEXT"], Some(Mode::Chat)),
            (vec!["SPEECH"], vec!["TEXT", "SPEECH"], Some(Mode::Realtime)),
            (vec!["TEXT", "IMAGE"], vec!["EMBEDDING"], Some(Mode::Embedding)),
            (vec!["TEXT"], vec!["IMAGE"], Some(Mode::Image)),
            (vec!["TEXT"], vec!["SMELL"], None),
        ] {
            let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
            let model = FoundationModel { input: words(&input), output: words(&output), ..model("a.b", &[]) };
            assert_eq!(model.mode(), mode, "{input:?} {output:?}");
        }
    }

    #[test]
    fn profiles_that_lead_nowhere_are_left_out() {
        let body = json!({"inferenceProfileSummaries": [
            {"inferenceProfileId": "us.a.b", "inferenceProfileArn": "arn:1", "models": [{"modelArn": arn("a.b")}]},
            {"inferenceProfileId": "empty", "inferenceProfileArn": "arn:2", "models": []},
            {"inferenceProfileId": "off", "inferenceProfileArn": "arn:3", "models": [{"modelArn": arn("a.b")}],
                "status": "DELETING"},
        ], "nextToken": "more"});
        let page = inference_profiles(body.to_string().as_bytes()).unwrap();
        assert_eq!(page.profiles.iter().map(|profile| profile.id.as_str()).collect::<Vec<_>>(), ["us.a.b"]);
        assert_eq!(page.next.as_deref(), Some("more"));
    }

    #[test]
    fn the_model_of_an_arn_has_no_variant() {
        for (arn, id) in [
            (arn("amazon.titan-text-express-v1:0:8k"), Some("amazon.titan-text-express-v1:0")),
            (arn("amazon.nova-lite-v1:0"), Some("amazon.nova-lite-v1:0")),
            (arn("xai.grok-4.7"), Some("xai.grok-4.7")),
            (arn(""), None),
            ("arn:aws:bedrock:us-east-1:1:inference-profile/us.a.b".to_owned(), None),
            ("arn:".to_owned(), None),
        ] {
            assert_eq!(model_in_arn(&arn), id, "{arn}");
        }
    }

    #[test]
    fn profiles_lead_to_their_models_and_teach_prefixes() {
        let live = Live::new(
            Vec::new(),
            vec![
                profile("mx.anthropic.claude-opus-5", "inference-profile", CLAUDE),
                profile("a1b2c3", "application-inference-profile", CLAUDE),
            ],
        );
        let application = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/a1b2c3";
        for id in ["mx.anthropic.claude-opus-5", application, "a1b2c3"] {
            assert_eq!(live.base(id), Some(CLAUDE), "{id}");
        }
        assert_eq!(live.base("mx.vendor.new-model"), Some("vendor.new-model"));
        for id in [CLAUDE, "qx.vendor.new-model", "mxico.vendor.x", "arn:aws:bedrock:us-east-1:1:x/y"] {
            assert_eq!(live.base(id), None, "{id}");
        }
    }

    #[test]
    fn a_model_without_on_demand_is_sold_as_a_profile_only() {
        let live = Live::new(
            vec![
                model("a.profile", &["INFERENCE_PROFILE"]),
                model("a.both", &["ON_DEMAND"]),
                model("a.mute", &[]),
            ],
            vec![profile("us.a.elsewhere", "inference-profile", "a.elsewhere")],
        );
        for (id, only) in [
            ("a.profile", Some(true)),
            ("a.both", Some(false)),
            ("a.mute", None),
            ("a.elsewhere", Some(true)),
            ("a.unknown", None),
        ] {
            assert_eq!(live.is_profile_only(id), only, "{id}");
        }
        assert_eq!(Live::default().is_profile_only("a.profile"), None);
    }
}
