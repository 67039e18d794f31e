//! Why a model ended, in the words of the many that have no protocol of their own.

use crate::chat::StopReason;

/// Vendors write the same few words in upper or lower case; a new one is taken by what it contains.
pub(super) fn stop_reason(word: &str) -> StopReason {
    let lower = word.to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    match lower.as_str() {
        "stop" | "complete" | "end_turn" | "eos" | "endoftext" | "user_cancel" => StopReason::EndTurn,
        "stop_sequence" => StopReason::StopSequence,
        _ if has(&["tool", "function_call"]) => StopReason::ToolUse,
        _ if has(&["length", "max", "limit"]) => StopReason::MaxTokens,
        _ if has(&["filter", "toxic"]) => StopReason::ContentFiltered,
        _ if has(&["refusal"]) => StopReason::Refusal,
        _ => StopReason::Other(word.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_word_has_its_meaning() {
        for (word, stop) in [
            ("stop", StopReason::EndTurn),
            ("COMPLETE", StopReason::EndTurn),
            ("stop_sequence", StopReason::StopSequence),
            ("tool_calls", StopReason::ToolUse),
            ("length", StopReason::MaxTokens),
            ("model_length", StopReason::MaxTokens),
            ("MAX_TOKENS", StopReason::MaxTokens),
            ("ERROR_LIMIT", StopReason::MaxTokens),
            ("content_filter", StopReason::ContentFiltered),
            ("ERROR_TOXIC", StopReason::ContentFiltered),
            ("new", StopReason::Other("new".into())),
        ] {
            assert_eq!(stop_reason(word), stop, "{word}");
        }
    }
}
