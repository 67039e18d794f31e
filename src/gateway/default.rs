//! The model of requests that name none.

use std::iter;

use crate::catalog::{self, Live, Mode, Moment, Stage};

/// What takes the place of the built-in model where that is gone: the first that lives and that can be called. Amazon's own come
/// first, because an account needs neither a form nor a subscription for them.
const ORDER: [&str; 6] = [
    "amazon.nova-2-lite-v1:0",
    "amazon.nova-lite-v1:0",
    "amazon.nova-pro-v1:0",
    "amazon.nova-micro-v1:0",
    "openai.gpt-oss-20b-1:0",
    "anthropic.claude-haiku-4-5-20251001-v1:0",
];

/// The model of requests that name none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefaultModel {
    /// What config says: an alias or an id. It stands, whatever becomes of it.
    Configured(String),
    /// Config says nothing: this one as long as Bedrock lists it, then another.
    BuiltIn(String),
}

impl DefaultModel {
    /// The model now, as far as the listings of a Region say.
    pub(super) fn now(&self, live: &Live, now: Moment) -> &str {
        match self {
            Self::Configured(name) => name,
            Self::BuiltIn(own) => {
                let lives = |id: &&str| lives(id, live, now);
                iter::once(own.as_str()).chain(ORDER).find(lives).unwrap_or(own)
            }
        }
    }
}

/// Whether a chat with a model can succeed. Where nothing is listed the catalogue alone says.
fn lives(id: &str, live: &Live, now: Moment) -> bool {
    let (known, listed) = (catalog::find(id), live.model(id));
    let is_sold = listed.is_some_and(|listed| listed.is_on_demand() != Some(false))
        || live.system_profiles().any(|profile| profile.model == id);
    let is_chat = known.is_none_or(|known| known.mode == Mode::Chat);
    is_chat && (is_sold || !live.knows_models()) && catalog::stage(known, listed, now) != Some(Stage::Retired)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::FoundationModel;

    const OLD: &str = "anthropic.claude-3-sonnet-20240229-v1:0";

    fn now(models: &[(&str, &str)]) -> String {
        let listed = models.iter().map(|(id, status)| {
            let json = serde_json::json!({"modelId": id, "modelArn": format!("arn:aws:bedrock:us-east-1::foundation-model/{id}"),
                "inputModalities": ["TEXT"], "outputModalities": ["TEXT"], "inferenceTypesSupported": ["ON_DEMAND"],
                "modelLifecycle": {"status": status}});
            serde_json::from_value::<FoundationModel>(json).unwrap()
        });
        let live = Live::new(listed.collect(), Vec::new());
        DefaultModel::BuiltIn(OLD.into()).now(&live, Moment::parse("2026-12-01").unwrap()).to_owned()
    }

    #[test]
    fn the_built_in_one_stays_as_long_as_it_is_listed_and_then_the_first_that_is() {
        assert_eq!(now(&[("amazon.nova-lite-v1:0", "ACTIVE"), (OLD, "LEGACY")]), OLD);
        assert_eq!(
            now(&[("amazon.nova-pro-v1:0", "ACTIVE"), ("amazon.nova-lite-v1:0", "ACTIVE")]),
            "amazon.nova-lite-v1:0"
        );
        assert_eq!(now(&[("openai.gpt-oss-20b-1:0", "ACTIVE")]), "openai.gpt-oss-20b-1:0");
        assert_eq!(now(&[("vendor.other", "ACTIVE")]), OLD, "nothing else is known to be better");
    }

    #[test]
    fn without_listings_the_catalogue_says_and_what_is_configured_stands() {
        assert_eq!(now(&[]), ORDER[0]);
        let own = DefaultModel::Configured(OLD.into());
        assert_eq!(own.now(&Live::default(), Moment::EPOCH), OLD);
    }
}
