//! The body of a call. Texts, schemas and pictures pass through as the client wrote them.

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::chat::{
    Action, Block, Draw, Image, InvalidRequest, Json, Message, Notes, OutputFormat, Reasoning, Request, Role,
    Source, Text, Tool, ToolChoice, ToolResult, ToolUse,
};
use crate::formats::model_fields::Fields;
use crate::formats::to_body;
use crate::formats::tool_schema::tool_schema;

/// In what a vendor departs from OpenAI.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    /// The word for "some tool must be called".
    pub(super) required: &'static str,
    /// Ids of calls have nine letters or digits.
    pub(super) nine_letter_ids: bool,
}

/// Writes the body. Equal requests give equal bytes.
pub(super) fn body(request: &Request, dialect: Dialect) -> Result<Bytes, InvalidRequest> {
    let Request {
        messages,
        tools,
        tool_choice,
        parallel_tool_calls,
        max_tokens,
        temperature,
        top_p,
        top_k,
        stop,
        draw,
        format,
        user,
        model_fields,
        // In headers.
        service: _,
        // Each vendor has its own word for these: the family has made model fields of them, or noted their loss.
        reasoning: _,
        verbosity: _,
        web_search: _,
        cache: _,
    } = request;
    // Probabilities in a reply have no place in the canonical model, so no family lets them be asked for.
    let Draw { seed, frequency_penalty, presence_penalty, logit_bias, logprobs: _ } = draw;
    let mut wire = Body {
        messages: Vec::with_capacity(messages.len()),
        max_tokens: *max_tokens,
        temperature: *temperature,
        top_p: *top_p,
        top_k: *top_k,
        stop,
        seed: *seed,
        frequency_penalty: *frequency_penalty,
        presence_penalty: *presence_penalty,
        logit_bias: logit_bias.as_ref(),
        tools: tools.iter().map(tool_entry).collect(),
        tool_choice: None,
        parallel_tool_calls: None,
        response_format: response_format(format),
        user: user.as_deref(),
        fields: Fields::new(model_fields).beside(&OWN)?,
    };
    if !tools.is_empty() {
        wire.tool_choice = tool_choice.as_ref().and_then(|choice| tool_choice_entry(choice, dialect));
        wire.parallel_tool_calls = *parallel_tool_calls;
    }
    for message in messages {
        push_turns(message, dialect, &mut wire.messages)?;
    }
    to_body(&wire, request.weight())
}

/// Notes which messages have ids that this dialect has no place for.
pub(super) fn note_ids(request: &Request, dialect: Dialect, notes: &mut Notes) {
    for message in &request.messages {
        let renamed = |block: &Block| match block {
            Block::ToolUse(call) => dialect.id(&call.id) != call.id,
            Block::ToolResult(result) => dialect.id(&result.id) != result.id,
            Block::Text(_)
            | Block::Image(_)
            | Block::Document(_)
            | Block::Audio(_)
            | Block::Remote(_)
            | Block::Reasoning(_)
            | Block::CachePoint(_) => false,
        };
        if message.content.iter().any(renamed) {
            notes.add(format!("messages[{}]", message.index), Action::Renamed, "id_pattern");
        }
    }
}

impl Dialect {
    /// An id that doesn't fit becomes a hash of itself: the same in every request, so the prompt's beginning
    /// stays. It needs no way back, since the model only ever makes new ones.
    fn id(self, id: &str) -> Cow<'_, str> {
        const LENGTH: usize = 9;
        if !self.nine_letter_ids || id.len() == LENGTH && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
        {
            return Cow::Borrowed(id);
        }
        let mut hashed = String::with_capacity(LENGTH + 1);
        for byte in Sha256::digest(id.as_bytes()).iter().take(LENGTH.div_ceil(2)) {
            // Writing to a String can't fail.
            let _ = write!(hashed, "{byte:02x}");
        }
        hashed.truncate(LENGTH);
        Cow::Owned(hashed)
    }
}

#[derive(Serialize)]
struct Body<'a> {
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u32>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logit_bias: Option<&'a Json>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolEntry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(flatten)]
    fields: Fields<'a>,
}

/// The members that are not in `fields`. `stream` and `model` would have to agree with the call's path.
const OWN: [&str; 17] = [
    "messages",
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "stop",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "user",
    "model",
    "stream",
];

#[derive(Serialize)]
struct Turn<'a> {
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content<'a>>,
    /// What it thought, for models that think between their calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<Text>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(&'a Text),
    Joined(Text),
    Parts(Vec<Part<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    Text { text: &'a Text },
    ImageUrl { image_url: ImageUrl },
}

#[derive(Serialize)]
struct ImageUrl {
    url: Text,
}

#[derive(Serialize)]
struct Call<'a> {
    id: Cow<'a, str>,
    r#type: &'static str,
    function: CalledFunction<'a>,
}

#[derive(Serialize)]
struct CalledFunction<'a> {
    name: &'a str,
    /// JSON in a string.
    arguments: Cow<'a, str>,
}

#[derive(Serialize)]
struct ToolEntry<'a> {
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a Text>,
    parameters: &'a Json,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Choice<'a> {
    Word(&'static str),
    Function { r#type: &'static str, function: FunctionName<'a> },
}

#[derive(Serialize)]
struct FunctionName<'a> {
    name: &'a str,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ResponseFormat<'a> {
    JsonObject,
    JsonSchema { json_schema: JsonSchema<'a> },
}

#[derive(Serialize)]
struct JsonSchema<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a Text>,
    schema: &'a Json,
    strict: bool,
}

fn tool_entry(tool: &Tool) -> ToolEntry<'_> {
    // None of these models has a prompt cache: the family has dropped its points.
    let Tool { name, description, schema: _, strict, cache: _ } = tool;
    let strict = strict.filter(|strict| *strict);
    let function =
        Function { name, description: description.as_ref(), parameters: tool_schema(tool), strict };
    ToolEntry { r#type: "function", function }
}

fn tool_choice_entry(choice: &ToolChoice, dialect: Dialect) -> Option<Choice<'_>> {
    match choice {
        // What silence means.
        ToolChoice::Auto => None,
        ToolChoice::None => Some(Choice::Word("none")),
        ToolChoice::Required => Some(Choice::Word(dialect.required)),
        ToolChoice::Named(name) => {
            Some(Choice::Function { r#type: "function", function: FunctionName { name } })
        }
    }
}

fn response_format(format: &OutputFormat) -> Option<ResponseFormat<'_>> {
    match format {
        OutputFormat::Text => None,
        OutputFormat::JsonObject | OutputFormat::JsonSchema { schema: None, .. } => {
            Some(ResponseFormat::JsonObject)
        }
        OutputFormat::JsonSchema { name, description, schema: Some(schema), strict } => {
            let description = description.as_ref();
            let json_schema = JsonSchema { name, description, schema, strict: *strict };
            Some(ResponseFormat::JsonSchema { json_schema })
        }
    }
}

/// A turn of the user's with results of tools is a message for each result, and one for the rest.
fn push_turns<'a>(
    message: &'a Message,
    dialect: Dialect,
    turns: &mut Vec<Turn<'a>>,
) -> Result<(), InvalidRequest> {
    let Message { role, content, index } = message;
    let mut said = Vec::with_capacity(content.len());
    let mut tool_calls = Vec::new();
    let mut thoughts: Vec<&Text> = Vec::new();
    for block in content {
        match block {
            Block::ToolUse(ToolUse { id, name, input }) => tool_calls.push(Call {
                id: dialect.id(id),
                r#type: "function",
                function: CalledFunction { name, arguments: input.compact() },
            }),
            // A failure that can't be marked is told in the result's text by now.
            Block::ToolResult(ToolResult { id, content, is_error: _ }) => turns.push(Turn {
                role: "tool",
                content: said_content(content.iter(), *index)?,
                reasoning_content: None,
                tool_calls: Vec::new(),
                tool_call_id: Some(dialect.id(id)),
            }),
            // None of these models signs its thoughts: the family has left those that it takes back as they are.
            Block::Reasoning(Reasoning { text, signature: _, redacted: _ }) => thoughts.push(text),
            Block::CachePoint(_) => {}
            Block::Text(_) | Block::Image(_) | Block::Document(_) | Block::Audio(_) | Block::Remote(_) => {
                said.push(block);
            }
        }
    }
    let role = match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    let content = said_content(said.into_iter(), *index)?;
    if content.is_some() || !tool_calls.is_empty() {
        let reasoning_content = (!thoughts.is_empty()).then(|| Text::concat(thoughts));
        turns.push(Turn { role, content, reasoning_content, tool_calls, tool_call_id: None });
    }
    Ok(())
}

/// Text alone is a string: the templates of models that see no pictures know nothing else.
fn said_content<'a>(
    blocks: impl Iterator<Item = &'a Block>,
    message: usize,
) -> Result<Option<Content<'a>>, InvalidRequest> {
    let parts = blocks.map(|block| part(block, message)).collect::<Result<Vec<_>, _>>()?;
    let texts: Option<Vec<&Text>> = parts
        .iter()
        .map(|part| match part {
            Part::Text { text } => Some(*text),
            Part::ImageUrl { .. } => None,
        })
        .collect();
    Ok(match texts.as_deref() {
        Some([]) => None,
        Some([text]) => Some(Content::Text(text)),
        Some(texts) => Some(Content::Joined(join(texts))),
        None => Some(Content::Parts(parts)),
    })
}

/// The texts as paragraphs.
fn join(texts: &[&Text]) -> Text {
    let between = Text::new("\n\n");
    let pieces = texts.iter().flat_map(|text| [&between, *text]).skip(1);
    Text::concat(pieces)
}

fn part(block: &Block, message: usize) -> Result<Part<'_>, InvalidRequest> {
    match block {
        Block::Text(text) => Ok(Part::Text { text }),
        Block::Image(Image { format, source: Source::Inline(data) }) => {
            let head = Text::new(&format!("data:image/{};base64,", format.as_str()));
            Ok(Part::ImageUrl { image_url: ImageUrl { url: Text::concat([&head, data]) } })
        }
        Block::Image(Image { format: _, source: Source::S3 { .. } })
        | Block::Document(_)
        | Block::Audio(_)
        | Block::Remote(_)
        | Block::ToolUse(_)
        | Block::ToolResult(_)
        | Block::Reasoning(_)
        | Block::CachePoint(_) => Err(InvalidRequest::unsupported(
            format!("messages[{message}]"),
            "This model's native format takes text and inline pictures only.",
        )),
    }
}
