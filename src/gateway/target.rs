//! Where calls go: a target, and the route of targets that a name stands for.

use std::sync::Arc;
use std::time::Duration;

use super::Deadlines;
use super::profile::ProfileChoice;
use crate::bedrock::{ModelId, Transport};
use crate::catalog::{Mode, Stage};
use crate::chat::{Action, CacheMode, Guardrail, Notes};
use crate::families::{EmbedFamily, Family, FormatKind, Overrides};

/// Where a call goes.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a decision of its own")]
pub struct Target {
    /// The model, profile or ARN that was meant.
    pub model: ModelId,
    /// The profile that is called instead: the model is sold so only.
    pub profile: Option<ModelId>,
    /// The foundation model behind it, which says what it can do; itself where nobody knows.
    pub base: ModelId,
    /// The region, if it isn't the default one.
    pub region: Option<String>,
    /// The account that is called, if it isn't the base one.
    pub account: Option<String>,
    /// The way there.
    pub transport: Arc<dyn Transport>,
    /// What its vendor's models accept.
    pub family: &'static dyn Family,
    /// What its vendor's embedding models accept, if it is one of them.
    pub embeddings: Option<&'static dyn EmbedFamily>,
    /// A format that config forces.
    pub format: Option<FormatKind>,
    /// What config knows better than the family.
    pub overrides: Overrides,
    /// What it is for, where known.
    pub mode: Option<Mode>,
    /// Where it is in its life, where known.
    pub stage: Option<Stage>,
    /// What to say about the model with each answer.
    pub remarks: Vec<(Action, &'static str)>,
    /// Refuse what would be noted.
    pub strict: bool,
    /// Who places cache points, where a request doesn't say.
    pub cache: CacheMode,
    /// The guardrail that its operator puts before it. A client's own has no say beside it.
    pub guardrail: Option<Guardrail>,
    /// Its share of its name's calls; `None`: those that others have failed at.
    pub weight: Option<u32>,
    /// Most calls of it at once.
    pub concurrency: Option<usize>,
    /// It stands in the configuration, the catalogue or Bedrock's listing, so its name may be a metric's label.
    pub listed: bool,
    /// Through which profile it is called, where Bedrock refuses its bare id.
    pub(super) profiles: ProfileChoice,
    /// It hides its model, and nothing else says what that is.
    pub(super) guessed: bool,
    /// Besides, nothing tells how to talk to it.
    pub(super) unclear: bool,
}

impl Target {
    /// The name under which it is counted: a client's own word never is one.
    pub fn label(&self) -> &str {
        if self.listed { self.model.as_str() } else { "other" }
    }

    /// What has to be said about the model with each answer.
    pub(super) fn remark(&self, notes: &mut Notes) {
        for (action, reason) in &self.remarks {
            notes.add("model", *action, reason);
        }
    }

    /// It hides its model, and nothing tells how to talk to it.
    pub(super) fn is_unclear(&self) -> bool {
        self.unclear
    }

    /// What is called.
    pub fn called(&self) -> &ModelId {
        self.profile.as_ref().unwrap_or(&self.model)
    }
}

/// Where the calls of a name go: the targets that may answer them.
#[derive(Clone)]
pub struct Route {
    /// In the order of the list they come from. Never empty.
    pub targets: Vec<Target>,
    /// Calls that begin alike go to the same of those that share them.
    pub sticky: bool,
    /// What the name's calls may take.
    pub timeouts: Timeouts,
}

impl Route {
    /// The first of the list.
    pub(super) fn first(&self) -> &Target {
        #[expect(clippy::indexing_slicing, reason = "never empty: `Routes` makes no other")]
        &self.targets[0]
    }

    /// Whether several targets share the calls.
    pub(super) fn is_shared(&self) -> bool {
        self.targets.iter().filter(|target| target.weight.is_some()).count() > 1
    }
}

/// What a name's calls may take, where config says so.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timeouts {
    /// From the call's beginning to its end.
    pub total: Option<Duration>,
    /// To a stream's first event.
    pub first_event: Option<Duration>,
    /// Between two events.
    pub idle: Option<Duration>,
}

impl Timeouts {
    /// What is said here goes before what holds for all.
    pub(super) fn over(self, general: Deadlines) -> Deadlines {
        Deadlines {
            total: self.total.unwrap_or(general.total),
            first_event: self.first_event.unwrap_or(general.first_event),
            idle: self.idle.unwrap_or(general.idle),
        }
    }
}
