//! A whole reply, as the events that a stream of it would give; and the words both share.

use crate::bedrock::{self, TokenCounts};
use crate::chat::{BlockIndex, BlockKind, Event, Json, StopReason, Text, Usage};
use crate::formats::ProtocolError;
use crate::formats::blocks::Blocks;
use crate::formats::guardrail::{Trace, Traced};
use crate::formats::scalar::Count;
use crate::formats::stop_details::StopDetails;

use super::wire::{self, ContentBlock, Message, Metrics};

/// Reads a body of `InvokeModel`. What its usage leaves out stands in the headers.
pub(super) fn reply(reply: &bedrock::Reply, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
    let Message { content, stop_reason: reason, stop_details, usage, error, guardrail_action, trace } =
        serde_json::from_slice(&reply.body).map_err(ProtocolError::shape("reply"))?;
    if let Some(error) = error {
        return Err(ProtocolError::Reported(error.kind));
    }
    let content = content.ok_or(ProtocolError::Grammar("a reply without content"))?;
    let mut guardrail = Guardrail::default();
    guardrail.note(guardrail_action.as_deref(), trace.as_ref().map(Traced::trace));
    let stop = stop_reason(reason.as_deref(), guardrail)
        .ok_or(ProtocolError::Grammar("a reply without a stop_reason"))?;
    events.push(Event::Start);
    let mut blocks = Blocks::default();
    for (block, index) in content.into_iter().zip(0..) {
        start_block(block, BlockIndex(index), &mut blocks, events)?;
        blocks.stop(BlockIndex(index), events);
    }
    events.extend(stop_details.and_then(StopDetails::event));
    events.push(Event::Stop(stop));
    let mut tally = Tally::default();
    tally.count(usage);
    tally.fill_from_headers(reply.head.tokens);
    events.extend(tally.usage().map(Event::Usage));
    events.extend(trace.map(Traced::event));
    Ok(())
}

/// Opens a block with what it begins with: all of it in a whole reply, nearly nothing in a stream.
pub(super) fn start_block(
    block: ContentBlock<'_>,
    index: BlockIndex,
    blocks: &mut Blocks,
    events: &mut Vec<Event>,
) -> Result<(), ProtocolError> {
    let ContentBlock { kind, text, id, name, input, thinking, signature, data } = block;
    match &*kind {
        "text" => {
            blocks.start(index, BlockKind::Text, events);
            if let Some(text) = text {
                blocks.text(index, text, events);
            }
        }
        "thinking" => {
            blocks.start(index, BlockKind::Reasoning, events);
            if let Some(thought) = thinking {
                blocks.reasoning(index, thought, events);
            }
            if let Some(signature) = signature {
                blocks.signature(index, signature, events);
            }
        }
        "redacted_thinking" => {
            blocks.start(index, BlockKind::Reasoning, events);
            if let Some(data) = data {
                blocks.redacted(index, data, events);
            }
        }
        "tool_use" => {
            let (Some(id), Some(name)) = (id, name) else {
                return Err(ProtocolError::Grammar("a tool_use without its id or name"));
            };
            blocks.start(index, BlockKind::ToolUse { id, name }, events);
            // A stream says `{}` here whatever the input will be.
            let input = input.map(Json::from_raw);
            let input = input.as_ref().map(Json::compact).filter(|input| input != "{}" && input != "null");
            if let Some(input) = input {
                blocks.tool_input(index, Text::new(&input), events)?;
            }
        }
        _ => blocks.start_unknown(index, events),
    }
    Ok(())
}

/// What a guardrail did to a reply. Claude's own stop reason says nothing of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Guardrail {
    intervened: bool,
    trace: Trace,
}

impl Guardrail {
    /// Takes the two members that any chunk may carry.
    pub(super) fn note(&mut self, action: Option<&str>, trace: Option<Trace>) {
        self.intervened |= action == Some("INTERVENED");
        self.trace = trace.unwrap_or(self.trace);
    }
}

/// Claude's word for why it ended, or the guardrail's. `None` if nobody said.
pub(super) fn stop_reason(word: Option<&str>, guardrail: Guardrail) -> Option<StopReason> {
    if guardrail.intervened && !guardrail.trace.only_masked() {
        return Some(StopReason::ContentFiltered);
    }
    Some(match word? {
        // A paused turn is one that server tools interrupted: there is nothing a client could wait for.
        "end_turn" | "pause_turn" => StopReason::EndTurn,
        "stop_sequence" => StopReason::StopSequence,
        "tool_use" => StopReason::ToolUse,
        "max_tokens" => StopReason::MaxTokens,
        "model_context_window_exceeded" => StopReason::ContextFull,
        "refusal" => StopReason::Refusal,
        other => StopReason::Other(other.to_owned()),
    })
}

/// Tokens as they become known. A count that Claude gave stands, Bedrock's fill the gaps.
#[derive(Debug, Default)]
pub(super) struct Tally {
    input: Option<u64>,
    output: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    reasoning: Option<u64>,
    /// What `message_start` says of the output: a few tokens, better than nothing for a stream that is left.
    output_so_far: Option<u64>,
}

impl Tally {
    /// Takes the usage of a `message_start`.
    pub(super) fn begin(&mut self, usage: Option<wire::Usage>) {
        self.count(usage);
        self.output_so_far = self.output.take();
    }

    /// Takes the usage of a whole reply or of a `message_delta`, whose counts are of the whole so far.
    pub(super) fn count(&mut self, usage: Option<wire::Usage>) {
        let Some(usage) = usage else { return };
        let wire::Usage {
            input_tokens,
            output_tokens,
            cache_creation_input_tokens,
            cache_read_input_tokens,
            output_tokens_details,
        } = usage;
        // A `message_delta` may repeat the prompt's counts, or say 0 for "no news".
        self.input = self.input.max(known(input_tokens));
        self.cache_write = self.cache_write.max(known(cache_creation_input_tokens));
        self.cache_read = self.cache_read.max(known(cache_read_input_tokens));
        self.output = known(output_tokens).or(self.output);
        let thinking = output_tokens_details.and_then(|details| known(details.thinking_tokens));
        self.reasoning = thinking.or(self.reasoning);
    }

    /// Takes Bedrock's counts from the last chunk.
    pub(super) fn fill_from_metrics(&mut self, metrics: &Metrics) {
        let Metrics {
            input_token_count,
            output_token_count,
            cache_read_input_token_count,
            cache_write_input_token_count,
        } = metrics;
        self.fill(TokenCounts {
            input: known(*input_token_count),
            output: known(*output_token_count),
            cache_read: known(*cache_read_input_token_count),
            cache_write: known(*cache_write_input_token_count),
        });
    }

    /// Takes Bedrock's counts from the headers of a whole reply.
    pub(super) fn fill_from_headers(&mut self, tokens: TokenCounts) {
        self.fill(tokens);
    }

    /// What is known; `None` if nothing is.
    pub(super) fn usage(&self) -> Option<Usage> {
        let Self { input, output, cache_read, cache_write, reasoning, output_so_far } = *self;
        let output = output.or(output_so_far);
        input.or(output)?;
        Some(Usage {
            input: input.unwrap_or(0),
            output: output.unwrap_or(0),
            cache_read: cache_read.unwrap_or(0),
            cache_write: cache_write.unwrap_or(0),
            reasoning,
        })
    }

    fn fill(&mut self, bedrock: TokenCounts) {
        let TokenCounts { input, output, cache_read, cache_write } = bedrock;
        self.input = self.input.or(input);
        self.output = self.output.or(output);
        self.cache_read = self.cache_read.or(cache_read);
        self.cache_write = self.cache_write.or(cache_write);
    }
}

fn known(count: Option<Count>) -> Option<u64> {
    count.map(|Count(count)| count)
}
