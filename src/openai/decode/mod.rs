//! A request's bytes → [`chat::Request`].
//!
//! Texts, schemas and arguments stay JSON from end to end: they are borrowed from the body as raw values
//! and copied once into the canonical model, never unescaped. The fast path tracks no positions; a
//! body that fails is parsed a second time to find out where (see `parse`).
//!
//! Nothing is left out in silence: a member that is not known here, or that has no equivalent, becomes a
//! note; what would change the meaning of the answer is refused with the path of the offending member.

mod bounds;
mod documents;
mod embeddings;
mod extensions;
mod ledger;
mod media;
mod mended;
mod messages;
mod object;
mod parameters;
mod parse;
mod path;
mod shapes;
mod thinking;
mod tokens;
mod tools;
mod wire;

use std::str::Utf8Error;

use serde_json::value::RawValue;

use super::calls::CallForms;
use crate::chat::{Draw, InvalidRequest, Json, Notes, OutputFormat, Request, Service, Verbosity};
use ledger::Ledger;
use object::{Str, Whole};
use path::Path;

pub use embeddings::{
    DecodedEmbeddings, EMBEDDING_PARAMETERS, VectorEncoding, decode_embeddings, fuzz_decode_embeddings,
};
pub use parameters::{Decision, PARAMETERS, Parameter, Shape};

/// A chat request, and what concerns only the way its answer is delivered.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// What is asked of the model.
    pub request: Request,
    /// `model` as the client wrote it; `None` if it named none.
    pub model: Option<String>,
    /// The answer is wanted as server-sent events.
    pub stream: bool,
    /// The stream is to end with a usage chunk.
    pub include_usage: bool,
    /// How many replies are wanted. At least 1.
    pub choices: u32,
    /// In which forms calls of tools are expected.
    pub forms: CallForms,
    /// What was dropped or rewritten while reading.
    pub notes: Notes,
}

/// Deepest nesting of a JSON value that is passed on as it stands (schemas, arguments).
const MAX_DEPTH: usize = 64;

/// Reads the body of `POST /v1/chat/completions`. Every error is the client's and names the member it is
/// about; malformed JSON is reported with its line and column.
pub fn decode(body: &[u8]) -> Result<Decoded, InvalidRequest> {
    mended::read(body, chat)
}

fn chat(text: &str, mut ledger: Ledger) -> Result<Decoded, InvalidRequest> {
    bounds::values(text)?;
    let wire::Body {
        model,
        messages,
        stream,
        stream_options,
        n,
        temperature,
        top_p,
        max_completion_tokens,
        max_tokens,
        stop,
        tools,
        tool_choice,
        parallel_tool_calls,
        functions,
        function_call,
        response_format,
        reasoning_effort,
        reasoning,
        thinking,
        modalities,
        user,
        safety_identifier,
        top_k,
        seed,
        frequency_penalty,
        presence_penalty,
        logit_bias,
        logprobs,
        top_logprobs,
        verbosity,
        web_search_options,
        metadata,
        service_tier,
        prompt_cache_key,
        prompt_cache_options,
        bedrock,
        rest,
    } = parse::body(text)?;
    let root = Path::Root;

    let Some(messages) = messages else {
        return Err(missing_messages(&rest));
    };
    rest.settle(&mut ledger)?;
    if let Some(modalities) = modalities {
        text_only(&modalities)?;
    }
    let (tools, forms) = tools::tools(tools, functions, &mut ledger)?;
    let (tools, tool_choice) = tools::choice(tools, tool_choice, function_call, &mut ledger)?;
    let mut request = Request {
        messages: messages::messages(messages, &mut ledger)?,
        tools,
        tool_choice,
        // A message has room for one call in the deprecated form.
        parallel_tool_calls: if forms.deprecated() { Some(false) } else { parallel_tool_calls },
        max_tokens: max_output(max_completion_tokens, max_tokens, &mut ledger)?,
        temperature: parameters::decimal(temperature, &root.member("temperature"), 0.0, 2.0)?,
        top_p: parameters::decimal(top_p, &root.member("top_p"), 0.0, 1.0)?,
        top_k: positive(top_k, &root.member("top_k"))?,
        stop: stop.map_or(Ok(Vec::new()), |raw| stop_texts(raw, &mut ledger))?,
        draw: Draw {
            seed: seed.map(|Whole(seed)| seed),
            frequency_penalty: penalty(frequency_penalty, "frequency_penalty")?,
            presence_penalty: penalty(presence_penalty, "presence_penalty")?,
            logit_bias: logit_bias.map_or(Ok(None), biases)?,
            logprobs: probabilities(logprobs, top_logprobs)?,
        },
        reasoning: thinking::effort(reasoning_effort.as_deref(), reasoning, thinking, &mut ledger)?,
        verbosity: verbosity.map(|word| verbosity_of(&word)).transpose()?,
        format: response_format.map_or(Ok(OutputFormat::Text), |wire| output_format(wire, &mut ledger))?,
        web_search: web_search_options
            .map(|raw| parse::object(raw, &root.member("web_search_options")))
            .transpose()?,
        user: end_user(user, safety_identifier, &mut ledger),
        cache: extensions::cache_options(
            prompt_cache_options,
            &root.member("prompt_cache_options"),
            &mut ledger,
        )?,
        service: Service {
            metadata: extensions::metadata(metadata, &root.member("metadata"))?,
            cache_key: prompt_cache_key.map(Str::into_owned).filter(|key| !key.is_empty()),
            tier: extensions::tier(service_tier.as_deref(), &root.member("service_tier"), &mut ledger)?,
            ..Service::default()
        },
        model_fields: Vec::new(),
    };
    extensions::bedrock(bedrock, &mut request, &mut ledger)?;
    let stream = stream.unwrap_or(false);
    let include_usage = stream_options.is_some_and(|options| usage_wanted(&options, stream, &mut ledger));
    let model = model.map(Str::into_owned).filter(|model| !model.is_empty());
    let choices = positive(n, &root.member("n"))?.unwrap_or(1);
    Ok(Decoded { request, model, stream, include_usage, choices, forms, notes: ledger.into_notes() })
}

/// Entry of the fuzz target `openai_decode`: whatever the bytes are, an answer.
///
/// # Panics
///
/// If that answer breaks a promise of [`Decoded`] or [`InvalidRequest`]: that is what the target looks for.
pub fn fuzz_decode(data: &[u8]) {
    match decode(data) {
        Ok(decoded) => {
            let Request { messages, stop, max_tokens, .. } = decoded.request;
            assert!(messages.iter().enumerate().all(|(at, message)| message.index == at));
            assert!(!messages.is_empty() && stop.iter().all(|text| !text.is_empty()));
            assert_ne!(max_tokens, Some(0));
        }
        Err(error) => assert!(error.message.len() < 1_000, "a message repeats content at length"),
    }
}

fn not_utf8(error: &Utf8Error) -> InvalidRequest {
    InvalidRequest {
        param: None,
        code: "invalid_json",
        message: format!("The request body is not UTF-8: invalid byte at offset {}.", error.valid_up_to()),
    }
}

fn missing_messages(rest: &parameters::Rest<'_>) -> InvalidRequest {
    if rest.has_unknown("input") {
        return InvalidRequest {
            param: Some("messages".into()),
            code: "missing_required_parameter",
            message: "Missing required parameter: 'messages'. This body has 'input', as the Responses API \
                      (/v1/responses) takes it; Chat Completions takes 'messages'."
                .into(),
        };
    }
    missing(&Path::Root.member("messages"))
}

fn text_only(modalities: &[Str<'_>]) -> Result<(), InvalidRequest> {
    let path = Path::Root.member("modalities");
    for (index, modality) in modalities.iter().enumerate() {
        match &**modality {
            "text" => {}
            "audio" => return Err(unsupported(&path, "audio output is not supported")),
            _ => return Err(not_one_of(&path.item(index), &["text", "audio"])),
        }
    }
    Ok(())
}

fn max_output(
    completion: Option<Whole>,
    legacy: Option<Whole>,
    ledger: &mut Ledger,
) -> Result<Option<u32>, InvalidRequest> {
    let completion = positive(completion, &Path::Root.member("max_completion_tokens"))?;
    let path = Path::Root.member("max_tokens");
    let legacy = positive(legacy, &path)?;
    if completion.is_some() && legacy.is_some() && completion != legacy {
        ledger.dropped(&path, "max_completion_tokens_wins");
    }
    Ok(completion.or(legacy))
}

fn positive(value: Option<Whole>, path: &Path<'_>) -> Result<Option<u32>, InvalidRequest> {
    parameters::integer(value, path, 1, u32::MAX.into())?
        .map(|value| u32::try_from(value).map_err(|_| invalid(path, "it is too large")))
        .transpose()
}

/// What is neutral asks for nothing.
fn penalty(value: Option<f64>, name: &str) -> Result<Option<f64>, InvalidRequest> {
    let value = parameters::decimal(value, &Path::Root.member(name), -2.0, 2.0)?;
    Ok(value.filter(|value| *value != 0.0))
}

fn biases(raw: &RawValue) -> Result<Option<Json>, InvalidRequest> {
    let biases = parse::object(raw, &Path::Root.member("logit_bias"))?;
    Ok(Some(biases).filter(|biases| !biases.is_empty_object()))
}

fn probabilities(asked: Option<bool>, others: Option<Whole>) -> Result<Option<u8>, InvalidRequest> {
    let path = Path::Root.member("top_logprobs");
    let others = parameters::integer(others, &path, 0, 20)?.unwrap_or(0);
    if asked != Some(true) {
        return if others > 0 { Err(invalid(&path, "it needs 'logprobs' to be true")) } else { Ok(None) };
    }
    u8::try_from(others).map(Some).map_err(|_| invalid(&path, "it is too large"))
}

fn verbosity_of(word: &str) -> Result<Verbosity, InvalidRequest> {
    match word {
        "low" => Ok(Verbosity::Low),
        "medium" => Ok(Verbosity::Medium),
        "high" => Ok(Verbosity::High),
        _ => Err(not_one_of(&Path::Root.member("verbosity"), &["low", "medium", "high"])),
    }
}

/// Most stop texts, and the longest in bytes. OpenAI takes four; they are looked for in all of the reply.
const MOST_STOPS: usize = 100;
const LONGEST_STOP: usize = 1024;

fn stop_texts(raw: &RawValue, ledger: &mut Ledger) -> Result<Vec<String>, InvalidRequest> {
    let path = Path::Root.member("stop");
    let texts = if raw.get().starts_with('"') {
        vec![parse::island::<Str<'_>>(raw, &path)?]
    } else {
        parse::island::<object::Array<Str<'_>, MOST_STOPS>>(raw, &path)?.0
    };
    let mut stop = Vec::with_capacity(texts.len());
    for (index, text) in texts.into_iter().enumerate() {
        if text.len() > LONGEST_STOP {
            let path = if raw.get().starts_with('"') { path } else { path.item(index) };
            let why = format!("a stop text is longer than {LONGEST_STOP} bytes");
            return Err(InvalidRequest { code: "string_above_max_length", ..invalid(&path, &why) });
        }
        if text.is_empty() {
            ledger.dropped(&path.item(index), "empty");
        } else {
            stop.push(text.into_owned());
        }
    }
    Ok(stop)
}

fn output_format(
    wire: wire::ResponseFormat<'_>,
    ledger: &mut Ledger,
) -> Result<OutputFormat, InvalidRequest> {
    let path = Path::Root.member("response_format");
    let wire::ResponseFormat { kind, json_schema, rest } = wire;
    ledger.unknown(&path, &rest);
    let kind = kind.ok_or_else(|| missing(&path.member("type")))?;
    match &*kind {
        "text" => Ok(OutputFormat::Text),
        "json_object" => Ok(OutputFormat::JsonObject),
        "json_schema" => {
            let path = path.member("json_schema");
            let wire::JsonSchema { name, description, schema, strict, rest } =
                json_schema.ok_or_else(|| missing(&path))?;
            ledger.unknown(&path, &rest);
            Ok(OutputFormat::JsonSchema {
                name: parse::name(name, &path.member("name"))?,
                description: description
                    .map(|raw| parse::text(raw, &path.member("description")))
                    .transpose()?,
                schema: schema.map(|raw| parse::object(raw, &path.member("schema"))).transpose()?,
                strict: strict.unwrap_or(false),
            })
        }
        _ => Err(not_one_of(&path.member("type"), &["text", "json_object", "json_schema"])),
    }
}

fn end_user(
    user: Option<Str<'_>>,
    safety_identifier: Option<Str<'_>>,
    ledger: &mut Ledger,
) -> Option<String> {
    if let (Some(user), Some(other)) = (&user, &safety_identifier)
        && **user != **other
    {
        ledger.dropped(&Path::Root.member("safety_identifier"), "user_wins");
    }
    user.or(safety_identifier).map(Str::into_owned).filter(|user| !user.is_empty())
}

fn usage_wanted(options: &wire::StreamOptions<'_>, stream: bool, ledger: &mut Ledger) -> bool {
    let path = Path::Root.member("stream_options");
    let wire::StreamOptions { include_usage, include_obfuscation, rest } = options;
    ledger.unknown(&path, rest);
    if *include_obfuscation == Some(true) {
        ledger.dropped(&path.member("include_obfuscation"), "no_equivalent");
    }
    if !stream {
        ledger.dropped(&path, "not_streaming");
    }
    stream && *include_usage == Some(true)
}

fn missing(path: &Path<'_>) -> InvalidRequest {
    let param = path.to_string();
    InvalidRequest {
        message: format!("Missing required parameter: '{param}'."),
        code: "missing_required_parameter",
        param: Some(param),
    }
}

fn unsupported(path: &Path<'_>, why: &str) -> InvalidRequest {
    let param = path.to_string();
    InvalidRequest {
        message: format!("Unsupported value for '{param}': {why}."),
        code: "unsupported_value",
        param: Some(param),
    }
}

fn invalid(path: &Path<'_>, why: &str) -> InvalidRequest {
    let param = path.to_string();
    let message = format!("Invalid value for '{param}': {why}.");
    InvalidRequest::value(param, message)
}

fn not_one_of(path: &Path<'_>, words: &[&str]) -> InvalidRequest {
    invalid(path, &format!("supported values are '{}'", words.join("', '")))
}

#[cfg(test)]
mod tests;
