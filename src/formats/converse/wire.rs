//! What Converse answers. Unknown members are passed over by serde, unknown kinds leave every member empty.

#![expect(clippy::struct_field_names, reason = "the protocol's own names")]

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::chat::{BlockIndex, Text};
use crate::formats::guardrail::Traced;
use crate::formats::scalar::{Count, block_index, text};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reply<'a> {
    #[serde(borrow)]
    pub(super) output: Output<'a>,
    #[serde(borrow)]
    pub(super) stop_reason: Cow<'a, str>,
    pub(super) usage: Option<Usage>,
    pub(super) trace: Option<Traced>,
    pub(super) service_tier: Option<Tier>,
    #[serde(borrow)]
    pub(super) additional_model_response_fields: Option<&'a RawValue>,
}

/// The tier that served the call.
#[derive(Deserialize)]
pub(super) struct Tier {
    #[serde(rename = "type")]
    pub(super) kind: String,
}

#[derive(Deserialize)]
pub(super) struct Output<'a> {
    #[serde(borrow)]
    pub(super) message: Message<'a>,
}

#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub(super) content: Vec<ContentBlock<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContentBlock<'a> {
    #[serde(default, deserialize_with = "text")]
    pub(super) text: Option<Text>,
    #[serde(borrow)]
    pub(super) tool_use: Option<ToolUse<'a>>,
    pub(super) reasoning_content: Option<ReasoningContent>,
    pub(super) citations_content: Option<CitationsContent>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolUse<'a> {
    pub(super) tool_use_id: String,
    pub(super) name: String,
    /// A whole reply has it here; a stream sends it in deltas.
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    /// `server_tool_use` is a call that Bedrock makes and answers itself. Others say `tool_use` or nothing.
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReasoningContent {
    pub(super) reasoning_text: Option<ReasoningText>,
    #[serde(default, deserialize_with = "text")]
    pub(super) redacted_content: Option<Text>,
}

#[derive(Deserialize)]
pub(super) struct ReasoningText {
    #[serde(default, deserialize_with = "text")]
    pub(super) text: Option<Text>,
    #[serde(default, deserialize_with = "text")]
    pub(super) signature: Option<Text>,
}

#[derive(Deserialize)]
pub(super) struct CitationsContent {
    #[serde(default)]
    pub(super) content: Vec<CitedText>,
    #[serde(default)]
    pub(super) citations: Vec<Citation>,
}

/// What a text rests on. Only places on the web mean anything to a client; files are its own.
#[derive(Deserialize)]
pub(super) struct Citation {
    #[serde(default, deserialize_with = "text")]
    pub(super) title: Option<Text>,
    pub(super) location: Option<Location>,
}

#[derive(Deserialize)]
pub(super) struct Location {
    pub(super) web: Option<WebLocation>,
}

#[derive(Deserialize)]
pub(super) struct WebLocation {
    #[serde(default, deserialize_with = "text")]
    pub(super) url: Option<Text>,
}

#[derive(Deserialize)]
pub(super) struct CitedText {
    #[serde(default, deserialize_with = "text")]
    pub(super) text: Option<Text>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContentBlockStart<'a> {
    #[serde(deserialize_with = "block_index")]
    pub(super) content_block_index: BlockIndex,
    #[serde(borrow)]
    pub(super) start: Start<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Start<'a> {
    #[serde(borrow)]
    pub(super) tool_use: Option<ToolUse<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContentBlockDelta {
    #[serde(deserialize_with = "block_index")]
    pub(super) content_block_index: BlockIndex,
    pub(super) delta: Delta,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delta {
    #[serde(default, deserialize_with = "text")]
    pub(super) text: Option<Text>,
    pub(super) tool_use: Option<ToolUseDelta>,
    pub(super) reasoning_content: Option<ReasoningDelta>,
    pub(super) citation: Option<Citation>,
}

#[derive(Deserialize)]
pub(super) struct ToolUseDelta {
    #[serde(default, deserialize_with = "text")]
    pub(super) input: Option<Text>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReasoningDelta {
    #[serde(default, deserialize_with = "text")]
    pub(super) text: Option<Text>,
    #[serde(default, deserialize_with = "text")]
    pub(super) signature: Option<Text>,
    #[serde(default, deserialize_with = "text")]
    pub(super) redacted_content: Option<Text>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContentBlockStop {
    #[serde(deserialize_with = "block_index")]
    pub(super) content_block_index: BlockIndex,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageStop<'a> {
    #[serde(borrow)]
    pub(super) stop_reason: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) additional_model_response_fields: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) usage: Option<Usage>,
    pub(super) trace: Option<Traced>,
    pub(super) service_tier: Option<Tier>,
}

/// `inputTokens` holds no cached tokens; `cacheReadInputTokenCount` and its like repeat what is here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Usage {
    pub(super) input_tokens: Option<Count>,
    pub(super) output_tokens: Option<Count>,
    pub(super) cache_read_input_tokens: Option<Count>,
    pub(super) cache_write_input_tokens: Option<Count>,
}
