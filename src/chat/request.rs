//! What a client asks for.

use super::{Json, Text};

/// A chat to be continued by a model.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The conversation, oldest first, as the client sent it; `mend` gives it the shape a target needs.
    pub messages: Vec<Message>,
    /// Tools the model may call.
    pub tools: Vec<Tool>,
    /// Which of them; absent is the model's choice.
    pub tool_choice: Option<ToolChoice>,
    /// `false` asks for at most one call a turn.
    pub parallel_tool_calls: Option<bool>,
    /// Most tokens to generate. At least 1.
    pub max_tokens: Option<u32>,
    /// 0..2 as OpenAI counts it.
    pub temperature: Option<f64>,
    /// 0..1.
    pub top_p: Option<f64>,
    /// Texts that end the reply and are not part of it. None is empty.
    pub stop: Vec<String>,
    /// How hard to think.
    pub reasoning: Option<Effort>,
    /// What the reply's text has to look like.
    pub format: OutputFormat,
    /// Who is behind the call: the client's opaque id for its user.
    pub user: Option<String>,
}

/// One turn, or part of one.
#[derive(Debug, Clone)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub content: Vec<Block>,
    /// Its place in the client's list, for errors and notes (`messages[3]`).
    pub index: usize,
}

/// Who speaks. A tool's result is said by the user, as a [`Block::ToolResult`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Instructions (OpenAI's `system` and `developer`).
    System,
    /// The user, or a tool.
    User,
    /// The model.
    Assistant,
}

/// A piece of a message.
#[derive(Debug, Clone)]
pub enum Block {
    /// Text.
    Text(Text),
    /// A picture; user only.
    Image(Image),
    /// A file; user only.
    Document(Document),
    /// A call the model made; assistant only.
    ToolUse(ToolUse),
    /// What the tool answered; user only.
    ToolResult(ToolResult),
    /// What the model thought; assistant only.
    Reasoning(Reasoning),
}

/// A picture.
#[derive(Debug, Clone)]
pub struct Image {
    /// What the bytes are, by their first bytes and not by what the client declared.
    pub format: ImageFormat,
    /// Base64 with padding, as a JSON string; it is passed on, never decoded whole.
    pub data: Text,
}

/// The kinds of picture that Bedrock takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageFormat {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// GIF.
    Gif,
    /// WebP.
    Webp,
}

impl ImageFormat {
    /// `png`, `jpeg`, `gif`, `webp`: Converse's word, and the subtype of its media type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Gif => "gif",
            Self::Webp => "webp",
        }
    }
}

/// A file.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its name as the client gave it.
    pub name: String,
    /// Converse's word for what it is: `pdf`, `csv`, `docx`, `txt`, `md` …
    pub format: String,
    /// Base64 with padding, as a JSON string.
    pub data: Text,
}

/// A call of a tool.
#[derive(Debug, Clone)]
pub struct ToolUse {
    /// Names the call; its result carries the same.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Its input: always an object.
    pub input: Json,
}

/// What a tool answered.
#[derive(Debug, Clone)]
pub struct ToolResult {
    /// The call's id.
    pub id: String,
    /// Text and images.
    pub content: Vec<Block>,
    /// The tool failed.
    pub is_error: bool,
}

/// What the model thought, as it has to come back to the model.
#[derive(Debug, Clone)]
pub struct Reasoning {
    /// The thought; empty if it is only known redacted.
    pub text: Text,
    /// The model's proof that the thought is its own.
    pub signature: Option<Text>,
    /// A thought that only the model can read.
    pub redacted: Option<Text>,
}

/// A tool the model may call.
#[derive(Debug, Clone)]
pub struct Tool {
    /// As the client calls it.
    pub name: String,
    /// What it is for.
    pub description: Option<Text>,
    /// JSON Schema of its input, keys in the client's order; absent means no input.
    pub schema: Option<Json>,
    /// Inputs must match the schema.
    pub strict: Option<bool>,
}

/// Which tools the model may or must call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// Some tool must be called.
    Required,
    /// This tool must be called.
    Named(String),
    /// No tool may be called.
    None,
}

/// How hard to think, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Not at all.
    None,
    /// As little as possible.
    Minimal,
    /// A little.
    Low,
    /// The middle.
    Medium,
    /// A lot.
    High,
    /// More.
    XHigh,
    /// All there is.
    Max,
}

/// What the reply's text has to look like.
#[derive(Debug, Clone, Default)]
pub enum OutputFormat {
    /// Anything.
    #[default]
    Text,
    /// Some JSON object.
    JsonObject,
    /// JSON that matches a schema.
    JsonSchema {
        /// Its name.
        name: String,
        /// What it is for.
        description: Option<Text>,
        /// The JSON Schema, keys in the client's order.
        schema: Option<Json>,
        /// The reply must match exactly.
        strict: bool,
    },
}
