//! Calls of tools that a model writes in its own markup, where a server should have read them and didn't.
//!
//! A server of open models turns what its model writes into calls, by tokens that are the model's own. On
//! Bedrock that now and then fails: Kimi's calls stand in its text or in its thoughts, tokens and all, and its
//! turn ends as if it had answered; those of `DeepSeek` V3.2 are read, and the beginning of its markup stays
//! behind in the text. (Reports of other projects with captures from Bedrock, 2026.)

mod tokens;

use sha2::{Digest, Sha256};

use super::{BlockIndex, BlockKind, Delta, Event, StopReason, Text};
use tokens::{Piece, Reader};

pub use tokens::CallTokens;

/// What of a model's markup gets into its replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallMarkup {
    /// Nothing that is known of.
    No,
    /// Whole calls, between these tokens.
    Calls(CallTokens),
    /// This much of it, at the end of the text before a call.
    Tail(&'static str),
}

/// Takes the markup out of a reply: calls that it says become calls, if they are of the request's tools. What
/// isn't a whole call of such a tool stays the text that it is. Nothing else is changed.
#[derive(Debug, Clone)]
pub struct MarkupReader(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Calls(Calls),
    Tail(Tail),
}

impl MarkupReader {
    /// For a reply to a request with these tools, as the model knows them. `None`: nothing is looked for.
    pub fn new(markup: CallMarkup, tools: Vec<String>) -> Option<Self> {
        if tools.is_empty() {
            return None;
        }
        match markup {
            CallMarkup::No => None,
            CallMarkup::Calls(tokens) => Some(Self(Kind::Calls(Calls {
                tokens,
                tools,
                open: Vec::new(),
                found: 0,
                said: Sha256::new(),
            }))),
            CallMarkup::Tail(tail) => {
                Some(Self(Kind::Tail(Tail { text: tail, open: None, held: String::new(), ended: false })))
            }
        }
    }

    /// Takes an event and appends what may be passed on.
    pub fn push(&mut self, event: Event, out: &mut Vec<Event>) {
        match &mut self.0 {
            Kind::Calls(calls) => calls.push(event, out),
            Kind::Tail(tail) => tail.push(event, out),
        }
    }
}

/// Finds whole calls.
#[derive(Debug, Clone)]
struct Calls {
    tokens: CallTokens,
    tools: Vec<String>,
    /// The blocks of text and of thoughts that are open.
    open: Vec<(BlockIndex, Said, Reader)>,
    /// Found so far.
    found: u32,
    /// All that the model has said, with the calls that were found: ids are made of it, so that no two replies
    /// share one unless they say the same.
    said: Sha256,
}

#[derive(Debug, Clone, Copy)]
enum Said {
    Text,
    Thought,
}

impl Said {
    fn delta(self, text: Text) -> Delta {
        match self {
            Self::Text => Delta::Text(text),
            Self::Thought => Delta::Reasoning(text),
        }
    }
}

impl Calls {
    fn push(&mut self, event: Event, out: &mut Vec<Event>) {
        match event {
            Event::BlockStart { block, kind } => {
                let said = match &kind {
                    BlockKind::Text => Some(Said::Text),
                    BlockKind::Reasoning => Some(Said::Thought),
                    BlockKind::ToolUse { .. } => None,
                };
                self.open.extend(said.map(|said| (block, said, Reader::default())));
                out.push(Event::BlockStart { block, kind });
            }
            Event::Delta { block, delta: Delta::Text(text) | Delta::Reasoning(text) } => {
                self.grow(block, text, out);
            }
            Event::BlockStop { block } => {
                self.end(Some(block), out);
                out.push(Event::BlockStop { block });
            }
            Event::Stop(reason) => {
                self.end(None, out);
                out.push(Event::Stop(match reason {
                    // It waits for their results.
                    StopReason::EndTurn if self.found > 0 => StopReason::ToolUse,
                    reason => reason,
                }));
            }
            Event::Delta {
                block: _,
                delta: Delta::Signature(_) | Delta::Redacted(_) | Delta::Citation(_) | Delta::ToolInput(_),
            }
            | Event::Start
            | Event::Refusal(_)
            | Event::Usage(_)
            | Event::ServiceTier(_)
            | Event::Extra(_) => out.push(event),
        }
    }

    fn grow(&mut self, block: BlockIndex, text: Text, out: &mut Vec<Event>) {
        let Some((_, said, reader)) = self.open.iter_mut().find(|(open, _, _)| *open == block) else {
            // Not our error to report: the block isn't open, and whoever assembles the reply says so.
            out.push(Event::Delta { block, delta: Delta::Text(text) });
            return;
        };
        if reader.passes(&text) {
            self.said.update(&*text.decode());
            out.push(Event::Delta { block, delta: said.delta(text) });
            return;
        }
        let said = *said;
        let mut pieces = Vec::new();
        reader.push(&text.decode(), &self.tokens, &self.tools, &mut pieces);
        self.tell(block, said, pieces, out);
    }

    /// One block has ended, or all have.
    fn end(&mut self, only: Option<BlockIndex>, out: &mut Vec<Event>) {
        let ended = |block: &BlockIndex| only.is_none_or(|only| only == *block);
        for (block, said, mut reader) in
            self.open.extract_if(.., |(block, _, _)| ended(block)).collect::<Vec<_>>()
        {
            let mut pieces = Vec::new();
            reader.finish(&self.tokens, &self.tools, &mut pieces);
            self.tell(block, said, pieces, out);
        }
    }

    fn tell(&mut self, block: BlockIndex, said: Said, pieces: Vec<Piece>, out: &mut Vec<Event>) {
        for piece in pieces {
            match piece {
                Piece::Said(text) => {
                    self.said.update(&text);
                    out.push(Event::Delta { block, delta: said.delta(Text::new(&text)) });
                }
                Piece::Call { name, arguments } => {
                    self.said.update(&name);
                    self.said.update(&arguments);
                    // From the other end: the upstream counts up from 0.
                    let own = BlockIndex(u32::MAX.saturating_sub(self.found));
                    self.found = self.found.saturating_add(1);
                    let kind = BlockKind::ToolUse { id: self.id(), name };
                    out.push(Event::BlockStart { block: own, kind });
                    let delta = Delta::ToolInput(Text::new(&arguments));
                    out.push(Event::Delta { block: own, delta });
                    out.push(Event::BlockStop { block: own });
                }
            }
        }
    }

    /// The model numbers its calls in a conversation; clients and the memory of thoughts want unique ids.
    fn id(&self) -> String {
        let mut hash = self.said.clone();
        hash.update(self.found.to_be_bytes());
        let digest = hash.finalize();
        digest.iter().take(12).fold("call_".to_owned(), |id, byte| id + &format!("{byte:02x}"))
    }
}

/// Takes away what a text ends with, if a call comes next.
///
/// Only the end of a block can be it, and only what follows the block says whether it is: until then both are
/// held.
#[derive(Debug, Clone)]
struct Tail {
    text: &'static str,
    /// The last text block that began.
    open: Option<BlockIndex>,
    /// The end of its text: a beginning of `tail`, or all of it.
    held: String,
    /// The block has ended, and with `tail`.
    ended: bool,
}

impl Tail {
    fn push(&mut self, event: Event, out: &mut Vec<Event>) {
        match event {
            Event::BlockStart { block, kind } => {
                self.settle(matches!(kind, BlockKind::ToolUse { .. }), out);
                if kind == BlockKind::Text {
                    self.open = Some(block);
                }
                out.push(Event::BlockStart { block, kind });
            }
            Event::Delta { block, delta: Delta::Text(text) } if self.open == Some(block) && !self.ended => {
                self.grow(block, text, out);
            }
            Event::BlockStop { block } if self.open == Some(block) && !self.ended => {
                self.ended = self.held == self.text;
                if !self.ended {
                    self.settle(false, out);
                    out.push(Event::BlockStop { block });
                }
            }
            Event::Stop(reason) => {
                self.settle(false, out);
                out.push(Event::Stop(reason));
            }
            Event::Delta { .. }
            | Event::BlockStop { .. }
            | Event::Start
            | Event::Refusal(_)
            | Event::Usage(_)
            | Event::ServiceTier(_)
            | Event::Extra(_) => out.push(event),
        }
    }

    fn grow(&mut self, block: BlockIndex, text: Text, out: &mut Vec<Event>) {
        let mut whole = std::mem::take(&mut self.held);
        whole.push_str(&text.decode());
        let keep = tokens::beginning(&whole, self.text, true);
        if keep == 0 && whole.len() == text.decode().len() {
            out.push(Event::Delta { block, delta: Delta::Text(text) });
            return;
        }
        let (free, held) = whole.split_at(whole.len() - keep);
        if !free.is_empty() {
            out.push(Event::Delta { block, delta: Delta::Text(Text::new(free)) });
        }
        held.clone_into(&mut self.held);
    }

    /// What follows the block is known.
    fn settle(&mut self, is_call: bool, out: &mut Vec<Event>) {
        let Some(block) = self.open.take() else { return };
        let held = std::mem::take(&mut self.held);
        let (is_markup, ended) = (is_call && held == self.text, std::mem::take(&mut self.ended));
        if !held.is_empty() && !is_markup {
            out.push(Event::Delta { block, delta: Delta::Text(Text::new(&held)) });
        }
        if ended {
            out.push(Event::BlockStop { block });
        }
    }
}

#[cfg(test)]
mod tests;
