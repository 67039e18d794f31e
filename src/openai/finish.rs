//! Why a reply ended, in OpenAI's words: one table for whole and streamed replies.

use super::EncodeError;
use crate::chat::StopReason;

/// `finish_reason`. A reply that was cut is never called a success, even if it holds tool calls: the last of
/// them may be half of one.
pub(super) fn finish_reason(
    stop: &StopReason,
    has_calls: bool,
    has_content: bool,
) -> Result<&'static str, EncodeError> {
    Ok(match stop {
        // Some models end a turn of calls as if it were none; clients look for the word before they look for calls,
        // and one that reads it without finding any crashes.
        StopReason::EndTurn | StopReason::StopSequence | StopReason::ToolUse | StopReason::Other(_) => {
            if has_calls {
                "tool_calls"
            } else {
                "stop"
            }
        }
        StopReason::MaxTokens | StopReason::ContextFull => "length",
        StopReason::ContentFiltered | StopReason::Refusal => "content_filter",
        StopReason::Malformed if has_content => "stop",
        StopReason::Malformed => return Err(EncodeError::Malformed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stop_reason_has_its_finish_reason() {
        let other = StopReason::Other("new".to_owned());
        for (stop, without_calls, with_calls) in [
            (StopReason::EndTurn, "stop", "tool_calls"),
            (StopReason::StopSequence, "stop", "tool_calls"),
            (StopReason::ToolUse, "stop", "tool_calls"),
            (StopReason::MaxTokens, "length", "length"),
            (StopReason::ContextFull, "length", "length"),
            (StopReason::ContentFiltered, "content_filter", "content_filter"),
            (StopReason::Refusal, "content_filter", "content_filter"),
            (StopReason::Malformed, "stop", "stop"),
            (other, "stop", "tool_calls"),
        ] {
            assert_eq!(finish_reason(&stop, false, true).unwrap(), without_calls, "{stop:?}");
            assert_eq!(finish_reason(&stop, true, true).unwrap(), with_calls, "{stop:?}");
        }
    }

    #[test]
    fn a_malformed_reply_without_content_is_an_error() {
        assert!(matches!(finish_reason(&StopReason::Malformed, false, false), Err(EncodeError::Malformed)));
    }
}
