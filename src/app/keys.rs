//! What the configuration says of keys, in the words of `auth`.

use std::iter;

use crate::auth::{KeyId, Keys, KnownKey, Models};
use crate::catalog::{self, Live, Meaning, Moment, Wrapped};
use crate::config::{Auth, Config, Glob};

/// The keys; `None`: nobody needs one. Tells the log of models that nobody knows: that may be a slip of the pen, or a model that is
/// newer than the catalogue.
pub(super) fn keys(config: &Config) -> Option<Keys> {
    let Auth::Keys(keys) = &config.auth else { return None };
    for (key, model) in unknown(config) {
        tracing::warn!(
            key_id = key,
            model,
            "the key may use a model that is neither configured nor in the catalogue: check its spelling"
        );
    }
    let known = keys.iter().map(|key| KnownKey {
        id: KeyId::new(key.id.as_str()),
        digest: key.sha256,
        models: key.models.clone().map_or_else(Models::any, only),
    });
    Some(Keys::new(known.collect()))
}

fn only(globs: Vec<Glob>) -> Models {
    Models::only(move |name| globs.iter().any(|glob| glob.matches(name)))
}

/// Patterns of keys that fit no name which is known beforehand, with the key. Of an ARN nothing is.
fn unknown(config: &Config) -> impl Iterator<Item = (&str, &str)> {
    let keys = match &config.auth {
        Auth::Keys(keys) => keys.as_slice(),
        Auth::Open => &[],
    };
    let patterns =
        keys.iter().flat_map(|key| key.models.iter().flatten().map(|glob| (key.id.as_str(), glob)));
    let unknown = patterns.filter(|(_, glob)| {
        let configured = config.models.entries.keys().chain(iter::once(&config.default_model.value));
        let profiles = catalog::models().iter().flat_map(|model| &model.profiles).map(|profile| profile.id);
        let mut names = configured
            .map(String::as_str)
            .chain(catalog::models().iter().map(|model| model.id))
            .chain(profiles);
        !glob.as_str().starts_with("arn:")
            // A geography may be newer than the catalogue.
            && catalog::find_for(glob.as_str()).is_none()
            && !means_one(glob.as_str())
            && !names.any(|name| glob.matches(name))
    });
    unknown.map(|(key, glob)| (key, glob.as_str()))
}

/// Whether a name without wildcards means one model without being an id.
fn means_one(name: &str) -> bool {
    let nothing = Live::default();
    let meaning = nothing.names(Moment::EPOCH).meaning(Wrapped::read(name).id, &nothing);
    matches!(meaning, Meaning::One(_))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::{self, Overrides, Sources};

    fn unknown_of(models: &str) -> Vec<String> {
        let mut overrides = Overrides::default();
        let keys = format!("[{{id: a, sha256: '{}', models: {models}}}]", "0".repeat(64));
        for (key, value) in [("auth.keys", keys.as_str()), ("models", "{'gpt-4o': amazon.nova-pro-v1:0}")] {
            overrides.set_yaml("test", key, value).unwrap();
        }
        let config = config::load(Sources { file: None, vars: &BTreeMap::new(), overrides }).unwrap();
        unknown(&config).map(|(key, model)| format!("{key} {model}")).collect()
    }

    #[test]
    fn what_is_known_beforehand_is_no_slip_of_the_pen() {
        let known = "['*', gpt-4o, gpt-*, amazon.nova-lite-v1:0, eu.amazon.nova-lite-v1:0, us.anthropic.*, '*haiku*', \
                     ca.amazon.nova-lite-v1:0, anthropic.claude-3-sonnet-20240229-v1:0, \
                     claude-sonnet-4-5, bedrock/nova-lite, 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc', 'arn:*']";
        assert_eq!(unknown_of(known), Vec::<String>::new());
    }

    #[test]
    fn what_nobody_knows_is_told_with_its_key() {
        let slips = "[gpt-4o, claude-sonnet-9, gtp-4o, anthropc.*, amazon.nova-light-v1:0, xx.amazon.nova-lite-v1:0, GPT-4o]";
        let expected = [
            "claude-sonnet-9",
            "gtp-4o",
            "anthropc.*",
            "amazon.nova-light-v1:0",
            "xx.amazon.nova-lite-v1:0",
            "GPT-4o",
        ];
        assert_eq!(unknown_of(slips), expected.map(|model| format!("a {model}")));
    }
}
