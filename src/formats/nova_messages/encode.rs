//! The body of a call. Texts, schemas and inputs pass through as the client wrote them.

use bytes::Bytes;
use serde::Serialize;

use crate::chat::{
    Block, CachePoint, Image, InvalidRequest, Json, Message, OutputFormat, Request, Role, Source, Text, Tool,
    ToolChoice, ToolResult, ToolUse,
};
use crate::formats::model_fields::Fields;
use crate::formats::to_body;
use crate::formats::tool_schema::tool_schema;

/// Writes the body. Equal requests give equal bytes.
pub(super) fn body(request: &Request) -> Result<Bytes, InvalidRequest> {
    let Request {
        messages,
        tools,
        tool_choice,
        max_tokens,
        temperature,
        top_p,
        top_k,
        stop,
        format,
        model_fields,
        // In headers.
        service: _,
        // Nova has no place for these: the family has made model fields of them, or has noted their loss.
        parallel_tool_calls: _,
        draw: _,
        reasoning: _,
        verbosity: _,
        web_search: _,
        user: _,
        // Said in the messages by now.
        cache: _,
    } = request;
    match format {
        OutputFormat::Text => {}
        OutputFormat::JsonObject | OutputFormat::JsonSchema { .. } => {
            return Err(InvalidRequest::unsupported(
                "response_format",
                "Nova's native format has no place for it.",
            ));
        }
    }
    let mut wire = Body {
        schema_version: "messages-v1",
        system: Vec::new(),
        messages: Vec::with_capacity(messages.len()),
        inference_config: InferenceConfig {
            max_tokens: *max_tokens,
            temperature: *temperature,
            top_p: *top_p,
            top_k: *top_k,
            stop_sequences: stop,
        }
        .if_any(),
        tool_config: tool_config(tools, tool_choice.as_ref()),
        fields: Fields::new(model_fields).beside(&OWN)?,
    };
    for message in messages {
        let Message { role, content, index } = message;
        let mut content = content
            .iter()
            // None of Nova's thoughts is signed, and unsigned ones stay here.
            .filter(|block| !matches!(block, Block::Reasoning(_)))
            .map(|block| content_block(block, *index))
            .collect::<Result<Vec<_>, _>>()?;
        let role = match role {
            Role::System => {
                wire.system.append(&mut content);
                continue;
            }
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        wire.messages.push(Turn { role, content });
    }
    to_body(&wire, request.weight())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    schema_version: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<ContentBlock<'a>>,
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inference_config: Option<InferenceConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
    #[serde(flatten)]
    fields: Fields<'a>,
}

/// The members that are not in `fields`.
const OWN: [&str; 5] = ["schemaVersion", "system", "messages", "inferenceConfig", "toolConfig"];

#[derive(Serialize)]
struct Turn<'a> {
    role: &'static str,
    content: Vec<ContentBlock<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum ContentBlock<'a> {
    Text(&'a Text),
    Image(ImageBlock<'a>),
    ToolUse(ToolUseBlock<'a>),
    ToolResult(ToolResultBlock<'a>),
    CachePoint(CachePointBlock),
}

#[derive(Serialize)]
struct ImageBlock<'a> {
    format: &'static str,
    source: Place<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Place<'a> {
    Bytes(&'a Text),
    S3Location {
        uri: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        bucket_owner: Option<&'a str>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolUseBlock<'a> {
    tool_use_id: &'a str,
    name: &'a str,
    input: &'a Json,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolResultBlock<'a> {
    tool_use_id: &'a str,
    content: Vec<ContentBlock<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
}

#[derive(Serialize)]
struct CachePointBlock {
    r#type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InferenceConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u32>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
}

impl InferenceConfig<'_> {
    fn if_any(self) -> Option<Self> {
        let Self { max_tokens, temperature, top_p, top_k, stop_sequences } = &self;
        let any = max_tokens.is_some()
            || temperature.is_some()
            || top_p.is_some()
            || top_k.is_some()
            || !stop_sequences.is_empty();
        any.then_some(self)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig<'a> {
    tools: Vec<ToolEntry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolEntry<'a> {
    tool_spec: ToolSpec<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolSpec<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a Text>,
    input_schema: InputSchema<'a>,
}

#[derive(Serialize)]
struct InputSchema<'a> {
    json: &'a Json,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Choice<'a> {
    Any {},
    Tool { name: &'a str },
}

fn tool_config<'a>(tools: &'a [Tool], choice: Option<&'a ToolChoice>) -> Option<ToolConfig<'a>> {
    if tools.is_empty() {
        return None;
    }
    let tool_choice = match choice {
        // Nova has no "none": the family has seen to it.
        None | Some(ToolChoice::Auto | ToolChoice::None) => None,
        Some(ToolChoice::Required) => Some(Choice::Any {}),
        Some(ToolChoice::Named(name)) => Some(Choice::Tool { name }),
    };
    let tools = tools.iter().map(tool_entry).collect();
    Some(ToolConfig { tools, tool_choice })
}

fn tool_entry(tool: &Tool) -> ToolEntry<'_> {
    // Nova neither holds inputs to their schema nor keeps tools in a cache: the family has noted it.
    let Tool { name, description, schema: _, strict: _, cache: _ } = tool;
    // An empty description is refused.
    let description = description.as_ref().filter(|text| !text.is_blank());
    let input_schema = InputSchema { json: tool_schema(tool) };
    ToolEntry { tool_spec: ToolSpec { name, description, input_schema } }
}

fn content_block(block: &Block, message: usize) -> Result<ContentBlock<'_>, InvalidRequest> {
    Ok(match block {
        Block::Text(text) => ContentBlock::Text(text),
        Block::Image(Image { format, source }) => {
            let source = match source {
                Source::Inline(data) => Place::Bytes(data),
                Source::S3 { uri, owner } => Place::S3Location { uri, bucket_owner: owner.as_deref() },
            };
            ContentBlock::Image(ImageBlock { format: format.as_str(), source })
        }
        Block::ToolUse(ToolUse { id, name, input }) => {
            ContentBlock::ToolUse(ToolUseBlock { tool_use_id: id, name, input })
        }
        Block::ToolResult(ToolResult { id, content, is_error }) => {
            ContentBlock::ToolResult(ToolResultBlock {
                tool_use_id: id,
                content: content
                    .iter()
                    .map(|block| content_block(block, message))
                    .collect::<Result<_, _>>()?,
                status: is_error.then_some("error"),
            })
        }
        // Nova knows one lifetime.
        Block::CachePoint(CachePoint { ttl: _ }) => {
            ContentBlock::CachePoint(CachePointBlock { r#type: "default" })
        }
        Block::Document(_) | Block::Audio(_) | Block::Remote(_) | Block::Reasoning(_) => {
            return Err(InvalidRequest::unsupported(
                format!("messages[{message}]"),
                "Nova's native format takes text and pictures only.",
            ));
        }
    })
}
