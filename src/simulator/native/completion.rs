//! A prompt in, a text out: Mistral's older models, `DeepSeek` R1, Cohere's Command and Claude 2.

use super::{Echo, chunk};
use crate::simulator::answer::{Answer, Block, Stop, pieces};
use crate::simulator::converse::strings;
use crate::simulator::event_stream::Event;
use crate::simulator::llama::last_instruction;
use crate::simulator::models::Format;
use crate::simulator::turn::{Thinks, Turn};
use serde_json::{Value, json};

/// Reads a validated request.
pub(super) fn read(form: Format, body: &Value) -> Turn {
    let prompt = body["prompt"].as_str().unwrap_or_default();
    let (limit, stops) = match form {
        Format::ClaudeText => ("max_tokens_to_sample", "stop_sequences"),
        Format::CohereCommand => ("max_tokens", "stop_sequences"),
        _ => ("max_tokens", "stop"),
    };
    let text = match form {
        Format::ClaudeText => between(prompt, "Human:", "Assistant:").trim(),
        Format::DeepSeekPrompt => between(prompt, "<｜User｜>", "<｜Assistant｜>"),
        Format::MistralPrompt => last_instruction(prompt),
        _ => prompt,
    };
    let thinks = form == Format::DeepSeekPrompt && prompt.trim_end().ends_with("<think>");
    Turn {
        text: text.to_owned(),
        prompt: prompt.to_owned(),
        max_tokens: body[limit].as_u64(),
        stops: strings(&body[stops]),
        thinks: if thinks { Thinks::Aloud } else { Thinks::No },
        ..Turn::default()
    }
}

/// The last text between two marks, or all of a text without them.
fn between<'a>(prompt: &'a str, start: &str, end: &str) -> &'a str {
    let Some((_, text)) = prompt.rsplit_once(start) else { return prompt };
    text.split_once(end).map_or(text, |(text, _)| text)
}

/// The reply of `InvokeModel`.
pub(super) fn reply(form: Format, answer: &Answer, echo: &Echo) -> Value {
    let text = text(form, answer, echo);
    let reason = stop_reason(form, &answer.stop);
    match form {
        Format::ClaudeText => claude(&text, &json!(reason), &stop_text(&answer.stop)),
        Format::CohereCommand => json!({
            "id": answer.id,
            "generations": [{"id": format!("{}-0", answer.id), "text": text, "finish_reason": reason}],
            "prompt": echo.prompt,
        }),
        Format::DeepSeekPrompt => json!({"choices": [{"text": text, "stop_reason": reason}]}),
        _ => json!({"outputs": [{"text": text, "stop_reason": reason}]}),
    }
}

/// The chunks of `InvokeModelWithResponseStream`.
pub(super) fn events(form: Format, answer: &Answer, echo: &Echo) -> Vec<Event> {
    if form == Format::CohereCommand && !echo.stream {
        // Without `"stream": true` in the body the stream has the whole reply in one chunk.
        return vec![chunk(reply(form, answer, echo), true)];
    }
    let text = text(form, answer, echo);
    let piece = |text: &str, reason: Value, content: bool| {
        let payload = match form {
            Format::ClaudeText => claude(text, &reason, &Value::Null),
            Format::CohereCommand => json!({"index": 0, "is_finished": false, "text": text}),
            Format::DeepSeekPrompt => json!({"choices": [{"text": text, "stop_reason": reason}]}),
            _ => json!({"outputs": [{"text": text, "stop_reason": reason}]}),
        };
        chunk(payload, content)
    };
    let mut chunks: Vec<Event> =
        pieces(&text, answer.deltas).into_iter().map(|text| piece(text, Value::Null, true)).collect();
    let reason = json!(stop_reason(form, &answer.stop));
    let mut last = piece("", reason.clone(), false);
    match form {
        Format::CohereCommand => last.payload = json!({"finish_reason": reason, "is_finished": true}),
        Format::ClaudeText => last.payload["stop"] = stop_text(&answer.stop),
        _ => {}
    }
    chunks.push(last);
    chunks
}

fn claude(text: &str, reason: &Value, stop: &Value) -> Value {
    json!({"type": "completion", "completion": text, "stop_reason": reason, "stop": stop})
}

/// The text as the model writes it: most begin with a space, and R1 thinks before it speaks.
fn text(form: Format, answer: &Answer, echo: &Echo) -> String {
    let mut text = String::new();
    for block in &answer.blocks {
        match block {
            Block::Reasoning { text: thought, .. } => {
                let opened = if echo.thinking { "" } else { "<think>\n" };
                text = format!("{opened}{thought}\n</think>\n\n");
            }
            Block::Text(said) if form == Format::DeepSeekPrompt => text.push_str(said),
            Block::Text(said) => {
                text.push(' ');
                text.push_str(said);
            }
            Block::Redacted(_) | Block::ToolUse { .. } => {}
        }
    }
    text
}

fn stop_reason(form: Format, stop: &Stop) -> &str {
    match (form, stop) {
        (_, Stop::Other(reason)) => reason,
        (Format::ClaudeText, Stop::MaxTokens) => "max_tokens",
        (Format::ClaudeText, _) => "stop_sequence",
        (Format::CohereCommand, Stop::MaxTokens) => "MAX_TOKENS",
        (Format::CohereCommand, Stop::Refusal) => "ERROR_TOXIC",
        (Format::CohereCommand, _) => "COMPLETE",
        (_, Stop::MaxTokens) => "length",
        (_, _) => "stop",
    }
}

/// Claude 2 says which text stopped it.
fn stop_text(stop: &Stop) -> Value {
    match stop {
        Stop::Sequence(sequence) => json!(sequence),
        Stop::EndTurn => json!("\n\nHuman:"),
        Stop::ToolUse | Stop::MaxTokens | Stop::Refusal | Stop::Other(_) => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_user_text_is_found_in_each_template() {
        for (form, prompt) in [
            (Format::MistralPrompt, "<s>[INST] one [/INST] yes</s>[INST] two [/INST]"),
            (Format::DeepSeekPrompt, "<｜begin▁of▁sentence｜>brief<｜User｜>two<｜Assistant｜><think>\n"),
            (Format::ClaudeText, "\n\nHuman: one\n\nAssistant: yes\n\nHuman: two\n\nAssistant:"),
            (Format::CohereCommand, "two"),
        ] {
            assert_eq!(read(form, &json!({"prompt": prompt})).text, "two", "{form:?}");
        }
    }
}
