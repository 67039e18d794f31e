//! Aliases and what is known only to the operator about a model; how a name becomes a call; what `/v1/models` shows.

mod entry;
mod id;
mod list;

use std::collections::BTreeMap;
use std::time::Duration;

pub use entry::{
    Cache, Capabilities, EntryTimeout, Guardrail, ModelEntry, ModelFormat, ProfileRule, SamplingRule,
    TargetEntry,
};
pub use list::{Glob, ModelList};

use super::accounts::Account;
use super::error::Problem;
use super::scalar;
use super::section::{Section, Sourced};
use super::tree::Node;
use id::{is_model_id, is_opaque_arn, model_id};

/// The models an operator named, how any name becomes a call, and the list that clients see.
#[derive(Debug, Clone)]
pub struct Models {
    /// By what a client sends: an alias, or a model id or ARN that is configured under its own name.
    pub entries: BTreeMap<String, ModelEntry>,
    /// Through which profile a bare id is called that is sold through profiles only.
    pub profile: ProfileRule,
    /// What is called instead of a model at the end of its life: a name, by the model's id.
    pub successors: BTreeMap<String, String>,
    /// Note it with each answer of a model whose end AWS has announced.
    pub warn_legacy: bool,
    /// How Bedrock is asked for models and profiles.
    pub live: Live,
    /// Which ARNs clients may name.
    pub arn: Arns,
    /// What `/v1/models` shows.
    pub list: ModelList,
}

/// How Bedrock is asked for models and profiles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// Time between two listings, about; `None` asks nothing.
    pub interval: Option<Duration>,
    /// Longest that a request waits for what is behind its ARN, where it can't be served without.
    pub lookup_wait: Duration,
}

/// Which ARNs clients may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arns {
    /// Of these Regions; `None`: `aws.region`, and those of the models' entries.
    pub regions: Option<Vec<String>>,
    /// Of these accounts; `None`: of any.
    pub accounts: Option<Vec<String>>,
}

/// Keys of `models` that aren't a model's name.
pub(super) const SETTINGS: [&str; 6] = ["profile", "successors", "warn_legacy", "live", "arn", "list"];

impl Models {
    /// `accounts`: those that entries may name, if they could be read.
    pub(super) fn read(
        mut section: Section<'_>,
        accounts: Option<&BTreeMap<String, Account>>,
    ) -> Option<Self> {
        let profile = section.read("profile", entry::profile_rule);
        let successors = read_successors(section.section("successors"));
        let warn_legacy = section.read("warn_legacy", scalar::boolean);
        let live = Live::read(section.section("live"));
        let arn = Arns::read(section.section("arn"));
        let list = list::read(section.section("list"));
        let asked = live.as_ref().is_none_or(|live| live.interval.is_some());
        let known = entry::Known { asked, accounts };
        let named = section.node().entries();
        let mut entries = BTreeMap::new();
        let mut complete = true;
        for entry in named.iter().filter(|entry| !SETTINGS.contains(&entry.key.as_str())) {
            match entry::read(&mut section.entry(entry), &entry.key, known) {
                Some(model) => {
                    let is_alias =
                        |target: &str| named.iter().any(|other| other.key == target) && !is_model_id(target);
                    match model.targets.iter().find(|target| is_alias(&target.target)) {
                        Some(alias) => {
                            let problem = Problem::AliasOfAlias(alias.target.clone());
                            let key = if model.targets.len() > 1 { "targets" } else { "target" };
                            section.entry(entry).fail(key, problem);
                            complete = false;
                        }
                        None => drop(entries.insert(entry.key.clone(), model)),
                    }
                }
                None => complete = false,
            }
        }
        Some(Self {
            entries,
            profile: profile?,
            successors: successors?,
            warn_legacy: warn_legacy?,
            live: live?,
            arn: arn?,
            list: list?,
        })
        .filter(|_| complete)
    }
}

/// The model for requests that name none: one of `models`, or an id. Reads from the root.
pub(super) fn read_default(root: &mut Section<'_>, models: Option<&Models>) -> Option<Sourced<String>> {
    const KEY: &str = "default_model";
    let origin = root.origin(KEY);
    let value = root.read(KEY, scalar::text)?;
    let is_named = root
        .node()
        .find("models")
        .is_some_and(|models| !SETTINGS.contains(&value.as_str()) && models.find(&value).is_some());
    if !is_named {
        root.read(KEY, model_id)?;
        let asked = models.is_none_or(|models| models.live.interval.is_some());
        if !asked && is_opaque_arn(&value) {
            root.fail(KEY, Problem::OpaqueDefault(value));
            return None;
        }
    }
    Some(Sourced { value, origin })
}

impl Live {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let interval = section.read("interval", scalar::seconds_or_off);
        let lookup_wait = section.read("lookup_wait", scalar::seconds);
        Some(Self { interval: interval?, lookup_wait: lookup_wait? })
    }
}

impl Arns {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let regions = section.optional("regions", |node| node.items()?.iter().map(scalar::region).collect());
        let accounts = section.optional("accounts", |node| node.items()?.iter().map(account).collect());
        Some(Self { regions: regions?, accounts: accounts? })
    }
}

fn account(node: &Node) -> Result<String, Problem> {
    let text = scalar::text(node)?;
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text)
    } else {
        Err(scalar::invalid(&text, "an AWS account: twelve digits"))
    }
}

fn read_successors(mut section: Section<'_>) -> Option<BTreeMap<String, String>> {
    if !section.is_map() {
        return None;
    }
    let mut successors = BTreeMap::new();
    let mut complete = true;
    for entry in section.node().entries() {
        let mut successor = section.entry(entry);
        if !is_model_id(&entry.key) {
            successor.fail_here(scalar::invalid(
                &entry.key,
                "a model's id; an alias has a `successor` of its own",
            ));
            complete = false;
        }
        match successor.read_here(scalar::text) {
            Some(name) => drop(successors.insert(entry.key.clone(), name)),
            None => complete = false,
        }
    }
    complete.then_some(successors)
}
