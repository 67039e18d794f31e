//! What Bedrock refuses, in Bedrock's words. Texts are recorded or reported ones where any exist; where none is
//! known, the text follows the service's pattern for schema violations.

mod cache_points;
mod chat_body;
mod claude;
mod claude_blocks;
mod claude_rules;
mod cohere;
mod completion;
mod conversation;
mod converse;
mod dialect;
mod fields;
mod history;
mod media;
mod schema;
mod service_members;
#[cfg(test)]
mod tests;
mod tools;

pub(super) use chat_body::chat;
pub(super) use claude::claude;
pub(super) use cohere::cohere_chat;
pub(super) use completion::{llama, nova, prompt, titan};
pub(super) use converse::converse;
pub(super) use service_members::{guardrail, latency, native_guardrail_config, request_metadata, tier};
