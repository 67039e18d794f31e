//! A whole reply, as the events that a stream of it would give; and the words both share.

use crate::chat::{self, BlockIndex, BlockKind, Event, Json, StopReason, Text};
use crate::formats::ProtocolError;
use crate::formats::blocks::Blocks;
use crate::formats::guardrail::{Trace, Traced};
use crate::formats::scalar::Count;
use crate::formats::service;

use super::reply_fields::ReplyFields;
use super::wire::{Citation, ContentBlock, Reply, Tier, ToolUse, Usage};

/// Reads a body of `Converse`.
pub(super) fn reply(body: &[u8], events: &mut Vec<Event>) -> Result<(), ProtocolError> {
    let Reply {
        output,
        stop_reason: reason,
        usage: tokens,
        trace,
        service_tier,
        additional_model_response_fields,
    } = serde_json::from_slice(body).map_err(ProtocolError::shape("reply"))?;
    let asked = ReplyFields::read(additional_model_response_fields)?;
    events.push(Event::Start);
    let mut blocks = Blocks::default();
    for (block, index) in output.message.content.into_iter().zip(0..) {
        content_block(block, BlockIndex(index), &mut blocks, events)?;
    }
    events.extend(asked.refusal);
    events.push(Event::Stop(stop_reason(&reason, actions(trace.as_ref()))));
    events.extend(tokens.as_ref().map(|tokens| Event::Usage(usage(tokens, asked.thoughts))));
    events.extend(served_by(service_tier));
    events.extend(trace.map(Traced::event));
    events.extend(asked.event);
    Ok(())
}

pub(super) fn actions(trace: Option<&Traced>) -> Trace {
    trace.map(Traced::trace).unwrap_or_default()
}

/// Where on the web a text is from.
pub(super) fn citation(citation: Citation) -> Option<chat::Citation> {
    let Citation { title, location } = citation;
    let url = location?.web?.url?;
    Some(chat::Citation { url, title })
}

fn content_block(
    block: ContentBlock<'_>,
    index: BlockIndex,
    blocks: &mut Blocks,
    events: &mut Vec<Event>,
) -> Result<(), ProtocolError> {
    let ContentBlock { text, tool_use, reasoning_content, citations_content } = block;
    let (cited, sources) =
        citations_content.map_or_else(Default::default, |cited| (cited.content, cited.citations));
    let cited = cited.into_iter().filter_map(|part| part.text);
    if let Some(tool) = tool_use {
        let input = tool.input.map(Json::from_raw);
        start_tool(tool, index, blocks, events);
        if let Some(input) = input.filter(|input| input.as_str() != "null") {
            blocks.tool_input(index, Text::new(&input.compact()), events)?;
        }
    } else if let Some(reasoning) = reasoning_content {
        let (text, signature) =
            reasoning.reasoning_text.map_or((None, None), |said| (said.text, said.signature));
        if let Some(text) = text {
            blocks.reasoning(index, text, events);
        }
        if let Some(signature) = signature {
            blocks.signature(index, signature, events);
        }
        if let Some(data) = reasoning.redacted_content {
            blocks.redacted(index, data, events);
        }
    } else {
        for text in text.into_iter().chain(cited) {
            blocks.text(index, text, events);
        }
        for source in sources.into_iter().filter_map(citation) {
            blocks.citation(index, source, events);
        }
    }
    blocks.stop(index, events);
    Ok(())
}

/// Opens the block of a tool's call, unless the call is Bedrock's own and none of the client's business.
pub(super) fn start_tool(tool: ToolUse<'_>, index: BlockIndex, blocks: &mut Blocks, events: &mut Vec<Event>) {
    let ToolUse { tool_use_id: id, name, input: _, kind } = tool;
    if kind.as_deref() == Some("server_tool_use") {
        blocks.start_unknown(index, events);
    } else {
        blocks.start(index, BlockKind::ToolUse { id, name }, events);
    }
}

/// Bedrock's word for why the model ended; `trace` decides what a guardrail's intervention was.
pub(super) fn stop_reason(word: &str, trace: Trace) -> StopReason {
    match word {
        "end_turn" => StopReason::EndTurn,
        "stop_sequence" => StopReason::StopSequence,
        "tool_use" => StopReason::ToolUse,
        "max_tokens" => StopReason::MaxTokens,
        "model_context_window_exceeded" => StopReason::ContextFull,
        "guardrail_intervened" if trace.only_masked() => StopReason::EndTurn,
        "guardrail_intervened" | "content_filtered" => StopReason::ContentFiltered,
        // Claude's own word. Converse says `content_filtered` for it, so far.
        "refusal" => StopReason::Refusal,
        "malformed_model_output" | "malformed_tool_use" => StopReason::Malformed,
        other => StopReason::Other(other.to_owned()),
    }
}

/// The tier that served the call, if it is one that is known here.
pub(super) fn served_by(tier: Option<Tier>) -> Option<Event> {
    tier.and_then(|Tier { kind }| service::tier(&kind)).map(Event::ServiceTier)
}

/// Tokens as Converse counts them. It doesn't tell thoughts from other output: that only the model's own reply does.
pub(super) fn usage(tokens: &Usage, thoughts: Option<u64>) -> chat::Usage {
    let Usage { input_tokens, output_tokens, cache_read_input_tokens, cache_write_input_tokens } = tokens;
    let count = |known: &Option<Count>| known.map_or(0, |Count(count)| count);
    chat::Usage {
        input: count(input_tokens),
        output: count(output_tokens),
        cache_read: count(cache_read_input_tokens),
        cache_write: count(cache_write_input_tokens),
        reasoning: thoughts,
    }
}
