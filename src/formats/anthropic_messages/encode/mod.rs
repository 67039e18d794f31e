//! The body of a call of Claude. Texts, schemas and inputs pass through as the client wrote them.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;

use crate::chat::{
    Block, CachePoint, CacheTtl, Document, Image, ImageFormat, InvalidRequest, Json, Message, OutputFormat,
    Reasoning, Request, Role, Source, Text, Tool, ToolChoice, ToolResult, ToolUse,
};
use crate::formats::model_fields::Fields;
use crate::formats::to_body;
use crate::formats::tool_schema::tool_schema;

/// The only version that Bedrock takes.
const VERSION: &str = "bedrock-2023-05-31";

/// `max_tokens` is required. Families fill it in from what they know of a model; every Claude can do this much.
const DEFAULT_MAX_TOKENS: u32 = 4096;

/// Writes the body. Equal requests give equal bytes.
pub(super) fn body(request: &Request, streaming: bool) -> Result<Bytes, InvalidRequest> {
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
        format,
        user,
        model_fields,
        // The rest of it in headers.
        service,
        // Claude has no place for these, or differs between generations: the family has made model fields of
        // them, or has noted their loss.
        draw: _,
        reasoning: _,
        verbosity: _,
        web_search: _,
        // Said in the messages and the tools by now.
        cache: _,
    } = request;
    let format = output_format(format)?;
    let mut fields = Fields::new(model_fields).beside(&OWN)?;
    if let Some(format) = &format {
        fields.put(&FORMAT, format);
    }
    let mode = service.guardrail.as_ref().and_then(|guardrail| guardrail.synchronous).filter(|_| streaming);
    let mode = mode.map(|synchronous| Json::string(if synchronous { "SYNCHRONOUS" } else { "ASYNCHRONOUS" }));
    if let Some(mode) = &mode {
        fields.put(&GUARDRAIL_MODE, mode);
    }
    let mut wire = Body {
        anthropic_version: VERSION,
        max_tokens: max_tokens.unwrap_or(DEFAULT_MAX_TOKENS),
        system: Vec::new(),
        messages: Vec::with_capacity(messages.len()),
        temperature: *temperature,
        top_p: *top_p,
        top_k: *top_k,
        stop_sequences: stop,
        tools: tools.iter().map(tool_entry).collect(),
        tool_choice: tool_choice_entry(tools, tool_choice.as_ref(), *parallel_tool_calls),
        metadata: user.as_deref().map(|user_id| Metadata { user_id }),
        fields,
    };
    for message in messages {
        let role = match message.role {
            Role::System => {
                wire.system.append(&mut system(message)?);
                continue;
            }
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        let content = blocks(&message.content, message.index)?;
        wire.messages.push(Turn { role, content });
    }
    to_body(&wire, request.weight())
}

#[derive(Serialize)]
struct Body<'a> {
    anthropic_version: &'static str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<ContentBlock<'a>>,
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u32>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolEntry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
    /// Among them `output_config`, which the format of the reply and the family's effort share.
    #[serde(flatten)]
    fields: Fields<'a>,
}

/// The members that are not in `fields`.
const OWN: [&str; 11] = [
    "anthropic_version",
    "max_tokens",
    "system",
    "messages",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "tools",
    "tool_choice",
    "metadata",
];

/// How a guardrail judges a stream.
const GUARDRAIL_MODE: [Cow<'static, str>; 2] =
    [Cow::Borrowed("amazon-bedrock-guardrailConfig"), Cow::Borrowed("streamProcessingMode")];

/// Where the format of the reply stands.
const FORMAT: [Cow<'static, str>; 2] = [Cow::Borrowed("output_config"), Cow::Borrowed("format")];

#[derive(Serialize)]
struct Turn<'a> {
    role: &'static str,
    content: Vec<ContentBlock<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ContentBlock<'a> {
    Text {
        text: &'a Text,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    Image {
        source: Bytes64<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    Document {
        source: Bytes64<'a>,
        #[serde(skip_serializing_if = "str::is_empty")]
        title: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: &'a Json,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    ToolResult {
        tool_use_id: &'a str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<ContentBlock<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        is_error: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    Thinking {
        thinking: &'a Text,
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<&'a Text>,
    },
    RedactedThinking {
        data: &'a Text,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Bytes64<'a> {
    Base64 { media_type: &'static str, data: &'a Text },
    Text { media_type: &'static str, data: Text },
}

#[derive(Serialize)]
struct CacheControl {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'static str>,
}

#[derive(Serialize)]
struct ToolEntry<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a Text>,
    input_schema: &'a Json,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

#[derive(Serialize)]
struct Choice<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_parallel_tool_use: Option<bool>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    user_id: &'a str,
}

fn tool_entry(tool: &Tool) -> ToolEntry<'_> {
    let Tool { name, description, schema: _, strict, cache } = tool;
    ToolEntry {
        name,
        description: description.as_ref(),
        input_schema: tool_schema(tool),
        // Models without strict tools refuse the member, so only what asks for something is sent.
        strict: strict.filter(|strict| *strict),
        cache_control: cache.map(cache_control),
    }
}

fn cache_control(point: CachePoint) -> CacheControl {
    let CachePoint { ttl } = point;
    let ttl = ttl.map(|ttl| match ttl {
        CacheTtl::FiveMinutes => "5m",
        CacheTtl::OneHour => "1h",
    });
    CacheControl { r#type: "ephemeral", ttl }
}

/// Claude refuses a choice where there are no tools.
fn tool_choice_entry<'a>(
    tools: &[Tool],
    choice: Option<&'a ToolChoice>,
    parallel_tool_calls: Option<bool>,
) -> Option<Choice<'a>> {
    if tools.is_empty() {
        return None;
    }
    let disable_parallel_tool_use = (parallel_tool_calls == Some(false)).then_some(true);
    let (r#type, name) = match choice {
        None | Some(ToolChoice::Auto) if disable_parallel_tool_use.is_none() => return None,
        None | Some(ToolChoice::Auto) => ("auto", None),
        Some(ToolChoice::Required) => ("any", None),
        Some(ToolChoice::Named(name)) => ("tool", Some(name.as_str())),
        Some(ToolChoice::None) => {
            return Some(Choice { r#type: "none", name: None, disable_parallel_tool_use: None });
        }
    };
    Some(Choice { r#type, name, disable_parallel_tool_use })
}

fn output_format(format: &OutputFormat) -> Result<Option<Json>, InvalidRequest> {
    match format {
        OutputFormat::Text => Ok(None),
        OutputFormat::JsonObject | OutputFormat::JsonSchema { schema: None, .. } => {
            Err(InvalidRequest::unsupported(
                "response_format",
                "this model takes JSON output only with a schema: send one as response_format.json_schema.schema",
            ))
        }
        // Claude has no place for the name and the description; neither says what the output must be.
        OutputFormat::JsonSchema { name: _, description: _, schema: Some(schema), strict: _ } => {
            let written = format!("{{\"type\":\"json_schema\",\"schema\":{}}}", schema.as_str());
            let unwritten = |_| InvalidRequest::value("response_format", "The schema is not valid JSON.");
            Json::parse(&written).map(Some).map_err(unwritten)
        }
    }
}

fn system(message: &Message) -> Result<Vec<ContentBlock<'_>>, InvalidRequest> {
    let Message { role: _, content, index } = message;
    let mut blocks = Vec::with_capacity(content.len());
    for block in content {
        match block {
            Block::Text(text) => blocks.push(ContentBlock::Text { text, cache_control: None }),
            Block::CachePoint(point) => mark(&mut blocks, *point),
            Block::Image(_)
            | Block::Document(_)
            | Block::Audio(_)
            | Block::Remote(_)
            | Block::ToolUse(_)
            | Block::ToolResult(_)
            | Block::Reasoning(_) => {
                return Err(InvalidRequest::value(
                    format!("messages[{index}].content"),
                    "system messages hold text only",
                ));
            }
        }
    }
    Ok(blocks)
}

/// Thoughts first: Claude refuses a turn that begins with anything else while it thinks.
fn blocks(content: &[Block], message: usize) -> Result<Vec<ContentBlock<'_>>, InvalidRequest> {
    let is_thought = |block: &&Block| matches!(block, Block::Reasoning(_));
    let mut blocks = Vec::with_capacity(content.len());
    for thought in content.iter().filter(is_thought) {
        blocks.push(content_block(thought, message)?);
    }
    for block in content.iter().filter(|block| !is_thought(block)) {
        match block {
            Block::CachePoint(point) => mark(&mut blocks, *point),
            block => blocks.push(content_block(block, message)?),
        }
    }
    Ok(blocks)
}

/// Claude has no block for a cache point: the block before it says so. Thoughts can't, and families put none there.
fn mark(blocks: &mut [ContentBlock<'_>], point: CachePoint) {
    match blocks.last_mut() {
        Some(
            ContentBlock::Text { cache_control: mark, .. }
            | ContentBlock::Image { cache_control: mark, .. }
            | ContentBlock::Document { cache_control: mark, .. }
            | ContentBlock::ToolUse { cache_control: mark, .. }
            | ContentBlock::ToolResult { cache_control: mark, .. },
        ) => *mark = Some(cache_control(point)),
        Some(ContentBlock::Thinking { .. } | ContentBlock::RedactedThinking { .. }) | None => {}
    }
}

fn content_block(block: &Block, message: usize) -> Result<ContentBlock<'_>, InvalidRequest> {
    let cache_control = None;
    let refused = |what: &str| {
        InvalidRequest::unsupported(
            format!("messages[{message}].content"),
            format!("this model's own format takes no {what}"),
        )
    };
    Ok(match block {
        Block::Text(text) => ContentBlock::Text { text, cache_control },
        Block::Image(Image { format, source: Source::Inline(data) }) => {
            let source = Bytes64::Base64 { media_type: media_type(*format), data };
            ContentBlock::Image { source, cache_control }
        }
        Block::Document(Document { name, format, source: Source::Inline(data) }) => {
            ContentBlock::Document { source: file(format, data, message)?, title: name, cache_control }
        }
        Block::Image(Image { format: _, source: Source::S3 { .. } })
        | Block::Document(Document { name: _, format: _, source: Source::S3 { .. } }) => {
            return Err(refused("s3:// URLs"));
        }
        Block::Audio(_) => return Err(refused("sound")),
        Block::Remote(_) => return Err(refused("remote media")),
        Block::CachePoint(_) => return Err(refused("cache point here")),
        Block::ToolUse(ToolUse { id, name, input }) => {
            ContentBlock::ToolUse { id, name, input, cache_control }
        }
        Block::ToolResult(ToolResult { id, content, is_error }) => ContentBlock::ToolResult {
            tool_use_id: id,
            content: content.iter().map(|block| result_block(block, message)).collect::<Result<_, _>>()?,
            is_error: is_error.then_some(true),
            cache_control,
        },
        Block::Reasoning(Reasoning { text: _, signature: _, redacted: Some(data) }) => {
            ContentBlock::RedactedThinking { data }
        }
        Block::Reasoning(Reasoning { text, signature, redacted: None }) => {
            ContentBlock::Thinking { thinking: text, signature: signature.as_ref() }
        }
    })
}

fn result_block(block: &Block, message: usize) -> Result<ContentBlock<'_>, InvalidRequest> {
    match block {
        Block::Text(_) | Block::Image(_) | Block::Document(_) => content_block(block, message),
        Block::Audio(_)
        | Block::Remote(_)
        | Block::CachePoint(_)
        | Block::ToolUse(_)
        | Block::ToolResult(_)
        | Block::Reasoning(_) => Err(InvalidRequest::value(
            format!("messages[{message}].content"),
            "a tool's result holds text, images and files only",
        )),
    }
}

fn media_type(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Png => "image/png",
        ImageFormat::Jpeg => "image/jpeg",
        ImageFormat::Gif => "image/gif",
        ImageFormat::Webp => "image/webp",
    }
}

/// PDFs go as they are, texts in plain; for anything else the Messages API has no place.
fn file<'a>(format: &str, data: &'a Text, message: usize) -> Result<Bytes64<'a>, InvalidRequest> {
    let param = || format!("messages[{message}].content");
    match format {
        "pdf" => Ok(Bytes64::Base64 { media_type: "application/pdf", data }),
        "txt" | "md" | "csv" | "html" => {
            let bytes = STANDARD
                .decode(&*data.decode())
                .map_err(|_| InvalidRequest::value(param(), "a file's data is not base64"))?;
            let plain = String::from_utf8(bytes)
                .map_err(|_| InvalidRequest::value(param(), "a text file's data is not UTF-8"))?;
            Ok(Bytes64::Text { media_type: "text/plain", data: Text::new(&plain) })
        }
        other => Err(InvalidRequest::unsupported(
            param(),
            format!("this model takes no files of the kind {other:?}: send a PDF or a text"),
        )),
    }
}

#[cfg(test)]
mod tests;
