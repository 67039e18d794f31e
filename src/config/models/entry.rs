//! One alias, or one model with settings of its own.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use super::id::{has_id_grammar, is_model_id, is_opaque_arn, model_id};
use crate::config::accounts::Account;
use crate::config::error::Problem;
use crate::config::scalar;
use crate::config::section::Section;
use crate::config::tree::{Node, Value};

/// One alias, or one model id with settings of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelEntry {
    /// Where its calls go: the first, or the one whose turn it is by weight; the others if that fails. At least one.
    pub targets: Vec<TargetEntry>,
    /// Calls that begin alike go to the same target, among those with a weight.
    pub sticky: bool,
    /// Overrides the global `strict`.
    pub strict: Option<bool>,
    /// Overrides the global `cache`.
    pub cache: Option<Cache>,
    /// Overrides the global `timeout`, in part.
    pub timeout: EntryTimeout,
    /// What is called when AWS calls it legacy or has retired it: a name, as a client would send it.
    pub successor: Option<String>,
}

/// One target of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetEntry {
    /// The model id, inference-profile id or ARN to call. Never another alias.
    pub target: String,
    /// The Region to call it in, if not `aws.region`.
    pub region: Option<String>,
    /// The account to call it in, if not that of `aws`: one of `accounts`.
    pub account: Option<String>,
    /// Its share of the entry's calls. `None` gets calls only where those with a share have failed; if none has one, the
    /// first gets all.
    pub weight: Option<NonZeroU32>,
    /// The most calls of it at once; `None`: no bound of its own.
    pub concurrency: Option<NonZeroU32>,
    /// The family it behaves as, by name. Always there for an ARN that hides its model, unless Bedrock is asked.
    pub family: Option<String>,
    /// The format to speak, if the family shouldn't choose.
    pub format: Option<ModelFormat>,
    /// Tokens to ask for when a request doesn't say.
    pub max_tokens: Option<NonZeroU32>,
    /// Overrides the global `guardrail`.
    pub guardrail: Option<Guardrail>,
    /// Overrides the global `profile`.
    pub profile: Option<ProfileRule>,
    /// What it can do, where Outcrop doesn't know, or knows worse.
    pub capabilities: Capabilities,
}

/// How long to wait for what, where it is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EntryTimeout {
    /// A request from beginning to end, retries and other targets included.
    pub total: Option<Duration>,
    /// From sending to the first event.
    pub first_event: Option<Duration>,
    /// Between two events.
    pub idle: Option<Duration>,
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
    /// The gateway, where the request has none and goes on with a conversation.
    Conversations,
}

impl Cache {
    pub(in crate::config) fn read(node: &Node) -> Result<Self, Problem> {
        let words =
            [("explicit", Self::Explicit), ("auto", Self::Auto), ("conversations", Self::Conversations)];
        scalar::choice(node, &words)
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

/// What an entry may say of each of its targets, and of all of them beside their list.
const TARGET_KEYS: [&str; 9] = [
    "region",
    "account",
    "concurrency",
    "family",
    "format",
    "max_tokens",
    "guardrail",
    "profile",
    "capabilities",
];
/// What it may say of itself.
const ENTRY_KEYS: [&str; 7] = ["target", "targets", "sticky", "strict", "cache", "timeout", "successor"];

/// Most targets of one entry. A call tries fewer.
const MOST_TARGETS: usize = 16;

/// What an entry is judged by, beside itself.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    /// Bedrock is asked what is behind an ARN, so config needn't say.
    pub(super) asked: bool,
    /// The accounts, if they could be read.
    pub(super) accounts: Option<&'a BTreeMap<String, Account>>,
}

/// Reads an entry.
pub(super) fn read(section: &mut Section<'_>, name: &str, known: Known<'_>) -> Option<ModelEntry> {
    if let Value::Text(_) = section.node().value {
        let target = section.read_here(model_id).map(TargetEntry::of)?;
        return is_clear(section, &target, known).then(|| ModelEntry::of(target));
    }
    if !section.node().is_map() {
        section.fail_here(scalar::wrong_type(section.node(), "a model id or a map of keys"));
        return None;
    }
    section.only(&[&ENTRY_KEYS[..], &TARGET_KEYS[..]].concat(), &[]);
    let single = section.optional("target", model_id);
    let general = TargetEntry::read(section, TargetEntry::of(String::new()), known);
    let has_list = section.node().find("targets").is_some_and(|list| !list.is_null());
    let targets = if has_list {
        if matches!(single, Some(Some(_))) {
            section.fail("target", Problem::TargetAndTargets);
        }
        general.and_then(|general| read_targets(section, &general, known))
    } else {
        match (single, general) {
            (Some(None), _) if !is_model_id(name) => {
                section.fail_here(Problem::NoTarget);
                None
            }
            (Some(target), Some(general)) => {
                let target = TargetEntry { target: target.unwrap_or_else(|| name.to_owned()), ..general };
                is_clear(section, &target, known).then(|| vec![target])
            }
            (_, _) => None,
        }
    };
    let sticky = section.optional("sticky", scalar::boolean);
    let strict = section.optional("strict", scalar::boolean);
    let cache = section.optional("cache", Cache::read);
    let timeout = EntryTimeout::read(section);
    let successor = section.optional("successor", scalar::text);
    Some(ModelEntry {
        targets: targets?,
        sticky: sticky?.unwrap_or(true),
        strict: strict?,
        cache: cache?,
        timeout: timeout?,
        successor: successor?,
    })
}

fn read_targets(
    section: &mut Section<'_>,
    general: &TargetEntry,
    known: Known<'_>,
) -> Option<Vec<TargetEntry>> {
    let targets = section.list("targets", |item| {
        if let Value::Text(_) = item.node().value {
            let target = item.read_here(model_id)?;
            let target = TargetEntry { target, ..general.clone() };
            return is_clear(item, &target, known).then_some(target);
        }
        if !item.is_map() {
            return None;
        }
        item.only(&[&["target", "weight"], &TARGET_KEYS[..]].concat(), &[]);
        let model = item.read("target", model_id);
        let weight = item.optional("weight", scalar::count);
        let target = TargetEntry::read(item, general.clone(), known);
        let target = TargetEntry { target: model?, weight: weight?, ..target? };
        is_clear(item, &target, known).then_some(target)
    })?;
    if targets.is_empty() || targets.len() > MOST_TARGETS {
        section.fail("targets", Problem::TargetCount(MOST_TARGETS));
        return None;
    }
    Some(targets)
}

impl ModelEntry {
    fn of(target: TargetEntry) -> Self {
        Self {
            targets: vec![target],
            sticky: true,
            strict: None,
            cache: None,
            timeout: EntryTimeout::default(),
            successor: None,
        }
    }
}

impl TargetEntry {
    fn of(target: String) -> Self {
        Self {
            target,
            region: None,
            account: None,
            weight: None,
            concurrency: None,
            family: None,
            format: None,
            max_tokens: None,
            guardrail: None,
            profile: None,
            capabilities: Capabilities::default(),
        }
    }

    /// What a map says; where it says nothing, `general` does.
    fn read(section: &mut Section<'_>, general: Self, known: Known<'_>) -> Option<Self> {
        let region = section.optional("region", scalar::region);
        let account = section.optional("account", |node| account(node, known));
        let concurrency = section.optional("concurrency", scalar::count);
        let family = section.optional("family", family);
        let format = section.optional("format", |node| {
            scalar::choice(node, &[("native", ModelFormat::Native), ("converse", ModelFormat::Converse)])
        });
        let max_tokens = section.optional("max_tokens", scalar::count);
        let guardrail = section.optional("guardrail", Guardrail::read);
        let profile = section.optional("profile", profile_rule);
        let capabilities = read_capabilities(section);
        Some(Self {
            target: general.target,
            weight: general.weight,
            region: region?.or(general.region),
            account: account?.or(general.account),
            concurrency: concurrency?.or(general.concurrency),
            family: family?.or(general.family),
            format: format?.or(general.format),
            max_tokens: max_tokens?.or(general.max_tokens),
            guardrail: guardrail?.or(general.guardrail),
            profile: profile?.or(general.profile),
            capabilities: capabilities?.unwrap_or(general.capabilities),
        })
    }
}

impl EntryTimeout {
    fn read(section: &mut Section<'_>) -> Option<Self> {
        const KEY: &str = "timeout";
        let Some(node) = section.node().find(KEY).filter(|node| !node.is_null()) else {
            return Some(Self::default());
        };
        if !node.is_map() {
            let total = section.read(KEY, scalar::positive_seconds);
            return Some(Self { total: Some(total?), ..Self::default() });
        }
        let mut section = section.section(KEY);
        section.only(&["total", "first_event", "idle"], &[]);
        let mut limit = |key| section.optional(key, scalar::positive_seconds);
        let (total, first_event, idle) = (limit("total"), limit("first_event"), limit("idle"));
        Some(Self { total: total?, first_event: first_event?, idle: idle? })
    }
}

/// The word for a profile rule.
pub(super) fn profile_rule(node: &Node) -> Result<ProfileRule, Problem> {
    let words = [("geo", ProfileRule::Geo), ("global", ProfileRule::Global), ("off", ProfileRule::Off)];
    scalar::choice(node, &words)
}

#[expect(clippy::option_option, reason = "outside: was it readable; inside: was it set")]
fn read_capabilities(section: &mut Section<'_>) -> Option<Option<Capabilities>> {
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
        return Some(None);
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
    Some(Some(Capabilities {
        system: system?,
        tools: tools?,
        tools_while_streaming: tools_while_streaming?,
        images: images?,
        documents: documents?,
        json_schema: json_schema?,
        prefill: prefill?,
        sampling: sampling?,
        max_output_tokens: max_output_tokens?,
    }))
}

/// Whether it is known how to talk to the target; records the mistake if not.
fn is_clear(section: &mut Section<'_>, target: &TargetEntry, known: Known<'_>) -> bool {
    // It is asked in the account of `aws`, which knows nothing of another's ARNs.
    let clear =
        known.asked && target.account.is_none() || target.family.is_some() || !is_opaque_arn(&target.target);
    if !clear {
        section.fail("target", Problem::OpaqueArn(target.target.clone()));
    }
    clear
}

fn account(node: &Node, known: Known<'_>) -> Result<String, Problem> {
    let name = scalar::text(node)?;
    if known.accounts.is_some_and(|accounts| !accounts.contains_key(&name)) {
        return Err(Problem::UnknownAccount(name));
    }
    Ok(name)
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
