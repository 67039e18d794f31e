//! What Bedrock refuses, in Bedrock's words. Texts are recorded or reported ones where any exist; where none is
//! known, the text follows the service's pattern for schema violations.

mod claude;
mod claude_rules;
mod completion;
mod conversation;
mod converse;
mod media;
mod schema;
#[cfg(test)]
mod tests;

pub(super) use claude::claude;
pub(super) use completion::{llama, nova, titan};
pub(super) use converse::converse;
