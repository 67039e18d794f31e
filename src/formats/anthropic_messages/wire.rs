//! What Claude answers. One struct holds the members of all kinds of a thing: serde would buffer a tagged
//! enum, and fail on a kind that it doesn't know.

#![expect(clippy::struct_field_names, reason = "the protocol's own names")]

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::chat::{BlockIndex, Text};
use crate::formats::guardrail::Traced;
use crate::formats::scalar::{Count, optional_block_index, text};
use crate::formats::stop_details::StopDetails;

/// A whole reply.
#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub(super) content: Option<Vec<ContentBlock<'a>>>,
    pub(super) stop_reason: Option<String>,
    pub(super) stop_details: Option<StopDetails>,
    pub(super) usage: Option<Usage>,
    /// `type: "error"` has this and nothing else.
    pub(super) error: Option<Error>,
    #[serde(rename = "amazon-bedrock-guardrailAction")]
    pub(super) guardrail_action: Option<String>,
    #[serde(rename = "amazon-bedrock-trace")]
    pub(super) trace: Option<Traced>,
}

/// A chunk of a stream.
#[derive(Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    #[serde(default, deserialize_with = "optional_block_index")]
    pub(super) index: Option<BlockIndex>,
    pub(super) delta: Option<Delta>,
    #[serde(borrow)]
    pub(super) content_block: Option<ContentBlock<'a>>,
    pub(super) message: Option<MessageStart>,
    pub(super) usage: Option<Usage>,
    pub(super) error: Option<Error>,
    #[serde(rename = "amazon-bedrock-invocationMetrics")]
    pub(super) metrics: Option<Metrics>,
    #[serde(rename = "amazon-bedrock-guardrailAction")]
    pub(super) guardrail_action: Option<String>,
    #[serde(rename = "amazon-bedrock-trace")]
    pub(super) trace: Option<Traced>,
}

/// Enough of a chunk to tell whether it is of a kind that is known here.
#[derive(Deserialize)]
pub(super) struct ChunkKind<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Cow<'a, str>,
}

#[derive(Deserialize)]
pub(super) struct MessageStart {
    pub(super) usage: Option<Usage>,
}

#[derive(Deserialize)]
pub(super) struct ContentBlock<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    #[serde(default, deserialize_with = "text")]
    pub(super) text: Option<Text>,
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "text")]
    pub(super) thinking: Option<Text>,
    #[serde(default, deserialize_with = "text")]
    pub(super) signature: Option<Text>,
    #[serde(default, deserialize_with = "text")]
    pub(super) data: Option<Text>,
}

/// Of a `content_block_delta` or of a `message_delta`.
#[derive(Deserialize)]
pub(super) struct Delta {
    #[serde(default, deserialize_with = "text")]
    pub(super) text: Option<Text>,
    #[serde(default, deserialize_with = "text")]
    pub(super) partial_json: Option<Text>,
    #[serde(default, deserialize_with = "text")]
    pub(super) thinking: Option<Text>,
    #[serde(default, deserialize_with = "text")]
    pub(super) signature: Option<Text>,
    pub(super) stop_reason: Option<String>,
    pub(super) stop_details: Option<StopDetails>,
}

#[derive(Deserialize)]
pub(super) struct Error {
    #[serde(default, rename = "type")]
    pub(super) kind: String,
}

/// `input_tokens` holds no cached tokens.
#[derive(Deserialize)]
pub(super) struct Usage {
    pub(super) input_tokens: Option<Count>,
    pub(super) output_tokens: Option<Count>,
    pub(super) cache_creation_input_tokens: Option<Count>,
    pub(super) cache_read_input_tokens: Option<Count>,
    pub(super) output_tokens_details: Option<OutputTokensDetails>,
}

#[derive(Deserialize)]
pub(super) struct OutputTokensDetails {
    pub(super) thinking_tokens: Option<Count>,
}

/// Bedrock's own counts, on the last chunk of a stream.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metrics {
    pub(super) input_token_count: Option<Count>,
    pub(super) output_token_count: Option<Count>,
    pub(super) cache_read_input_token_count: Option<Count>,
    pub(super) cache_write_input_token_count: Option<Count>,
}
