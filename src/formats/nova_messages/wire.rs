//! What Nova answers. Unknown members are passed over by serde, unknown kinds leave every member empty.

#![expect(clippy::struct_field_names, reason = "the protocol's own names")]

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::chat::{BlockIndex, Text};
use crate::formats::scalar::{Count, block_index, text};

/// A whole reply.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Whole<'a> {
    #[serde(borrow)]
    pub(super) output: Output<'a>,
    #[serde(default)]
    pub(super) stop_reason: Option<String>,
    #[serde(default)]
    pub(super) usage: Option<Usage>,
}

#[derive(Deserialize)]
pub(super) struct Output<'a> {
    #[serde(borrow)]
    pub(super) message: Message<'a>,
}

#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow, default)]
    pub(super) content: Vec<ContentBlock<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContentBlock<'a> {
    #[serde(default, deserialize_with = "text")]
    pub(super) text: Option<Text>,
    #[serde(borrow, default)]
    pub(super) tool_use: Option<ToolUse<'a>>,
    #[serde(default)]
    pub(super) reasoning_content: Option<ReasoningContent>,
    #[serde(default)]
    pub(super) citations_content: Option<CitationsContent>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolUse<'a> {
    pub(super) tool_use_id: String,
    pub(super) name: String,
    /// A whole reply has it here; a stream sends it in a delta.
    #[serde(borrow, default)]
    pub(super) input: Option<&'a RawValue>,
    /// `server_tool_use` is a call that Bedrock makes and answers itself.
    #[serde(default, rename = "type")]
    pub(super) kind: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReasoningContent {
    #[serde(default)]
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
}

#[derive(Deserialize)]
pub(super) struct CitedText {
    #[serde(default, deserialize_with = "text")]
    pub(super) text: Option<Text>,
}

/// A chunk of a stream: one event under its name.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Chunk<'a> {
    #[serde(borrow, default)]
    pub(super) message_start: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) content_block_start: Option<ContentBlockStart<'a>>,
    #[serde(borrow, default)]
    pub(super) content_block_delta: Option<ContentBlockDelta<'a>>,
    #[serde(default)]
    pub(super) content_block_stop: Option<ContentBlockStop>,
    #[serde(default)]
    pub(super) message_stop: Option<MessageStop>,
    #[serde(default)]
    pub(super) metadata: Option<Metadata>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContentBlockStart<'a> {
    #[serde(deserialize_with = "block_index")]
    pub(super) content_block_index: BlockIndex,
    #[serde(borrow, default)]
    pub(super) start: Option<Start<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Start<'a> {
    #[serde(borrow, default)]
    pub(super) tool_use: Option<ToolUse<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContentBlockDelta<'a> {
    #[serde(deserialize_with = "block_index")]
    pub(super) content_block_index: BlockIndex,
    #[serde(borrow, default)]
    pub(super) delta: Option<Delta<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delta<'a> {
    #[serde(default, deserialize_with = "text")]
    pub(super) text: Option<Text>,
    #[serde(borrow, default)]
    pub(super) tool_use: Option<ToolUseDelta<'a>>,
    #[serde(default)]
    pub(super) reasoning_content: Option<ReasoningDelta>,
}

#[derive(Deserialize)]
pub(super) struct ToolUseDelta<'a> {
    /// JSON in a string, or as it is.
    #[serde(borrow, default)]
    pub(super) input: Option<&'a RawValue>,
}

/// In a stream the text stands directly here; that of a whole reply is understood too.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReasoningDelta {
    #[serde(default, deserialize_with = "text")]
    pub(super) text: Option<Text>,
    #[serde(default, deserialize_with = "text")]
    pub(super) signature: Option<Text>,
    #[serde(default)]
    pub(super) reasoning_text: Option<ReasoningText>,
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
pub(super) struct MessageStop {
    #[serde(default)]
    pub(super) stop_reason: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Metadata {
    #[serde(default)]
    pub(super) usage: Option<Usage>,
}

/// `inputTokens` holds no cached tokens. The cache's counts have two spellings.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Usage {
    #[serde(default)]
    pub(super) input_tokens: Option<Count>,
    #[serde(default)]
    pub(super) output_tokens: Option<Count>,
    #[serde(default)]
    pub(super) cache_read_input_token_count: Option<Count>,
    #[serde(default)]
    pub(super) cache_read_input_tokens: Option<Count>,
    #[serde(default)]
    pub(super) cache_write_input_token_count: Option<Count>,
    #[serde(default)]
    pub(super) cache_write_input_tokens: Option<Count>,
}
