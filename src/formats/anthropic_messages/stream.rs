//! The chunks of InvokeModelWithResponseStream, each one of Claude's own events.

use crate::bedrock::Frame;
use crate::chat::{BlockIndex, Event, Usage};
use crate::formats::blocks::Blocks;
use crate::formats::guardrail::Traced;
use crate::formats::stop_details::StopDetails;
use crate::formats::{ProtocolError, StreamDecoder, fuzz};

use super::decode::{Guardrail, Tally, start_block, stop_reason};
use super::wire::{Chunk, ChunkKind, Delta};

/// Reads
///
/// ```text
/// message_start? (content_block_start? content_block_delta* content_block_stop?)* message_delta+ message_stop
/// ```
///
/// where blocks may overlap, and `ping` and events of unknown types may stand anywhere. A guardrail
/// batches a stream anew and a refusal ends blocks that never began, so what can be told without its frame
/// is. The stop is told with `message_stop`, which carries Bedrock's counts and the guardrail's trace: without
/// it nobody knows whether a guardrail blocked the answer, so a stop reason alone is no end.
#[derive(Debug, Default)]
pub struct MessagesStream {
    stage: Stage,
    blocks: Blocks,
    guardrail: Guardrail,
    tally: Tally,
    /// Of the `message_delta`.
    stop_reason: Option<String>,
    stop_details: Option<StopDetails>,
    /// A guardrail's, for a client that asked to see it.
    trace: Option<Traced>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    /// Nothing came.
    #[default]
    Waiting,
    /// The start was told.
    Speaking,
    /// The stop was told.
    Over,
}

impl StreamDecoder for MessagesStream {
    fn push(&mut self, frame: &Frame, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        if &*frame.event != "chunk" {
            self.blocks.skip();
            return Ok(());
        }
        let chunk = match serde_json::from_slice::<Chunk<'_>>(&frame.payload) {
            Ok(chunk) => chunk,
            // A new type may use the names that are known here for something else.
            Err(error) => {
                return match serde_json::from_slice::<ChunkKind<'_>>(&frame.payload) {
                    Ok(ChunkKind { kind }) if !is_known(&kind) => {
                        self.blocks.skip();
                        Ok(())
                    }
                    Ok(_) | Err(_) => Err(ProtocolError::shape("chunk")(error)),
                };
            }
        };
        self.take(chunk, events)
    }

    fn finish(&mut self, _events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        match self.stage {
            Stage::Over => Ok(()),
            Stage::Waiting | Stage::Speaking => Err(ProtocolError::Truncated),
        }
    }

    fn usage(&self) -> Option<Usage> {
        self.tally.usage()
    }

    fn skipped(&self) -> u32 {
        self.blocks.skipped()
    }
}

fn is_known(kind: &str) -> bool {
    matches!(
        kind,
        "message_start"
            | "content_block_start"
            | "content_block_delta"
            | "content_block_stop"
            | "message_delta"
            | "message_stop"
            | "ping"
            | "error"
    )
}

impl MessagesStream {
    fn take(&mut self, chunk: Chunk<'_>, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        let Chunk {
            kind,
            index,
            delta,
            content_block,
            message,
            usage,
            error,
            metrics,
            guardrail_action,
            trace,
        } = chunk;
        self.guardrail.note(guardrail_action.as_deref(), trace.as_ref().map(Traced::trace));
        self.trace = trace.or(self.trace.take());
        if let Some(metrics) = metrics {
            self.tally.fill_from_metrics(&metrics);
        }
        match &*kind {
            "content_block_delta" => {
                let index = self.block(index, events)?;
                match delta {
                    Some(delta) => self.delta(index, delta, events),
                    None => Err(ProtocolError::Grammar("a content_block_delta without its delta")),
                }
            }
            "content_block_start" => {
                let index = self.block(index, events)?;
                let block =
                    content_block.ok_or(ProtocolError::Grammar("a content_block_start without its block"))?;
                start_block(block, index, &mut self.blocks, events)
            }
            "content_block_stop" => {
                let index = index.ok_or(ProtocolError::Grammar("a block event without its index"))?;
                self.blocks.stop(index, events);
                Ok(())
            }
            "message_start" => {
                if self.stage != Stage::Waiting {
                    return Err(ProtocolError::Grammar("a late message_start"));
                }
                self.begin(events)?;
                self.tally.begin(message.and_then(|message| message.usage));
                Ok(())
            }
            "message_delta" => {
                self.begin(events)?;
                self.tally.count(usage);
                if let Some(Delta { stop_reason, stop_details, .. }) = delta {
                    self.stop_reason = stop_reason.or(self.stop_reason.take());
                    self.stop_details = stop_details.or(self.stop_details.take());
                }
                Ok(())
            }
            "message_stop" => {
                self.begin(events)?;
                self.stop(events)
            }
            "error" => Err(ProtocolError::Reported(error.map_or_else(String::new, |error| error.kind))),
            "ping" => Ok(()),
            _ => {
                self.blocks.skip();
                Ok(())
            }
        }
    }

    fn delta(
        &mut self,
        block: BlockIndex,
        delta: Delta,
        events: &mut Vec<Event>,
    ) -> Result<(), ProtocolError> {
        match delta {
            Delta { text: Some(text), .. } => self.blocks.text(block, text, events),
            Delta { partial_json: Some(fragment), .. } => {
                self.blocks.tool_input(block, fragment, events)?;
            }
            Delta { thinking: Some(thought), .. } => self.blocks.reasoning(block, thought, events),
            Delta { signature: Some(signature), .. } => self.blocks.signature(block, signature, events),
            Delta {
                text: None,
                partial_json: None,
                thinking: None,
                signature: None,
                stop_reason: _,
                stop_details: _,
            } => self.blocks.skip(),
        }
        Ok(())
    }

    /// The block of an event that adds to the reply, which must not have ended.
    fn block(
        &mut self,
        index: Option<BlockIndex>,
        events: &mut Vec<Event>,
    ) -> Result<BlockIndex, ProtocolError> {
        if self.stop_reason.is_some() {
            return Err(ProtocolError::Grammar("content after the stop reason"));
        }
        self.begin(events)?;
        index.ok_or(ProtocolError::Grammar("a block event without its index"))
    }

    fn begin(&mut self, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        match self.stage {
            Stage::Waiting => {
                self.stage = Stage::Speaking;
                events.push(Event::Start);
                Ok(())
            }
            Stage::Speaking => Ok(()),
            Stage::Over => Err(ProtocolError::Grammar("an event after message_stop")),
        }
    }

    fn stop(&mut self, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        let stop = stop_reason(self.stop_reason.as_deref(), self.guardrail)
            .ok_or(ProtocolError::Grammar("a message_stop without a stop reason before it"))?;
        self.blocks.stop_all(events);
        events.extend(self.stop_details.take().and_then(StopDetails::event));
        events.push(Event::Stop(stop));
        events.extend(self.tally.usage().map(Event::Usage));
        events.extend(self.trace.take().map(Traced::event));
        self.stage = Stage::Over;
        Ok(())
    }
}

/// For fuzzers: a line of `data` is a chunk behind one byte, see the promise in `formats::fuzz`.
///
/// # Panics
/// If the decoder breaks the promise.
pub fn fuzz_frames(data: &[u8]) {
    fuzz::feed(&mut MessagesStream::default(), &["chunk"], data);
}
