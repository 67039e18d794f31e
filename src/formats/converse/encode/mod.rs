//! The body of a Converse call. Texts, schemas and inputs pass through as the client wrote them.

mod document_name;

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;

use crate::chat::{
    Block, Document, Image, InvalidRequest, Json, Message, OutputFormat, Reasoning, Request, Role, Text,
    Tool, ToolChoice, ToolResult, ToolUse,
};
use crate::formats::to_body;
use crate::formats::tool_schema::ToolSchema;

use document_name::DocumentNames;

/// Writes the body. Equal requests give equal bytes.
pub(super) fn body(request: &Request) -> Result<Bytes, InvalidRequest> {
    let Request {
        messages,
        tools,
        tool_choice,
        parallel_tool_calls,
        max_tokens,
        temperature,
        top_p,
        stop,
        // Each vendor has its own field for it, so its family has spoken before.
        reasoning: _,
        format,
        // Converse has no place for it, which the family has noted.
        user: _,
    } = request;
    let mut names = DocumentNames::default();
    let mut wire = Body {
        system: Vec::new(),
        messages: Vec::with_capacity(messages.len()),
        inference_config: inference_config(*max_tokens, *temperature, *top_p, stop),
        tool_config: tool_config(tools, tool_choice.as_ref())?,
        output_config: output_config(format)?,
        additional_model_request_fields: None,
    };
    if *parallel_tool_calls == Some(false) {
        wire.additional_model_request_fields = wire.tool_config.as_ref().map(one_call_a_turn);
    }
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
    to_body(&wire)
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
    output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_model_request_fields: Option<ClaudeFields>,
}

#[derive(Serialize)]
struct SystemBlock<'a> {
    text: &'a Text,
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
    ToolUse(ToolUseBlock<'a>),
    ToolResult(ToolResultBlock<'a>),
    ReasoningContent(ReasoningBlock<'a>),
}

#[derive(Serialize)]
struct ImageBlock<'a> {
    format: &'static str,
    source: Source<'a>,
}

#[derive(Serialize)]
struct DocumentBlock<'a> {
    format: &'a str,
    name: String,
    source: Source<'a>,
}

#[derive(Serialize)]
struct Source<'a> {
    bytes: &'a Text,
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
struct ToolEntry<'a> {
    tool_spec: ToolSpec<'a>,
}

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
    json: ToolSchema<'a>,
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

/// Merged by Bedrock into the native body. Only Claude's families leave a request as it takes to need it.
#[derive(Serialize)]
struct ClaudeFields {
    tool_choice: ClaudeToolChoice,
}

#[derive(Serialize)]
struct ClaudeToolChoice {
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    disable_parallel_tool_use: bool,
}

fn one_call_a_turn(tool_config: &ToolConfig<'_>) -> ClaudeFields {
    // Beside a toolChoice Bedrock writes the type itself, and refuses a second one.
    let r#type = tool_config.tool_choice.is_none().then_some("auto");
    ClaudeFields { tool_choice: ClaudeToolChoice { r#type, disable_parallel_tool_use: true } }
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
) -> Result<Option<ToolConfig<'a>>, InvalidRequest> {
    if tools.is_empty() {
        return Ok(None);
    }
    let tool_choice = match choice {
        // Converse has no "none": the family has seen to it.
        None | Some(ToolChoice::Auto | ToolChoice::None) => None,
        Some(ToolChoice::Required) => Some(Choice::Any {}),
        Some(ToolChoice::Named(name)) => Some(Choice::Tool { name }),
    };
    let tools = tools.iter().enumerate().map(|(at, tool)| tool_entry(tool, at)).collect::<Result<_, _>>()?;
    Ok(Some(ToolConfig { tools, tool_choice }))
}

fn tool_entry(tool: &Tool, at: usize) -> Result<ToolEntry<'_>, InvalidRequest> {
    let Tool { name, description, schema, strict } = tool;
    // An empty description is refused.
    let description = match description {
        Some(text) if !text.is_blank() => Description::Given(text),
        Some(_) | None => Description::Name(name),
    };
    let input_schema = InputSchema { json: ToolSchema::of(schema.as_ref(), at)? };
    // Models without strict tools refuse the member, so only what asks for something is sent.
    let strict = strict.filter(|strict| *strict);
    Ok(ToolEntry { tool_spec: ToolSpec { name, description, input_schema, strict } })
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
            Block::Text(text) => Ok(SystemBlock { text }),
            Block::Image(_)
            | Block::Document(_)
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
        Block::Image(Image { format, data }) => {
            ContentBlock::Image(ImageBlock { format: format.as_str(), source: Source { bytes: data } })
        }
        Block::Document(Document { name, format, data }) => ContentBlock::Document(DocumentBlock {
            format,
            name: names.name_for(name),
            source: Source { bytes: data },
        }),
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
            Block::ToolUse(_) | Block::ToolResult(_) | Block::Reasoning(_) => Err(InvalidRequest::value(
                format!("messages[{message}].content"),
                "a tool's result holds text, images and files only",
            )),
        })
        .collect()
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
