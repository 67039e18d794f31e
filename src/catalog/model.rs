//! The facts about one model, as typed data. Absent means unknown, never zero and never "no".

use serde::Deserialize;

/// One Bedrock foundation model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The foundation-model id, without a geo prefix: `anthropic.claude-…-v1:0`.
    pub id: &'static str,
    /// The vendor, in lower case: `anthropic`, `amazon`, `meta` …
    pub provider: &'static str,
    /// Which models behave alike: `claude`, `nova`, `titan-embed` …
    pub family: &'static str,
    /// What the model is for.
    pub mode: Mode,
    /// Tokens that prompt and answer may fill together.
    pub context_window: Option<u32>,
    /// Tokens that one answer may have.
    pub max_output_tokens: Option<u32>,
    /// The shortest prompt prefix, in tokens, that a cache checkpoint keeps.
    pub prompt_cache_min_tokens: Option<u32>,
    /// What it can do through Converse.
    pub capabilities: Capabilities,
    /// The Bedrock APIs that serve it; empty for those reached by none of them (bidirectional speech).
    pub apis: Vec<Api>,
    /// Vector sizes; embedding models only.
    pub embedding: Option<Embedding>,
    /// On-demand prices of the foundation-model id.
    pub price: Price,
    /// The cross-Region inference profiles known for it.
    #[serde(default)]
    pub profiles: Vec<Profile>,
    /// Its own id can't be called, in no Region: it is sold through the profiles only. Set where a source quotes
    /// Bedrock's own answer; false where that isn't known, because Bedrock will say.
    #[serde(default)]
    pub profile_only: bool,
    /// Whether AWS still serves it.
    pub lifecycle: Lifecycle,
}

impl Model {
    /// Whether other endpoints of AWS serve it, and Bedrock's own operations don't, as far as was known.
    pub fn is_elsewhere(&self) -> bool {
        !self.apis.is_empty() && self.apis.iter().all(|api| *api == Api::OpenAi)
    }

    /// The prices that apply when the model is called by this id: the profile's where it lists any, else the model's.
    pub fn price_for(&self, id_or_profile: &str) -> Price {
        let id = id_or_profile.rsplit('/').next().unwrap_or(id_or_profile);
        let profile = self.profiles.iter().find(|profile| profile.id == id);
        match profile.and_then(|profile| profile.price.as_ref()) {
            Some(price) => price.or(&self.price),
            None => self.price.clone(),
        }
    }
}

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Text (and perhaps pictures) in, text out.
    Chat,
    /// Text or pictures in, a vector out.
    Embedding,
    /// Pictures out.
    Image,
    /// Bidirectional speech.
    Realtime,
    /// Documents in, an order out.
    Rerank,
}

impl Mode {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Embedding => "embedding",
            Self::Image => "image",
            Self::Realtime => "realtime",
            Self::Rerank => "rerank",
        }
    }
}

/// A Bedrock API that serves a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// Converse and `ConverseStream`.
    Converse,
    /// `InvokeModel` and `InvokeModelWithResponseStream`.
    InvokeModel,
    /// AWS's own OpenAI-compatible endpoint.
    #[serde(rename = "openai")]
    OpenAi,
}

/// What a model can do through Converse; `None` where sources are silent or disagree.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capabilities {
    /// It can stream.
    pub streaming: bool,
    /// It takes a system prompt.
    pub system: Option<bool>,
    /// It can call tools.
    pub tools: Option<bool>,
    /// It can call tools in a stream.
    pub tools_while_streaming: Option<bool>,
    /// It can be made to call a tool (`toolChoice` of `any` or `tool`).
    pub forced_tool_choice: Option<bool>,
    /// It takes pictures.
    pub vision: Option<bool>,
    /// It takes documents.
    pub documents: Option<bool>,
    /// It can show reasoning.
    pub reasoning: Option<bool>,
    /// It takes explicit cache checkpoints.
    pub prompt_caching: Option<bool>,
    /// It can hold to a JSON schema.
    pub json_schema: Option<bool>,
    /// It takes `temperature` and `top_p`.
    pub sampling_params: Option<bool>,
    /// The conversation may end with the beginning of the assistant's answer.
    pub assistant_prefill: Option<bool>,
}

/// The vectors of an embedding model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embedding {
    /// The sizes to choose from.
    pub dimensions: Option<Vec<u32>>,
    /// The size when none is asked for.
    pub default_dimensions: u32,
    /// Inputs that one call may carry.
    pub max_batch: u32,
}

/// On-demand prices in USD: per single token unless the name says otherwise.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Prompt tokens.
    pub input: Option<f64>,
    /// Answer tokens.
    pub output: Option<f64>,
    /// Prompt tokens read from the cache.
    pub cache_read: Option<f64>,
    /// Prompt tokens written to the cache for five minutes.
    pub cache_write_5m: Option<f64>,
    /// Prompt tokens written to the cache for an hour.
    pub cache_write_1h: Option<f64>,
    /// Prompt tokens in batch inference.
    pub input_batch: Option<f64>,
    /// Answer tokens in batch inference.
    pub output_batch: Option<f64>,
    /// Prompt tokens in the priority tier.
    pub input_priority: Option<f64>,
    /// Answer tokens in the priority tier.
    pub output_priority: Option<f64>,
    /// Prompt tokens in the flex tier.
    pub input_flex: Option<f64>,
    /// Answer tokens in the flex tier.
    pub output_flex: Option<f64>,
    /// Prompt tokens of a request whose prompt exceeds 200,000 tokens.
    pub input_above_200k: Option<f64>,
    /// Answer tokens of a request whose prompt exceeds 200,000 tokens.
    pub output_above_200k: Option<f64>,
    /// Each picture made.
    pub per_image: Option<f64>,
    /// Each query.
    pub per_query: Option<f64>,
}

impl Price {
    fn or(&self, base: &Self) -> Self {
        Self {
            input: self.input.or(base.input),
            output: self.output.or(base.output),
            cache_read: self.cache_read.or(base.cache_read),
            cache_write_5m: self.cache_write_5m.or(base.cache_write_5m),
            cache_write_1h: self.cache_write_1h.or(base.cache_write_1h),
            input_batch: self.input_batch.or(base.input_batch),
            output_batch: self.output_batch.or(base.output_batch),
            input_priority: self.input_priority.or(base.input_priority),
            output_priority: self.output_priority.or(base.output_priority),
            input_flex: self.input_flex.or(base.input_flex),
            output_flex: self.output_flex.or(base.output_flex),
            input_above_200k: self.input_above_200k.or(base.input_above_200k),
            output_above_200k: self.output_above_200k.or(base.output_above_200k),
            per_image: self.per_image.or(base.per_image),
            per_query: self.per_query.or(base.per_query),
        }
    }
}

/// A cross-Region inference profile of a model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its id: the model's with a geo prefix.
    pub id: &'static str,
    /// The prices that differ from the model's own; see [`Model::price_for`].
    pub price: Option<Price>,
}

/// Whether AWS still serves a model. It differs by Region: this is the general state.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lifecycle {
    /// The state when the facts were collected.
    pub status: Status,
    /// The day requests stop (or stopped) working, `YYYY-MM-DD`.
    pub eol: Option<&'static str>,
    /// AWS promises service at least until this day, `YYYY-MM-DD`.
    pub eol_no_sooner_than: Option<&'static str>,
}

impl Lifecycle {
    /// Where the model was in its life when the facts were collected. Requests to a retired one failed by then, or could
    /// no longer be counted on.
    pub fn stage(&self) -> Stage {
        match self.status {
            Status::Eol | Status::LegacyOrEol => Stage::Retired,
            Status::Active | Status::ActiveAssumed => Stage::Active,
            Status::Legacy => Stage::Legacy,
        }
    }
}

/// Where a model is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Served.
    Active,
    /// Served, but its end is announced.
    Legacy,
    /// Requests fail.
    Retired,
}

impl Stage {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Legacy => "legacy",
            Self::Retired => "retired",
        }
    }
}

/// A model's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Its model card says so.
    Active,
    /// Nothing is known against it.
    ActiveAssumed,
    /// AWS has announced the end.
    Legacy,
    /// Closed to accounts that haven't used it lately, or gone altogether: the exact day is unverified.
    LegacyOrEol,
    /// Requests fail.
    Eol,
}
