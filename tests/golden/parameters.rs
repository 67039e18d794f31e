//! What becomes of each parameter on each family, found out by asking: `docs/parameters.md` is written from it.
//!
//! Every parameter of OpenAI's reference and every kind of content is sent, alone, to a model of each family and generation, as
//! far as the bytes of the call. What comes of it is one of five things, and there is no sixth: a parameter that leaves the
//! call as it would be without it, and no note either, was lost in silence, and that fails the test.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use anyhow::{Result, anyhow, ensure};
use outcrop::bedrock::{Invocation, ModelId};
use outcrop::chat::{Action, CacheMode, InvalidRequest, Note, Notes};
use outcrop::families::{self, FormatKind, Lessons, ModelLimits, Overrides, StreamingMode, Terms};
use outcrop::openai;
use serde_json::{Value, json};

use crate::updating;

/// A model of each family, and of each generation that differs: what the column is called, and the id.
const MODELS: &[(&str, &str)] = &[
    ("Claude 3", "anthropic.claude-3-haiku-20240307-v1:0"),
    ("Claude 3.7", "us.anthropic.claude-3-7-sonnet-20250219-v1:0"),
    ("Claude 4.5", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("Claude 4.6", "us.anthropic.claude-sonnet-4-6"),
    ("Claude 5", "us.anthropic.claude-opus-5"),
    ("Claude 5.5", "us.anthropic.claude-opus-5-5"),
    ("Nova 1", "amazon.nova-pro-v1:0"),
    ("Nova 2", "us.amazon.nova-2-lite-v1:0"),
    ("Titan", "amazon.titan-text-express-v1"),
    ("Llama 3.3", "us.meta.llama3-3-70b-instruct-v1:0"),
    ("Llama 4", "us.meta.llama4-scout-17b-instruct-v1:0"),
    ("Mistral 7B", "mistral.mistral-7b-instruct-v0:2"),
    ("Mistral", "mistral.mistral-large-3-675b-instruct"),
    ("Voxtral", "mistral.voxtral-small-24b-2507"),
    ("Cohere R", "cohere.command-r-plus-v1:0"),
    ("Jamba", "ai21.jamba-1-5-large-v1:0"),
    ("DeepSeek R1", "us.deepseek.r1-v1:0"),
    ("DeepSeek V3", "deepseek.v3.2"),
    ("gpt-oss", "openai.gpt-oss-120b-1:0"),
    ("GPT", "openai.gpt-6-sol"),
    ("Grok", "xai.grok-4.6"),
    ("Qwen", "qwen.qwen3-32b-v1:0"),
    ("Kimi", "moonshotai.kimi-k2.5"),
    ("GLM", "zai.glm-4.7"),
    ("MiniMax", "minimax.minimax-m2"),
    ("Gemma", "google.gemma-3-27b-it"),
    ("Nemotron", "nvidia.nemotron-nano-12b-v2"),
    ("Palmyra", "writer.palmyra-x5-v1:0"),
    ("any other", "vendor.brand-new-v1:0"),
];

/// The bodies that are spoken only if config asks for them: what is asked for, the id, and the family that config
/// names.
const NATIVE: &[(&str, &str, Option<&str>)] = &[
    ("Nova's body", "amazon.nova-2-lite-v1:0", None),
    ("Llama 2's body", "meta.llama2-13b-chat-v1", None),
    ("Mistral's prompts", "mistral.mistral-7b-instruct-v0:2", None),
    ("Mistral's chats", "mistral.pixtral-large-2502-v1:0", None),
    ("Cohere R's body", "cohere.command-r-plus-v1:0", None),
    ("Cohere Command's body", "cohere.command-text-v14", None),
    ("Claude's Text Completions", "anthropic.claude-v2:1", Some("claude_text")),
    ("DeepSeek R1's body", "us.deepseek.r1-v1:0", None),
    ("Jamba's body", "ai21.jamba-1-5-large-v1:0", None),
    ("Chat Completions", "openai.gpt-oss-120b-1:0", None),
    ("Chat Completions with pictures", "qwen.qwen3-vl-235b-a22b", None),
];

/// What is asked: a name, the members that ask it, and those that must be there for it to mean anything.
struct Case {
    name: &'static str,
    asks: Value,
    beside: Value,
}

fn case(name: &'static str, asks: Value) -> Case {
    Case { name, asks, beside: json!({}) }
}

fn user(content: &Value) -> Value {
    json!({"messages": [{"role": "user", "content": content}]})
}

fn part(part: &Value) -> Value {
    user(&json!([{"type": "text", "text": "Look."}, part]))
}

fn function(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "description": "d",
        "parameters": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false}}})
}

fn cases() -> Vec<Case> {
    [messages(), drawing(), tools(), answer(), service()].into_iter().flatten().collect()
}

fn messages() -> Vec<Case> {
    const PNG: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg==";
    let file = |name: &str, data: &str| {
        part(&json!({"type": "file", "file": {"filename": name, "file_data": data}}))
    };
    let call = json!({"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":\"b\"}"}}]});
    let history = json!([{"role": "user", "content": "Go."}, call, {"role": "tool", "tool_call_id": "c1", "content": "done"}]);
    vec![
        case(
            "messages: system",
            json!({"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]}),
        ),
        case(
            "messages: developer, later",
            json!({"messages": [{"role": "user", "content": "Hi"}, {"role": "developer", "content": "Now be brief."}, {"role": "user", "content": "Go."}]}),
        ),
        case(
            "messages: assistant last",
            json!({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "It is"}]}),
        ),
        case(
            "messages: assistant first",
            json!({"messages": [{"role": "assistant", "content": "Hello."}, {"role": "user", "content": "Hi"}]}),
        ),
        Case { name: "messages: tool", asks: json!({"messages": history}), beside: json!({}) },
        case("messages: name", json!({"messages": [{"role": "user", "name": "ada", "content": "Hi"}]})),
        case("content: picture", part(&json!({"type": "image_url", "image_url": {"url": PNG}}))),
        case(
            "content: picture in S3",
            part(&json!({"type": "image_url", "image_url": {"url": "s3://bucket/a.png"}})),
        ),
        case(
            "content: picture, detail",
            part(&json!({"type": "image_url", "image_url": {"url": PNG, "detail": "high"}})),
        ),
        case("content: PDF", file("a.pdf", "data:application/pdf;base64,JVBERi0xLjQK")),
        case("content: Word file", file("a.docx", "UEsDBA==")),
        case("content: text file", file("a.txt", "SGk=")),
        case(
            "content: sound",
            part(&json!({"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}})),
        ),
        case(
            "content: cache_control",
            user(
                &json!([{"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "Hi"}]),
            ),
        ),
    ]
}

fn drawing() -> Vec<Case> {
    vec![
        case("max_completion_tokens", json!({"max_completion_tokens": 100})),
        case("max_tokens: 10 million", json!({"max_tokens": 10_000_000})),
        case("temperature: 0.5", json!({"temperature": 0.5})),
        case("temperature: 1.5", json!({"temperature": 1.5})),
        case("top_p", json!({"top_p": 0.5})),
        case("temperature and top_p", json!({"temperature": 0.5, "top_p": 0.5})),
        case("top_k (extension)", json!({"top_k": 5})),
        case("stop", json!({"stop": ["END"]})),
        case("seed", json!({"seed": 7})),
        case("frequency_penalty", json!({"frequency_penalty": 0.5})),
        case("presence_penalty", json!({"presence_penalty": 0.5})),
        case("logit_bias", json!({"logit_bias": {"50256": -100}})),
        case("logprobs", json!({"logprobs": true})),
        Case { name: "top_logprobs", asks: json!({"top_logprobs": 3}), beside: json!({"logprobs": true}) },
    ]
}

fn tools() -> Vec<Case> {
    let two = || json!({"tools": [function("f"), function("g")]});
    let with_tools = |name, asks| Case { name, asks, beside: two() };
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false});
    vec![
        case("tools", two()),
        case("tools: custom", json!({"tools": [{"type": "custom", "custom": {"name": "run"}}]})),
        case(
            "tools: strict",
            json!({"tools": [{"type": "function", "function": {"name": "f", "strict": true, "parameters": schema}}]}),
        ),
        with_tools("tool_choice: none", json!({"tool_choice": "none"})),
        with_tools("tool_choice: required", json!({"tool_choice": "required"})),
        with_tools(
            "tool_choice: a function",
            json!({"tool_choice": {"type": "function", "function": {"name": "f"}}}),
        ),
        with_tools(
            "tool_choice: allowed_tools",
            json!({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}}}),
        ),
        with_tools("parallel_tool_calls: false", json!({"parallel_tool_calls": false})),
        Case { name: "stream, with tools", asks: json!({"stream": true}), beside: two() },
        case("functions", json!({"functions": [function("f")["function"]]})),
        Case {
            name: "function_call",
            asks: json!({"function_call": {"name": "f"}}),
            beside: json!({"functions": [function("f")["function"]]}),
        },
    ]
}

fn answer() -> Vec<Case> {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false});
    let mut cases = vec![
        case("response_format: json_object", json!({"response_format": {"type": "json_object"}})),
        case(
            "response_format: json_schema",
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}}),
        ),
        case(
            "response_format: json_schema, strict",
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "strict": true, "schema": schema}}}),
        ),
        case("verbosity: low", json!({"verbosity": "low"})),
        case("prediction", json!({"prediction": {"type": "content", "content": "a"}})),
        case("web_search_options", json!({"web_search_options": {}})),
    ];
    for (name, word) in [
        ("reasoning_effort: none", "none"),
        ("reasoning_effort: minimal", "minimal"),
        ("reasoning_effort: low", "low"),
        ("reasoning_effort: medium", "medium"),
        ("reasoning_effort: high", "high"),
        ("reasoning_effort: xhigh", "xhigh"),
        ("reasoning_effort: max", "max"),
    ] {
        cases.push(case(name, json!({"reasoning_effort": word})));
    }
    cases.push(case("reasoning: effort (extension)", json!({"reasoning": {"effort": "high"}})));
    cases.push(case(
        "thinking: budget_tokens (extension)",
        json!({"thinking": {"type": "enabled", "budget_tokens": 16_384}}),
    ));
    cases
}

fn service() -> Vec<Case> {
    vec![
        case("modalities: text", json!({"modalities": ["text"]})),
        case("modalities: audio", json!({"modalities": ["text", "audio"]})),
        case("audio", json!({"audio": {"format": "wav", "voice": "a"}})),
        case("user", json!({"user": "u1"})),
        case("safety_identifier", json!({"safety_identifier": "s1"})),
        case("metadata", json!({"metadata": {"team": "search"}})),
        case("store: true", json!({"store": true})),
        case("moderation", json!({"moderation": {"model": "omni"}})),
        case("service_tier: flex", json!({"service_tier": "flex"})),
        case("prompt_cache_key", json!({"prompt_cache_key": "k"})),
        case("prompt_cache_options", json!({"prompt_cache_options": {"ttl": "30m"}})),
        case("prompt_cache_retention", json!({"prompt_cache_retention": "24h"})),
        case("an unknown member", json!({"brand_new": 1})),
    ]
}

/// What concerns only the way the answer is delivered, so that the call is the same with and without it.
const DELIVERY: [&str; 6] = ["model", "messages", "n", "stream", "stream_options", "modalities"];

/// What became of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Sent,
    Bent,
    Emulated,
    Dropped,
    Refused,
}

impl Outcome {
    fn mark(self) -> &'static str {
        match self {
            Self::Sent => "✓",
            Self::Bent => "~",
            Self::Emulated => "e",
            Self::Dropped => "–",
            Self::Refused => "✗",
        }
    }
}

#[test]
fn every_parameter_is_asked_about() {
    let asked: BTreeSet<String> = cases()
        .iter()
        .flat_map(|case| {
            case.asks.as_object().into_iter().flat_map(|members| members.keys().cloned()).collect::<Vec<_>>()
        })
        .collect();
    let missing: Vec<&str> = openai::PARAMETERS
        .iter()
        .map(|parameter| parameter.name)
        .filter(|name| !asked.contains(*name) && !DELIVERY.contains(name))
        .collect();
    assert!(missing.is_empty(), "no case asks for {missing:?}");
}

#[test]
fn nothing_is_lost_in_silence_on_any_family() -> Result<()> {
    let mut table = String::from("| |");
    for (name, _) in MODELS {
        write!(table, " {name} |")?;
    }
    table.push_str("\n|---|");
    table.push_str(&"---|".repeat(MODELS.len()));
    table.push('\n');
    let mut lost = Vec::new();
    for case in cases() {
        write!(table, "| {} |", case.name)?;
        for (model, id) in MODELS {
            match outcome(&case, &terms(&ModelId::parse(id)?)) {
                Some(outcome) => write!(table, " {} |", outcome.mark())?,
                None => lost.push(format!("{} on {model}", case.name)),
            }
        }
        table.push('\n');
    }
    assert!(lost.is_empty(), "lost in silence: {lost:#?}");
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/parameters.md");
    let written = fs::read_to_string(page)?;
    let (before, rest) = written.split_once(BEGIN).ok_or_else(|| anyhow!("{page} lacks {BEGIN}"))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| anyhow!("{page} lacks {END}"))?;
    let now = format!("{before}{BEGIN}\n\n{table}\n{END}{after}");
    if updating() {
        return Ok(fs::write(page, now)?);
    }
    ensure!(now == written, "docs/parameters.md is out of date: UPDATE_GOLDEN=1 cargo test --test golden");
    Ok(())
}

#[test]
fn nothing_is_lost_in_silence_in_any_native_body() -> Result<()> {
    let mut lost = Vec::new();
    for case in cases() {
        for (body, id, family) in NATIVE {
            let model = ModelId::parse(id)?;
            let terms = Terms {
                family: families::resolve(&model, *family),
                forced: Some(FormatKind::Native),
                ..terms(&model)
            };
            if outcome(&case, &terms).is_none() {
                lost.push(format!("{} in {body}", case.name));
            }
        }
    }
    assert!(lost.is_empty(), "lost in silence: {lost:#?}");
    Ok(())
}

const BEGIN: &str = "<!-- written by tests/golden/parameters.rs -->";
const END: &str = "<!-- end -->";

/// `None`: it made no difference, and nobody was told.
fn outcome(case: &Case, terms: &Terms<'_>) -> Option<Outcome> {
    let base = json!({"messages": [{"role": "user", "content": "Look."}]});
    let without = over(base, &case.beside);
    let with = over(without.clone(), &case.asks);
    let plain = call(&without, terms);
    let Ok((asked, notes)) = call(&with, terms) else { return Some(Outcome::Refused) };
    let noted_anyway =
        |note: &&Note| plain.as_ref().is_ok_and(|(_, before)| before.iter().any(|known| known == *note));
    let worst = notes
        .iter()
        .filter(|note| !noted_anyway(note))
        .filter_map(|note| match note.action {
            Action::Dropped => Some(Outcome::Dropped),
            Action::Emulated => Some(Outcome::Emulated),
            Action::Clamped | Action::Rewritten | Action::Renamed => Some(Outcome::Bent),
            Action::Warned | Action::Rerouted | Action::Restored => None,
        })
        .max();
    if worst.is_some() {
        return worst;
    }
    let delivered = case
        .asks
        .as_object()
        .is_some_and(|asks| asks.keys().all(|name| DELIVERY.contains(&name.as_str()) && name != "messages"));
    // What it stands beside may be refused without it: then it made all the difference.
    let differs = plain.map_or(true, |(plain, _)| {
        plain.body != asked.body || plain.headers != asked.headers || plain.operation != asked.operation
    });
    // Not to think is what a model does that only thinks when asked.
    let thinks = terms.family.capabilities(terms.model, FormatKind::Converse).thinking.by_default;
    let so_anyway = case.asks["reasoning_effort"] == "none" && !thinks;
    (differs || delivered || so_anyway).then_some(Outcome::Sent)
}

fn over(mut base: Value, members: &Value) -> Value {
    for (name, value) in members.as_object().into_iter().flatten() {
        base[name] = value.clone();
    }
    base
}

/// A model as it is spoken to if config says nothing of it.
fn terms(model: &ModelId) -> Terms<'_> {
    Terms {
        family: families::resolve(model, None),
        model,
        forced: None,
        overrides: Overrides::default(),
        lessons: Lessons::default(),
        limits: ModelLimits::default(),
        streaming: false,
        folding: None,
        cache: CacheMode::Conversations,
        thoughts_complete: false,
    }
}

/// The call that would be made, and the notes on the way to it.
fn call(body: &Value, terms: &Terms<'_>) -> Result<(Invocation, Notes), InvalidRequest> {
    let openai::Decoded { request, stream, mut notes, .. } = openai::decode(body.to_string().as_bytes())?;
    let terms = Terms { streaming: stream, ..*terms };
    let prepared = families::prepare(&terms, request, &mut notes)?;
    let streamed = prepared.streaming == StreamingMode::Native;
    let mut call = prepared.format.encode(&prepared.request, terms.model, streamed)?;
    // What the gateway does itself is part of the call too.
    call.headers.extend(prepared.local_stop.into_iter().map(|stop| ("stop", stop)));
    Ok((call, notes))
}
