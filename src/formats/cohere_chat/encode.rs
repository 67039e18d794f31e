//! The body of a call. Texts and inputs pass through as the client wrote them.

use std::collections::HashMap;

use bytes::Bytes;
use serde::Serialize;

use super::parameters::{Definitions, Parameters};
use crate::chat::{
    Action, Block, Draw, InvalidRequest, Json, Message, Notes, OutputFormat, Request, Role, Text, Tool,
    ToolResult, ToolUse,
};
use crate::formats::model_fields::Fields;
use crate::formats::to_body;

/// The most that `p` may be.
const MOST_P: f64 = 0.99;

/// Writes the body. Equal requests give equal bytes.
pub(super) fn body(request: &Request) -> Result<Bytes, InvalidRequest> {
    let Request {
        messages,
        tools,
        max_tokens,
        temperature,
        top_p,
        top_k,
        stop,
        draw,
        format,
        model_fields,
        // In headers.
        service: _,
        // Cohere has no place for these: the family has noted their loss.
        tool_choice: _,
        parallel_tool_calls: _,
        reasoning: _,
        verbosity: _,
        web_search: _,
        user: _,
        cache: _,
    } = request;
    match format {
        OutputFormat::Text => {}
        OutputFormat::JsonObject | OutputFormat::JsonSchema { .. } => {
            return Err(InvalidRequest::unsupported(
                "response_format",
                "Cohere's native format has no place for it.",
            ));
        }
    }
    let Draw { seed, frequency_penalty, presence_penalty, logit_bias: _, logprobs: _ } = draw;
    let mut wire = Body {
        message: Words::None(""),
        chat_history: Vec::with_capacity(messages.len()),
        preamble: None,
        max_tokens: *max_tokens,
        temperature: *temperature,
        p: top_p.map(|p| p.min(MOST_P)),
        k: *top_k,
        seed: *seed,
        frequency_penalty: penalty(*frequency_penalty),
        presence_penalty: penalty(*presence_penalty),
        stop_sequences: stop,
        tools: tools.iter().enumerate().map(|(at, tool)| tool_entry(tool, at)).collect::<Result<_, _>>()?,
        tool_results: Vec::new(),
        fields: Fields::new(model_fields).beside(&OWN)?,
    };
    let mut calls = HashMap::new();
    for message in messages {
        let Message { role, content, index } = message;
        let Spoken { words, calls: made, results } = spoken(content, &calls, *index)?;
        // What was last is past.
        wire.retire_results();
        match role {
            Role::System => {
                wire.preamble = Some(words);
            }
            Role::Assistant => {
                calls.extend(made.iter().map(|call| (call.id.as_str(), *call)));
                let tool_calls = made.into_iter().map(Call::of).collect();
                wire.retire_message();
                wire.chat_history.push(Past::Said { role: "CHATBOT", message: words, tool_calls });
            }
            Role::User => {
                wire.retire_message();
                wire.tool_results = results;
                if !words.is_none() {
                    wire.retire_results();
                }
                wire.message = words;
            }
        }
    }
    if messages.last().is_some_and(|message| message.role == Role::Assistant) {
        return Err(InvalidRequest::unsupported("messages", "This model answers a user's message only."));
    }
    to_body(&wire)
}

/// Notes what Cohere's ranges and types have no place for.
pub(super) fn note_rewrites(request: &Request, notes: &mut Notes) {
    if request.top_p.is_some_and(|p| p > MOST_P) {
        notes.add("top_p", Action::Clamped, "above_maximum");
    }
    let Draw { seed: _, frequency_penalty, presence_penalty, logit_bias: _, logprobs: _ } = request.draw;
    for (name, given) in [("frequency_penalty", frequency_penalty), ("presence_penalty", presence_penalty)] {
        match given {
            Some(given) if given < 0.0 => notes.add(name, Action::Dropped, "below_minimum"),
            Some(given) if given > 1.0 => notes.add(name, Action::Clamped, "above_maximum"),
            Some(_) | None => {}
        }
    }
    for (at, tool) in request.tools.iter().enumerate() {
        // A schema that can't be read is refused when it is written.
        if Parameters::of(tool, at).is_ok_and(|parameters| parameters.in_words) {
            notes.add(format!("tools[{at}].function.parameters"), Action::Rewritten, "schema_in_words");
        }
    }
}

/// Cohere counts from 0 to 1, and knows no reward for repetition.
fn penalty(given: Option<f64>) -> Option<f64> {
    given.filter(|given| *given >= 0.0).map(|given| given.min(1.0))
}

#[derive(Serialize)]
struct Body<'a> {
    message: Words<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    chat_history: Vec<Past<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preamble: Option<Words<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolEntry<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_results: Vec<ResultEntry<'a>>,
    #[serde(flatten)]
    fields: Fields<'a>,
}

/// The members that are not in `fields`.
const OWN: [&str; 13] = [
    "message",
    "chat_history",
    "preamble",
    "max_tokens",
    "temperature",
    "p",
    "k",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "stop_sequences",
    "tools",
    "tool_results",
];

impl Body<'_> {
    /// The user's last message was not the last.
    fn retire_message(&mut self) {
        let message = std::mem::replace(&mut self.message, Words::None(""));
        if !message.is_none() {
            self.chat_history.push(Past::Said { role: "USER", message, tool_calls: Vec::new() });
        }
    }

    /// The last results were not the last.
    fn retire_results(&mut self) {
        let tool_results = std::mem::take(&mut self.tool_results);
        if !tool_results.is_empty() {
            self.chat_history.push(Past::Results { role: "TOOL", tool_results });
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Past<'a> {
    Said {
        role: &'static str,
        message: Words<'a>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<Call<'a>>,
    },
    Results {
        role: &'static str,
        tool_results: Vec<ResultEntry<'a>>,
    },
}

/// Texts that are sent as one.
#[derive(Serialize)]
#[serde(untagged)]
enum Words<'a> {
    None(&'static str),
    One(&'a Text),
    Joined(Text),
}

impl<'a> Words<'a> {
    fn of(texts: &[&'a Text]) -> Self {
        match texts {
            [] => Self::None(""),
            [text] => Self::One(text),
            texts => {
                let between = Text::new("\n\n");
                Self::Joined(Text::concat(texts.iter().flat_map(|text| [&between, *text]).skip(1)))
            }
        }
    }

    fn is_none(&self) -> bool {
        matches!(self, Self::None(_))
    }
}

#[derive(Serialize)]
struct Call<'a> {
    name: &'a str,
    parameters: &'a Json,
}

impl<'a> Call<'a> {
    /// Calls have no ids here.
    fn of(call: &'a ToolUse) -> Self {
        let ToolUse { id: _, name, input } = call;
        Self { name, parameters: input }
    }
}

#[derive(Serialize)]
struct ResultEntry<'a> {
    call: Call<'a>,
    outputs: [Output<'a>; 1],
}

#[derive(Serialize)]
struct Output<'a> {
    result: Words<'a>,
}

#[derive(Serialize)]
struct ToolEntry<'a> {
    name: &'a str,
    description: Description<'a>,
    #[serde(skip_serializing_if = "Definitions::is_empty")]
    parameter_definitions: Definitions<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Description<'a> {
    Given(&'a Text),
    Name(&'a str),
    WithSchema(Text),
}

fn tool_entry(tool: &Tool, at: usize) -> Result<ToolEntry<'_>, InvalidRequest> {
    let Parameters { definitions, in_words: _, whole } = Parameters::of(tool, at)?;
    let Tool { name, description, schema: _, strict: _, cache: _ } = tool;
    let description = description.as_ref().filter(|text| !text.is_blank());
    let description = match (description, whole) {
        (Some(text), None) => Description::Given(text),
        (None, None) => Description::Name(name),
        (text, Some(schema)) => {
            let text = text.map_or_else(|| name.into(), Text::decode);
            let schema = schema.compact();
            Description::WithSchema(Text::new(&format!("{text}\nJSON Schema of the parameters: {schema}")))
        }
    };
    Ok(ToolEntry { name, description, parameter_definitions: definitions })
}

/// A message, taken apart.
struct Spoken<'a> {
    words: Words<'a>,
    calls: Vec<&'a ToolUse>,
    results: Vec<ResultEntry<'a>>,
}

fn spoken<'a>(
    content: &'a [Block],
    known: &HashMap<&str, &'a ToolUse>,
    message: usize,
) -> Result<Spoken<'a>, InvalidRequest> {
    let (mut texts, mut calls, mut results) = (Vec::new(), Vec::new(), Vec::new());
    for block in content {
        match block {
            Block::Text(text) => texts.push(text),
            Block::ToolUse(call) => calls.push(call),
            // A failure that can't be marked is told in the result's text by now.
            Block::ToolResult(ToolResult { id, content, is_error: _ }) => {
                let call = known.get(id.as_str()).ok_or_else(|| {
                    InvalidRequest::value(format!("messages[{message}]"), "a result without its call")
                })?;
                let Spoken { words, calls: _, results: _ } = spoken(content, known, message)?;
                results.push(ResultEntry { call: Call::of(call), outputs: [Output { result: words }] });
            }
            // What a model thought is not said.
            Block::Reasoning(_) | Block::CachePoint(_) => {}
            Block::Image(_) | Block::Document(_) | Block::Audio(_) | Block::Remote(_) => {
                return Err(InvalidRequest::unsupported(
                    format!("messages[{message}]"),
                    "Cohere's native format takes text only.",
                ));
            }
        }
    }
    Ok(Spoken { words: Words::of(&texts), calls, results })
}
