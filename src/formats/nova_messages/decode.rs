//! Replies and chunks.

use serde_json::value::RawValue;

use super::wire::{
    Chunk, ContentBlock, ContentBlockDelta, ContentBlockStart, ContentBlockStop, Delta, MessageStop,
    ReasoningContent, ReasoningDelta, ToolUse, Usage, Whole,
};
use crate::bedrock::{self, Frame};
use crate::chat::{self, Event, Json, NotJson, StopReason, Text};
use crate::formats::scalar::Count;
use crate::formats::turn::{Tokens, Turn};
use crate::formats::{ProtocolError, StreamDecoder};

/// Reads a body of `InvokeModel`. What its usage leaves out stands in the headers.
pub(super) fn reply(reply: &bedrock::Reply, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
    let Whole { output, stop_reason: word, usage } =
        serde_json::from_slice(&reply.body).map_err(ProtocolError::shape("reply"))?;
    let mut turn = Turn::default();
    turn.learn(&reply.body)?;
    turn.begin(events)?;
    for (block, number) in output.message.content.into_iter().zip(0..) {
        content_block(block, number, &mut turn, events)?;
    }
    if let Some(usage) = usage {
        turn.count(tokens(&usage));
    }
    turn.fill_from_headers(reply.head.tokens);
    if let Some(word) = word {
        turn.stop(stop_reason(&word), events)?;
    }
    turn.finish(events)
}

fn content_block(
    block: ContentBlock<'_>,
    number: u64,
    turn: &mut Turn,
    events: &mut Vec<Event>,
) -> Result<(), ProtocolError> {
    let ContentBlock { text, tool_use, reasoning_content, citations_content } = block;
    if let Some(tool) = tool_use {
        let input = tool.input;
        start_tool(tool, number, turn, events)?;
        if let Some(input) = input {
            turn.call_input(number, input_text(input)?, events)?;
        }
        turn.end_call(number, events);
        return Ok(());
    }
    if let Some(ReasoningContent { reasoning_text, redacted_content }) = reasoning_content {
        let (text, signature) = reasoning_text.map_or((None, None), |said| (said.text, said.signature));
        return thought(text, signature, redacted_content, turn, events);
    }
    let cited = citations_content.into_iter().flat_map(|cited| cited.content).filter_map(|part| part.text);
    let mut silent = true;
    for text in text.into_iter().chain(cited) {
        silent = false;
        turn.text(text, events)?;
    }
    if silent {
        turn.skip();
    }
    Ok(())
}

fn start_tool(
    tool: ToolUse<'_>,
    number: u64,
    turn: &mut Turn,
    events: &mut Vec<Event>,
) -> Result<(), ProtocolError> {
    let ToolUse { tool_use_id, name, input: _, kind } = tool;
    if kind.as_deref() == Some("server_tool_use") {
        turn.unknown_block(number, events)
    } else {
        turn.call(number, Some(tool_use_id), name, events)
    }
}

fn thought(
    text: Option<Text>,
    signature: Option<Text>,
    redacted: Option<Text>,
    turn: &mut Turn,
    events: &mut Vec<Event>,
) -> Result<(), ProtocolError> {
    if let Some(text) = text {
        turn.thought(text, events)?;
    }
    if let Some(signature) = signature {
        turn.signature(signature, events)?;
    }
    if let Some(data) = redacted {
        turn.redacted(data, events)?;
    }
    Ok(())
}

/// A tool's input in a string, or as it is. An empty object needs no word.
fn input_text(input: &RawValue) -> Result<Text, ProtocolError> {
    match Text::from_raw(input) {
        Ok(text) => Ok(text),
        Err(NotJson::NotAString) => Ok(match Json::from_raw(input).compact().as_ref() {
            "{}" | "null" => Text::new(""),
            json => Text::new(json),
        }),
        Err(error @ (NotJson::LoneSurrogate | NotJson::Invalid)) => {
            Err(ProtocolError::Shape { what: "a tool's input", problem: error.to_string() })
        }
    }
}

fn stop_reason(word: &str) -> StopReason {
    match word {
        "end_turn" => StopReason::EndTurn,
        "stop_sequence" => StopReason::StopSequence,
        "tool_use" => StopReason::ToolUse,
        "max_tokens" => StopReason::MaxTokens,
        "content_filtered" => StopReason::ContentFiltered,
        "malformed_model_output" | "malformed_tool_use" => StopReason::Malformed,
        other => crate::formats::finish_word::stop_reason(other),
    }
}

fn tokens(usage: &Usage) -> Tokens {
    let Usage {
        input_tokens,
        output_tokens,
        cache_read_input_token_count,
        cache_read_input_tokens,
        cache_write_input_token_count,
        cache_write_input_tokens,
    } = usage;
    let known = |count: &Option<Count>| count.map(|Count(count)| count);
    Tokens {
        input: known(input_tokens),
        output: known(output_tokens),
        cache_read: known(cache_read_input_token_count).or(known(cache_read_input_tokens)),
        cache_write: known(cache_write_input_token_count).or(known(cache_write_input_tokens)),
        reasoning: None,
    }
}

/// Reads
///
/// ```text
/// messageStart? (contentBlockStart? contentBlockDelta* contentBlockStop?)* messageStop metadata?
/// ```
///
/// where only tools have a `contentBlockStart`, and each piece of a text is a block. See [`Turn`] for how it ends.
#[derive(Debug, Default)]
pub(super) struct NovaStream {
    turn: Turn,
}

impl StreamDecoder for NovaStream {
    fn push(&mut self, frame: &Frame, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        if &*frame.event != "chunk" {
            self.turn.skip();
            return Ok(());
        }
        let chunk = serde_json::from_slice(&frame.payload).map_err(ProtocolError::shape("chunk"))?;
        self.turn.learn(&frame.payload)?;
        self.take(chunk, events)?;
        self.turn.settle(events);
        Ok(())
    }

    fn finish(&mut self, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        self.turn.finish(events)
    }

    fn usage(&self) -> Option<chat::Usage> {
        self.turn.usage()
    }

    fn skipped(&self) -> u32 {
        self.turn.skipped()
    }
}

impl NovaStream {
    fn take(&mut self, chunk: Chunk<'_>, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        match chunk {
            Chunk { content_block_delta: Some(delta), .. } => self.delta(delta, events),
            Chunk { content_block_stop: Some(ContentBlockStop { content_block_index }), .. } => {
                self.turn.end_call(content_block_index.0.into(), events);
                Ok(())
            }
            Chunk { content_block_start: Some(ContentBlockStart { content_block_index, start }), .. } => {
                match start.and_then(|start| start.tool_use) {
                    Some(tool) => start_tool(tool, content_block_index.0.into(), &mut self.turn, events),
                    // A text or a thought may be announced too.
                    None => self.turn.begin(events),
                }
            }
            Chunk { message_start: Some(_), .. } => self.turn.begin(events),
            Chunk { message_stop: Some(MessageStop { stop_reason: word }), .. } => {
                let word = word.ok_or(ProtocolError::Grammar("a messageStop without its reason"))?;
                self.turn.stop(stop_reason(&word), events)
            }
            Chunk { metadata: Some(metadata), .. } => {
                if let Some(usage) = metadata.usage {
                    self.turn.count(tokens(&usage));
                }
                Ok(())
            }
            Chunk {
                message_start: None,
                content_block_start: None,
                content_block_delta: None,
                content_block_stop: None,
                message_stop: None,
                metadata: None,
            } => {
                self.turn.skip();
                Ok(())
            }
        }
    }

    fn delta(&mut self, delta: ContentBlockDelta<'_>, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        let ContentBlockDelta { content_block_index, delta } = delta;
        match delta {
            Some(Delta { text: Some(text), tool_use: _, reasoning_content: _ }) => {
                self.turn.text(text, events)
            }
            Some(Delta { text: None, tool_use: Some(tool), reasoning_content: _ }) => match tool.input {
                Some(input) => self.turn.call_input(content_block_index.0.into(), input_text(input)?, events),
                None => Ok(()),
            },
            Some(Delta { text: None, tool_use: None, reasoning_content: Some(reasoning) }) => {
                let ReasoningDelta { text, signature, reasoning_text, redacted_content } = reasoning;
                let (more, proof) = reasoning_text.map_or((None, None), |said| (said.text, said.signature));
                thought(text.or(more), signature.or(proof), redacted_content, &mut self.turn, events)
            }
            Some(Delta { text: None, tool_use: None, reasoning_content: None }) | None => {
                self.turn.skip();
                Ok(())
            }
        }
    }
}
