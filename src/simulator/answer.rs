//! What the simulated model says, before any format.

use super::fault::Fault;
use super::models::{Format, Model};
use super::scenario::{Scenario, Thought};
use super::turn::{Turn, sample, tokens};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The characters of one delta, unless the text is short or a directive asks for another number.
const DELTA: usize = 8;
const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) blocks: Vec<Block>,
    pub(super) stop: Stop,
    pub(super) usage: Usage,
    /// What a guardrail did to it: `BLOCKED` or `ANONYMIZED`.
    pub(super) guardrail: Option<String>,
    /// Into how many pieces texts are streamed; none for the format's own habit.
    pub(super) deltas: Option<usize>,
}

#[derive(Debug)]
pub(super) enum Block {
    Reasoning {
        text: String,
        /// Claude signs its reasoning.
        signature: Option<String>,
    },
    /// Base64.
    Redacted(String),
    Text(String),
    ToolUse {
        id: String,
        name: String,
        /// JSON, as written.
        input: String,
    },
}

#[derive(Debug)]
pub(super) enum Stop {
    EndTurn,
    ToolUse,
    MaxTokens,
    /// Which one.
    Sequence(String),
    Refusal,
    /// Word for word.
    Other(String),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    /// Without cached tokens.
    pub(super) input: u64,
    pub(super) output: u64,
    pub(super) cache_read: Option<u64>,
    pub(super) cache_write: Option<u64>,
}

impl Usage {
    pub(super) fn total(self) -> u64 {
        [self.output, self.cache_read.unwrap_or(0), self.cache_write.unwrap_or(0)]
            .into_iter()
            .fold(self.input, u64::saturating_add)
    }
}

/// Answers a turn as its scenario wants it. Ids of tool calls begin with `tool_prefix`.
pub(super) fn answer(
    turn: &Turn,
    scenario: &Scenario,
    model: &Model,
    tool_prefix: &str,
) -> Result<Answer, Fault> {
    let mut blocks = Vec::new();
    for thought in &scenario.thoughts {
        blocks.push(match thought {
            Thought::Said(text) => {
                let signature = (model.facts.format == Format::Claude).then(|| signature(text));
                Block::Reasoning { text: text.clone(), signature }
            }
            Thought::Redacted => Block::Redacted(BASE64_STANDARD.encode("redacted by the simulator")),
        });
    }
    let mut calls = Vec::new();
    for call in &scenario.tools {
        if !turn.tools.iter().any(|tool| tool.name == call.name) {
            let message =
                format!("The simulator can't follow a directive: the request has no tool '{}'.", call.name);
            return Err(Fault::validation(message));
        }
        calls.push(Block::ToolUse {
            id: format!("{tool_prefix}{}", letters(22)),
            name: call.name.clone(),
            input: call.input.clone(),
        });
    }
    if calls.is_empty()
        && let Some(tool) = turn.forced_tool()
    {
        let input = sample(&tool.schema).to_string();
        calls.push(Block::ToolUse {
            id: format!("{tool_prefix}{}", letters(22)),
            name: tool.name.clone(),
            input,
        });
    }
    let mut text = match &scenario.say {
        Some(text) => text.clone(),
        None if scenario.refusal => String::new(),
        None => reply_text(turn, scenario, !calls.is_empty()),
    };
    let mut stop = if calls.is_empty() { Stop::EndTurn } else { Stop::ToolUse };
    if let Some((at, sequence)) = first_stop(&text, &turn.stops) {
        text.truncate(at);
        (stop, calls) = (Stop::Sequence(sequence), Vec::new());
    }
    if let Some(limit) = turn.max_tokens
        && tokens(&text) > limit
    {
        let characters = usize::try_from(limit.saturating_mul(4)).unwrap_or(usize::MAX);
        text = text.chars().take(characters).collect();
        (stop, calls) = (Stop::MaxTokens, Vec::new());
    }
    if !text.is_empty() {
        blocks.push(Block::Text(text));
    }
    blocks.append(&mut calls);
    if scenario.refusal {
        stop = Stop::Refusal;
    }
    if let Some(reason) = &scenario.stop {
        stop = Stop::Other(reason.clone());
    }
    let usage = Usage {
        input: scenario.usage.input.unwrap_or_else(|| tokens(&turn.prompt)),
        output: scenario.usage.output.unwrap_or_else(|| blocks.iter().map(Block::tokens).sum()),
        cache_read: scenario.usage.cache_read,
        cache_write: scenario.usage.cache_write,
    };
    let guardrail = scenario.guardrail.clone();
    Ok(Answer { blocks, stop, usage, guardrail, deltas: scenario.deltas })
}

/// The echo.
fn reply_text(turn: &Turn, scenario: &Scenario, calls_tools: bool) -> String {
    let mut parts: Vec<&str> = turn.results.iter().map(String::as_str).collect();
    if !scenario.text.is_empty() {
        parts.push(&scenario.text);
    }
    let said = parts.join("\n");
    if let Some(schema) = &turn.schema {
        // Without a schema of its own a text that is JSON already is taken for the answer wanted.
        let is_json = serde_json::from_str::<Value>(&said).is_ok_and(|value| value.is_object());
        return if is_json { said } else { sample(schema).to_string() };
    }
    if !said.is_empty() || calls_tools {
        return said;
    }
    if turn.media.is_empty() { "ok".to_owned() } else { turn.media.join("; ") }
}

impl Answer {
    /// The trace of the guardrail, as Converse and the native formats carry it.
    pub(super) fn trace(&self) -> Option<Value> {
        let action = self.guardrail.as_deref()?;
        let entity = json!({"type": "NAME", "match": "simulated", "action": action});
        let assessment = json!({"sensitiveInformationPolicy": {"piiEntities": [entity]}});
        Some(json!({"guardrail": {
            "outputAssessments": {"simulated": [assessment]},
            "actionReason": "Guardrail blocked or masked content.",
        }}))
    }
}

fn first_stop(text: &str, stops: &[String]) -> Option<(usize, String)> {
    stops
        .iter()
        .filter(|stop| !stop.is_empty())
        .filter_map(|stop| text.find(stop.as_str()).map(|at| (at, stop.clone())))
        .min_by_key(|(at, _)| *at)
}

/// The signature of a reasoning text: later turns must bring back both unchanged.
pub(super) fn signature(text: &str) -> String {
    BASE64_STANDARD.encode(Sha256::new().chain_update("outcrop simulator").chain_update(text).finalize())
}

/// Random letters and digits, for ids.
pub(super) fn letters(count: usize) -> String {
    (0..count).filter_map(|_| fastrand::choice(ALPHANUMERIC)).map(|&letter| char::from(letter)).collect()
}

impl Block {
    fn tokens(&self) -> u64 {
        match self {
            Self::Reasoning { text, .. } | Self::Redacted(text) | Self::Text(text) => tokens(text),
            Self::ToolUse { name, input, .. } => tokens(name).saturating_add(tokens(input)),
        }
    }
}

/// Cuts a text into `count` pieces of about equal length, or into several of a few characters. Joined they are
/// the text again; none is empty.
pub(super) fn pieces(text: &str, count: Option<usize>) -> Vec<&str> {
    let length = text.chars().count();
    let count =
        count.unwrap_or_else(|| length.div_ceil(length.div_ceil(3).clamp(1, DELTA))).clamp(1, length.max(1));
    let mut pieces = Vec::with_capacity(count);
    let (mut rest, mut left) = (text, length);
    for remaining in (1..=count).rev() {
        let take = left.div_ceil(remaining);
        let end = rest.char_indices().nth(take).map_or(rest.len(), |(at, _)| at);
        let (piece, after) = rest.split_at(end);
        if !piece.is_empty() {
            pieces.push(piece);
        }
        (rest, left) = (after, left.saturating_sub(take));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_the_text_and_are_as_many_as_asked() {
        for (text, count, expected) in [
            ("", None, 0),
            ("a", None, 1),
            ("hello", None, 3),
            ("hello", Some(5), 5),
            ("hello", Some(100), 5),
            ("héllo wörld, how are you", Some(7), 7),
        ] {
            let pieces = pieces(text, count);
            assert_eq!(pieces.concat(), text);
            assert_eq!(pieces.len(), expected, "{text} {count:?}");
        }
    }

    #[test]
    fn the_earliest_stop_sequence_wins() {
        let stops = ["x".to_owned(), "b".to_owned(), String::new()];
        assert_eq!(first_stop("abcx", &stops), Some((1, "b".to_owned())));
        assert_eq!(first_stop("none", &["z".to_owned()]), None);
    }
}
