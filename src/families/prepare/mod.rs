//! Bends a request to what a model accepts: the same rules for all families, driven by [`Capabilities`].

mod tools;

use super::{Capabilities, Family, FormatKind, Overrides, Sampling, StopSupport};
use crate::bedrock::ModelId;
use crate::chat::{
    Action, Aliases, Block, InvalidRequest, Message, Notes, OutputFormat, Request, Role, Text, mend,
};
use crate::formats::{self, ChatFormat};

/// On which terms a request goes to a model.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// Whose model.
    pub family: &'static dyn Family,
    /// Which.
    pub model: &'a ModelId,
    /// The format that config forces. Config refuses [`FormatKind::Native`] where
    /// [`super::supports_native`] is false; here it would mean Converse.
    pub forced: Option<FormatKind>,
    /// What config knows better than the family.
    pub overrides: Overrides,
    /// What the catalogue knows.
    pub limits: ModelLimits,
    /// The client wants a stream.
    pub streaming: bool,
}

/// A model's limits, as the catalogue has them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ModelLimits {
    /// The most tokens of one reply.
    pub max_output_tokens: Option<u32>,
}

/// A request that the model accepts, and what is left to do around it.
pub struct Prepared {
    /// For [`ChatFormat::encode`].
    pub request: Request,
    /// How to write it.
    pub format: &'static dyn ChatFormat,
    /// How to call.
    pub streaming: StreamingMode,
    /// Gives the tools in the reply the names that the client knows.
    pub aliases: Aliases,
    /// Stop texts for [`crate::chat::StopCutter`]: the model doesn't watch for them.
    pub local_stop: Vec<String>,
}

/// How the call and the client's stream go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamingMode {
    /// The client wants a whole reply.
    Plain,
    /// The call is streamed.
    Native,
    /// The client gets a stream that is made of a whole reply: the model can't stream this.
    Synthesised,
}

/// How a request is written: as config says, else as the family prefers.
pub fn chat_format(
    family: &dyn Family,
    model: &ModelId,
    request: &Request,
    forced: Option<FormatKind>,
) -> (FormatKind, &'static dyn ChatFormat) {
    let kind = forced.unwrap_or_else(|| family.preferred(model, request));
    match (kind, family.native(model)) {
        (FormatKind::Native, Some(native)) => (kind, native),
        (FormatKind::Native, None) | (FormatKind::Converse, _) => {
            (FormatKind::Converse, &formats::CONVERSE as &'static dyn ChatFormat)
        }
    }
}

/// Bends a request, with a note for each thing it bends; what can't be bent is refused.
pub fn prepare(
    terms: &Terms<'_>,
    mut request: Request,
    notes: &mut Notes,
) -> Result<Prepared, InvalidRequest> {
    let Terms { family, model, forced, overrides, limits, streaming } = *terms;
    let (kind, format) = chat_format(family, model, &request, forced);
    let able = family.capabilities(model, kind).with(&overrides);
    let most = overrides.max_output_tokens.or(limits.max_output_tokens).or(able.max_output_tokens);

    refuse_media(&request.messages, &able)?;
    max_tokens(&mut request, &able, most, notes);
    sampling(&mut request, &able, notes);
    let local_stop = stop(&mut request, able.stop, notes);
    tools::tools(&mut request, &able, notes)?;
    thoughts(&mut request, &able, notes);
    output_format(&mut request, &able, notes);
    if !able.user && request.user.take().is_some() {
        notes.add("user", Action::Dropped, "no_equivalent");
    }
    format.note_rewrites(&request, notes);
    request.messages = mend(std::mem::take(&mut request.messages), able.shape(), notes);
    tools::refuse_calls(&request.messages, &able)?;
    let aliases = Aliases::apply(&mut request, notes);

    let streaming = match (streaming, able.tools_while_streaming || request.tools.is_empty()) {
        (false, _) => StreamingMode::Plain,
        (true, true) => StreamingMode::Native,
        (true, false) => {
            notes.add("stream", Action::Emulated, "no_tools_while_streaming");
            StreamingMode::Synthesised
        }
    };
    Ok(Prepared { request, format, streaming, aliases, local_stop })
}

fn refuse_media(messages: &[Message], able: &Capabilities) -> Result<(), InvalidRequest> {
    fn refuse(block: &Block, index: usize, able: &Capabilities) -> Result<(), InvalidRequest> {
        let kind = match block {
            Block::Image(_) if !able.images => "pictures",
            Block::Document(_) if !able.documents => "files",
            Block::ToolResult(result) => {
                return result.content.iter().try_for_each(|block| refuse(block, index, able));
            }
            Block::Image(_)
            | Block::Document(_)
            | Block::Text(_)
            | Block::ToolUse(_)
            | Block::Reasoning(_) => return Ok(()),
        };
        let message = format!("This model does not take {kind}.");
        Err(InvalidRequest::unsupported(format!("messages[{index}]"), message))
    }
    messages
        .iter()
        .flat_map(|message| message.content.iter().map(|block| (block, message.index)))
        .try_for_each(|(block, index)| refuse(block, index, able))
}

fn max_tokens(request: &mut Request, able: &Capabilities, most: Option<u32>, notes: &mut Notes) {
    let Some(wanted) = request.max_tokens else {
        request.max_tokens =
            able.default_max_tokens.map(|default| most.map_or(default, |most| default.min(most)));
        return;
    };
    // A limit that is below the least there is would be the catalogue's error; the least wins.
    let taken = most.map_or(wanted, |most| wanted.min(most)).max(able.least_max_tokens);
    if taken < wanted {
        notes.add("max_tokens", Action::Clamped, "above_model_maximum");
    } else if taken > wanted {
        notes.add("max_tokens", Action::Clamped, "below_model_minimum");
    }
    request.max_tokens = Some(taken);
}

/// Bedrock counts both from 0 to 1, where OpenAI lets temperature go up to 2. A value of 1 is every model's
/// own, so leaving it out changes nothing.
fn sampling(request: &mut Request, able: &Capabilities, notes: &mut Notes) {
    let drop = |value: &mut Option<f64>, param: &'static str, reason, notes: &mut Notes| {
        if value.take().is_some_and(|value| value < 1.0) {
            notes.add(param, Action::Dropped, reason);
        }
    };
    match able.sampling {
        Sampling::Either if request.temperature.is_some() => {
            drop(&mut request.top_p, "top_p", "excludes_temperature", notes);
        }
        Sampling::Both | Sampling::Either => {}
        Sampling::Refused => {
            if request.temperature.take().is_some_and(|temperature| (temperature - 1.0).abs() > f64::EPSILON)
            {
                notes.add("temperature", Action::Dropped, "refused_by_model");
            }
            drop(&mut request.top_p, "top_p", "refused_by_model", notes);
        }
    }
    if let Some(temperature) = &mut request.temperature
        && *temperature > 1.0
    {
        *temperature = 1.0;
        notes.add("temperature", Action::Clamped, "above_maximum");
    }
    if let Some(top_p) = &mut request.top_p
        && *top_p < able.least_top_p
    {
        *top_p = able.least_top_p;
        notes.add("top_p", Action::Clamped, "below_minimum");
    }
}

/// Leaves the stop texts that the model watches for, and gives the others. Blank ones are among those:
/// Bedrock refuses them, but a line end is the stop text that is asked for most.
fn stop(request: &mut Request, support: StopSupport, notes: &mut Notes) -> Vec<String> {
    let mut local = Vec::new();
    for stop in std::mem::take(&mut request.stop) {
        let refused = match support {
            StopSupport::Native(_) if stop.trim().is_empty() => Some("blank"),
            StopSupport::Native(most) if request.stop.len() >= most => Some("too_many"),
            StopSupport::Native(_) => None,
            StopSupport::BarsOrUser if stop == "User:" || stop.bytes().all(|byte| byte == b'|') => None,
            StopSupport::BarsOrUser => Some("refused_by_model"),
            StopSupport::Emulated => Some("no_equivalent"),
        };
        match refused {
            _ if stop.is_empty() => notes.add("stop", Action::Dropped, "empty"),
            None => request.stop.push(stop),
            Some(reason) => {
                notes.add("stop", Action::Emulated, reason);
                local.push(stop);
            }
        }
    }
    local
}

/// Thoughts go back only to a model that signed them: others refuse them, or take them for speech.
fn thoughts(request: &mut Request, able: &Capabilities, notes: &mut Notes) {
    for message in &mut request.messages {
        let before = message.content.len();
        message.content.retain(|block| match block {
            Block::Reasoning(thought) => {
                able.signed_reasoning && (thought.signature.is_some() || thought.redacted.is_some())
            }
            Block::Text(_)
            | Block::Image(_)
            | Block::Document(_)
            | Block::ToolUse(_)
            | Block::ToolResult(_) => true,
        });
        if message.content.len() < before {
            let reason = if able.signed_reasoning { "reasoning_unsigned" } else { "reasoning_not_replayed" };
            notes.add(format!("messages[{}]", message.index), Action::Dropped, reason);
        }
    }
    if request.reasoning.take().is_some() {
        notes.add("reasoning_effort", Action::Dropped, "no_equivalent");
    }
}

/// What the model can't be held to it is told: an instruction after the client's own.
fn output_format(request: &mut Request, able: &Capabilities, notes: &mut Notes) {
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

#[cfg(test)]
mod tests;
