//! How long a request is, about.

use super::{Block, Request, Source, Text};

/// What formats write around a message, a block or a tool, in bytes.
const AROUND: usize = 48;

impl Request {
    /// About how long it is when written out, in bytes: for a buffer that needn't grow while a format writes. It counts
    /// what can be long, and no more than an estimate depends on it.
    pub fn weight(&self) -> usize {
        let tools = self.tools.iter().map(|tool| {
            let schema = tool.schema.as_ref().map_or(0, |schema| schema.as_str().len());
            AROUND + tool.name.len() + tool.description.as_ref().map_or(0, text) + schema
        });
        let messages = self.messages.iter().map(|message| AROUND + blocks(&message.content));
        4 * AROUND + tools.sum::<usize>() + messages.sum::<usize>()
    }
}

fn blocks(blocks: &[Block]) -> usize {
    blocks.iter().map(|block| AROUND + content(block)).sum()
}

fn content(block: &Block) -> usize {
    match block {
        Block::Text(words) => text(words),
        Block::Image(image) => source(&image.source),
        Block::Document(document) => document.name.len() + source(&document.source),
        Block::Audio(audio) => text(&audio.data),
        Block::ToolUse(call) => call.id.len() + call.name.len() + call.input.as_str().len(),
        Block::ToolResult(result) => result.id.len() + blocks(&result.content),
        Block::Reasoning(thought) => {
            let optional = |words: &Option<Text>| words.as_ref().map_or(0, text);
            text(&thought.text) + optional(&thought.signature) + optional(&thought.redacted)
        }
        Block::Remote(_) | Block::CachePoint(_) => 0,
    }
}

fn source(source: &Source) -> usize {
    match source {
        Source::Inline(data) => text(data),
        Source::S3 { uri, owner: _ } => uri.len(),
    }
}

fn text(text: &Text) -> usize {
    text.as_json().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Message, Role};

    #[test]
    fn what_is_long_counts_and_little_besides() {
        let words = Text::new(&"x".repeat(10_000));
        let message = |index| Message { role: Role::User, content: vec![Block::Text(words.clone())], index };
        let request = Request { messages: vec![message(0), message(1)], ..Request::default() };
        assert!((20_000..21_000).contains(&request.weight()), "{}", request.weight());
    }
}
