//! What a recorded reply says, read without any of the gateway's own decoders.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

/// An answer, as far as it is compared. Arguments of calls are JSON.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) reasoning: String,
    pub(crate) calls: Vec<(String, String)>,
    pub(crate) finish_reason: String,
    pub(crate) prompt_tokens: Option<u64>,
    pub(crate) completion_tokens: Option<u64>,
    pub(crate) cached_tokens: Option<u64>,
}

/// Vectors, and what they cost.
#[derive(Debug, PartialEq)]
pub(crate) struct Embedded {
    pub(crate) vectors: Vec<Vec<f64>>,
    pub(crate) tokens: Option<u64>,
}

/// A reply of an embedding model. The header has the count if the body has none.
pub(crate) fn embedded(body: &[u8], headers: &BTreeMap<String, String>) -> Result<Embedded> {
    let reply: Value = serde_json::from_slice(body)?;
    let vectors = if let Some(vector) = reply.get("embedding") {
        vec![vector.clone()]
    } else if let Some(floats) = reply["embeddings"].get("float") {
        list(floats).to_vec()
    } else {
        let vector = |item: &Value| item.get("embedding").unwrap_or(item).clone();
        list(&reply["embeddings"]).iter().map(vector).collect()
    };
    ensure!(!vectors.is_empty(), "no vectors");
    let vectors = vectors.into_iter().map(serde_json::from_value).collect::<Result<_, _>>()?;
    let name = "x-amzn-bedrock-input-token-count";
    let header = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    let header = header.map(|(_, count)| count.parse()).transpose()?;
    Ok(Embedded { vectors, tokens: reply["inputTextTokenCount"].as_u64().or(header) })
}

/// What an OpenAI client asks where this is what the model is asked.
pub(crate) fn question(request: &Value) -> Result<Value> {
    let mut question = json!({});
    let nova = &request["singleEmbeddingParams"];
    for (name, places) in [
        ("input", [&request["inputText"], &request["texts"], &nova["text"]["value"]]),
        ("dimensions", [&request["dimensions"], &request["output_dimension"], &nova["embeddingDimension"]]),
        ("truncate", [&request["truncate"], &nova["text"]["truncationMode"], &Value::Null]),
        ("input_type", [&request["input_type"], &nova["embeddingPurpose"], &Value::Null]),
    ] {
        if let Some(value) = places.into_iter().find(|value| !value.is_null()) {
            question[name] = value.clone();
        }
    }
    if question["truncate"] == "NONE"
        && let Some(members) = question.as_object_mut()
    {
        members.remove("truncate");
    }
    for (nova, word) in [("GENERIC_INDEX", "search_document"), ("GENERIC_RETRIEVAL", "search_query")] {
        if question["input_type"] == nova {
            question["input_type"] = word.into();
        }
    }
    ensure!(question.get("input").is_some(), "no texts in {request}");
    Ok(question)
}

/// A native format that the gateway speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Native {
    Messages,
    Llama,
    Titan,
}

impl Said {
    /// Two ways to write the same arguments are the same; what isn't JSON stays as it is.
    pub(crate) fn with_plain_arguments(mut self) -> Self {
        for (_, arguments) in &mut self.calls {
            if arguments.is_empty() {
                "{}".clone_into(arguments);
            } else if let Ok(value) = serde_json::from_str::<Value>(arguments) {
                *arguments = value.to_string();
            }
        }
        self
    }

    fn finish(mut self, reason: &str) -> Self {
        let ended = if self.calls.is_empty() { "stop" } else { "tool_calls" };
        self.finish_reason = reason.replace("ended", ended);
        self
    }

    fn count(&mut self, input: u64, output: u64, read: u64, written: u64) {
        self.prompt_tokens = Some(input + read + written);
        self.completion_tokens = Some(output);
        self.cached_tokens = Some(read);
    }
}

/// A reply of Converse.
pub(crate) fn converse(body: &[u8]) -> Result<Said> {
    let reply: Value = serde_json::from_slice(body)?;
    let mut said = Said::default();
    for block in list(&reply["output"]["message"]["content"]) {
        said.text += word(&block["text"]);
        for part in list(&block["citationsContent"]["content"]) {
            said.text += word(&part["text"]);
        }
        said.reasoning += word(&block["reasoningContent"]["reasoningText"]["text"]);
        if let Some(tool) = block.get("toolUse").filter(|tool| !runs_on_server(tool)) {
            said.calls.push((word(&tool["name"]).to_owned(), tool["input"].to_string()));
        }
    }
    count_converse(&mut said, &reply["usage"])?;
    Ok(said.finish(finish_of(word(&reply["stopReason"]), &reply["trace"])?))
}

/// A stream of ConverseStream.
pub(crate) fn converse_stream(body: &[u8]) -> Result<Said> {
    let mut said = Said::default();
    let mut calls = BTreeMap::new();
    let (mut reason, mut trace) = (String::new(), Value::Null);
    for (kind, event) in frames(body)? {
        let block = event["contentBlockIndex"].as_u64();
        match kind.as_str() {
            "contentBlockStart" => {
                let tool = &event["start"]["toolUse"];
                if tool.is_object() && !runs_on_server(tool) {
                    calls.insert(block, (word(&tool["name"]).to_owned(), String::new()));
                }
            }
            "contentBlockDelta" => {
                let delta = &event["delta"];
                said.text += word(&delta["text"]);
                said.reasoning += word(&delta["reasoningContent"]["text"]);
                if let Some((_, arguments)) = calls.get_mut(&block) {
                    *arguments += word(&delta["toolUse"]["input"]);
                }
            }
            "messageStop" => word(&event["stopReason"]).clone_into(&mut reason),
            "metadata" => {
                trace = event["trace"].clone();
                count_converse(&mut said, &event["usage"])?;
            }
            _ => {}
        }
    }
    said.calls = calls.into_values().collect();
    Ok(said.finish(finish_of(&reason, &trace)?))
}

/// A reply of InvokeModel. `headers` have the counts that some bodies lack.
pub(crate) fn native(format: Native, body: &[u8], headers: &BTreeMap<String, String>) -> Result<Said> {
    let reply: Value = serde_json::from_slice(body)?;
    let header = |name: &str| {
        let found = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, count)| count.parse::<u64>()).transpose()
    };
    let input = header("x-amzn-bedrock-input-token-count")?;
    let output = header("x-amzn-bedrock-output-token-count")?;
    let mut said = Said::default();
    let finish = match format {
        Native::Messages => {
            for block in list(&reply["content"]) {
                said.text += word(&block["text"]);
                said.reasoning += word(&block["thinking"]);
                if block["type"] == "tool_use" {
                    said.calls.push((word(&block["name"]).to_owned(), block["input"].to_string()));
                }
            }
            let usage = &reply["usage"];
            let tokens = |name: &str| usage[name].as_u64();
            said.count(
                tokens("input_tokens").or(input).context("no input tokens")?,
                tokens("output_tokens").or(output).context("no output tokens")?,
                tokens("cache_read_input_tokens").unwrap_or(0),
                tokens("cache_creation_input_tokens").unwrap_or(0),
            );
            finish_of(word(&reply["stop_reason"]), &Value::Null)?
        }
        Native::Llama => {
            word(&reply["generation"]).trim_start().clone_into(&mut said.text);
            said.count(
                number(&reply["prompt_token_count"]).or(input).context("no input tokens")?,
                number(&reply["generation_token_count"]).or(output).context("no output tokens")?,
                0,
                0,
            );
            finish_of(word(&reply["stop_reason"]), &Value::Null)?
        }
        Native::Titan => {
            let result = &reply["results"][0];
            titan_text(word(&result["outputText"])).clone_into(&mut said.text);
            said.count(
                number(&reply["inputTextTokenCount"]).or(input).context("no input tokens")?,
                number(&result["tokenCount"]).or(output).context("no output tokens")?,
                0,
                0,
            );
            finish_of(word(&result["completionReason"]), &Value::Null)?
        }
    };
    Ok(said.finish(guarded(finish, std::slice::from_ref(&reply))))
}

/// A stream of InvokeModelWithResponseStream.
pub(crate) fn native_stream(format: Native, body: &[u8]) -> Result<Said> {
    let chunks = chunks(body)?;
    let mut said = Said::default();
    let mut reason = String::new();
    let mut calls = BTreeMap::new();
    let (mut input, mut output, mut read, mut written) = (None, None, None, None);
    for chunk in &chunks {
        match format {
            Native::Messages => {
                let (block, delta) = (&chunk["content_block"], &chunk["delta"]);
                let index = chunk["index"].as_u64();
                if block["type"] == "tool_use" {
                    calls.insert(index, (word(&block["name"]).to_owned(), String::new()));
                }
                said.text += word(&block["text"]);
                said.text += word(&delta["text"]);
                said.reasoning += word(&delta["thinking"]);
                if let Some((_, arguments)) = calls.get_mut(&index) {
                    *arguments += word(&delta["partial_json"]);
                }
                if let Some(why) = delta["stop_reason"].as_str() {
                    why.clone_into(&mut reason);
                }
                for usage in [&chunk["message"]["usage"], &chunk["usage"]] {
                    input = usage["input_tokens"].as_u64().or(input);
                    output = usage["output_tokens"].as_u64().or(output);
                    read = usage["cache_read_input_tokens"].as_u64().or(read);
                    written = usage["cache_creation_input_tokens"].as_u64().or(written);
                }
            }
            Native::Llama => {
                said.text += word(&chunk["generation"]);
                if let Some(why) = chunk["stop_reason"].as_str() {
                    why.clone_into(&mut reason);
                }
                input = number(&chunk["prompt_token_count"]).or(input);
                output = number(&chunk["generation_token_count"]).or(output);
            }
            Native::Titan => {
                said.text += word(&chunk["outputText"]);
                if let Some(why) = chunk["completionReason"].as_str() {
                    why.clone_into(&mut reason);
                }
                input = number(&chunk["inputTextTokenCount"]).or(input);
                output = number(&chunk["totalOutputTextTokenCount"]).or(output);
            }
        }
        let metrics = &chunk["amazon-bedrock-invocationMetrics"];
        if metrics.is_object() && format != Native::Messages {
            input = number(&metrics["inputTokenCount"]).or(input);
            output = number(&metrics["outputTokenCount"]).or(output);
        }
    }
    said.text = match format {
        Native::Messages => said.text,
        Native::Llama => said.text.trim_start().to_owned(),
        Native::Titan => titan_text(&said.text).to_owned(),
    };
    said.calls = calls.into_values().collect();
    said.count(
        input.context("no input tokens")?,
        output.context("no output tokens")?,
        read.unwrap_or(0),
        written.unwrap_or(0),
    );
    Ok(said.finish(guarded(finish_of(&reason, &Value::Null)?, &chunks)))
}

/// Titan begins with white space, and often with the mark of its own turn.
fn titan_text(text: &str) -> &str {
    let text = text.trim_start();
    text.strip_prefix("Bot:").map_or(text, str::trim_start)
}

/// OpenAI's word for a reason of any format; `ended` becomes `tool_calls` where there are calls.
fn finish_of(reason: &str, trace: &Value) -> Result<&'static str> {
    Ok(match reason {
        "end_turn" | "stop_sequence" | "tool_use" | "stop" | "FINISH" => "ended",
        "max_tokens" | "length" | "LENGTH" | "model_context_window_exceeded" => "length",
        "guardrail_intervened" if masks_only(trace) => "ended",
        // A guardrail that blocks a prompt leaves a native reply no reason.
        "guardrail_intervened" | "refusal" | "content_filtered" | "CONTENT_FILTERED" | "" => "content_filter",
        other => bail!("no recording has ended with `{other}` before: say here what that is to a client"),
    })
}

/// A guardrail's word weighs more than the model's, unless it only masked.
fn guarded<'a>(finish: &'a str, parts: &[Value]) -> &'a str {
    let intervened = parts.iter().any(|part| part["amazon-bedrock-guardrailAction"] == "INTERVENED");
    let masked = parts.iter().any(|part| masks_only(&part["amazon-bedrock-trace"]));
    if intervened && !masked { "content_filter" } else { finish }
}

fn masks_only(trace: &Value) -> bool {
    let text = trace.to_string();
    let actions: Vec<_> =
        text.split(r#""action":""#).skip(1).filter_map(|rest| rest.split('"').next()).collect();
    actions.contains(&"ANONYMIZED") && actions.iter().all(|action| ["ANONYMIZED", "NONE"].contains(action))
}

/// A call that Bedrock makes by itself, which is none of the client's.
fn runs_on_server(tool: &Value) -> bool {
    tool["type"] == "server_tool_use"
}

fn count_converse(said: &mut Said, usage: &Value) -> Result<()> {
    let tokens = |name: &str| usage[name].as_u64().unwrap_or(0);
    let (input, output) = (tokens("inputTokens"), tokens("outputTokens"));
    let (read, written) = (tokens("cacheReadInputTokens"), tokens("cacheWriteInputTokens"));
    let total = input + output + read + written;
    ensure!(total == tokens("totalTokens"), "a total of {total} isn't Bedrock's: {usage}");
    said.count(input, output, read, written);
    Ok(())
}

/// The events of a stream: their names and JSON.
fn frames(body: &[u8]) -> Result<Vec<(String, Value)>> {
    let mut bytes = Bytes::copy_from_slice(body);
    let mut decoder = MessageFrameDecoder::new();
    let mut events = Vec::new();
    while !bytes.is_empty() {
        let DecodedFrame::Complete(message) = decoder.decode_frame(&mut bytes)? else {
            bail!("the recording ends inside a frame");
        };
        let header = |name: &str| {
            let header = message.headers().iter().find(|header| header.name().as_str() == name);
            header.map_or("", |header| header.value().as_string().map_or("", |value| value.as_str()))
        };
        ensure!(
            header(":message-type") == "event",
            "the recording holds an exception: give it an expectation"
        );
        events.push((header(":event-type").to_owned(), serde_json::from_slice(message.payload())?));
    }
    Ok(events)
}

/// The chunks of a native stream.
fn chunks(body: &[u8]) -> Result<Vec<Value>> {
    let chunk =
        |(_, event): (String, Value)| Ok(serde_json::from_slice(&STANDARD.decode(word(&event["bytes"]))?)?);
    frames(body)?.into_iter().map(chunk).collect()
}

/// A count. Bedrock's own guardrail chunks write them as floats.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().map(|float| format!("{float:.0}").parse().unwrap_or(0)))
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// How the gateway reports a failed call: status and `code`.
pub(crate) fn failure(
    status: u16,
    headers: &BTreeMap<String, String>,
    body: &[u8],
) -> Result<(u16, &'static str)> {
    let named = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-amzn-errortype"));
    let kind = named.map_or("", |(_, kind)| kind.split(':').next().unwrap_or_default());
    let body: Value = serde_json::from_slice(body)?;
    let message = word(&body["message"]);
    Ok(match (status, kind) {
        (400, "" | "ValidationException") if message.contains("model identifier is invalid") => {
            (404, "model_not_found")
        }
        (400, "" | "ValidationException") if message.contains("doesn't support") => {
            (400, "unsupported_parameter")
        }
        (400, "" | "ValidationException") => (400, "invalid_value"),
        (403, "" | "AccessDeniedException") => (403, "model_access_denied"),
        (403, "InvalidSignatureException" | "UnrecognizedClientException" | "ExpiredTokenException") => {
            (500, "upstream_auth_error")
        }
        (404, "" | "ResourceNotFoundException") => (404, "model_not_found"),
        (429, "" | "ThrottlingException") => (429, "rate_limit_exceeded"),
        _ => bail!("no recording has failed with {status} {kind} before: say here what that is to a client"),
    })
}
