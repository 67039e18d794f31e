//! Titan Text's native format: a conversation in one text, and a completion.

use super::answer::{Answer, Stop, pieces};
use super::converse::strings;
use super::event_stream::Event;
use super::llama::text;
use super::turn::{Turn, tokens};
use serde_json::{Value, json};

/// Reads a validated request.
pub(super) fn read(body: &Value) -> Turn {
    let input = body["inputText"].as_str().unwrap_or_default();
    let config = &body["textGenerationConfig"];
    Turn {
        text: last_user(input).to_owned(),
        prompt: input.to_owned(),
        // AWS's default.
        max_tokens: config["maxTokenCount"].as_u64().or(Some(512)),
        stops: strings(&config["stopSequences"]),
        ..Turn::default()
    }
}

/// The last user text of a `User: … Bot:` conversation, or all of any other text.
fn last_user(input: &str) -> &str {
    let text = match input.rsplit_once("\nUser: ") {
        Some((_, text)) => text,
        None => match input.strip_prefix("User: ") {
            Some(text) => text,
            None => return input,
        },
    };
    let text = text.trim_end();
    text.strip_suffix("Bot:").map_or(text, |text| text.trim_end_matches('\n'))
}

/// The reply of `InvokeModel`.
pub(super) fn reply(answer: &Answer) -> Value {
    json!({
        "inputTextTokenCount": answer.usage.input,
        "results": [{
            "tokenCount": answer.usage.output,
            "outputText": text(answer),
            "completionReason": completion_reason(&answer.stop),
        }],
    })
}

/// The chunks of `InvokeModelWithResponseStream`: one, unless a directive asks for more.
pub(super) fn events(answer: &Answer) -> Vec<Event> {
    let text = text(answer);
    let mut pieces = pieces(&text, answer.deltas.or(Some(1)));
    let last = pieces.pop().unwrap_or_default();
    let chunk = |text: &str, written: u64, reason: Value| Event {
        name: "chunk",
        payload: json!({
            "outputText": text,
            "index": 0,
            "totalOutputTextTokenCount": written,
            "completionReason": reason,
            "inputTextTokenCount": answer.usage.input,
        }),
        content: true,
    };
    let mut written = 0;
    let mut chunks: Vec<Event> = pieces
        .into_iter()
        .map(|piece| {
            written += tokens(piece);
            chunk(piece, written, Value::Null)
        })
        .collect();
    chunks.push(chunk(last, answer.usage.output, json!(completion_reason(&answer.stop))));
    chunks
}

fn completion_reason(stop: &Stop) -> &str {
    match stop {
        Stop::MaxTokens => "LENGTH",
        Stop::Sequence(_) => "STOP_CRITERIA_MET",
        Stop::Refusal => "CONTENT_FILTERED",
        Stop::Other(reason) => reason,
        Stop::EndTurn | Stop::ToolUse => "FINISH",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_user_text_is_found_in_a_conversation_and_without_one() {
        assert_eq!(last_user("User: one\nBot: yes\nUser: two\nBot:"), "two");
        assert_eq!(last_user("User: one\n\nBot:"), "one");
        assert_eq!(last_user("plain"), "plain");
    }
}
