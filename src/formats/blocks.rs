//! Which content blocks of a reply are open.
//!
//! Both whole replies and streams are written through it, so that the events keep their grammar whatever
//! the upstream leaves out: starts of text blocks, ends, even the change of a block's kind.

use crate::chat::{BlockIndex, BlockKind, Citation, Delta, Event, Text};

use super::ProtocolError;

/// Most blocks that are open at once. Whoever deals with the events looks through the open ones at each; a model has a few, and
/// one for each of its calls at most. The oldest ends where there would be more.
pub(super) const MOST: usize = 256;

/// The open blocks of one reply, no more than [`MOST`].
///
/// Invariant: each is open in the events too, unless it is [`Holds::Unknown`]; one entry for an index.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    open: Vec<(BlockIndex, Holds)>,
    skipped: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Text,
    Reasoning,
    ToolUse,
    /// A kind that is not known here: nothing of it gets into the events.
    Unknown,
}

impl Blocks {
    /// The upstream opened a block. What was open under its index ends.
    pub(super) fn start(&mut self, block: BlockIndex, kind: BlockKind, events: &mut Vec<Event>) {
        self.stop(block, events);
        let holds = match kind {
            BlockKind::Text => Holds::Text,
            BlockKind::Reasoning => Holds::Reasoning,
            BlockKind::ToolUse { .. } => Holds::ToolUse,
        };
        self.open(block, holds, events);
        events.push(Event::BlockStart { block, kind });
    }

    fn open(&mut self, block: BlockIndex, holds: Holds, events: &mut Vec<Event>) {
        if self.open.len() >= MOST
            && let Some((oldest, _)) = self.open.first()
        {
            self.stop(*oldest, events);
        }
        self.open.push((block, holds));
    }

    /// The upstream opened a block of a kind that has no place in a chat.
    pub(super) fn start_unknown(&mut self, block: BlockIndex, events: &mut Vec<Event>) {
        self.stop(block, events);
        self.open(block, Holds::Unknown, events);
        self.skip();
    }

    /// Something of an unknown kind went by.
    pub(super) fn skip(&mut self) {
        self.skipped = self.skipped.saturating_add(1);
    }

    /// How much of unknown kinds went by: blocks, deltas and events.
    pub(super) fn skipped(&self) -> u32 {
        self.skipped
    }

    /// Text for a block, which opens with it if need be. An empty one is nothing.
    pub(super) fn text(&mut self, block: BlockIndex, text: Text, events: &mut Vec<Event>) {
        if text.is_empty() {
            return;
        }
        if self.holds(block) != Some(Holds::Text) {
            self.start(block, BlockKind::Text, events);
        }
        events.push(Event::Delta { block, delta: Delta::Text(text) });
    }

    /// What a block's text rests on.
    pub(super) fn citation(&mut self, block: BlockIndex, citation: Citation, events: &mut Vec<Event>) {
        if self.holds(block) != Some(Holds::Text) {
            self.start(block, BlockKind::Text, events);
        }
        events.push(Event::Delta { block, delta: Delta::Citation(citation) });
    }

    /// A thought.
    pub(super) fn reasoning(&mut self, block: BlockIndex, text: Text, events: &mut Vec<Event>) {
        if !text.is_empty() {
            self.reasoning_delta(block, Delta::Reasoning(text), events);
        }
    }

    /// A thought's signature.
    pub(super) fn signature(&mut self, block: BlockIndex, signature: Text, events: &mut Vec<Event>) {
        if !signature.is_empty() {
            self.reasoning_delta(block, Delta::Signature(signature), events);
        }
    }

    /// A thought that only the model can read.
    pub(super) fn redacted(&mut self, block: BlockIndex, data: Text, events: &mut Vec<Event>) {
        if !data.is_empty() {
            self.reasoning_delta(block, Delta::Redacted(data), events);
        }
    }

    /// A piece of a tool's input. Its block must have said which tool, so it can't open by itself.
    pub(super) fn tool_input(
        &mut self,
        block: BlockIndex,
        fragment: Text,
        events: &mut Vec<Event>,
    ) -> Result<(), ProtocolError> {
        match self.holds(block) {
            Some(Holds::ToolUse) if fragment.is_empty() => Ok(()),
            Some(Holds::ToolUse) => {
                events.push(Event::Delta { block, delta: Delta::ToolInput(fragment) });
                Ok(())
            }
            Some(Holds::Unknown) => Ok(()),
            Some(Holds::Text | Holds::Reasoning) | None => {
                Err(ProtocolError::Grammar("tool input outside a tool's block"))
            }
        }
    }

    /// The upstream ended a block. Not every block it ends was worth opening.
    pub(super) fn stop(&mut self, block: BlockIndex, events: &mut Vec<Event>) {
        let Some(at) = self.open.iter().rposition(|(index, _)| *index == block) else { return };
        let (_, holds) = self.open.remove(at);
        if holds != Holds::Unknown {
            events.push(Event::BlockStop { block });
        }
    }

    /// The model ended, and with it every block.
    pub(super) fn stop_all(&mut self, events: &mut Vec<Event>) {
        for (block, holds) in self.open.drain(..) {
            if holds != Holds::Unknown {
                events.push(Event::BlockStop { block });
            }
        }
    }

    fn reasoning_delta(&mut self, block: BlockIndex, delta: Delta, events: &mut Vec<Event>) {
        if self.holds(block) != Some(Holds::Reasoning) {
            self.start(block, BlockKind::Reasoning, events);
        }
        events.push(Event::Delta { block, delta });
    }

    fn holds(&self, block: BlockIndex) -> Option<Holds> {
        self.open.iter().rev().find(|(index, _)| *index == block).map(|(_, holds)| *holds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Response, StopReason};

    #[test]
    fn blocks_that_are_never_closed_are_closed_in_their_turn() {
        let (mut blocks, mut events) = (Blocks::default(), Vec::new());
        for number in 0..1_000 {
            blocks.text(BlockIndex(number), Text::new("x"), &mut events);
            assert!(blocks.open.len() <= MOST);
        }
        let ends = |events: &[Event]| {
            let index = |event: &Event| match event {
                Event::BlockStop { block } => Some(block.0),
                _ => None,
            };
            events.iter().filter_map(index).collect::<Vec<_>>()
        };
        assert_eq!(ends(&events), (0..744).collect::<Vec<_>>());
        blocks.stop_all(&mut events);
        assert_eq!(ends(&events), (0..1_000).collect::<Vec<_>>());
    }

    const A: BlockIndex = BlockIndex(0);

    fn tool() -> BlockKind {
        BlockKind::ToolUse { id: "t".into(), name: "f".into() }
    }

    #[test]
    fn a_block_that_changes_its_kind_is_two_blocks() {
        let (mut blocks, mut events) = (Blocks::default(), Vec::new());
        blocks.reasoning(A, Text::new("hm"), &mut events);
        blocks.text(A, Text::new("hi"), &mut events);
        blocks.start(A, tool(), &mut events);
        blocks.stop_all(&mut events);
        let starts: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::BlockStart { kind, .. } => Some(kind.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(starts, [BlockKind::Reasoning, BlockKind::Text, tool()]);
        events.push(Event::Stop(StopReason::EndTurn));
        assert_eq!(Response::assemble(events).unwrap().text, Some(Text::new("hi")));
    }

    #[test]
    fn nothing_of_an_unknown_block_gets_out_but_text_is_never_lost() {
        let (mut blocks, mut events) = (Blocks::default(), Vec::new());
        blocks.start_unknown(A, &mut events);
        blocks.tool_input(A, Text::new("{}"), &mut events).unwrap();
        assert_eq!((events.len(), blocks.skipped()), (0, 1));
        blocks.text(A, Text::new("x"), &mut events);
        assert_eq!(events.len(), 2);
    }

    #[test]
    fn empty_pieces_and_needless_ends_are_nothing() {
        let (mut blocks, mut events) = (Blocks::default(), Vec::new());
        blocks.text(A, Text::new(""), &mut events);
        blocks.reasoning(A, Text::new(""), &mut events);
        blocks.signature(A, Text::new(""), &mut events);
        blocks.redacted(A, Text::new(""), &mut events);
        blocks.stop(A, &mut events);
        assert_eq!(events, []);
    }

    #[test]
    fn tool_input_needs_to_know_its_tool() {
        let (mut blocks, mut events) = (Blocks::default(), Vec::new());
        assert!(blocks.tool_input(A, Text::new("{}"), &mut events).is_err());
        blocks.text(A, Text::new("x"), &mut events);
        assert!(blocks.tool_input(A, Text::new("{}"), &mut events).is_err());
    }
}
