//! What a client asks for.

use std::borrow::Cow;

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
    /// Only this many of the likeliest tokens are drawn from.
    pub top_k: Option<u32>,
    /// Texts that end the reply and are not part of it. None is empty.
    pub stop: Vec<String>,
    /// What few models know about drawing tokens.
    pub draw: Draw,
    /// How hard to think.
    pub reasoning: Option<Effort>,
    /// How long-winded to be.
    pub verbosity: Option<Verbosity>,
    /// What the reply's text has to look like.
    pub format: OutputFormat,
    /// A search of the web may precede the answer; what the client said about it, as it wrote it.
    pub web_search: Option<Json>,
    /// Who is behind the call: the client's opaque id for its user.
    pub user: Option<String>,
    /// Where the request places no cache points of its own, and for how long points without a word last.
    pub cache: CacheOptions,
    /// How the upstream is to serve the call.
    pub service: Service,
    /// Members of the model's own body that have no place above, by name: in part the client's own, in part
    /// what its family made of the members above.
    pub model_fields: Vec<ModelField>,
}

impl Request {
    /// Does it name what the upstream has to have access to, beside the model? `guardrail`: the one that it names counts.
    /// Members of the model's own body may name anything.
    pub fn names_resources(&self, guardrail: bool) -> bool {
        let in_s3 = |block: &Block| match block {
            Block::Image(Image { source: Source::S3 { .. }, .. })
            | Block::Document(Document { source: Source::S3 { .. }, .. }) => true,
            Block::Image(_)
            | Block::Document(_)
            | Block::Text(_)
            | Block::Audio(_)
            | Block::Remote(_)
            | Block::ToolUse(_)
            | Block::ToolResult(_)
            | Block::Reasoning(_)
            | Block::CachePoint(_) => false,
        };
        let names = |block: &Block| match block {
            Block::ToolResult(result) => result.content.iter().any(in_s3),
            block => in_s3(block),
        };
        guardrail && self.service.guardrail.is_some()
            || !self.model_fields.is_empty()
            || self.messages.iter().flat_map(|message| &message.content).any(names)
    }
}

/// What few models know about drawing tokens.
#[derive(Debug, Clone, Default)]
pub struct Draw {
    /// The same seed asks for the same draw.
    pub seed: Option<i64>,
    /// -2..2: against tokens by how often they have come.
    pub frequency_penalty: Option<f64>,
    /// -2..2: against tokens that have come at all.
    pub presence_penalty: Option<f64>,
    /// Token number → bias, as the client wrote it.
    pub logit_bias: Option<Json>,
    /// The probabilities of the drawn tokens are asked for, and of this many others beside each (0..20).
    pub logprobs: Option<u8>,
}

/// How the upstream is to serve a call, whatever the model.
#[derive(Debug, Clone, Default)]
pub struct Service {
    /// The client's own words about the call, for the upstream's logs.
    pub metadata: Vec<(String, String)>,
    /// Calls with the same key share the beginning of their prompts.
    pub cache_key: Option<String>,
    /// How soon, and at what price.
    pub tier: Option<ServiceTier>,
    /// Trade throughput for a quicker answer.
    pub latency: Option<Latency>,
    /// Whose rules the prompt and the reply have to pass.
    pub guardrail: Option<Guardrail>,
    /// Members of the model's own reply that the client wants to see, as JSON pointers.
    pub reply_fields: Vec<String>,
}

/// A member of the model's own body.
#[derive(Debug, Clone)]
pub struct ModelField {
    /// Where: `["inferenceConfig", "topK"]` is `{"inferenceConfig":{"topK":…}}`.
    pub path: Vec<Cow<'static, str>>,
    /// What stands there.
    pub value: Json,
}

impl ModelField {
    /// A member that a family writes.
    pub fn new(path: &[&'static str], value: Json) -> Self {
        Self { path: path.iter().map(|name| Cow::Borrowed(*name)).collect(), value }
    }
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
    /// A sound; user only.
    Audio(Audio),
    /// A picture or a file that lies elsewhere and has to be fetched before anything is prepared; user only.
    Remote(Remote),
    /// A call the model made; assistant only.
    ToolUse(ToolUse),
    /// What the tool answered; user only.
    ToolResult(ToolResult),
    /// What the model thought; assistant only.
    Reasoning(Reasoning),
    /// What stands before it in the prompt may be kept in a cache.
    CachePoint(CachePoint),
}

/// A picture.
#[derive(Debug, Clone)]
pub struct Image {
    /// What the bytes are, by their first bytes and not by what the client declared.
    pub format: ImageFormat,
    /// Its bytes.
    pub source: Source,
}

/// Where the bytes of a picture or a file are.
#[derive(Debug, Clone)]
pub enum Source {
    /// Here: base64 with padding, as a JSON string; it is passed on, never decoded whole.
    Inline(Text),
    /// In S3, where the upstream reads them.
    S3 {
        /// `s3://bucket/key`
        uri: String,
        /// The account that owns the bucket, if it isn't the caller's.
        owner: Option<String>,
    },
}

/// Something to fetch.
#[derive(Debug, Clone)]
pub struct Remote {
    /// `http://…` or `https://…`, as the client wrote it.
    pub url: String,
    /// What it is said to be.
    pub kind: RemoteKind,
    /// Its place in the request, for errors: `messages[0].content[1].image_url.url`.
    pub path: String,
}

/// What something to fetch is said to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteKind {
    /// A picture.
    Image,
    /// A file.
    Document {
        /// Its name as the client gave it.
        name: Option<String>,
    },
}

/// A sound.
#[derive(Debug, Clone)]
pub struct Audio {
    /// What the client says the bytes are.
    pub format: AudioFormat,
    /// Base64 with padding, as a JSON string.
    pub data: Text,
}

/// The kinds of sound that clients send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudioFormat {
    /// WAV.
    Wav,
    /// MP3.
    Mp3,
}

impl AudioFormat {
    /// `wav`, `mp3`: OpenAI's word and Converse's.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Mp3 => "mp3",
        }
    }
}

/// A place up to which the prompt may be kept in a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CachePoint {
    /// For how long; absent is as [`CacheOptions::ttl`] says.
    pub ttl: Option<CacheTtl>,
}

/// How long a cache keeps a prompt after its last use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CacheTtl {
    /// Five minutes.
    FiveMinutes,
    /// An hour.
    OneHour,
}

/// What a request says about caching as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheOptions {
    /// Who places the points; absent is as config says.
    pub mode: Option<CacheMode>,
    /// For points that say nothing themselves.
    pub ttl: Option<CacheTtl>,
}

/// Who places cache points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheMode {
    /// The gateway, where the request has none.
    Auto,
    /// The gateway, where the request has none and goes on with a conversation: then its beginning was sent before, and will
    /// be again.
    Conversations,
    /// The client alone.
    Explicit,
}

impl CacheMode {
    /// Whether the gateway places points in a request with these messages.
    pub fn places_in(self, messages: &[Message]) -> bool {
        match self {
            Self::Auto => true,
            Self::Conversations => goes_on(messages),
            Self::Explicit => false,
        }
    }
}

/// Whether the model has spoken before: it did where there is a turn of its own, or the result of a call.
pub fn goes_on(messages: &[Message]) -> bool {
    messages.iter().any(|message| {
        let is_result = |block: &Block| matches!(block, Block::ToolResult(_));
        message.role == Role::Assistant || message.content.iter().any(is_result)
    })
}

/// How soon a call is served, and at what price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceTier {
    /// As usual.
    Default,
    /// Later and cheaper.
    Flex,
    /// Sooner and dearer.
    Priority,
    /// From capacity that was bought before.
    Reserved,
}

/// How quickly tokens come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latency {
    /// As usual.
    Standard,
    /// Quicker, where the model has it.
    Optimized,
}

/// Whose rules a call has to pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guardrail {
    /// Its id or ARN.
    pub id: String,
    /// `DRAFT` or a number.
    pub version: String,
    /// What it did is told in the reply.
    pub trace: GuardrailTrace,
    /// A stream is held back until it has been judged.
    pub synchronous: Option<bool>,
}

/// How much a guardrail tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GuardrailTrace {
    /// To the gateway only, which needs to tell masked words from a block.
    #[default]
    Inside,
    /// To the client too.
    Shown,
    /// To the client too, with what passed.
    Full,
}

/// How long-winded an answer shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verbosity {
    /// Short.
    Low,
    /// As usual.
    Medium,
    /// Long.
    High,
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
    /// Its bytes.
    pub source: Source,
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
    /// Text, images, files and sounds.
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
    /// The tools up to this one may be kept in a cache.
    pub cache: Option<CachePoint>,
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

impl Effort {
    /// OpenAI's word, and that of most models.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }
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
