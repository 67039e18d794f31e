//! A whole reply, folded from its events: so a streamed reply and a plain one can't disagree.

use super::{BlockIndex, BlockKind, Citation, Delta, Event, Extra, Reasoning, ServiceTier, Text};

/// What a model said, whole, collected by kind: some models think after they speak, clients expect
/// thoughts, text and calls each in their own place.
#[derive(Debug, Clone)]
pub struct Response {
    /// All text blocks joined in order; `None` if there was none.
    pub text: Option<Text>,
    /// Why it refused, where it did and said so; not a part of the text.
    pub refusal: Option<Text>,
    /// The thoughts, in order.
    pub reasoning: Vec<Reasoning>,
    /// The tool calls, in order.
    pub tool_calls: Vec<ToolCall>,
    /// Why it ended.
    pub stop: StopReason,
    /// What it cost, where known.
    pub usage: Option<Usage>,
    /// What the text rests on, in order.
    pub citations: Vec<Citation>,
    /// The tier that served it, where known.
    pub service_tier: Option<ServiceTier>,
    /// What no client's protocol has a word for; the last of each name.
    pub extras: Vec<Extra>,
}

/// A call the model made, as it wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// Names the call.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The input as JSON text; not valid JSON if the model was cut short in it.
    pub arguments: Text,
}

/// Why a model ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// It was done.
    EndTurn,
    /// One of the request's stop texts came.
    StopSequence,
    /// It waits for a tool's result.
    ToolUse,
    /// The request's limit of tokens, or the model's own.
    MaxTokens,
    /// The model's context is full.
    ContextFull,
    /// A content filter or a guardrail blocked the reply.
    ContentFiltered,
    /// The model refused.
    Refusal,
    /// The model wrote something that its own format has no place for.
    Malformed,
    /// A reason that is not known here, as the upstream names it.
    Other(String),
}

/// Tokens. The four parts don't overlap: what was read from or written to a cache is not in `input`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt that no cache served or kept.
    pub input: u64,
    /// Tokens generated, thoughts included.
    pub output: u64,
    /// Tokens of the prompt read from a cache.
    pub cache_read: u64,
    /// Tokens of the prompt written to a cache.
    pub cache_write: u64,
    /// How many of `output` were thoughts, where known.
    pub reasoning: Option<u64>,
}

impl Usage {
    /// The whole prompt: what OpenAI calls `prompt_tokens`.
    pub fn prompt(&self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write)
    }
}

/// The events don't make a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssembleError {
    /// A delta or an end for a block that isn't open.
    #[error("block {} is not open", .0.0)]
    UnknownBlock(BlockIndex),
    /// A delta that doesn't fit its block.
    #[error("a delta of another kind in block {}", .0.0)]
    WrongDelta(BlockIndex),
    /// No [`Event::Stop`].
    #[error("the reply has no end")]
    Truncated,
}

impl Response {
    /// Folds a reply's events.
    pub fn assemble(events: impl IntoIterator<Item = Event>) -> Result<Self, AssembleError> {
        let mut blocks: Vec<OpenBlock> = Vec::new();
        // Where those are that are open: few, while a reply may have had many.
        let mut open: Vec<(BlockIndex, usize)> = Vec::new();
        let (mut stop, mut usage, mut service_tier) = (None, None, None);
        let mut refusal = Vec::new();
        let mut extras: Vec<Extra> = Vec::new();
        for event in events {
            match event {
                Event::Start => {}
                Event::BlockStart { block, kind } => {
                    open.push((block, blocks.len()));
                    blocks.push(OpenBlock {
                        index: block,
                        kind,
                        pieces: Vec::new(),
                        signature: None,
                        citations: Vec::new(),
                    });
                }
                Event::Delta { block, delta } => {
                    let at = open.iter().rev().find(|(index, _)| *index == block).map(|(_, at)| *at);
                    let found = at.and_then(|at| blocks.get_mut(at));
                    found.ok_or(AssembleError::UnknownBlock(block))?.take(delta)?;
                }
                Event::BlockStop { block } => {
                    let at = open.iter().rposition(|(index, _)| *index == block);
                    open.remove(at.ok_or(AssembleError::UnknownBlock(block))?);
                }
                Event::Refusal(words) => refusal.push(words),
                Event::Stop(reason) => stop = Some(reason),
                Event::Usage(known) => usage = Some(known),
                Event::ServiceTier(tier) => service_tier = Some(tier),
                Event::Extra(extra) => {
                    extras.retain(|known| known.name != extra.name);
                    extras.push(extra);
                }
            }
        }
        let mut response = Self {
            text: None,
            refusal: (!refusal.is_empty()).then(|| Text::concat(&refusal)),
            reasoning: Vec::new(),
            tool_calls: Vec::new(),
            stop: stop.ok_or(AssembleError::Truncated)?,
            usage,
            citations: Vec::new(),
            service_tier,
            extras,
        };
        let mut texts = Vec::new();
        for block in blocks {
            block.collect(&mut response, &mut texts);
        }
        if !texts.is_empty() {
            response.text = Some(Text::concat(&texts));
        }
        Ok(response)
    }
}

struct OpenBlock {
    index: BlockIndex,
    kind: BlockKind,
    pieces: Vec<Piece>,
    signature: Option<Text>,
    citations: Vec<Citation>,
}

enum Piece {
    Open(Text),
    Redacted(Text),
}

impl OpenBlock {
    fn take(&mut self, delta: Delta) -> Result<(), AssembleError> {
        match (&self.kind, delta) {
            (BlockKind::Text, Delta::Text(text))
            | (BlockKind::Reasoning, Delta::Reasoning(text))
            | (BlockKind::ToolUse { .. }, Delta::ToolInput(text)) => self.pieces.push(Piece::Open(text)),
            (BlockKind::Reasoning, Delta::Redacted(data)) => self.pieces.push(Piece::Redacted(data)),
            (BlockKind::Reasoning, Delta::Signature(signature)) => self.signature = Some(signature),
            (BlockKind::Text, Delta::Citation(citation)) => self.citations.push(citation),
            (
                BlockKind::Text | BlockKind::Reasoning | BlockKind::ToolUse { .. },
                Delta::Text(_)
                | Delta::Reasoning(_)
                | Delta::ToolInput(_)
                | Delta::Redacted(_)
                | Delta::Signature(_)
                | Delta::Citation(_),
            ) => return Err(AssembleError::WrongDelta(self.index)),
        }
        Ok(())
    }

    fn collect(self, response: &mut Response, texts: &mut Vec<Text>) {
        let mut redacted = Vec::new();
        let mut pieces = Vec::new();
        for piece in self.pieces {
            match piece {
                Piece::Open(text) => pieces.push(text),
                Piece::Redacted(data) => redacted.push(data),
            }
        }
        match self.kind {
            BlockKind::Text => {
                texts.append(&mut pieces);
                response.citations.extend(self.citations);
            }
            BlockKind::Reasoning => {
                if !pieces.is_empty() || self.signature.is_some() {
                    let text = Text::concat(&pieces);
                    response.reasoning.push(Reasoning { text, signature: self.signature, redacted: None });
                }
                response.reasoning.extend(redacted.into_iter().map(|data| Reasoning {
                    text: Text::new(""),
                    signature: None,
                    redacted: Some(data),
                }));
            }
            BlockKind::ToolUse { id, name } => {
                let written = Text::concat(&pieces);
                let arguments = if written.is_empty() { Text::new("{}") } else { written };
                response.tool_calls.push(ToolCall { id, name, arguments });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: BlockIndex = BlockIndex(0);
    const B: BlockIndex = BlockIndex(3);

    fn tool() -> BlockKind {
        BlockKind::ToolUse { id: "t".into(), name: "f".into() }
    }

    #[test]
    fn overlapping_blocks_are_told_apart_by_their_index() {
        let response = Response::assemble([
            Event::Start,
            Event::BlockStart { block: A, kind: BlockKind::Text },
            Event::BlockStart { block: B, kind: tool() },
            Event::Delta { block: A, delta: Delta::Text(Text::new("he")) },
            Event::Delta { block: B, delta: Delta::ToolInput(Text::new("{\"a\"")) },
            Event::Delta { block: A, delta: Delta::Text(Text::new("llo")) },
            Event::Delta { block: B, delta: Delta::ToolInput(Text::new(":1}")) },
            Event::BlockStop { block: A },
            Event::BlockStop { block: B },
            Event::Stop(StopReason::ToolUse),
        ])
        .unwrap();
        assert_eq!(response.text, Some(Text::new("hello")));
        assert_eq!(response.tool_calls[0].arguments.decode(), "{\"a\":1}");
    }

    #[test]
    fn a_refusal_is_no_part_of_the_text() {
        let response = Response::assemble([
            Event::Start,
            Event::BlockStart { block: A, kind: BlockKind::Text },
            Event::Delta { block: A, delta: Delta::Text(Text::new("Well, ")) },
            Event::Refusal(Text::new("Not ")),
            Event::BlockStop { block: A },
            Event::Refusal(Text::new("that.")),
            Event::Stop(StopReason::Refusal),
        ])
        .unwrap();
        assert_eq!(response.text, Some(Text::new("Well, ")));
        assert_eq!(response.refusal, Some(Text::new("Not that.")));
    }

    #[test]
    fn a_call_without_input_is_an_empty_object() {
        let response = Response::assemble([
            Event::BlockStart { block: A, kind: tool() },
            Event::BlockStop { block: A },
            Event::Stop(StopReason::ToolUse),
        ])
        .unwrap();
        assert_eq!(response.tool_calls[0].arguments, Text::new("{}"));
        assert_eq!(response.text, None);
    }

    #[test]
    fn a_reply_without_its_end_is_no_reply() {
        let cut = Response::assemble([Event::Start, Event::BlockStart { block: A, kind: BlockKind::Text }]);
        assert_eq!(cut.err(), Some(AssembleError::Truncated));
    }

    #[test]
    fn deltas_belong_to_an_open_block_of_their_kind() {
        let delta = || Event::Delta { block: A, delta: Delta::Text(Text::new("x")) };
        assert_eq!(Response::assemble([delta()]).err(), Some(AssembleError::UnknownBlock(A)));
        let wrong = Response::assemble([Event::BlockStart { block: A, kind: tool() }, delta()]);
        assert_eq!(wrong.err(), Some(AssembleError::WrongDelta(A)));
        let closed = Response::assemble([
            Event::BlockStart { block: A, kind: BlockKind::Text },
            Event::BlockStop { block: A },
            delta(),
        ]);
        assert_eq!(closed.err(), Some(AssembleError::UnknownBlock(A)));
    }
}
