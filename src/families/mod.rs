//! WHAT A VENDOR'S MODELS ACCEPT: one file for each family, mostly data.
//!
//! A family knows which ids are its own, what each of its generations can do, and which format to speak.
//! [`prepare`] bends a request to that, the same way for all of them, with a note for each thing it bends.
//! No family names another. A new one is a file here, a line in [`FAMILIES`] and its rows in the tests.

mod ai21;
mod anthropic;
mod capabilities;
mod claude_text;
mod cohere;
mod cohere_embed;
mod deepseek;
mod embedding;
mod gemma;
mod generic;
mod glm;
mod gpt_oss;
mod grok;
mod kimi;
mod lessons;
mod llama;
mod minimax;
mod mistral;
mod nemotron;
mod nova;
mod nova_embed;
mod openai_gpt;
mod palmyra;
mod prepare;
mod qwen;
mod thinking;
mod titan;
mod titan_embed;

pub use capabilities::{
    CacheSupport, Capabilities, Overrides, Replay, Sampling, SingleCall, StopSupport, ToolSchemas, TopK,
};
pub use embedding::{EmbedFamily, PreparedEmbeddings, embedding_facts, most_texts, prepare_embeddings};
pub use lessons::{Lessons, Risks};
pub use prepare::{ModelLimits, Prepared, StreamingMode, Terms, chat_format, prepare, replay};
pub use thinking::{Budget, Control, Member, Off, Thinking, Words};

use crate::bedrock::ModelId;
use crate::chat::Request;
use crate::formats::ChatFormat;

/// A vendor's models.
pub trait Family: Sync {
    /// As config names it: `anthropic`, `llama`, `titan` …
    fn name(&self) -> &'static str;

    /// Is the model one of them? At most one family claims an id; unclaimed ones are `generic`.
    fn claims(&self, model: &ModelId) -> bool;

    /// What the model can do, spoken to in this format.
    fn capabilities(&self, model: &ModelId, format: FormatKind) -> Capabilities;

    /// The family's own body for this model, if one is written here.
    fn native(&self, _model: &ModelId) -> Option<&'static dyn ChatFormat> {
        None
    }

    /// The format for this request if config forces none. [`FormatKind::Native`] only if there is one.
    fn preferred(&self, _model: &ModelId, _request: &Request) -> FormatKind {
        FormatKind::Converse
    }
}

/// Which of a family's formats to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormatKind {
    /// The family's own body over InvokeModel.
    Native,
    /// Converse.
    Converse,
}

/// Every family that claims ids. The order says nothing: no two claim the same.
pub static FAMILIES: &[&dyn Family] = &[
    &ai21::Ai21,
    &anthropic::Anthropic,
    &cohere::Cohere,
    &deepseek::DeepSeek,
    &gemma::Gemma,
    &glm::Glm,
    &gpt_oss::GptOss,
    &grok::Grok,
    &kimi::Kimi,
    &llama::Llama,
    &minimax::MiniMax,
    &mistral::Mistral,
    &nemotron::Nemotron,
    &nova::Nova,
    &openai_gpt::OpenAiGpt,
    &palmyra::Palmyra,
    &qwen::Qwen,
    &titan::Titan,
];

/// Every family of embedding models. None is generic: a body that nobody knows can't be written.
pub static EMBED_FAMILIES: &[&dyn EmbedFamily] =
    &[&cohere_embed::CohereEmbed, &nova_embed::NovaEmbed, &titan_embed::TitanEmbed];

/// Families that claim no ids: config has to name them.
static NAMED_ONLY: &[&dyn Family] = &[&claude_text::ClaudeText, &generic::Generic];

/// The family that config names, [`NAMED_ONLY`] ones included.
pub fn named(name: &str) -> Option<&'static dyn Family> {
    FAMILIES.iter().chain(NAMED_ONLY).copied().find(|family| family.name() == name)
}

/// The family of embedding models that config names.
pub fn embeddings_named(name: &str) -> Option<&'static dyn EmbedFamily> {
    EMBED_FAMILIES.iter().copied().find(|family| family.name() == name)
}

/// Every name that config may use.
pub fn names() -> impl Iterator<Item = &'static str> {
    let chats = FAMILIES.iter().chain(NAMED_ONLY).map(|family| family.name());
    chats.chain(EMBED_FAMILIES.iter().map(|family| family.name()))
}

/// The model's family: the configured one (ids that hide their model need it), else the one that claims the
/// id, else `generic`. Config refuses names that [`named`] doesn't know; here they count as none.
pub fn resolve(model: &ModelId, configured: Option<&str>) -> &'static dyn Family {
    configured
        .and_then(named)
        .or_else(|| FAMILIES.iter().copied().find(|family| family.claims(model)))
        .unwrap_or(&generic::Generic)
}

/// The model's family if it makes vectors: the configured one, else the one that claims the id. A model that config puts
/// into a family of chat models makes none.
pub fn resolve_embeddings(model: &ModelId, configured: Option<&str>) -> Option<&'static dyn EmbedFamily> {
    match configured {
        Some(name) => embeddings_named(name),
        None => EMBED_FAMILIES.iter().copied().find(|family| family.claims(model)),
    }
}

/// Can config force [`FormatKind::Native`] for the model?
pub fn supports_native(family: &dyn Family, model: &ModelId) -> bool {
    family.native(model).is_some()
}

#[cfg(test)]
mod tests;
