//! Aliases and what is known only to the operator about a model; what `/v1/models` shows.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::error::Problem;
use super::scalar;
use super::section::{Section, Sourced};
use super::tree::{Node, Value};

/// The models an operator named, and the list that clients see.
#[derive(Debug, Clone)]
pub struct Models {
    /// By what a client sends: an alias, or a model id or ARN that is configured under its own name.
    pub entries: BTreeMap<String, ModelEntry>,
    /// What `/v1/models` shows.
    pub list: ModelList,
}

/// One alias, or one model id with settings of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelEntry {
    /// The model id, inference-profile id or ARN to call. Never another alias.
    pub target: String,
    /// The Region to call it in, if not `aws.region`.
    pub region: Option<String>,
    /// The family it behaves as, by name. Always there for an ARN that hides its model.
    pub family: Option<String>,
    /// The format to speak, if the family shouldn't choose.
    pub format: Option<ModelFormat>,
    /// Overrides the global `strict`.
    pub strict: Option<bool>,
    /// Tokens to ask for when a request doesn't say.
    pub max_tokens: Option<NonZeroU32>,
    /// Overrides the global `cache`.
    pub cache: Option<Cache>,
    /// Overrides the global `guardrail`.
    pub guardrail: Option<Guardrail>,
}

/// Who places cache points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// The request alone.
    Explicit,
    /// The gateway, where the request has none.
    Auto,
}

impl Cache {
    pub(super) fn read(node: &Node) -> Result<Self, Problem> {
        scalar::choice(node, &[("explicit", Self::Explicit), ("auto", Self::Auto)])
    }
}

/// A guardrail, written `ID:VERSION`; the id may be an ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guardrail {
    /// Its id or ARN.
    pub id: String,
    /// `DRAFT` or a number.
    pub version: String,
}

impl Guardrail {
    pub(super) fn read(node: &Node) -> Result<Self, Problem> {
        let text = scalar::text(node)?;
        let is_version = |version: &str| {
            version == "DRAFT" || (!version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()))
        };
        match text.rsplit_once(':') {
            Some((id, version)) if has_id_grammar(id) && is_version(version) => {
                Ok(Self { id: id.to_owned(), version: version.to_owned() })
            }
            Some(_) | None => Err(scalar::invalid(
                &text,
                "ID:VERSION, such as abc123:4, with a number or DRAFT behind the colon",
            )),
        }
    }
}

/// Which Bedrock API to use for a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelFormat {
    /// The model's own body, through `InvokeModel`.
    Native,
    /// The common body, through Converse.
    Converse,
}

/// What `/v1/models` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelList {
    /// Ids to show.
    pub include: Vec<Glob>,
    /// Ids not to show after all.
    pub exclude: Vec<Glob>,
    /// Show models that AWS has retired.
    pub retired: bool,
    /// Show models of Outcrop's catalogue.
    pub catalogue: bool,
}

impl ModelList {
    /// Whether a name passes `include` and `exclude`.
    pub fn shows(&self, name: &str) -> bool {
        self.include.iter().any(|glob| glob.matches(name))
            && !self.exclude.iter().any(|glob| glob.matches(name))
    }
}

/// A pattern: `*` stands for any text, `?` for any one character, everything else for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// Every text is a pattern.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// Whether the whole name fits.
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name): (Vec<char>, Vec<char>) = (self.0.chars().collect(), name.chars().collect());
        let (mut p, mut n) = (0, 0);
        // Where to resume when a guess about the last star was too short: a star takes one character more each time.
        let mut resume = None;
        while let Some(character) = name.get(n) {
            match pattern.get(p) {
                Some('*') => {
                    p += 1;
                    resume = Some((p, n));
                }
                Some(wanted) if *wanted == '?' || wanted == character => {
                    p += 1;
                    n += 1;
                }
                Some(_) | None => {
                    let Some((after_star, taken)) = resume else { return false };
                    resume = Some((after_star, taken + 1));
                    (p, n) = (after_star, taken + 1);
                }
            }
        }
        pattern.iter().skip(p).all(|rest| *rest == '*')
    }
}

impl Models {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let list = read_list(section.section(LIST));
        let named = section.node().entries();
        let mut entries = BTreeMap::new();
        let mut complete = true;
        for entry in named.iter().filter(|entry| entry.key != LIST) {
            match read_entry(&mut section.entry(entry), &entry.key) {
                Some(model) => {
                    let is_alias =
                        |target: &str| named.iter().any(|other| other.key == target) && !is_model_id(target);
                    if is_alias(&model.target) {
                        section.entry(entry).fail("target", Problem::AliasOfAlias(model.target));
                        complete = false;
                    } else {
                        entries.insert(entry.key.clone(), model);
                    }
                }
                None => complete = false,
            }
        }
        Some(Self { entries, list: list? }).filter(|_| complete)
    }
}

/// The model for requests that name none: one of `models`, or an id. Reads from the root.
pub(super) fn read_default(root: &mut Section<'_>) -> Option<Sourced<String>> {
    const KEY: &str = "default_model";
    let origin = root.origin(KEY);
    let value = root.read(KEY, scalar::text)?;
    let is_named =
        root.node().find("models").is_some_and(|models| value != LIST && models.find(&value).is_some());
    if !is_named {
        root.read(KEY, model_id)?;
        if is_opaque_arn(&value) {
            root.fail(KEY, Problem::OpaqueDefault(value));
            return None;
        }
    }
    Some(Sourced { value, origin })
}

const LIST: &str = "list";

fn read_list(mut section: Section<'_>) -> Option<ModelList> {
    let globs = |node: &Node| node.items()?.iter().map(|item| scalar::text(item).map(Glob::new)).collect();
    let include = section.read("include", globs);
    let exclude = section.read("exclude", globs);
    let retired = section.read("retired", scalar::boolean);
    let catalogue = section.read("catalogue", scalar::boolean);
    Some(ModelList { include: include?, exclude: exclude?, retired: retired?, catalogue: catalogue? })
}

fn read_entry(section: &mut Section<'_>, name: &str) -> Option<ModelEntry> {
    const KEYS: [&str; 8] =
        ["target", "region", "family", "format", "strict", "max_tokens", "cache", "guardrail"];
    if let Value::Text(_) = section.node().value {
        let entry = section.read_here(model_id).map(|target| ModelEntry {
            target,
            region: None,
            family: None,
            format: None,
            strict: None,
            max_tokens: None,
            cache: None,
            guardrail: None,
        })?;
        return is_clear(section, &entry).then_some(entry);
    }
    if !section.node().is_map() {
        section.fail_here(scalar::wrong_type(section.node(), "a model id or a map of keys"));
        return None;
    }
    section.only(&KEYS, &[]);
    let target = section.optional("target", model_id);
    let region = section.optional("region", scalar::region);
    let family = section.optional("family", family);
    let format = section.optional("format", |node| {
        scalar::choice(node, &[("native", ModelFormat::Native), ("converse", ModelFormat::Converse)])
    });
    let strict = section.optional("strict", scalar::boolean);
    let max_tokens = section.optional("max_tokens", scalar::count);
    let cache = section.optional("cache", Cache::read);
    let guardrail = section.optional("guardrail", Guardrail::read);
    let target = match target? {
        Some(target) => target,
        None if is_model_id(name) => name.to_owned(),
        None => {
            section.fail_here(Problem::NoTarget);
            return None;
        }
    };
    let entry = ModelEntry {
        target,
        region: region?,
        family: family?,
        format: format?,
        strict: strict?,
        max_tokens: max_tokens?,
        cache: cache?,
        guardrail: guardrail?,
    };
    is_clear(section, &entry).then_some(entry)
}

/// Whether it is known how to talk to the target; records the mistake if not.
fn is_clear(section: &mut Section<'_>, entry: &ModelEntry) -> bool {
    let clear = entry.family.is_some() || !is_opaque_arn(&entry.target);
    if !clear {
        section.fail("target", Problem::OpaqueArn(entry.target.clone()));
    }
    clear
}

/// What Bedrock takes as a model: an id, a profile id or an ARN. The characters and the length are those of its API;
/// `..` is refused because the id becomes a segment of a URL's path.
fn model_id(node: &Node) -> Result<String, Problem> {
    let text = scalar::text(node)?;
    if has_id_grammar(&text) {
        Ok(text)
    } else {
        Err(scalar::invalid(&text, "a model id or ARN: up to 2048 of A-Z a-z 0-9 . : _ / - and no `..`"))
    }
}

fn has_id_grammar(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".:_/-".contains(&byte);
    (1..=2048).contains(&text.len()) && text.bytes().all(allowed) && !text.contains("..")
}

/// Whether a name is a model's own (`vendor.model`, with or without a geo prefix, or an ARN) rather than an alias.
/// No vendor has a dash in its name, so `gpt-3.5-turbo` is an alias.
fn is_model_id(name: &str) -> bool {
    let is_vendor = |vendor: &str| {
        !vendor.is_empty() && vendor.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let bare = name.strip_prefix("us-gov.").unwrap_or(name);
    has_id_grammar(name)
        && (name.starts_with("arn:")
            || bare.split_once('.').is_some_and(|(vendor, model)| is_vendor(vendor) && !model.is_empty()))
}

/// Whether this is an ARN from which the model can't be read. Foundation models and system-defined inference profiles
/// have the model's id in theirs; application profiles, provisioned, custom and imported models, routers … don't.
fn is_opaque_arn(target: &str) -> bool {
    // arn:partition:service:region:account:type/id
    target.starts_with("arn:")
        && !target.splitn(6, ':').nth(5).and_then(|resource| resource.split_once('/')).is_some_and(
            |(kind, id)| matches!(kind, "foundation-model" | "inference-profile") && !id.is_empty(),
        )
}

fn family(node: &Node) -> Result<String, Problem> {
    let text = scalar::text(node)?;
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    if text.bytes().all(allowed) {
        Ok(text)
    } else {
        Err(scalar::invalid(&text, "the name of a family, such as anthropic or llama"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_names() {
        for (pattern, name, fits) in [
            ("*", "", true),
            ("*", "anything", true),
            ("claude", "claude", true),
            ("claude", "claude-3", false),
            ("us.*", "us.amazon.nova", true),
            ("*nova*", "us.amazon.nova-lite", true),
            ("a*b*c", "aXbXbc", true),
            ("a*b*c", "aXbXb", false),
            ("gpt-?", "gpt-4", true),
            ("gpt-?", "gpt-", false),
            ("é?", "éü", true),
            ("**a", "ba", true),
            ("", "", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn an_alias_with_dots_isnt_taken_for_a_model() {
        for id in [
            "amazon.nova-lite-v1:0",
            "us.amazon.nova-lite-v1:0",
            "us-gov.x.y",
            "ai21.jamba",
            "arn:aws:bedrock:x",
        ] {
            assert!(is_model_id(id), "{id}");
        }
        for alias in ["gpt-3.5-turbo", "gpt-4o", "Claude.3", ".x", "x.", "", "a.b c"] {
            assert!(!is_model_id(alias), "{alias}");
        }
    }

    #[test]
    fn only_arns_that_name_their_model_are_clear() {
        let arn = |resource: &str| format!("arn:aws:bedrock:us-east-1:123456789012:{resource}");
        for kind in ["application-inference-profile", "provisioned-model", "custom-model", "imported-model"] {
            assert!(is_opaque_arn(&arn(&format!("{kind}/abc"))), "{kind}");
        }
        for kind in
            ["custom-model-deployment", "default-prompt-router", "prompt-router", "foundation-model-x"]
        {
            assert!(is_opaque_arn(&arn(&format!("{kind}/abc"))), "{kind}");
        }
        assert!(is_opaque_arn("arn:aws:sagemaker:us-east-1:123456789012:endpoint/x"));
        assert!(is_opaque_arn("arn:"));
        assert!(!is_opaque_arn(&arn("inference-profile/us.amazon.nova-lite-v1:0")));
        assert!(!is_opaque_arn("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"));
        assert!(!is_opaque_arn("amazon.nova-lite-v1:0"));
    }

    #[test]
    fn ids_follow_bedrocks_grammar() {
        assert!(has_id_grammar(&"a".repeat(2048)));
        for id in ["", "a..b", "a b", "a?b", "é", "a%2F"] {
            assert!(!has_id_grammar(id), "{id}");
        }
        assert!(!has_id_grammar(&"a".repeat(2049)));
    }
}
