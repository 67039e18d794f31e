//! A gateway over a simulated Bedrock, and a client that hides nothing of what it gets.

mod client;
mod control;
mod gateway;
mod issuer;
#[cfg(unix)]
mod process;
mod proxy;
mod script;
mod sse;

pub(crate) use client::{Answer, Ending, Leave, Live, Request, Sent};
pub(crate) use control::{Control, Nobody};
pub(crate) use gateway::{Setup, TestGateway, streamed};
pub(crate) use issuer::{Issuer, Minted, sts};
#[cfg(unix)]
pub(crate) use process::{Server, outcrop};
pub(crate) use proxy::{Deed, Door, Fault, Proxy, Way, Weather, pem};
pub(crate) use script::{claude_stream, converse_stream, exception, native_chunk};
pub(crate) use sse::{SseEvent, Transcript, parse};

use serde_json::{Value, json};

/// Claude over its native format, by a profile.
pub(crate) const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
/// A model that only Converse talks to.
pub(crate) const NOVA: &str = "amazon.nova-lite-v1:0";
/// Llama, whose prompt format has no stop texts and whose Converse streams no tools.
pub(crate) const LLAMA: &str = "meta.llama3-1-70b-instruct-v1:0";
/// Titan Text.
pub(crate) const TITAN: &str = "amazon.titan-text-express-v1";

/// One pixel.
pub(crate) const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// A chat of one user message.
pub(crate) fn chat(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

/// `base` with the members of `over`.
pub(crate) fn with(mut base: Value, over: Value) -> Value {
    let Value::Object(over) = over else { panic!("members are given as an object") };
    for (key, value) in over {
        base[key] = value;
    }
    base
}

/// A function tool with one required string.
pub(crate) fn tool(name: &str, property: &str) -> Value {
    json!({"type": "function", "function": {
        "name": name,
        "description": "A tool of the test's",
        "parameters": {"type": "object", "properties": {property: {"type": "string"}}, "required": [property]},
    }})
}
