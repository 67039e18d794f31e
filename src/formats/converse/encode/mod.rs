//! The body of a Converse call. Texts, schemas and inputs pass through as the client wrote them.

mod document_name;

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;

use crate::chat::{
    Audio, Block, CachePoint, CacheTtl, Document, Guardrail, Image, InvalidRequest, Json, Message,
    OutputFormat, Reasoning, Remote, Request, Role, Service, Source, Text, Tool, ToolChoice, ToolResult,
    ToolUse,
};
use crate::formats::model_fields::Fields;
use crate::formats::service::{guardrail_trace, latency_word, tier_word};
use crate::formats::to_body;
use crate::formats::tool_schema::tool_schema;

use document_name::DocumentNames;

/// Writes the body. Equal requests give equal bytes.
pub(super) fn body(request: &Request, streaming: bool) -> Result<Bytes, InvalidRequest> {
    let Request {
        messages,
        tools,
        tool_choice,
        // Claude's own field: the family has made it one.
        parallel_tool_calls: _,
        max_tokens,
        temperature,
        top_p,
        stop,
        format,
        service,
        model_fields,
        web_search,
        // Converse has no place for these: their family has made model fields of them, or has noted their loss.
        top_k: _,
        draw: _,
        reasoning: _,
        verbosity: _,
        user: _,
        // Said in the messages and the tools by now.
        cache: _,
    } = request;
    let Service { metadata, cache_key: _, tier, latency, guardrail, reply_fields } = service;
    let mut names = DocumentNames::default();
    let mut wire = Body {
        system: Vec::new(),
        messages: Vec::with_capacity(messages.len()),
        inference_config: inference_config(*max_tokens, *temperature, *top_p, stop),
        tool_config: tool_config(tools, tool_choice.as_ref(), web_search.is_some()),
        guardrail_config: guardrail.as_ref().map(|guardrail| guardrail_config(guardrail, streaming)),
        output_config: output_config(format)?,
        additional_model_request_fields: Some(Fields::new(model_fields)).filter(|fields| !fields.is_empty()),
        additional_model_response_field_paths: reply_fields,
        request_metadata: metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect(),
        performance_config: latency.map(|latency| PerformanceConfig { latency: latency_word(latency) }),
        service_tier: tier.map(|tier| Tier { r#type: tier_word(tier) }),
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
        let content = blocks(&message.content, message.index, &mut names)?;
        wire.messages.push(Turn { role, content });
    }
    to_body(&wire, request.weight())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<SystemBlock<'a>>,
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inference_config: Option<InferenceConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    guardrail_config: Option<GuardrailConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_model_request_fields: Option<Fields<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    additional_model_response_field_paths: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    request_metadata: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    performance_config: Option<PerformanceConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<Tier>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GuardrailConfig<'a> {
    guardrail_identifier: &'a str,
    guardrail_version: &'a str,
    trace: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_processing_mode: Option<&'static str>,
}

#[derive(Serialize)]
struct PerformanceConfig {
    latency: &'static str,
}

#[derive(Serialize)]
struct Tier {
    r#type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum SystemBlock<'a> {
    Text(&'a Text),
    CachePoint(CachePointBlock),
}

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
    Document(DocumentBlock<'a>),
    Audio(AudioBlock<'a>),
    CachePoint(CachePointBlock),
    ToolUse(ToolUseBlock<'a>),
    ToolResult(ToolResultBlock<'a>),
    ReasoningContent(ReasoningBlock<'a>),
}

#[derive(Serialize)]
struct ImageBlock<'a> {
    format: &'static str,
    source: Place<'a>,
}

#[derive(Serialize)]
struct DocumentBlock<'a> {
    format: &'a str,
    name: String,
    source: Place<'a>,
}

#[derive(Serialize)]
struct AudioBlock<'a> {
    format: &'static str,
    source: Place<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Place<'a> {
    Bytes(&'a Text),
    #[serde(rename_all = "camelCase")]
    S3Location {
        uri: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        bucket_owner: Option<&'a str>,
    },
}

#[derive(Serialize)]
struct CachePointBlock {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'static str>,
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
#[serde(rename_all = "camelCase")]
enum ReasoningBlock<'a> {
    ReasoningText {
        text: &'a Text,
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<&'a Text>,
    },
    RedactedContent(&'a Text),
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
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
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
enum ToolEntry<'a> {
    ToolSpec(ToolSpec<'a>),
    SystemTool(SystemTool),
    CachePoint(CachePointBlock),
}

/// A tool that Bedrock runs itself.
#[derive(Serialize)]
struct SystemTool {
    name: &'static str,
}

/// Nova 2's search of the web: the only one that Converse has.
const WEB_SEARCH: &str = "nova_grounding";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolSpec<'a> {
    name: &'a str,
    description: Description<'a>,
    input_schema: InputSchema<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Description<'a> {
    Given(&'a Text),
    Name(&'a str),
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutputConfig<'a> {
    text_format: TextFormat<'a>,
}

#[derive(Serialize)]
struct TextFormat<'a> {
    r#type: &'static str,
    structure: Structure<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Structure<'a> {
    json_schema: JsonSchema<'a>,
}

#[derive(Serialize)]
struct JsonSchema<'a> {
    /// JSON in a string: the service model says so. Without the client's indentation, which nobody
    /// could read escaped.
    schema: Cow<'a, str>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a Text>,
}

/// How a stream is judged is a stream's own word.
fn guardrail_config(guardrail: &Guardrail, streaming: bool) -> GuardrailConfig<'_> {
    let Guardrail { id, version, trace, synchronous } = guardrail;
    let mode = |synchronous: bool| if synchronous { "sync" } else { "async" };
    GuardrailConfig {
        guardrail_identifier: id,
        guardrail_version: version,
        trace: guardrail_trace(*trace),
        stream_processing_mode: synchronous.filter(|_| streaming).map(mode),
    }
}

fn inference_config(
    max_tokens: Option<u32>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    stop_sequences: &[String],
) -> Option<InferenceConfig<'_>> {
    let says_something =
        max_tokens.is_some() || temperature.is_some() || top_p.is_some() || !stop_sequences.is_empty();
    says_something.then_some(InferenceConfig { max_tokens, temperature, top_p, stop_sequences })
}

fn tool_config<'a>(
    tools: &'a [Tool],
    choice: Option<&'a ToolChoice>,
    web_search: bool,
) -> Option<ToolConfig<'a>> {
    if tools.is_empty() && !web_search {
        return None;
    }
    let tool_choice = match choice {
        // Converse has no "none": the family has seen to it.
        None | Some(ToolChoice::Auto | ToolChoice::None) => None,
        Some(ToolChoice::Required) => Some(Choice::Any {}),
        Some(ToolChoice::Named(name)) => Some(Choice::Tool { name }),
    };
    let mut entries = Vec::with_capacity(tools.len());
    for tool in tools {
        entries.push(ToolEntry::ToolSpec(tool_spec(tool)));
        entries.extend(tool.cache.map(|point| ToolEntry::CachePoint(cache_point(point))));
    }
    if web_search {
        entries.push(ToolEntry::SystemTool(SystemTool { name: WEB_SEARCH }));
    }
    Some(ToolConfig { tools: entries, tool_choice })
}

fn tool_spec(tool: &Tool) -> ToolSpec<'_> {
    let Tool { name, description, schema: _, strict, cache: _ } = tool;
    // An empty description is refused.
    let description = match description {
        Some(text) if !text.is_blank() => Description::Given(text),
        Some(_) | None => Description::Name(name),
    };
    let input_schema = InputSchema { json: tool_schema(tool) };
    // Models without strict tools refuse the member, so only what asks for something is sent.
    let strict = strict.filter(|strict| *strict);
    ToolSpec { name, description, input_schema, strict }
}

fn cache_point(point: CachePoint) -> CachePointBlock {
    let CachePoint { ttl } = point;
    let ttl = ttl.map(|ttl| match ttl {
        CacheTtl::FiveMinutes => "5m",
        CacheTtl::OneHour => "1h",
    });
    CachePointBlock { r#type: "default", ttl }
}

fn output_config(format: &OutputFormat) -> Result<Option<OutputConfig<'_>>, InvalidRequest> {
    match format {
        OutputFormat::Text => Ok(None),
        OutputFormat::JsonObject | OutputFormat::JsonSchema { schema: None, .. } => {
            Err(InvalidRequest::unsupported(
                "response_format",
                "this model takes JSON output only with a schema: send one as response_format.json_schema.schema",
            ))
        }
        OutputFormat::JsonSchema { name, description, schema: Some(schema), strict: _ } => {
            let json_schema =
                JsonSchema { schema: schema.compact(), name, description: description.as_ref() };
            Ok(Some(OutputConfig {
                text_format: TextFormat { r#type: "json_schema", structure: Structure { json_schema } },
            }))
        }
    }
}

fn system(message: &Message) -> Result<Vec<SystemBlock<'_>>, InvalidRequest> {
    let Message { role: _, content, index } = message;
    content
        .iter()
        .map(|block| match block {
            Block::Text(text) => Ok(SystemBlock::Text(text)),
            Block::CachePoint(point) => Ok(SystemBlock::CachePoint(cache_point(*point))),
            Block::Image(_)
            | Block::Document(_)
            | Block::Audio(_)
            | Block::Remote(_)
            | Block::ToolUse(_)
            | Block::ToolResult(_)
            | Block::Reasoning(_) => Err(InvalidRequest::value(
                format!("messages[{index}].content"),
                "system messages hold text only",
            )),
        })
        .collect()
}

/// Thoughts first: Claude refuses a turn that begins with anything else while it thinks.
fn blocks<'a>(
    content: &'a [Block],
    message: usize,
    names: &mut DocumentNames,
) -> Result<Vec<ContentBlock<'a>>, InvalidRequest> {
    let is_thought = |block: &&Block| matches!(block, Block::Reasoning(_));
    let thoughts = content.iter().filter(is_thought);
    let rest = content.iter().filter(|block| !is_thought(block));
    thoughts.chain(rest).map(|block| content_block(block, message, names)).collect()
}

fn content_block<'a>(
    block: &'a Block,
    message: usize,
    names: &mut DocumentNames,
) -> Result<ContentBlock<'a>, InvalidRequest> {
    Ok(match block {
        Block::Text(text) => ContentBlock::Text(text),
        Block::Image(Image { format, source }) => {
            ContentBlock::Image(ImageBlock { format: format.as_str(), source: place(source) })
        }
        Block::Document(Document { name, format, source }) => ContentBlock::Document(DocumentBlock {
            format,
            name: names.name_for(name),
            source: place(source),
        }),
        Block::Audio(Audio { format, data }) => {
            ContentBlock::Audio(AudioBlock { format: format.as_str(), source: Place::Bytes(data) })
        }
        Block::Remote(Remote { url: _, kind: _, path }) => {
            return Err(InvalidRequest::unsupported(path.clone(), "remote media are not fetched here"));
        }
        Block::CachePoint(point) => ContentBlock::CachePoint(cache_point(*point)),
        Block::ToolUse(ToolUse { id, name, input }) => {
            ContentBlock::ToolUse(ToolUseBlock { tool_use_id: id, name, input })
        }
        Block::ToolResult(ToolResult { id, content, is_error }) => {
            ContentBlock::ToolResult(ToolResultBlock {
                tool_use_id: id,
                content: result_blocks(content, message, names)?,
                // Success is what silence means, and some models refuse the member.
                status: is_error.then_some("error"),
            })
        }
        Block::Reasoning(reasoning) => ContentBlock::ReasoningContent(reasoning_block(reasoning)),
    })
}

fn result_blocks<'a>(
    content: &'a [Block],
    message: usize,
    names: &mut DocumentNames,
) -> Result<Vec<ContentBlock<'a>>, InvalidRequest> {
    content
        .iter()
        .map(|block| match block {
            Block::Text(_) | Block::Image(_) | Block::Document(_) => content_block(block, message, names),
            Block::Audio(_)
            | Block::Remote(_)
            | Block::CachePoint(_)
            | Block::ToolUse(_)
            | Block::ToolResult(_)
            | Block::Reasoning(_) => Err(InvalidRequest::value(
                format!("messages[{message}].content"),
                "a tool's result holds text, images and files only",
            )),
        })
        .collect()
}

fn place(source: &Source) -> Place<'_> {
    match source {
        Source::Inline(bytes) => Place::Bytes(bytes),
        Source::S3 { uri, owner } => Place::S3Location { uri, bucket_owner: owner.as_deref() },
    }
}

fn reasoning_block(reasoning: &Reasoning) -> ReasoningBlock<'_> {
    let Reasoning { text, signature, redacted } = reasoning;
    match redacted {
        Some(data) => ReasoningBlock::RedactedContent(data),
        None => ReasoningBlock::ReasoningText { text, signature: signature.as_ref() },
    }
}

#[cfg(test)]
mod tests;
