//! What a request says, whatever its format: enough to answer it.

use super::cache::{Checkpoint, Prefix};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A request, read.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// The texts of the last user turn.
    pub(super) text: String,
    /// The texts of its tool results, in order.
    pub(super) results: Vec<String>,
    /// Its pictures and such: `image/png, 68 bytes`.
    pub(super) media: Vec<String>,
    /// Everything said so far: what the prompt's tokens are counted from, and what tells conversations apart.
    pub(super) prompt: String,
    /// The system's texts.
    pub(super) system: String,
    pub(super) tools: Vec<Tool>,
    /// The tools that were called since a user last said something.
    pub(super) called: Vec<String>,
    pub(super) force: Force,
    pub(super) max_tokens: Option<u64>,
    pub(super) stops: Vec<String>,
    /// The schema that the answer's JSON must follow.
    pub(super) schema: Option<Value>,
    pub(super) thinks: Thinks,
    /// A guardrail that the request brings along.
    pub(super) guardrail: Option<Guardrail>,
    /// Where the prompt may be cut for the cache, in order.
    pub(super) prefixes: Vec<Prefix>,
    /// Where it shall be.
    pub(super) checkpoints: Vec<Checkpoint>,
    pub(super) characters: usize,
    pub(super) digest: Sha256,
}

#[derive(Debug)]
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) schema: Value,
}

/// Whether a tool must be called.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Force {
    #[default]
    No,
    Any,
    Named(String),
}

/// Whether the request asks for reasoning.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thinks {
    #[default]
    No,
    Aloud,
    /// It thinks, and shows a signature only.
    Silently,
    /// It thinks, and shows encrypted blocks.
    Opaquely,
}

/// A guardrail of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Guardrail {
    /// Whether the reply tells what it did.
    pub(super) traced: bool,
}

impl Turn {
    /// Adds a text of the conversation; `last` if it belongs to the last user turn.
    pub(super) fn hear(&mut self, text: &str, last: bool) {
        self.prompt.push_str(text);
        self.characters = self.characters.saturating_add(text.chars().count());
        self.see(text.as_bytes());
        if last {
            self.text.push_str(text);
        }
    }

    /// Adds a text of the system.
    pub(super) fn obey(&mut self, text: &str) {
        self.hear(text, false);
        self.system.push_str(text);
        self.system.push('\n');
    }

    /// Adds something without words, such as the bytes of a picture.
    pub(super) fn see(&mut self, bytes: &[u8]) {
        self.digest.update(bytes.len().to_be_bytes());
        self.digest.update(bytes);
        let tokens = u64::try_from(self.characters.div_ceil(4)).unwrap_or(u64::MAX);
        self.prefixes.push(Prefix { tokens, digest: self.digest.clone().finalize().into() });
    }

    /// Everything until here shall be cached.
    pub(super) fn checkpoint(&mut self, hour: bool) {
        self.checkpoints.push(Checkpoint { prefixes: self.prefixes.len(), hour });
    }

    /// The tool that the request insists on. "Any" means each once: a tool that was called since the user last spoke
    /// is passed over, or an agent that insists at every step would never come to an end.
    pub(super) fn forced_tool(&self) -> Option<&Tool> {
        match &self.force {
            Force::No => None,
            Force::Any => self.tools.iter().find(|tool| !self.called.contains(&tool.name)),
            Force::Named(name) => self.tools.iter().find(|tool| tool.name == *name),
        }
    }
}

/// Tokens of a text: four characters each.
pub(super) fn tokens(text: &str) -> u64 {
    u64::try_from(text.chars().count().div_ceil(4)).unwrap_or(u64::MAX)
}

/// The index of the last user message.
pub(super) fn last_user(messages: &[Value]) -> Option<usize> {
    messages.iter().rposition(|message| message["role"] == "user")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_characters_are_a_token() {
        assert_eq!(["", "a", "four", "five!"].map(tokens), [0, 1, 1, 2]);
        assert_eq!(tokens("éééé"), 1);
    }

    #[test]
    fn any_tool_is_called_once_until_the_user_speaks_again() {
        let tool = |name: &str| Tool { name: name.to_owned(), schema: Value::Null };
        let mut turn = Turn { tools: vec![tool("a"), tool("b")], force: Force::Any, ..Turn::default() };
        assert_eq!(turn.forced_tool().unwrap().name, "a");
        turn.called = vec!["a".to_owned()];
        assert_eq!(turn.forced_tool().unwrap().name, "b");
        turn.called.push("b".to_owned());
        assert!(turn.forced_tool().is_none());
        turn.force = Force::Named("a".to_owned());
        assert_eq!(turn.forced_tool().unwrap().name, "a");
    }
}
