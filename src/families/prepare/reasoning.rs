//! The rules about thinking: how hard, and which thoughts go back.

use crate::chat::{Action, Block, Notes, Request};
use crate::families::Capabilities;

/// Asks for as much thinking as the client wants, in the model's own words.
pub(super) fn effort(request: &mut Request, _able: &Capabilities, notes: &mut Notes) {
    if request.reasoning.take().is_some() {
        notes.add("reasoning_effort", Action::Dropped, "no_equivalent");
    }
}

/// Thoughts go back only to a model that signed them: others refuse them, or take them for speech.
pub(super) fn thoughts(request: &mut Request, able: &Capabilities, notes: &mut Notes) {
    for message in &mut request.messages {
        let before = message.content.len();
        message.content.retain(|block| match block {
            Block::Reasoning(thought) => {
                able.signed_reasoning && (thought.signature.is_some() || thought.redacted.is_some())
            }
            Block::Text(_)
            | Block::Image(_)
            | Block::Document(_)
            | Block::Audio(_)
            | Block::Remote(_)
            | Block::CachePoint(_)
            | Block::ToolUse(_)
            | Block::ToolResult(_) => true,
        });
        if message.content.len() < before {
            let reason = if able.signed_reasoning { "reasoning_unsigned" } else { "reasoning_not_replayed" };
            notes.add(format!("messages[{}]", message.index), Action::Dropped, reason);
        }
    }
}
