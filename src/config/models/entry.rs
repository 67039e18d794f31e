//! One alias, or one model with settings of its own.

use std::num::NonZeroU32;

use super::id::{has_id_grammar, is_model_id, is_opaque_arn, model_id};
use crate::config::error::Problem;
use crate::config::scalar;
use crate::config::section::Section;
use crate::config::tree::{Node, Value};

/// One alias, or one model id with settings of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelEntry {
    /// The model id, inference-profile id or ARN to call. Never another alias.
    pub target: String,
    /// The Region to call it in, if not `aws.region`.
    pub region: Option<String>,
    /// The account to call it in, if not that of `aws`: one of `accounts`.
    pub account: Option<String>,
    /// The family it behaves as, by name. Always there for an ARN that hides its model, unless Bedrock is asked.
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
    /// Overrides the global `profile`.
    pub profile: Option<ProfileRule>,
    /// What is called when AWS calls it legacy or has retired it: a name, as a client would send it.
    pub successor: Option<String>,
    /// What it can do, where Outcrop doesn't know, or knows worse.
    pub capabilities: Capabilities,
}

/// What a model can do. `None` leaves it to the family.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// System instructions have a place of their own.
    pub system: Option<bool>,
    /// It calls tools.
    pub tools: Option<bool>,
    /// It calls tools in a stream.
    pub tools_while_streaming: Option<bool>,
    /// It takes pictures.
    pub images: Option<bool>,
    /// It takes files.
    pub documents: Option<bool>,
    /// It can be held to a JSON Schema.
    pub json_schema: Option<bool>,
    /// The conversation may end with the beginning of its answer.
    pub prefill: Option<bool>,
    /// Which of `temperature` and `top_p` it takes.
    pub sampling: Option<SamplingRule>,
    /// The most tokens of one reply.
    pub max_output_tokens: Option<NonZeroU32>,
}

/// Which of `temperature` and `top_p` a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SamplingRule {
    /// Both.
    Both,
    /// One of them.
    Either,
    /// None.
    Refused,
}

/// Through which profile a bare id is called that is sold through profiles only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileRule {
    /// Of the Region's own geography, else the global one.
    Geo,
    /// The global one, else of the Region's own geography.
    Global,
    /// None.
    Off,
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
    pub(in crate::config) fn read(node: &Node) -> Result<Self, Problem> {
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
    pub(in crate::config) fn read(node: &Node) -> Result<Self, Problem> {
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

/// Reads an entry. `asked`: Bedrock is asked what is behind an ARN, so config needn't say.
pub(super) fn read(section: &mut Section<'_>, name: &str, asked: bool) -> Option<ModelEntry> {
    const KEYS: [&str; 12] = [
        "target",
        "region",
        "account",
        "family",
        "format",
        "strict",
        "max_tokens",
        "cache",
        "guardrail",
        "profile",
        "successor",
        "capabilities",
    ];
    if let Value::Text(_) = section.node().value {
        let entry = section.read_here(model_id).map(|target| ModelEntry {
            target,
            region: None,
            account: None,
            family: None,
            format: None,
            strict: None,
            max_tokens: None,
            cache: None,
            guardrail: None,
            profile: None,
            successor: None,
            capabilities: Capabilities::default(),
        })?;
        return (asked || is_clear(section, &entry)).then_some(entry);
    }
    if !section.node().is_map() {
        section.fail_here(scalar::wrong_type(section.node(), "a model id or a map of keys"));
        return None;
    }
    section.only(&KEYS, &[]);
    let target = section.optional("target", model_id);
    let region = section.optional("region", scalar::region);
    let account = section.optional("account", scalar::text);
    let family = section.optional("family", family);
    let format = section.optional("format", |node| {
        scalar::choice(node, &[("native", ModelFormat::Native), ("converse", ModelFormat::Converse)])
    });
    let strict = section.optional("strict", scalar::boolean);
    let max_tokens = section.optional("max_tokens", scalar::count);
    let cache = section.optional("cache", Cache::read);
    let guardrail = section.optional("guardrail", Guardrail::read);
    let profile = section.optional("profile", profile_rule);
    let successor = section.optional("successor", scalar::text);
    let capabilities = read_capabilities(section);
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
        account: account?,
        family: family?,
        format: format?,
        strict: strict?,
        max_tokens: max_tokens?,
        cache: cache?,
        guardrail: guardrail?,
        profile: profile?,
        successor: successor?,
        capabilities: capabilities?,
    };
    // It is asked in the account of `aws`, which knows nothing of another's ARNs.
    let asked = asked && entry.account.is_none();
    (asked || is_clear(section, &entry)).then_some(entry)
}

/// The word for a profile rule.
pub(super) fn profile_rule(node: &Node) -> Result<ProfileRule, Problem> {
    let words = [("geo", ProfileRule::Geo), ("global", ProfileRule::Global), ("off", ProfileRule::Off)];
    scalar::choice(node, &words)
}

fn read_capabilities(section: &mut Section<'_>) -> Option<Capabilities> {
    const KEY: &str = "capabilities";
    const KEYS: [&str; 9] = [
        "system",
        "tools",
        "tools_while_streaming",
        "images",
        "documents",
        "json_schema",
        "prefill",
        "sampling",
        "max_output_tokens",
    ];
    if section.node().find(KEY).is_none_or(Node::is_null) {
        return Some(Capabilities::default());
    }
    let mut section = section.section(KEY);
    if !section.is_map() {
        return None;
    }
    section.only(&KEYS, &[]);
    let mut flag = |key| section.optional(key, scalar::boolean);
    let [system, tools, tools_while_streaming] =
        [flag("system"), flag("tools"), flag("tools_while_streaming")];
    let [images, documents, json_schema] = [flag("images"), flag("documents"), flag("json_schema")];
    let prefill = flag("prefill");
    let sampling = section.optional("sampling", |node| {
        let words = [
            ("both", SamplingRule::Both),
            ("either", SamplingRule::Either),
            ("refused", SamplingRule::Refused),
        ];
        scalar::choice(node, &words)
    });
    let max_output_tokens = section.optional("max_output_tokens", scalar::count);
    Some(Capabilities {
        system: system?,
        tools: tools?,
        tools_while_streaming: tools_while_streaming?,
        images: images?,
        documents: documents?,
        json_schema: json_schema?,
        prefill: prefill?,
        sampling: sampling?,
        max_output_tokens: max_output_tokens?,
    })
}

/// Whether it is known how to talk to the target; records the mistake if not.
fn is_clear(section: &mut Section<'_>, entry: &ModelEntry) -> bool {
    let clear = entry.family.is_some() || !is_opaque_arn(&entry.target);
    if !clear {
        section.fail("target", Problem::OpaqueArn(entry.target.clone()));
    }
    clear
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
