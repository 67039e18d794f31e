//! The ways to name a model on Bedrock.

use std::borrow::Cow;
use std::fmt;

/// Geo prefixes of system-defined inference profiles, longest first.
/// Seen in a scan of the commercial regions of June 2026, plus the two partitions' own.
const GEO_PREFIXES: [&str; 9] = ["us-gov.", "global.", "apac.", "us.", "eu.", "jp.", "au.", "ca.", "in."];

/// Longest id the API takes.
const LONGEST: usize = 2048;

/// Anything that Bedrock's `modelId` path segment takes: a model id, an inference profile id, an ARN.
///
/// Invariant: 1..=2048 bytes of `[a-zA-Z0-9.:_/-]`, no segment of dots only, so no id can leave its place
/// in a URL's path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModelId(Box<str>);

/// Not something that Bedrock could take as a model id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a model id, inference profile id or ARN: letters, digits and . : _ / - only, at most 2048")]
pub struct InvalidModelId;

impl ModelId {
    /// Takes an id that fits the grammar.
    pub fn parse(id: &str) -> Result<Self, InvalidModelId> {
        let fits = (1..=LONGEST).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b".:_/-".contains(&b))
            && !id.split('/').any(|segment| segment.bytes().all(|b| b == b'.'));
        if fits { Ok(Self(id.into())) } else { Err(InvalidModelId) }
    }

    /// The id as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The foundation model's own id: without ARN and geo prefix. Of an opaque ARN it is what stands
    /// after the last `/`, and says nothing about the model.
    pub fn base(&self) -> &str {
        let id = if self.is_arn() { self.0.rsplit('/').next().unwrap_or(&self.0) } else { &self.0 };
        GEO_PREFIXES.iter().find_map(|prefix| id.strip_prefix(prefix)).unwrap_or(id)
    }

    /// The id as clients may see it: an ARN without its account.
    pub fn public(&self) -> Cow<'_, str> {
        let mut parts: Vec<_> = self.0.splitn(6, ':').collect();
        match parts.get_mut(4) {
            Some(account) if self.is_arn() && !account.is_empty() => *account = "",
            Some(_) | None => return Cow::Borrowed(&self.0),
        }
        Cow::Owned(parts.join(":"))
    }

    /// An ARN?
    pub fn is_arn(&self) -> bool {
        self.0.starts_with("arn:")
    }

    /// The region that an ARN is of; `None` for every other id, and for an ARN that names none.
    pub fn region(&self) -> Option<&str> {
        self.arn_part(3)
    }

    /// The account that an ARN is of; `None` for every other id, and for what is AWS's own.
    pub fn account(&self) -> Option<&str> {
        self.arn_part(4)
    }

    fn arn_part(&self, index: usize) -> Option<&str> {
        self.is_arn().then(|| self.0.split(':').nth(index)).flatten().filter(|part| !part.is_empty())
    }

    /// An ARN that doesn't say which model is behind it: everything but `foundation-model/…` and
    /// `inference-profile/…`. Its family must be configured.
    pub fn is_opaque(&self) -> bool {
        self.is_arn()
            && !self.0.split(':').nth(5).is_some_and(|resource| {
                resource.starts_with("foundation-model/") || resource.starts_with("inference-profile/")
            })
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// For the fuzzer: whatever the text is, an id that stays within its place in a path, or none. Gives it back.
///
/// # Panics
/// If the promise is broken.
pub fn fuzz_model_id(text: &str) -> Option<ModelId> {
    let Ok(id) = ModelId::parse(text) else { return None };
    assert_eq!(id.as_str(), text, "an id is sent as it was given");
    assert!(text.split('/').all(|segment| !segment.is_empty() && segment != "." && segment != ".."));
    assert!(text.is_ascii() && !text.contains(['%', '?', '#', '\\', ' ']));
    assert!(text.ends_with(id.base()) && id.public().len() <= text.len());
    assert!(id.is_arn() || (id.region().is_none() && id.account().is_none() && !id.is_opaque()));
    if let (Some(account), Some("arn")) = (id.account(), text.split(':').next())
        && account.len() == 12
    {
        assert_ne!(id.public(), text, "a client sees an account");
    }
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(id: &str) -> String {
        ModelId::parse(id).unwrap().base().to_owned()
    }

    #[test]
    fn the_base_of_an_id_is_the_foundation_model() {
        for id in [
            "anthropic.claude-opus-5",
            "us.anthropic.claude-opus-5",
            "us-gov.anthropic.claude-opus-5",
            "global.anthropic.claude-opus-5",
            "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-opus-5",
            "arn:aws:bedrock:eu-west-1:111122223333:inference-profile/eu.anthropic.claude-opus-5",
        ] {
            assert_eq!(base(id), "anthropic.claude-opus-5", "{id}");
            assert!(!ModelId::parse(id).unwrap().is_opaque(), "{id}");
        }
    }

    #[test]
    fn arns_that_hide_their_model_are_opaque() {
        for kind in
            ["application-inference-profile", "imported-model", "provisioned-model", "prompt-router/x"]
        {
            let id = format!("arn:aws:bedrock:us-east-1:111122223333:{kind}/abcdef123456");
            assert!(ModelId::parse(&id).unwrap().is_opaque(), "{id}");
        }
    }

    #[test]
    fn an_arn_says_where_and_whose_it_is() {
        let parts = |id: &str| {
            let id = ModelId::parse(id).unwrap();
            (id.region().map(str::to_owned), id.account().map(str::to_owned))
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            parts("arn:aws:bedrock:eu-west-1:111122223333:imported-model/a"),
            (text("eu-west-1"), text("111122223333"))
        );
        assert_eq!(parts("arn:aws:bedrock:us-east-1::foundation-model/a.b-v1:0"), (text("us-east-1"), None));
        assert_eq!(parts("a.b:0:1:2:3:4"), (None, None));
    }

    #[test]
    fn clients_see_no_account() {
        for (id, public) in [
            (
                "arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/abc",
                "arn:aws:bedrock:eu-west-1::application-inference-profile/abc",
            ),
            (
                "arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-text-premier-v1:0",
                "arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-text-premier-v1:0",
            ),
            ("amazon.titan-text-premier-v1:0", "amazon.titan-text-premier-v1:0"),
        ] {
            assert_eq!(ModelId::parse(id).unwrap().public(), public);
        }
    }

    #[test]
    fn nothing_outside_the_grammar_gets_into_a_path() {
        for id in ["", "..", "a/../b", "a/./b", "a//b", "a b", "a?b", "a%2e", "a\nb", "é", &"a".repeat(2049)]
        {
            assert_eq!(ModelId::parse(id), Err(InvalidModelId), "{id}");
        }
    }
    proptest::proptest! {
        #[test]
        fn whatever_is_an_id_keeps_to_its_place(text in "(arn:aws[:.a-z0-9/%-]{0,40}|[ -~é]{0,24}|[./:a-z0-9-]{0,24})") {
            fuzz_model_id(&text);
        }
    }
}
