//! What these models answer. Everything may be absent: servers differ.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::chat::Text;
use crate::formats::scalar::{Count, text};

/// A whole reply, or a chunk.
#[derive(Deserialize)]
pub(super) struct Answer<'a> {
    #[serde(borrow, default)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
    #[serde(default)]
    pub(super) usage: Option<Usage>,
    /// A word, or an object with one.
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(default)]
    pub(super) index: Option<Count>,
    /// Of a whole reply, and of the chunks of some models.
    #[serde(borrow, default)]
    pub(super) message: Option<Said<'a>>,
    #[serde(borrow, default)]
    pub(super) delta: Option<Said<'a>>,
    /// Of text completions, which imported models may answer with.
    #[serde(default, deserialize_with = "text")]
    pub(super) text: Option<Text>,
    #[serde(default)]
    pub(super) finish_reason: Option<String>,
    /// Mistral's name for it. Other servers tell here which token or text ended the reply.
    #[serde(borrow, default)]
    pub(super) stop_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Said<'a> {
    /// A text, or a list of [`Part`]s.
    #[serde(borrow, default)]
    pub(super) content: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "text")]
    pub(super) reasoning_content: Option<Text>,
    /// The same by another name: a text, if it is that.
    #[serde(borrow, default)]
    pub(super) reasoning: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "text")]
    pub(super) refusal: Option<Text>,
    #[serde(borrow, default)]
    pub(super) tool_calls: Option<Vec<Call<'a>>>,
}

#[derive(Deserialize)]
pub(super) struct Part<'a> {
    #[serde(default, deserialize_with = "text")]
    pub(super) text: Option<Text>,
    /// A text, or a list of parts with texts.
    #[serde(borrow, default)]
    pub(super) thinking: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct ThoughtPart {
    #[serde(default, deserialize_with = "text")]
    pub(super) text: Option<Text>,
}

#[derive(Deserialize)]
pub(super) struct Call<'a> {
    #[serde(default)]
    pub(super) index: Option<Count>,
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(borrow, default)]
    pub(super) function: Option<Function<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Function<'a> {
    #[serde(default)]
    pub(super) name: Option<String>,
    /// JSON in a string; some servers forget the string.
    #[serde(borrow, default)]
    pub(super) arguments: Option<&'a RawValue>,
}

/// `prompt_tokens` holds the cached ones.
#[derive(Deserialize)]
pub(super) struct Usage {
    #[serde(default)]
    pub(super) prompt_tokens: Option<Count>,
    #[serde(default)]
    pub(super) completion_tokens: Option<Count>,
    #[serde(default)]
    pub(super) prompt_tokens_details: Option<PromptTokensDetails>,
    #[serde(default)]
    pub(super) completion_tokens_details: Option<CompletionTokensDetails>,
}

#[derive(Deserialize)]
pub(super) struct PromptTokensDetails {
    #[serde(default)]
    pub(super) cached_tokens: Option<Count>,
}

#[derive(Deserialize)]
pub(super) struct CompletionTokensDetails {
    #[serde(default)]
    pub(super) reasoning_tokens: Option<Count>,
}

/// What an error says of itself.
#[derive(Deserialize)]
pub(super) struct Failure {
    #[serde(default, rename = "type")]
    pub(super) kind: Option<String>,
}
