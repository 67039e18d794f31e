//! What the simulated model says, before any format.

use super::cache::Cache;
use super::fault::Fault;
use super::instance::{Instruction, instance, instructed};
use super::models::{Format, Model};
use super::scenario::{Scenario, Thought};
use super::turn::{Thinks, Turn, tokens};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The characters of one delta, unless the text is short or a directive asks for another number.
const DELTA: usize = 8;
const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

#[derive(Debug)]
pub(super) struct Answer {
    /// Tells this answer from others: random letters, the same for the same request.
    pub(super) id: String,
    pub(super) blocks: Vec<Block>,
    pub(super) stop: Stop,
    pub(super) usage: Usage,
    /// The guardrail that looked at it.
    pub(super) guardrail: Option<Guarded>,
    /// Into how many pieces texts are streamed; none for the format's own habit.
    pub(super) deltas: Option<usize>,
}

/// What a guardrail did.
#[derive(Debug)]
pub(super) struct Guarded {
    /// `BLOCKED` or `ANONYMIZED`; none if it found nothing.
    pub(super) action: Option<String>,
    /// Whether it stepped in before the model was asked.
    on_input: bool,
    /// Whether the reply tells of it.
    traced: bool,
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

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Usage {
    /// Without cached tokens.
    pub(super) input: u64,
    pub(super) output: u64,
    pub(super) cache_read: Option<u64>,
    pub(super) cache_write: Option<u64>,
    /// As many of those written as stay for an hour.
    pub(super) cache_write_hour: u64,
    /// As many of the output as were reasoning.
    pub(super) reasoning: u64,
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
    cache: &Cache,
) -> Result<Answer, Fault> {
    let id = letters(24, &[model.id, &turn.prompt]);
    let guardrail = guarded(turn, scenario);
    let blocked = scenario.say.is_none()
        && turn.guardrail.is_some()
        && scenario.guardrail.as_ref().is_some_and(|guardrail| guardrail.action == "BLOCKED");
    let mut blocks = if blocked { Vec::new() } else { thoughts(turn, scenario, model) };
    let reasoning = blocks.iter().map(Block::tokens).sum();
    let mut calls = if blocked { Vec::new() } else { calls(turn, scenario, tool_prefix)? };
    let mut text = match &scenario.say {
        Some(text) => text.clone(),
        None if blocked => "Sorry, the model cannot answer this question.".to_owned(),
        None if scenario.refusal => String::new(),
        // Claude says nothing before a call that it was made to make.
        None if model.facts.format == Format::Claude && !calls.is_empty() && turn.forced_tool().is_some() => {
            String::new()
        }
        None => reply_text(turn, scenario, !calls.is_empty()),
    };
    if let Some((tag, thought)) = &scenario.tagged {
        text = format!("<{tag}>{thought}</{tag}>\n\n{text}");
    }
    let mut stop = if calls.is_empty() { Stop::EndTurn } else { Stop::ToolUse };
    if let Some((at, sequence)) = first_stop(&text, &turn.stops) {
        text.truncate(at);
        (stop, calls) = (Stop::Sequence(sequence), Vec::new());
    }
    if let Some(limit) = turn.max_tokens
        && cut(&mut text, &mut calls, limit)
    {
        stop = Stop::MaxTokens;
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
    let mut usage = Usage {
        input: tokens(&turn.prompt),
        output: blocks.iter().map(Block::tokens).sum(),
        reasoning,
        ..Usage::default()
    };
    if let Some(cached) = cache.visit(model, turn) {
        usage.input = usage.input.saturating_sub(cached.read.saturating_add(cached.written));
        (usage.cache_read, usage.cache_write) = (Some(cached.read), Some(cached.written));
        usage.cache_write_hour = cached.written_hour;
    }
    let directed = &scenario.usage;
    usage.input = directed.input.unwrap_or(usage.input);
    usage.output = directed.output.unwrap_or(usage.output);
    usage.cache_read = directed.cache_read.or(usage.cache_read);
    if directed.cache_write.is_some() {
        (usage.cache_write, usage.cache_write_hour) = (directed.cache_write, 0);
    }
    usage.reasoning = directed.reasoning.unwrap_or(usage.reasoning);
    if guardrail.as_ref().is_some_and(|guardrail| guardrail.on_input) {
        usage = Usage::default();
    }
    Ok(Answer { id, blocks, stop, usage, guardrail, deltas: scenario.deltas })
}

/// The reasoning that was directed, or that the request asks for.
fn thoughts(turn: &Turn, scenario: &Scenario, model: &Model) -> Vec<Block> {
    let signs = model.facts.format == Format::Claude;
    let said = |text: &str, signed: bool| Block::Reasoning {
        text: text.to_owned(),
        signature: signed.then(|| signature(text)),
    };
    if scenario.thoughts.is_empty() {
        return match turn.thinks {
            Thinks::No => Vec::new(),
            Thinks::Aloud => vec![said("Let me think about that.", signs)],
            Thinks::Silently => vec![said("", signs)],
            Thinks::Opaquely => vec![Block::Redacted(redacted())],
        };
    }
    let thought = |thought: &Thought| match thought {
        Thought::Said(text) => said(text, signs),
        Thought::Signed(text) => said(text, true),
        Thought::Unsigned(text) => said(text, false),
        Thought::Redacted => Block::Redacted(redacted()),
    };
    scenario.thoughts.iter().map(thought).collect()
}

/// The tool calls that were directed, or the one that the request insists on.
fn calls(turn: &Turn, scenario: &Scenario, prefix: &str) -> Result<Vec<Block>, Fault> {
    let id = |place: usize| match &scenario.tool_id {
        Some(id) => id.replace("{n}", &place.to_string()),
        // Mistral's own ids have nine letters and no beginning.
        None if prefix.is_empty() => letters(9, &[&turn.prompt, &place.to_string()]),
        None => format!("{prefix}{}", letters(22, &[&turn.prompt, &place.to_string()])),
    };
    let mut calls = Vec::new();
    for (place, call) in scenario.tools.iter().enumerate() {
        if !turn.tools.iter().any(|tool| tool.name == call.name) {
            let message =
                format!("The simulator can't follow a directive: the request has no tool '{}'.", call.name);
            return Err(Fault::validation(message));
        }
        calls.push(Block::ToolUse { id: id(place), name: call.name.clone(), input: call.input.clone() });
    }
    if calls.is_empty()
        && let Some(tool) = turn.forced_tool()
    {
        let input = instance(&tool.schema).to_string();
        calls.push(Block::ToolUse { id: id(0), name: tool.name.clone(), input });
    }
    Ok(calls)
}

/// Keeps an answer within `limit` tokens, text first; a tool's input may end anywhere. True if anything was cut.
fn cut(text: &mut String, calls: &mut Vec<Block>, limit: u64) -> bool {
    let characters = |tokens: u64| usize::try_from(tokens.saturating_mul(4)).unwrap_or(usize::MAX);
    if tokens(text) > limit {
        *text = text.chars().take(characters(limit)).collect();
        calls.clear();
        return true;
    }
    let mut left = limit.saturating_sub(tokens(text));
    for (place, call) in calls.iter_mut().enumerate() {
        let cost = call.tokens();
        if cost <= left {
            left -= cost;
            continue;
        }
        if let Block::ToolUse { name, input, .. } = call {
            let kept = characters(left.saturating_sub(tokens(name)));
            *input = input.chars().take(kept).collect();
        }
        calls.truncate(place + 1);
        return true;
    }
    false
}

/// The echo, or JSON where JSON is wanted.
fn reply_text(turn: &Turn, scenario: &Scenario, calls_tools: bool) -> String {
    let mut parts: Vec<&str> = turn.results.iter().map(String::as_str).collect();
    if !scenario.text.is_empty() {
        parts.push(&scenario.text);
    }
    let said = parts.join("\n");
    let wanted = match &turn.schema {
        Some(schema) => Some(Instruction::Schema(schema.clone())),
        None if calls_tools => None,
        None => instructed(&turn.system).or_else(|| asked_aloud(&scenario.text)),
    };
    if let Some(wanted) = wanted {
        // A text that is JSON already is taken for the answer wanted.
        let is_json = serde_json::from_str::<Value>(&said).is_ok_and(|value| value.is_object());
        return match wanted {
            _ if is_json => said,
            Instruction::Schema(schema) => instance(&schema).to_string(),
            Instruction::Json => json!({"answer": said}).to_string(),
        };
    }
    if !said.is_empty() || calls_tools {
        return said;
    }
    if turn.media.is_empty() { "ok".to_owned() } else { turn.media.join("; ") }
}

/// An instruction in the user's own text, where models without a system text have it. There it takes a schema, or very
/// plain words: users talk of JSON more easily than systems do.
fn asked_aloud(text: &str) -> Option<Instruction> {
    instructed(text).filter(|instruction| match instruction {
        Instruction::Schema(_) => true,
        Instruction::Json => text.contains("and nothing else"),
    })
}

/// A directive may make any guardrail act; without one in the request it is as if the account enforced one.
fn guarded(turn: &Turn, scenario: &Scenario) -> Option<Guarded> {
    let traced = turn.guardrail.is_none_or(|guardrail| guardrail.traced);
    match (&scenario.guardrail, turn.guardrail) {
        (Some(directed), _) => {
            Some(Guarded { action: Some(directed.action.clone()), on_input: directed.on_input, traced })
        }
        (None, Some(_)) => Some(Guarded { action: None, on_input: false, traced }),
        (None, None) => None,
    }
}

impl Answer {
    /// Whether a guardrail did anything, be it masking.
    pub(super) fn intervened(&self) -> bool {
        self.guardrail.as_ref().is_some_and(|guardrail| guardrail.action.is_some())
    }

    /// The trace of the guardrail, as Converse and the native formats carry it.
    pub(super) fn trace(&self) -> Option<Value> {
        let guardrail = self.guardrail.as_ref().filter(|guardrail| guardrail.traced)?;
        let Some(action) = &guardrail.action else {
            return Some(
                json!({"guardrail": {"inputAssessment": {"simulated": {}}, "actionReason": "No action."}}),
            );
        };
        let entity = json!({"type": "NAME", "match": "simulated", "action": action});
        let assessment = json!({"sensitiveInformationPolicy": {"piiEntities": [entity]}});
        let reason = "Guardrail blocked or masked content.";
        Some(if guardrail.on_input {
            json!({"guardrail": {"inputAssessment": {"simulated": assessment}, "actionReason": reason}})
        } else {
            json!({"guardrail": {"outputAssessments": {"simulated": [assessment]}, "actionReason": reason}})
        })
    }
}

fn first_stop(text: &str, stops: &[String]) -> Option<(usize, String)> {
    stops
        .iter()
        .filter(|stop| !stop.is_empty())
        .filter_map(|stop| text.find(stop.as_str()).map(|at| (at, stop.clone())))
        .min_by_key(|(at, _)| *at)
}

/// The signature of a reasoning text: later turns must bring back both unchanged. It is a keyed hash, so that any
/// simulator knows what any other has signed.
pub(super) fn signature(text: &str) -> String {
    BASE64_STANDARD.encode(Sha256::new().chain_update("outcrop simulator").chain_update(text).finalize())
}

/// A reasoning block that nobody can read.
pub(super) fn redacted() -> String {
    BASE64_STANDARD.encode("redacted by the simulator")
}

/// Up to 32 letters and digits that depend on `seeds` alone.
pub(super) fn letters(count: usize, seeds: &[&str]) -> String {
    let digest =
        seeds.iter().fold(Sha256::new(), |hash, seed| hash.chain_update(seed).chain_update([0])).finalize();
    let letter =
        |byte: &u8| ALPHANUMERIC.get(usize::from(*byte) % ALPHANUMERIC.len()).copied().map(char::from);
    digest.iter().take(count).filter_map(letter).collect()
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
