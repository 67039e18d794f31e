//! What the simulator knows about each model: one row a model, one constant a class of models.
//!
//! These facts are written down a second time on purpose: the gateway has its own table, and a mistake copied
//! from one place into both would never be seen. Sources: AWS model cards, the botocore service model, recorded
//! traffic and the live-tested tables of other clients, as of November 2026.

mod cache;
mod classes;
mod effort;
mod table;

use table::MODELS;

/// A foundation model.
#[derive(Debug)]
pub(super) struct Model {
    /// The foundation model id.
    pub(super) id: &'static str,
    /// What its class accepts.
    pub(super) facts: &'static Facts,
    /// The most output tokens it may be asked for.
    pub(super) max_tokens: u64,
    /// Whether its bare id can be invoked.
    pub(super) on_demand: bool,
    /// Where it is in its life.
    pub(super) life: Life,
    /// Geo prefixes of its inference profiles, separated by spaces.
    pub(super) profiles: &'static str,
}

/// Where a model is in its life on Bedrock's own operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Active,
    /// Its provider has announced the end.
    Legacy,
    /// It is over.
    Retired,
    /// It never began: AWS's other endpoints serve it, under this id.
    Elsewhere,
}

/// What the models of one class accept.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) format: Format,
    pub(super) can: Abilities,
    pub(super) stop: Stop,
    pub(super) sampling: Sampling,
    pub(super) thinking: Thinking,
    pub(super) fields: Fields,
    pub(super) min_tokens: u64,
}

/// The body that `InvokeModel` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Claude,
    /// The text completions of Claude 2.
    ClaudeText,
    Llama,
    Titan,
    Nova,
    /// A prompt, or a chat where the body has `messages`.
    MistralPrompt,
    MistralChat,
    CohereChat,
    CohereCommand,
    Jamba,
    DeepSeekPrompt,
    /// `OpenAI`'s Chat Completions.
    Chat,
    TitanEmbed,
    CohereEmbed,
    NovaEmbed,
    /// A format of its own that the simulator doesn't speak: Converse only.
    Foreign,
}

impl Format {
    pub(super) fn embeds(self) -> bool {
        matches!(self, Self::TitanEmbed | Self::CohereEmbed | Self::NovaEmbed)
    }
}

/// What a class of models can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Can {
    System,
    /// System text in the middle of a conversation.
    SystemTurns,
    Tools,
    /// Tools in `ConverseStream` as well.
    StreamTools,
    ForceAny,
    ForceTool,
    Images,
    Documents,
    Video,
    Audio,
    /// Media that lie in S3.
    S3,
    CachePoints,
    /// Cache points that last an hour.
    CacheHour,
    /// Tool results and other content in one turn.
    MixResults,
    /// Pictures and such in a tool result.
    ResultMedia,
    /// A `status` in a tool result.
    ResultStatus,
    /// A conversation that the assistant begins.
    AssistantFirst,
    /// A conversation that the assistant ends.
    Prefill,
    JsonSchema,
    /// Tools whose schema binds.
    Strict,
    /// Reasoning blocks in the history.
    Reasoning,
    Citations,
}

/// A set of [`Can`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Abilities(u32);

impl Abilities {
    const NONE: Self = Self(0);

    const fn with(self, more: &[Can]) -> Self {
        match more.split_first() {
            Some((first, rest)) => Self(self.0 | 1 << *first as u32).with(rest),
            None => self,
        }
    }

    const fn without(self, fewer: &[Can]) -> Self {
        Self(self.0 & !Self::NONE.with(fewer).0)
    }

    const fn has(self, what: Can) -> bool {
        self.0 & 1 << what as u32 != 0
    }
}

/// What `additionalModelRequestFields` may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fields {
    Nothing,
    /// These, word for word.
    Only(&'static [&'static str]),
    /// What Claude's own body has beyond Converse.
    Claude,
    /// `inferenceConfig.topK`.
    Nova,
    /// The same, and `reasoningConfig`.
    NovaReasoning,
    /// What `OpenAI`'s body has beyond Converse.
    Chat,
    /// The same, and `reasoning_effort`, one of these.
    Effort(&'static [&'static str]),
    /// The same, and Qwen's `reasoning_config`.
    Config(&'static [&'static str]),
    /// `reasoning.effort`.
    Reasoning(&'static [&'static str]),
}

/// Which stop sequences are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Any,
    /// Runs of vertical bars, or `User:`.
    Bars,
    Refused,
}

/// Which sampling parameters are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sampling {
    Any,
    /// Temperature or `top_p`, not both.
    OneOf,
    Refused,
}

/// Which forms of Claude's `thinking` are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thinking {
    None,
    Budget,
    BudgetOrAdaptive,
    Adaptive,
    /// Adaptive, and can't be disabled.
    Always,
    /// Adaptive; "off" is spelled `between_tools`.
    BetweenTools,
}

impl Model {
    pub(super) fn can(&self, what: Can) -> bool {
        self.facts.can.has(what)
    }

    /// `anthropic` in `anthropic.claude-…`.
    pub(super) fn provider(&self) -> &'static str {
        self.id.split('.').next().unwrap_or(self.id)
    }

    /// The name that Claude replies carry: `claude-sonnet-4-5-20250929`, without provider and version.
    pub(super) fn short_name(&self) -> &'static str {
        let name = self.id.split_once('.').map_or(self.id, |(_, name)| name);
        name.rsplit_once("-v").map_or(name, |(name, _)| name)
    }

    pub(super) fn profile_prefixes(&self) -> impl Iterator<Item = &'static str> {
        self.profiles.split_ascii_whitespace()
    }
}

/// Models that Converse refuses their own limit to: it has to be lower, as the refusal says. (Public reports of 2026.)
const WITHOUT_THEIR_LIMIT: [&str; 2] = ["zai.glm-4.7", "anthropic.claude-haiku-4-5-20251001-v1:0"];

impl Model {
    /// Is the limit of tokens the first number that is refused?
    pub(super) fn excludes_its_limit(&self) -> bool {
        WITHOUT_THEIR_LIMIT.contains(&self.id)
    }
}

/// How a model id led to a model.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) model: &'static Model,
    /// Whether it named an inference profile rather than the foundation model itself.
    pub(super) profile: bool,
}

/// All models, in the order of their ids.
pub(super) fn all() -> &'static [Model] {
    MODELS
}

/// The model behind a foundation model id, an inference profile id, or an ARN ending in one of them.
pub(super) fn find(id: &str) -> Option<Named> {
    let id = if id.starts_with("arn:") { id.rsplit_once('/')?.1 } else { id };
    if let Some(model) = MODELS.iter().find(|model| model.id == id) {
        return Some(Named { model, profile: false });
    }
    let (prefix, rest) = id.split_once('.')?;
    let model = MODELS.iter().find(|model| model.id == rest)?;
    model.profile_prefixes().any(|known| known == prefix).then_some(Named { model, profile: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_found_by_id_profile_and_arn() {
        for (id, profile) in [
            ("anthropic.claude-3-haiku-20240307-v1:0", false),
            ("us.anthropic.claude-3-haiku-20240307-v1:0", true),
            ("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0", false),
            ("arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-3-haiku-20240307-v1:0", true),
        ] {
            let named = find(id).unwrap();
            assert_eq!(named.model.short_name(), "claude-3-haiku-20240307");
            assert_eq!(named.profile, profile, "{id}");
        }
    }

    #[test]
    fn a_profile_that_does_not_exist_is_not_found() {
        assert!(find("jp.anthropic.claude-3-haiku-20240307-v1:0").is_none());
        assert!(find("anthropic.claude-99").is_none());
        assert!(find("").is_none());
    }

    #[test]
    fn ids_are_unique_and_only_models_with_profiles_need_one() {
        for (index, model) in MODELS.iter().enumerate() {
            assert!(MODELS.iter().skip(index + 1).all(|other| other.id != model.id), "{}", model.id);
            assert!(model.on_demand || !model.profiles.is_empty(), "{}", model.id);
        }
    }
}
