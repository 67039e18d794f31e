//! THE CANONICAL MODEL: one vocabulary for requests, replies and stream events.
//!
//! It knows neither OpenAI nor Bedrock, and holds no IO, clock, randomness or environment. Client
//! protocols decode into it and encode out of it (`openai`), model formats do the same on the other
//! side (`formats`), so that N protocols and M formats cost N + M pieces and never meet.
//! It may name nothing else in the crate.

mod alias;
mod event;
mod input_names;
mod json;
mod json_reply;
mod markup;
mod mend;
mod notes;
mod request;
mod response;
mod stop;
mod surrogates;
mod tool_loop;
mod weight;

pub use alias::{Aliases, NamePattern, Naming};
pub use event::{BlockIndex, BlockKind, Citation, Delta, Event, Extra};
pub use input_names::{InputNamer, MemberNames};
pub use json::{Json, NotJson, Text, end_of_string, push_escaped};
pub use json_reply::{JsonAsk, JsonReply, JsonSource, Opening};
pub use markup::{CallMarkup, CallTokens, MarkupReader};
pub use mend::{Shape, mend};
pub use notes::{Action, InvalidRequest, Note, Notes};
pub use request::{
    Audio, AudioFormat, Block, CacheMode, CacheOptions, CachePoint, CacheTtl, Document, Draw, Effort,
    Guardrail, GuardrailTrace, Image, ImageFormat, Latency, Message, ModelField, OutputFormat, Reasoning,
    Remote, RemoteKind, Request, Role, Service, ServiceTier, Source, Tool, ToolChoice, ToolResult, ToolUse,
    Verbosity, goes_on,
};
pub use response::{AssembleError, Response, StopReason, ToolCall, Usage};
pub use stop::{StopCutter, StopTexts};
pub use surrogates::{lone_surrogates, without_lone_surrogates};
pub use tool_loop::open_tool_loop;
