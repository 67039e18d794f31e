//! THE MODEL'S TURN: what the chat formats over InvokeModel have in common once the fields of their replies are
//! read. Not a format of its own.
//!
//! Blocks are numbered here: these protocols know only texts, thoughts and calls, one kind after the other.

use super::ProtocolError;
use super::bedrock_extras::BedrockExtras;
use super::blocks::{self, Blocks};
use crate::bedrock::TokenCounts;
use crate::chat::{BlockIndex, BlockKind, Event, StopReason, Text, Usage};

/// Writes the events of one reply:
///
/// ```text
/// Waiting ──anything──▶ Speaking ──its reason──▶ Stopped ──Bedrock's metrics, or the end──▶ Over
/// ```
///
/// The stop is told when Bedrock's metrics came, on whose chunk a guardrail's trace is too, or at the end.
#[derive(Debug, Default)]
pub(super) struct Turn {
    stage: Stage,
    blocks: Blocks,
    /// The block that the next text or thought goes into, if it is of that kind.
    running: Option<(BlockIndex, Running)>,
    next: u32,
    /// Upstream's number of a call, its block, its id.
    calls: Vec<(u64, BlockIndex, String)>,
    tokens: Tokens,
    extras: BedrockExtras,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Waiting,
    Speaking,
    Stopped(StopReason),
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Running {
    Text,
    Thought,
}

/// Tokens as a body counts them; what it leaves out Bedrock's own counts fill in.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tokens {
    /// Without those that a cache served or keeps.
    pub(super) input: Option<u64>,
    pub(super) output: Option<u64>,
    pub(super) cache_read: Option<u64>,
    pub(super) cache_write: Option<u64>,
    pub(super) reasoning: Option<u64>,
}

impl Turn {
    /// Takes Bedrock's own members of a body or chunk. Before anything else of it.
    pub(super) fn learn(&mut self, body: &[u8]) -> Result<(), ProtocolError> {
        self.extras.learn(body)
    }

    /// The model begins, if it hasn't yet.
    pub(super) fn begin(&mut self, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        match self.stage {
            Stage::Waiting => {
                self.stage = Stage::Speaking;
                events.push(Event::Start);
                Ok(())
            }
            Stage::Speaking => Ok(()),
            Stage::Stopped(_) | Stage::Over => Err(ProtocolError::Grammar("content after the stop reason")),
        }
    }

    pub(super) fn text(&mut self, text: Text, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        if text.is_empty() {
            return Ok(());
        }
        self.begin(events)?;
        let block = self.run(Running::Text, events);
        self.blocks.text(block, text, events);
        Ok(())
    }

    /// Why the model refuses, which is no part of what it says.
    pub(super) fn refusal(&mut self, words: Text, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        if words.is_empty() {
            return Ok(());
        }
        self.begin(events)?;
        events.push(Event::Refusal(words));
        Ok(())
    }

    pub(super) fn thought(&mut self, text: Text, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        if text.is_empty() {
            return Ok(());
        }
        self.begin(events)?;
        let block = self.run(Running::Thought, events);
        self.blocks.reasoning(block, text, events);
        Ok(())
    }

    /// The signature of the thought before it.
    pub(super) fn signature(&mut self, text: Text, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        if text.is_empty() {
            return Ok(());
        }
        self.begin(events)?;
        let block = self.run(Running::Thought, events);
        self.blocks.signature(block, text, events);
        // What is signed is whole.
        self.rest(events);
        Ok(())
    }

    /// A thought that only the model can read.
    pub(super) fn redacted(&mut self, data: Text, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        if data.is_empty() {
            return Ok(());
        }
        self.begin(events)?;
        let block = self.run(Running::Thought, events);
        self.blocks.redacted(block, data, events);
        Ok(())
    }

    /// A call begins. `number` is upstream's, for the input that follows; one that was in use is another
    /// call's from here on. Some protocols give calls no id: then the call's place is one, and who mends the
    /// conversation later keeps ids apart.
    pub(super) fn call(
        &mut self,
        number: u64,
        id: Option<String>,
        name: String,
        events: &mut Vec<Event>,
    ) -> Result<(), ProtocolError> {
        self.begin(events)?;
        self.rest(events);
        self.end_call(number, events);
        let block = self.number();
        let id = id.filter(|id| !id.is_empty()).unwrap_or_else(|| format!("call_{}", block.0));
        self.remember(number, block, id.clone(), events);
        self.blocks.start(block, BlockKind::ToolUse { id, name }, events);
        Ok(())
    }

    /// A block of a kind that has no place in a chat, for whose number input may follow.
    pub(super) fn unknown_block(
        &mut self,
        number: u64,
        events: &mut Vec<Event>,
    ) -> Result<(), ProtocolError> {
        self.begin(events)?;
        self.rest(events);
        self.end_call(number, events);
        let block = self.number();
        self.remember(number, block, String::new(), events);
        self.blocks.start_unknown(block, events);
        Ok(())
    }

    /// No more calls are open than blocks may be: the oldest ends first.
    fn remember(&mut self, number: u64, block: BlockIndex, id: String, events: &mut Vec<Event>) {
        if self.calls.len() >= blocks::MOST
            && let Some((oldest, _, _)) = self.calls.first()
        {
            self.end_call(*oldest, events);
        }
        self.calls.push((number, block, id));
    }

    /// A piece of a call's input.
    pub(super) fn call_input(
        &mut self,
        number: u64,
        input: Text,
        events: &mut Vec<Event>,
    ) -> Result<(), ProtocolError> {
        self.begin(events)?;
        match self.calls.iter().find(|(known, _, _)| *known == number) {
            Some((_, block, _)) => self.blocks.tool_input(*block, input, events),
            None if input.is_empty() => Ok(()),
            None => Err(ProtocolError::Grammar("tool input outside a tool's block")),
        }
    }

    /// The id of the open call with this number.
    pub(super) fn call_id(&self, number: u64) -> Option<&str> {
        self.calls.iter().find(|(known, _, _)| *known == number).map(|(_, _, id)| id.as_str())
    }

    /// A call is whole. Not every number that ends was one.
    pub(super) fn end_call(&mut self, number: u64, events: &mut Vec<Event>) {
        if let Some(at) = self.calls.iter().position(|(known, _, _)| *known == number) {
            let (_, block, _) = self.calls.remove(at);
            self.blocks.stop(block, events);
        }
    }

    /// Something of an unknown kind went by.
    pub(super) fn skip(&mut self) {
        self.blocks.skip();
    }

    /// How much of unknown kinds went by.
    pub(super) fn skipped(&self) -> u32 {
        self.blocks.skipped()
    }

    /// Counts as they become known: of the whole reply so far.
    pub(super) fn count(&mut self, tokens: Tokens) {
        let Tokens { input, output, cache_read, cache_write, reasoning } = tokens;
        self.tokens = Tokens {
            input: input.or(self.tokens.input),
            output: output.or(self.tokens.output),
            cache_read: cache_read.or(self.tokens.cache_read),
            cache_write: cache_write.or(self.tokens.cache_write),
            reasoning: reasoning.or(self.tokens.reasoning),
        };
    }

    /// The counts in the headers of a whole reply, for what its body leaves out.
    pub(super) fn fill_from_headers(&mut self, counts: TokenCounts) {
        let TokenCounts { input, output, cache_read, cache_write } = counts;
        let body = self.tokens;
        self.count(Tokens { input, output, cache_read, cache_write, reasoning: None });
        self.count(body);
    }

    /// The model said why it ends. Said twice, the first time counts.
    pub(super) fn stop(&mut self, reason: StopReason, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        match self.stage {
            Stage::Waiting | Stage::Speaking => {
                self.begin(events)?;
                self.running = None;
                self.calls.clear();
                self.blocks.stop_all(events);
                self.stage = Stage::Stopped(reason);
            }
            Stage::Stopped(_) | Stage::Over => {}
        }
        Ok(())
    }

    /// A chunk has been read to its end.
    pub(super) fn settle(&mut self, events: &mut Vec<Event>) {
        match self.stage {
            Stage::Stopped(_) if self.extras.usage().is_some() => self.tell_stop(events),
            // A late count.
            Stage::Over => events.extend(self.usage().map(Event::Usage)),
            Stage::Waiting | Stage::Speaking | Stage::Stopped(_) => {}
        }
    }

    /// The reply has ended.
    pub(super) fn finish(&mut self, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        match self.stage {
            Stage::Over => {}
            Stage::Stopped(_) => self.tell_stop(events),
            // A guardrail's own answer to a blocked prompt comes without a reason.
            Stage::Speaking if self.extras.intervened() => {
                self.stop(StopReason::ContentFiltered, events)?;
                self.tell_stop(events);
            }
            Stage::Waiting | Stage::Speaking => return Err(ProtocolError::Truncated),
        }
        Ok(())
    }

    /// What is known of the cost; `None` if nothing is.
    pub(super) fn usage(&self) -> Option<Usage> {
        let Tokens { input, output, cache_read, cache_write, reasoning } = self.tokens;
        let bedrock = self.extras.usage();
        if input.is_none() && output.is_none() && bedrock.is_none() {
            return None;
        }
        let bedrock = bedrock.unwrap_or_default();
        Some(Usage {
            input: input.unwrap_or(bedrock.input),
            output: output.unwrap_or(bedrock.output),
            cache_read: cache_read.unwrap_or(bedrock.cache_read),
            cache_write: cache_write.unwrap_or(bedrock.cache_write),
            reasoning,
        })
    }

    fn tell_stop(&mut self, events: &mut Vec<Event>) {
        if let Stage::Stopped(reason) = std::mem::replace(&mut self.stage, Stage::Over) {
            events.push(Event::Stop(self.extras.stop(reason)));
            events.extend(self.usage().map(Event::Usage));
            events.extend(self.extras.trace());
        }
    }

    /// The block for more of a kind. A kind that follows another begins a block of its own.
    fn run(&mut self, kind: Running, events: &mut Vec<Event>) -> BlockIndex {
        match self.running {
            Some((block, running)) if running == kind => block,
            Some(_) | None => {
                self.rest(events);
                let block = self.number();
                self.running = Some((block, kind));
                block
            }
        }
    }

    fn rest(&mut self, events: &mut Vec<Event>) {
        if let Some((block, _)) = self.running.take() {
            self.blocks.stop(block, events);
        }
    }

    fn number(&mut self) -> BlockIndex {
        let block = BlockIndex(self.next);
        self.next = self.next.saturating_add(1);
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Response;

    #[test]
    fn each_kind_has_its_block_and_neighbours_of_one_kind_share_it() {
        let (mut turn, mut events) = (Turn::default(), Vec::new());
        turn.thought(Text::new("h"), &mut events).unwrap();
        turn.thought(Text::new("m"), &mut events).unwrap();
        turn.text(Text::new("a"), &mut events).unwrap();
        turn.call(0, None, "f".into(), &mut events).unwrap();
        turn.call(0, Some("b".into()), "g".into(), &mut events).unwrap();
        turn.call_input(0, Text::new("{}"), &mut events).unwrap();
        turn.text(Text::new("z"), &mut events).unwrap();
        turn.stop(StopReason::EndTurn, &mut events).unwrap();
        turn.finish(&mut events).unwrap();
        let blocks = events.iter().filter(|event| matches!(event, Event::BlockStart { .. })).count();
        assert_eq!(blocks, 5);
        let response = Response::assemble(events).unwrap();
        assert_eq!(response.reasoning[0].text, Text::new("hm"));
        assert_eq!(response.text, Some(Text::new("az")));
        let ids: Vec<_> = response.tool_calls.iter().map(|call| call.id.as_str()).collect();
        assert_eq!(ids, ["call_2", "b"]);
    }

    #[test]
    fn the_bodys_counts_stand_and_bedrocks_fill_the_gaps() {
        let mut turn = Turn::default();
        assert_eq!(turn.usage(), None);
        turn.count(Tokens { input: Some(3), ..Tokens::default() });
        turn.fill_from_headers(TokenCounts { input: Some(9), output: Some(4), ..TokenCounts::default() });
        assert_eq!(turn.usage(), Some(Usage { input: 3, output: 4, ..Usage::default() }));
        turn.learn(br#"{"amazon-bedrock-invocationMetrics":{"inputTokenCount":7,"outputTokenCount":8,"cacheReadInputTokenCount":1}}"#).unwrap();
        assert_eq!(turn.usage(), Some(Usage { input: 3, output: 4, cache_read: 1, ..Usage::default() }));
    }

    #[test]
    fn nothing_follows_the_stop_but_counts() {
        let (mut turn, mut events) = (Turn::default(), Vec::new());
        assert!(matches!(turn.finish(&mut events), Err(ProtocolError::Truncated)));
        turn.stop(StopReason::EndTurn, &mut events).unwrap();
        assert!(turn.text(Text::new("a"), &mut events).is_err());
        turn.text(Text::new(""), &mut events).unwrap();
        turn.finish(&mut events).unwrap();
        turn.count(Tokens { output: Some(1), ..Tokens::default() });
        turn.settle(&mut events);
        assert_eq!(events.last(), Some(&Event::Usage(Usage { output: 1, ..Usage::default() })));
    }
}
