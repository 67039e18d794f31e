//! The rules about what the reply has to look like.
//!
//! A reply that has to be JSON is had on the first of three rungs that the model can stand on:
//!
//! 1. it is held to the schema, where the model can be, and the schema can be bent to it without saying less;
//! 2. it is the input of a tool with that schema, which the model is made to call, where it can be made to and no
//!    other tool is in its way;
//! 3. it is asked for in words, and taken out of what is said.
//!
//! What no schema describes is always asked for in words: a tool without parameters would be called with `{}`.

use super::schema::{self, Bent, Budget, Counts, Held, Unfit};
use super::tools;
use crate::chat::{
    Action, Block, Json, JsonAsk, JsonSource, Message, Notes, Opening, OutputFormat, Request, Role, Text,
    Tool, ToolChoice, Verbosity,
};
use crate::families::{Capabilities, SingleCall};

/// How JSON was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// It has to be taken out of the reply.
    pub(super) json: Option<JsonAsk>,
    /// What of the model's limits on schemas is used up.
    pub(super) held: Counts,
}

const SCHEMA: &str = "response_format.json_schema.schema";

/// After the rules about tools, which say what tools there are.
pub(super) fn output_format(request: &mut Request, able: &Capabilities, notes: &mut Notes) -> Asked {
    let (name, description, schema) = match &request.format {
        OutputFormat::Text => return Asked::default(),
        OutputFormat::JsonObject | OutputFormat::JsonSchema { schema: None, .. } => {
            return ask_in_words(request, OBJECT, Some(Opening::Object), notes);
        }
        OutputFormat::JsonSchema { name, description, schema: Some(schema), strict: _ } => {
            (name.clone(), description.clone().filter(|text| !text.is_blank()), schema.clone())
        }
    };
    if able.json_schema {
        match schema::held(&schema, &mut Budget::new()) {
            Ok(Held { bent: Bent { schema: bent, changes }, counts }) if tools::fits(counts) => {
                for change in changes.iter() {
                    notes.add(SCHEMA, Action::Rewritten, change);
                }
                if let OutputFormat::JsonSchema { schema, description: given, .. } = &mut request.format {
                    *schema = bent.or(schema.take());
                    *given = description;
                }
                return Asked { json: None, held: counts };
            }
            Ok(_) => notes.add(SCHEMA, Action::Warned, "above_limits"),
            Err(Unfit { at: _, why }) => notes.add(SCHEMA, Action::Warned, why),
        }
    }
    let opening = if schema::is_of_an_object(&schema) {
        Some(Opening::Object)
    } else if schema::is_of_an_array(&schema) {
        Some(Opening::Array)
    } else {
        None
    };
    if opening == Some(Opening::Object)
        && schema::names_properties(&schema)
        && can_be_made_to_call(request, able)
        // A schema that the model can't be shown as a tool's can still be read to it.
        && schema::for_tool(&schema, able.tool_schemas, true, &mut Budget::new()).is_ok()
    {
        return force_a_tool(request, able, name, description, schema, notes);
    }
    let what = description.map_or_else(String::new, |text| format!(" ({})", text.decode()));
    let words = format!(
        "Answer with one JSON value and nothing else: no words before or after it, no Markdown. It is called \
         \"{name}\"{what} and must match this JSON Schema:\n{}",
        schema.compact()
    );
    ask_in_words(request, &words, opening, notes)
}

const OBJECT: &str =
    "Answer with one JSON object and nothing else: no words before or after it, no Markdown.";

/// Beside the client's own tools a forced one would keep the model from calling them; a model that thinks is by now
/// known not to be forced; and a turn that the client has begun is text.
fn can_be_made_to_call(request: &Request, able: &Capabilities) -> bool {
    able.tools
        && (able.tool_choice_named || able.tool_choice_any)
        && request.tools.is_empty()
        && !is_begun(request)
}

fn is_begun(request: &Request) -> bool {
    request.messages.last().is_some_and(|message| message.role == Role::Assistant)
}

fn force_a_tool(
    request: &mut Request,
    able: &Capabilities,
    name: String,
    description: Option<Text>,
    schema: Json,
    notes: &mut Notes,
) -> Asked {
    let usual = || Text::new("Gives the answer. Call it once, with the whole answer as its input.");
    request.tool_choice =
        Some(if able.tool_choice_named { ToolChoice::Named(name.clone()) } else { ToolChoice::Required });
    request.tools = vec![Tool {
        name,
        description: Some(description.unwrap_or_else(usual)),
        schema: Some(schema),
        strict: None,
        cache: None,
    }];
    if able.single_call != SingleCall::No {
        request.parallel_tool_calls = Some(false);
        tools::single_call(request, able, notes);
    }
    request.format = OutputFormat::Text;
    notes.add("response_format", Action::Emulated, "forced_tool");
    Asked {
        json: Some(JsonAsk { source: JsonSource::Tool, opening: Opening::Object }),
        held: Counts::default(),
    }
}

/// An instruction after the client's own.
fn ask_in_words(request: &mut Request, words: &str, opening: Option<Opening>, notes: &mut Notes) -> Asked {
    // What goes on where the client left off need not begin with a bracket.
    let opening = opening.filter(|_| !is_begun(request));
    let after_system = request
        .messages
        .iter()
        .position(|message| message.role != Role::System)
        .unwrap_or(request.messages.len());
    let index =
        request.messages.get(after_system).or(request.messages.last()).map_or(0, |message| message.index);
    let content = vec![Block::Text(Text::new(words))];
    request.messages.insert(after_system, Message { role: Role::System, content, index });
    request.format = OutputFormat::Text;
    notes.add("response_format", Action::Emulated, "instructed");
    Asked {
        json: opening.map(|opening| JsonAsk { source: JsonSource::Text, opening }),
        held: Counts::default(),
    }
}

/// No model takes a word for it yet. What asks for the usual asks for nothing.
pub(super) fn verbosity(request: &mut Request, _able: &Capabilities, notes: &mut Notes) {
    match request.verbosity.take() {
        None | Some(Verbosity::Medium) => {}
        Some(Verbosity::Low | Verbosity::High) => notes.add("verbosity", Action::Dropped, "no_equivalent"),
    }
}
