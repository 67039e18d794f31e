//! The loop of tool calls that a conversation is in.

use super::{Block, Message, Role};

/// What was said since the user's last own word, if its end waits for the model to go on from tool results: the model's calls
/// and their results, from the first call on. Empty if no loop is open.
///
/// As `mend` sees it: neighbours of one role are one turn, and what the system says in between is said by the user.
pub fn open_tool_loop(messages: &[Message]) -> &[Message] {
    let speaks = |message: &Message| message.role == Role::Assistant;
    if messages.last().is_none_or(speaks) {
        return &[];
    }
    let (mut at, mut begin) = (messages.len(), messages.len());
    for turn in messages.chunk_by(|one, next| speaks(one) == speaks(next)).rev() {
        at = at.saturating_sub(turn.len());
        if turn.iter().any(speaks) {
            begin = at;
        } else if !turn.iter().flat_map(|message| &message.content).any(is_result) {
            break;
        }
    }
    messages.get(begin..).unwrap_or_default()
}

fn is_result(block: &Block) -> bool {
    match block {
        Block::ToolResult(_) => true,
        Block::Text(_)
        | Block::Image(_)
        | Block::Document(_)
        | Block::Audio(_)
        | Block::Remote(_)
        | Block::CachePoint(_)
        | Block::ToolUse(_)
        | Block::Reasoning(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Json, Text, ToolResult, ToolUse};

    /// `u` the user's word, `s` the system's, `a` the model's, `c` a call, `r` a result.
    fn conversation(roles: &str) -> Vec<Message> {
        let words = || Block::Text(Text::new("words"));
        let call = || ToolUse { id: "t".into(), name: "f".into(), input: Json::empty_object() };
        let result = || ToolResult { id: "t".into(), content: vec![words()], is_error: false };
        let message = |(index, role)| match role {
            'u' => Message { role: Role::User, content: vec![words()], index },
            's' => Message { role: Role::System, content: vec![words()], index },
            'a' => Message { role: Role::Assistant, content: vec![words()], index },
            'c' => Message { role: Role::Assistant, content: vec![Block::ToolUse(call())], index },
            _ => Message { role: Role::User, content: vec![Block::ToolResult(result())], index },
        };
        roles.chars().enumerate().map(message).collect()
    }

    #[test]
    fn a_loop_goes_back_to_the_users_last_own_word() {
        for (roles, open) in [
            ("", ""),
            ("u", ""),
            ("uau", ""),
            ("ucr", "cr"),
            ("ucrr", "crr"),
            ("ucrcr", "crcr"),
            ("uacr", "acr"),
            ("ucrau", ""),
            ("ucraucr", "cr"),
            // Text beside results, in one turn with them.
            ("ucru", "cru"),
            ("ucrs", "crs"),
            ("ucrucr", "crucr"),
            // The model has the last word.
            ("ucra", ""),
            ("cr", "cr"),
        ] {
            let messages = conversation(roles);
            let from = open_tool_loop(&messages).first().map_or(messages.len(), |message| message.index);
            assert_eq!(&roles[from..], open, "{roles}");
        }
    }
}
