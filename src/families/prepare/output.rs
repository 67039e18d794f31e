//! The rules about what the reply has to look like.

use crate::chat::{Action, Block, Message, Notes, OutputFormat, Request, Role, Text, Verbosity};
use crate::families::Capabilities;

/// What the model can't be held to it is told: an instruction after the client's own.
pub(super) fn output_format(request: &mut Request, able: &Capabilities, notes: &mut Notes) {
    let instruction = match &request.format {
        OutputFormat::Text => return,
        // Without `strict` a schema may hold what Bedrock refuses, and nobody asked to be held to it.
        OutputFormat::JsonSchema { schema: Some(_), strict: true, name: _, description: _ }
            if able.json_schema =>
        {
            return;
        }
        OutputFormat::JsonObject | OutputFormat::JsonSchema { schema: None, .. } => {
            "Answer with one JSON object and nothing else: no words before or after it, no Markdown."
                .to_owned()
        }
        OutputFormat::JsonSchema { name, description, schema: Some(schema), strict: _ } => {
            let what = description.as_ref().map_or_else(String::new, |text| format!(" ({})", text.decode()));
            format!(
                "Answer with one JSON value and nothing else: no words before or after it, no Markdown. It is \
                 called \"{name}\"{what} and must match this JSON Schema:\n{}",
                schema.compact()
            )
        }
    };
    let after_system = request
        .messages
        .iter()
        .position(|message| message.role != Role::System)
        .unwrap_or(request.messages.len());
    let index =
        request.messages.get(after_system).or(request.messages.last()).map_or(0, |message| message.index);
    let content = vec![Block::Text(Text::new(&instruction))];
    request.messages.insert(after_system, Message { role: Role::System, content, index });
    request.format = OutputFormat::Text;
    notes.add("response_format", Action::Emulated, "instructed");
}

/// No model takes a word for it yet. What asks for the usual asks for nothing.
pub(super) fn verbosity(request: &mut Request, _able: &Capabilities, notes: &mut Notes) {
    match request.verbosity.take() {
        None | Some(Verbosity::Medium) => {}
        Some(Verbosity::Low | Verbosity::High) => notes.add("verbosity", Action::Dropped, "no_equivalent"),
    }
}
