//! Llama's native format: a prompt with role headers, and a completion.

use super::answer::{Answer, Block, Stop, pieces};
use super::event_stream::Event;
use super::turn::{Turn, tokens};
use serde_json::{Value, json};

const USER: &str = "<|start_header_id|>user<|end_header_id|>";
const END: &str = "<|eot_id|>";

/// Reads a validated request.
pub(super) fn read(body: &Value) -> Turn {
    let prompt = body["prompt"].as_str().unwrap_or_default();
    // As much as Meta's models write without being told a limit.
    let max_tokens = body["max_gen_len"].as_u64().or(Some(512));
    Turn {
        text: last_user(prompt).to_owned(),
        prompt: prompt.to_owned(),
        max_tokens,
        media: super::converse::list(&body["images"]).iter().map(|_| "image".to_owned()).collect(),
        ..Turn::default()
    }
}

/// The last user text of a prompt in Llama 3's template or Llama 2's, or all of any other prompt.
fn last_user(prompt: &str) -> &str {
    match prompt.rsplit_once(USER) {
        Some((_, text)) => text.split_once(END).map_or(text, |(text, _)| text).trim_start_matches('\n'),
        None => last_instruction(prompt),
    }
}

/// The last text between `[INST]` and `[/INST]`, without a system text at its beginning; all of a prompt that has
/// none. Mistral writes the same.
pub(super) fn last_instruction(prompt: &str) -> &str {
    let Some((_, text)) = prompt.rsplit_once("[INST]") else { return prompt };
    let text = text.split_once("[/INST]").map_or(text, |(text, _)| text);
    let text = text.split_once("<</SYS>>").map_or(text, |(_, text)| text);
    text.strip_prefix(' ').unwrap_or(text).trim_start_matches('\n').trim_end_matches(' ')
}

/// The reply of `InvokeModel`.
pub(super) fn reply(answer: &Answer) -> Value {
    json!({
        "generation": text(answer),
        "prompt_token_count": answer.usage.input,
        "generation_token_count": answer.usage.output,
        "stop_reason": stop_reason(&answer.stop),
    })
}

/// The chunks of `InvokeModelWithResponseStream`.
pub(super) fn events(answer: &Answer) -> Vec<Event> {
    let text = text(answer);
    let mut written = 0;
    let mut chunks: Vec<Event> = pieces(&text, answer.deltas)
        .into_iter()
        .map(|piece| {
            written += tokens(piece);
            chunk(piece, written, true)
        })
        .collect();
    let mut last = chunk("", answer.usage.output, false);
    last.payload["stop_reason"] = json!(stop_reason(&answer.stop));
    chunks.push(last);
    if let Some(first) = chunks.first_mut() {
        first.payload["prompt_token_count"] = json!(answer.usage.input);
    }
    chunks
}

fn chunk(piece: &str, written: u64, content: bool) -> Event {
    let payload = json!({
        "generation": piece,
        "prompt_token_count": null,
        "generation_token_count": written,
        "stop_reason": null,
    });
    Event { name: "chunk", payload, content }
}

/// The texts of an answer: a completion has no other blocks.
pub(super) fn text(answer: &Answer) -> String {
    answer
        .blocks
        .iter()
        .filter_map(|block| match block {
            Block::Text(text) => Some(text.as_str()),
            Block::Reasoning { .. } | Block::Redacted(_) | Block::ToolUse { .. } => None,
        })
        .collect()
}

fn stop_reason(stop: &Stop) -> &str {
    match stop {
        Stop::MaxTokens => "length",
        Stop::Other(reason) => reason,
        Stop::EndTurn | Stop::ToolUse | Stop::Sequence(_) | Stop::Refusal => "stop",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_user_text_is_found_in_the_template_and_without_it() {
        let prompt = "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief<|eot_id|>\
            <|start_header_id|>user<|end_header_id|>\n\nfirst<|eot_id|>\
            <|start_header_id|>assistant<|end_header_id|>\n\nyes<|eot_id|>\
            <|start_header_id|>user<|end_header_id|>\n\nsecond\nline<|eot_id|>\
            <|start_header_id|>assistant<|end_header_id|>\n\n";
        assert_eq!(last_user(prompt), "second\nline");
        assert_eq!(last_user("just a prompt"), "just a prompt");
        let prompt = "<s>[INST] <<SYS>>\nBe brief\n<</SYS>>\n\nfirst [/INST] yes </s>";
        assert_eq!(last_user(prompt), "first");
        assert_eq!(last_user(&format!("{prompt}[INST] second [/INST]")), "second");
    }
}
