//! Bends a request to what a model accepts: the same rules for all families, driven by [`Capabilities`].

mod arguments;
mod cache;
mod media;
mod output;
mod reasoning;
mod sampling;
mod schema;
mod service;
mod tools;
mod user;

use std::collections::HashMap;

use super::{Family, FormatKind, Lessons, Overrides, Replay};
use crate::bedrock::ModelId;
use crate::chat::{
    Action, Aliases, CacheMode, CallMarkup, InvalidRequest, JsonAsk, MarkupReader, MemberNames, Notes,
    Request, Tool, ToolChoice, mend,
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
    /// What the model was found to refuse.
    pub lessons: Lessons,
    /// What the catalogue knows.
    pub limits: ModelLimits,
    /// The client wants a stream.
    pub streaming: bool,
    /// A whole reply of more than so many tokens is put together from a stream; `None`: none is.
    pub folding: Option<u32>,
    /// The turns of the open tool loop are known to bring back all that the model thought in them.
    pub thoughts_complete: bool,
    /// Who places cache points, where the request doesn't say.
    pub cache: CacheMode,
}

/// A model's limits, as the catalogue has them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ModelLimits {
    /// The most tokens of one reply.
    pub max_output_tokens: Option<u32>,
    /// The shortest prompt that a cache keeps.
    pub prompt_cache_min_tokens: Option<u32>,
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
    /// Names of the members of their inputs, for [`crate::chat::InputNamer`]; by tool, as sent.
    pub input_names: HashMap<String, MemberNames>,
    /// What of the reply's [`crate::chat::Extra`]s the client asked to see.
    pub extras: Vec<&'static str>,
    /// Stop texts for [`crate::chat::StopCutter`]: the model doesn't watch for them.
    pub local_stop: Vec<String>,
    /// Takes the model's own markup for calls out of its reply.
    pub markup: Option<MarkupReader>,
    /// The reply has to be JSON, and the model is only asked for it: for [`crate::chat::JsonReply`].
    pub json: Option<JsonAsk>,
    /// Cache points go along.
    pub caches: bool,
}

/// How the call and the client's stream go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamingMode {
    /// The client wants a whole reply.
    Plain,
    /// The same, and it is short.
    Short,
    /// The client wants a whole reply, and the call is streamed: its body is that of a whole one.
    Folded,
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

/// Which thoughts of earlier turns the model takes back in this request.
pub fn replay(family: &dyn Family, model: &ModelId, request: &Request, forced: Option<FormatKind>) -> Replay {
    let (kind, _) = chat_format(family, model, request, forced);
    family.capabilities(model, kind).replay
}

/// Bends a request, with a note for each thing it bends; what can't be bent is refused.
pub fn prepare(
    terms: &Terms<'_>,
    mut request: Request,
    notes: &mut Notes,
) -> Result<Prepared, InvalidRequest> {
    let Terms {
        family,
        model,
        forced,
        overrides,
        lessons,
        limits,
        streaming,
        folding,
        thoughts_complete,
        cache,
    } = *terms;
    let (kind, format) = chat_format(family, model, &request, forced);
    let able = family.capabilities(model, kind).with(&overrides).taught(lessons);
    let most = overrides.max_output_tokens.or(limits.max_output_tokens).or(able.max_output_tokens);
    let most = most.into_iter().chain(lessons.max_tokens()).min();

    media::refuse_media(&request.messages, &able)?;
    service::refused(&mut request, lessons, notes);
    let limited = request.max_tokens.is_some() || overrides.default_max_tokens.is_some();
    let most = sampling::max_tokens(&mut request, &able, most, lessons.room(), notes);
    reasoning::thoughts(&mut request, &able, notes);
    let extras = service::extras(&request.service);
    // From here on it can do what it can do while it thinks, if it thinks.
    let folding = folding.filter(|_| format.has_one_body());
    let room =
        reasoning::Terms { most, limited, streaming: streaming || folding.is_some(), thoughts_complete };
    let able = reasoning::effort(&mut request, &able, &room, notes);
    sampling::sampling(&mut request, &able, notes);
    sampling::draw(&mut request, &able, notes);
    // Where the client wants no call, whatever stands in the reply is none.
    let may_call = request.tool_choice != Some(ToolChoice::None);
    let local_stop = sampling::stop(&mut request, able.stop, notes);
    tools::tools(&mut request, &able, notes)?;
    let output::Asked { json, held } = output::output_format(&mut request, &able, notes);
    let empty_names = format.takes_empty_keys();
    let renamed = tools::schemas(&mut request, &able, held, empty_names, notes)?;
    output::verbosity(&mut request, &able, notes);
    service::metadata(&mut request, notes);
    service::reply_fields(&mut request, &able, kind, notes);
    service::web_search(&mut request, &able, notes);
    user::user(&mut request, &able, notes);
    format.note_rewrites(&request, notes);
    request.messages = mend(std::mem::take(&mut request.messages), able.shape(), notes);
    tools::refuse_calls(&request.messages, &able)?;
    arguments::rename_members(&mut request, &renamed, notes);
    if !empty_names {
        arguments::name_members(&mut request.messages, notes);
    }
    let caches = cache::points(&mut request, &able, limits.prompt_cache_min_tokens, cache, notes);
    let aliases = Aliases::apply(&mut request, able.tool_names, notes);
    let input_names = input_names(&request.tools, renamed);

    let can_stream = able.tools_while_streaming || request.tools.is_empty();
    let streaming = match (streaming, can_stream) {
        (false, true) => match (folding, request.max_tokens) {
            (None, _) => StreamingMode::Plain,
            (Some(short), Some(most)) if most <= short => StreamingMode::Short,
            (Some(_), _) => StreamingMode::Folded,
        },
        (false, false) => StreamingMode::Plain,
        (true, true) => StreamingMode::Native,
        (true, false) => {
            notes.add("stream", Action::Emulated, "no_tools_while_streaming");
            StreamingMode::Synthesised
        }
    };
    let looks = may_call && able.call_markup != CallMarkup::No;
    let tools = request.tools.iter().filter(|_| looks).map(|tool| tool.name.clone()).collect();
    let markup = MarkupReader::new(able.call_markup, tools);
    Ok(Prepared {
        request,
        format,
        streaming,
        aliases,
        input_names,
        extras,
        local_stop,
        markup,
        json,
        caches,
    })
}

/// How the members of inputs are called on the way back.
fn input_names(tools: &[Tool], renamed: Vec<tools::Renamed>) -> HashMap<String, MemberNames> {
    let named = renamed.into_iter().filter_map(|tools::Renamed { tool, names }| {
        let back = names.into_iter().map(|(own, sent)| (sent, own)).collect();
        Some((tools.get(tool)?.name.clone(), back))
    });
    named.collect()
}

#[cfg(test)]
mod tests;
