//! The bodies of `InvokeModel`: which one a request has, who reads it, who answers it.

mod chat;
mod cohere;
mod completion;

use super::answer::Answer;
use super::event_stream::Event;
use super::fault::Fault;
use super::models::{Format, Model};
use super::turn::Turn;
use super::{claude, llama, nova, titan, validate};
use serde_json::{Value, json};

/// A native request, validated and read.
#[derive(Debug)]
pub(super) struct Native {
    /// The form that its body has: some models take two.
    form: Format,
    pub(super) turn: Turn,
    /// What the reply has of the request.
    echo: Echo,
}

/// What a reply may have of its request.
#[derive(Debug, Default)]
struct Echo {
    prompt: String,
    /// A body that says `"stream": true`: some models stream in pieces only then.
    stream: bool,
    /// The prompt has opened a `<think>` that the answer closes.
    thinking: bool,
}

/// Validates and reads a body. The formats of embeddings and the foreign ones aren't for this.
pub(super) fn read(model: &Model, body: &Value, streaming: bool) -> Result<Native, Fault> {
    let form = form(model, body);
    let mut echo = Echo { stream: body["stream"] == true, ..Echo::default() };
    let turn = match form {
        Format::Claude => {
            validate::claude(model, body)?;
            claude::read(body)
        }
        Format::Llama => {
            validate::llama(model, body)?;
            llama::read(body)
        }
        Format::Titan => {
            validate::titan(model, body)?;
            titan::read(body)
        }
        Format::Nova => {
            validate::nova(model, body, streaming)?;
            nova::read(body)
        }
        Format::Chat | Format::MistralChat | Format::Jamba => {
            validate::chat(model, form, body, streaming)?;
            chat::read(body)
        }
        Format::CohereChat => {
            validate::cohere_chat(model, body)?;
            cohere::read(body)
        }
        Format::ClaudeText | Format::MistralPrompt | Format::CohereCommand | Format::DeepSeekPrompt => {
            validate::prompt(model, form, body)?;
            body["prompt"].as_str().unwrap_or_default().clone_into(&mut echo.prompt);
            echo.thinking = form == Format::DeepSeekPrompt && echo.prompt.trim_end().ends_with("<think>");
            completion::read(form, body)
        }
        Format::TitanEmbed | Format::CohereEmbed | Format::NovaEmbed | Format::Foreign => {
            return Err(Fault::validation("The simulator serves this model through Converse only."));
        }
    };
    Ok(Native { form, turn, echo })
}

/// Mistral's older models and Claude 2 take a chat instead of a prompt.
fn form(model: &Model, body: &Value) -> Format {
    match model.facts.format {
        Format::MistralPrompt if body.get("messages").is_some() => Format::MistralChat,
        Format::ClaudeText if body.get("messages").is_some() => Format::Claude,
        format => format,
    }
}

impl Native {
    /// What the ids of tool calls begin with.
    pub(super) fn tool_prefix(&self) -> &'static str {
        match self.form {
            Format::Claude => "toolu_bdrk_",
            Format::MistralChat => "",
            Format::Chat | Format::Jamba => "chatcmpl-tool-",
            Format::Nova
            | Format::ClaudeText
            | Format::Llama
            | Format::Titan
            | Format::MistralPrompt
            | Format::CohereChat
            | Format::CohereCommand
            | Format::DeepSeekPrompt
            | Format::TitanEmbed
            | Format::CohereEmbed
            | Format::NovaEmbed
            | Format::Foreign => "tooluse_",
        }
    }

    /// Adds what this format reports even when there is none.
    pub(super) fn complete(&self, answer: &mut Answer) {
        if self.form == Format::Nova {
            answer.usage.cache_read.get_or_insert(0);
            answer.usage.cache_write.get_or_insert(0);
        }
    }

    /// The body of the reply.
    pub(super) fn reply(&self, answer: &Answer, model: &Model) -> Value {
        match self.form {
            Format::Claude => claude::reply(answer, model),
            Format::Llama => llama::reply(answer),
            Format::Titan => titan::reply(answer),
            Format::Chat | Format::MistralChat | Format::Jamba => chat::reply(self.form, answer, model),
            Format::CohereChat => cohere::reply(answer, &self.turn),
            Format::ClaudeText | Format::MistralPrompt | Format::CohereCommand | Format::DeepSeekPrompt => {
                completion::reply(self.form, answer, &self.echo)
            }
            Format::Nova | Format::TitanEmbed | Format::CohereEmbed | Format::NovaEmbed | Format::Foreign => {
                nova::reply(answer)
            }
        }
    }

    /// The chunks of the streamed reply.
    pub(super) fn events(&self, answer: &Answer, model: &Model) -> Vec<Event> {
        match self.form {
            Format::Claude => claude::events(answer, model),
            Format::Llama => llama::events(answer),
            Format::Titan => titan::events(answer),
            Format::Chat | Format::MistralChat | Format::Jamba => chat::events(self.form, answer, model),
            Format::CohereChat => cohere::events(answer, &self.turn),
            Format::ClaudeText | Format::MistralPrompt | Format::CohereCommand | Format::DeepSeekPrompt => {
                completion::events(self.form, answer, &self.echo)
            }
            Format::Nova | Format::TitanEmbed | Format::CohereEmbed | Format::NovaEmbed | Format::Foreign => {
                nova::events(answer)
            }
        }
    }
}

fn chunk(payload: Value, content: bool) -> Event {
    Event { name: "chunk", payload, content }
}

/// Token counts as `OpenAI`'s body has them.
fn usage(answer: &Answer) -> Value {
    let (input, output) = (answer.usage.input, answer.usage.output);
    json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input.saturating_add(output)})
}
