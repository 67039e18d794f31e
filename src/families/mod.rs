//! WHAT A VENDOR'S MODELS ACCEPT: one file for each family, mostly data.
//!
//! A family knows which ids are its own, what each of its generations can do, which format to speak, and
//! how to bend a request to fit, with a note for each thing it bends. No family names another.

use crate::bedrock::ModelId;
use crate::chat::{InvalidRequest, Notes, Request};
use crate::formats::ChatFormat;

/// A vendor's models.
pub trait Family: Sync {
    /// As config names it: `anthropic`, `llama`, `titan` …
    fn name(&self) -> &'static str;

    /// Is the model one of them? At most one family claims an id; unclaimed ones are `generic`.
    fn claims(&self, model: &ModelId) -> bool;

    /// What the model can do.
    fn capabilities(&self, model: &ModelId) -> Capabilities;

    /// The format for this request.
    fn chat_format(
        &self,
        model: &ModelId,
        request: &Request,
        forced: Option<FormatKind>,
    ) -> &'static dyn ChatFormat;

    /// Bends the request to what the model accepts. Each change is noted; what can't be bent is refused.
    fn adapt(&self, model: &ModelId, request: &mut Request, notes: &mut Notes) -> Result<(), InvalidRequest>;
}

/// A format forced by config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormatKind {
    /// The family's own body over InvokeModel.
    Native,
    /// Converse.
    Converse,
}

/// What one model can do: data, by family and generation, from which `prepare` bends a request.
/// Source of each value: the tables of AWS's user guide and model cards, and live reports (each family's file says).
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "a table row: each flag is a column of its own")]
pub struct Capabilities {
    /// System instructions have a place of their own; else they go before the first user text.
    pub system: bool,
    /// Tools at all.
    pub tools: bool,
    /// Tools in a streamed call; else the call is made whole and its stream is synthesised.
    pub tools_while_streaming: bool,
    /// "Some tool must be called."
    pub tool_choice_any: bool,
    /// "This tool must be called."
    pub tool_choice_named: bool,
    /// A turn with tool results may hold text and images too.
    pub mixed_tool_results: bool,
    /// `toolResult.status` is accepted.
    pub tool_result_status: bool,
    /// Pictures in user messages.
    pub images: bool,
    /// Files in user messages.
    pub documents: bool,
    /// The conversation may end with the assistant's turn, which the model continues.
    pub prefill: bool,
    /// The conversation may start with the assistant.
    pub leading_assistant: bool,
    /// Which of `temperature` and `top_p` are accepted.
    pub sampling: Sampling,
    /// Where stop texts are watched for.
    pub stop: StopSupport,
    /// Most tokens of one reply, where known; more is clamped.
    pub max_output_tokens: Option<u32>,
    /// Sent when the client gives no limit and the format needs one.
    pub default_max_tokens: Option<u32>,
}

/// Which sampling parameters a model accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// `temperature` and `top_p`.
    Both,
    /// Either, not both: temperature is kept.
    Either,
    /// Neither.
    Refused,
}

/// Where stop texts are watched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSupport {
    /// By the model: at most this many.
    Native(usize),
    /// By the gateway, which cuts the reply itself.
    Emulated,
}
