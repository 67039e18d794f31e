//! ConverseStream, event by event.

use crate::bedrock::Frame;
use crate::chat::{Event, Usage};
use crate::formats::blocks::Blocks;
use crate::formats::guardrail::{Trace, Traced};
use crate::formats::{ProtocolError, StreamDecoder, fuzz};

use super::decode::{actions, citation, served_by, start_tool, stop_reason, usage};
use super::reply_fields::ReplyFields;
use super::wire::{
    ContentBlockDelta, ContentBlockStart, ContentBlockStop, Delta, MessageStop, Metadata, ReasoningDelta,
};

/// Reads
///
/// ```text
/// messageStart (contentBlockStart? contentBlockDelta* contentBlockStop?)* messageStop metadata?
/// ```
///
/// where blocks may overlap, only tools have a `contentBlockStart`, and events of unknown names may stand
/// anywhere. The stop is told when `metadata` came: only its trace says what a guardrail did.
#[derive(Debug, Default)]
pub struct ConverseStream {
    stage: Stage,
    blocks: Blocks,
    usage: Option<Usage>,
    /// Of the `messageStop`.
    thoughts: Option<u64>,
}

#[derive(Debug, Default)]
enum Stage {
    /// Nothing came.
    #[default]
    Waiting,
    /// `messageStart` came.
    Speaking,
    /// `messageStop` came with this reason.
    Stopped(String),
    /// The stop was told.
    Over,
}

impl StreamDecoder for ConverseStream {
    fn push(&mut self, frame: &Frame, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        let payload = &*frame.payload;
        match &*frame.event {
            "contentBlockDelta" => {
                self.speaking()?;
                let delta =
                    serde_json::from_slice(payload).map_err(ProtocolError::shape("contentBlockDelta"))?;
                self.delta(delta, events)
            }
            "contentBlockStart" => {
                self.speaking()?;
                let ContentBlockStart { content_block_index, start } =
                    serde_json::from_slice(payload).map_err(ProtocolError::shape("contentBlockStart"))?;
                match start.tool_use {
                    Some(tool) => start_tool(tool, content_block_index, &mut self.blocks, events),
                    None => self.blocks.start_unknown(content_block_index, events),
                }
                Ok(())
            }
            "contentBlockStop" => {
                self.speaking()?;
                let ContentBlockStop { content_block_index } =
                    serde_json::from_slice(payload).map_err(ProtocolError::shape("contentBlockStop"))?;
                self.blocks.stop(content_block_index, events);
                Ok(())
            }
            "messageStart" => match self.stage {
                Stage::Waiting => {
                    self.stage = Stage::Speaking;
                    events.push(Event::Start);
                    Ok(())
                }
                Stage::Speaking | Stage::Stopped(_) | Stage::Over => {
                    Err(ProtocolError::Grammar("a second messageStart"))
                }
            },
            "messageStop" => {
                self.speaking()?;
                let MessageStop { stop_reason, additional_model_response_fields } =
                    serde_json::from_slice(payload).map_err(ProtocolError::shape("messageStop"))?;
                self.blocks.stop_all(events);
                let asked = ReplyFields::read(additional_model_response_fields)?;
                self.thoughts = asked.thoughts;
                events.extend(asked.refusal);
                events.extend(asked.event);
                self.stage = Stage::Stopped(stop_reason.into_owned());
                Ok(())
            }
            "metadata" => {
                let metadata = serde_json::from_slice(payload).map_err(ProtocolError::shape("metadata"))?;
                self.metadata(metadata, events)
            }
            _ => {
                self.blocks.skip();
                Ok(())
            }
        }
    }

    fn finish(&mut self, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        match &self.stage {
            Stage::Waiting | Stage::Speaking => Err(ProtocolError::Truncated),
            Stage::Stopped(reason) => {
                events.push(Event::Stop(stop_reason(reason, Trace::default())));
                self.stage = Stage::Over;
                Ok(())
            }
            Stage::Over => Ok(()),
        }
    }

    fn usage(&self) -> Option<Usage> {
        self.usage
    }

    fn skipped(&self) -> u32 {
        self.blocks.skipped()
    }
}

impl ConverseStream {
    fn speaking(&self) -> Result<(), ProtocolError> {
        match self.stage {
            Stage::Speaking => Ok(()),
            Stage::Waiting => Err(ProtocolError::Grammar("an event before messageStart")),
            Stage::Stopped(_) | Stage::Over => Err(ProtocolError::Grammar("an event after messageStop")),
        }
    }

    fn delta(&mut self, delta: ContentBlockDelta, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        let ContentBlockDelta { content_block_index: block, delta } = delta;
        match delta {
            Delta { text: Some(text), tool_use: _, reasoning_content: _, citation: _ } => {
                self.blocks.text(block, text, events);
            }
            Delta { text: None, tool_use: Some(tool), reasoning_content: _, citation: _ } => {
                if let Some(fragment) = tool.input {
                    self.blocks.tool_input(block, fragment, events)?;
                }
            }
            Delta { text: None, tool_use: None, reasoning_content: Some(reasoning), citation: _ } => {
                let ReasoningDelta { text, signature, redacted_content } = reasoning;
                if let Some(text) = text {
                    self.blocks.reasoning(block, text, events);
                }
                if let Some(signature) = signature {
                    self.blocks.signature(block, signature, events);
                }
                if let Some(data) = redacted_content {
                    self.blocks.redacted(block, data, events);
                }
            }
            Delta { text: None, tool_use: None, reasoning_content: None, citation: Some(source) } => {
                match citation(source) {
                    Some(source) => self.blocks.citation(block, source, events),
                    None => self.blocks.skip(),
                }
            }
            Delta { text: None, tool_use: None, reasoning_content: None, citation: None } => {
                self.blocks.skip();
            }
        }
        Ok(())
    }

    fn metadata(&mut self, metadata: Metadata, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        let Metadata { usage: tokens, trace, service_tier } = metadata;
        match &self.stage {
            Stage::Waiting | Stage::Speaking => {
                return Err(ProtocolError::Grammar("metadata before messageStop"));
            }
            Stage::Over => return Err(ProtocolError::Grammar("a second metadata")),
            Stage::Stopped(reason) => {
                events.push(Event::Stop(stop_reason(reason, actions(trace.as_ref()))));
            }
        }
        self.stage = Stage::Over;
        self.usage = tokens.as_ref().map(|tokens| usage(tokens, self.thoughts));
        events.extend(self.usage.map(Event::Usage));
        events.extend(served_by(service_tier));
        events.extend(trace.map(Traced::event));
        Ok(())
    }
}

/// For fuzzers: a line of `data` is a frame, its first byte chooses the event. See the promise in `formats::fuzz`.
///
/// # Panics
/// If the decoder breaks the promise.
pub fn fuzz_frames(data: &[u8]) {
    let names = [
        "contentBlockDelta",
        "contentBlockStart",
        "contentBlockStop",
        "messageStart",
        "messageStop",
        "metadata",
        "unheardOf",
    ];
    fuzz::feed(&mut ConverseStream::default(), &names, data);
}
