//! How many tokens a request may come to, before anybody has counted: what a key's allowance is reserved by.
//!
//! Four bytes are a token, as OpenAI reckons too. It only has to keep many requests that begin at once from overdrawing an
//! allowance by far: what it gets wrong is put right when the model has counted.

use crate::chat::{Block, Request, Source};
use crate::embed;

/// A picture at the size that models reduce it to, a page or two, a little speech: their bytes say nothing.
const MEDIUM: u64 = 1_500;

/// An answer whose length isn't bounded.
const ANSWER: u64 = 500;

/// Tokens of a request and of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tokens {
    /// Those that the model reads.
    pub(super) read: u64,
    /// Those that it may write.
    pub(super) written: u64,
}

impl Tokens {
    pub(super) fn sum(self) -> u64 {
        self.read.saturating_add(self.written)
    }
}

/// What is read, and what at most is written in `choices` answers.
pub(super) fn tokens(request: &Request, choices: u32) -> Tokens {
    let messages = request.messages.iter().flat_map(|message| &message.content).map(block);
    let tools = request.tools.iter().map(|tool| {
        let description = tool.description.as_ref().map_or(0, |text| text.as_json().len());
        bytes(description + tool.schema.as_ref().map_or(0, |schema| schema.as_str().len()))
    });
    let answer = request.max_tokens.map_or(ANSWER, u64::from);
    // Each choice is a call of its own.
    let each = |tokens: u64| tokens.saturating_mul(choices.into());
    Tokens { read: each(messages.sum::<u64>() + tools.sum::<u64>()), written: each(answer) }
}

/// What is read of texts that become vectors.
pub(super) fn texts(request: &embed::Request) -> Tokens {
    Tokens { read: request.texts.iter().map(|text| bytes(text.as_json().len())).sum(), written: 0 }
}

/// What so many bytes of an answer come to.
pub(super) fn bytes(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4)
}

fn block(block: &Block) -> u64 {
    match block {
        Block::Text(text) => bytes(text.as_json().len()),
        Block::Image(_) | Block::Audio(_) | Block::Remote(_) => MEDIUM,
        Block::Document(document) => match &document.source {
            // Base64 of mostly text, at best.
            Source::Inline(data) => MEDIUM.max(bytes(data.as_json().len() / 4)),
            Source::S3 { .. } => MEDIUM,
        },
        Block::ToolUse(call) => bytes(call.input.as_str().len()),
        Block::ToolResult(result) => result.content.iter().map(self::block).sum(),
        Block::Reasoning(reasoning) => bytes(reasoning.text.as_json().len()),
        Block::CachePoint(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openai::decode;

    fn estimated(body: &str) -> u64 {
        let decoded = decode(body.as_bytes()).unwrap();
        tokens(&decoded.request, decoded.choices).sum()
    }

    #[test]
    fn text_tools_and_the_longest_answer_count_and_each_choice_again() {
        let text = "x".repeat(398);
        let base = format!(r#""messages":[{{"role":"user","content":"{text}"}}]"#);
        assert_eq!(estimated(&format!("{{{base}}}")), 100 + ANSWER);
        assert_eq!(estimated(&format!(r#"{{{base},"max_tokens":10}}"#)), 110);
        assert_eq!(estimated(&format!(r#"{{{base},"max_tokens":10,"n":3}}"#)), 330);
        let tools = r#""tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]"#;
        assert_eq!(estimated(&format!(r#"{{{base},"max_tokens":10,{tools}}}"#)), 115);
    }

    #[test]
    fn a_picture_counts_by_itself_and_not_by_its_bytes() {
        let data = format!("iVBORw0KGgoAAAANSUhEUgAA{}", "A".repeat(100_000));
        let body = format!(
            r#"{{"max_tokens":1,"messages":[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{data}"}}}}]}}]}}"#
        );
        assert_eq!(estimated(&body), MEDIUM + 1);
    }
}
