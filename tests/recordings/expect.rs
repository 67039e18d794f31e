//! What a recorded reply says, read without any of the gateway's own decoders.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};
use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;

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

    pub(crate) fn finish(mut self, reason: &str) -> Self {
        let ended = if self.calls.is_empty() { "stop" } else { "tool_calls" };
        self.finish_reason = reason.replace("ended", ended);
        self
    }

    pub(crate) fn count(&mut self, input: u64, output: u64, read: u64, written: u64) {
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

/// OpenAI's word for a reason of any format; `ended` becomes `tool_calls` where there are calls.
pub(crate) fn finish_of(reason: &str, trace: &Value) -> Result<&'static str> {
    Ok(match reason {
        "end_turn" | "stop_sequence" | "tool_use" | "tool_calls" | "stop" | "FINISH" | "COMPLETE" => "ended",
        "max_tokens" | "MAX_TOKENS" | "length" | "LENGTH" | "model_context_window_exceeded" => "length",
        "guardrail_intervened" if masks_only(trace) => "ended",
        // A guardrail that blocks a prompt leaves a native reply no reason.
        "guardrail_intervened" | "refusal" | "content_filtered" | "CONTENT_FILTERED" | "" => "content_filter",
        other => bail!("no recording has ended with `{other}` before: say here what that is to a client"),
    })
}

/// A guardrail's word weighs more than the model's, unless it only masked.
pub(crate) fn guarded<'a>(finish: &'a str, parts: &[Value]) -> &'a str {
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
pub(crate) fn runs_on_server(tool: &Value) -> bool {
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
pub(crate) fn chunks(body: &[u8]) -> Result<Vec<Value>> {
    let chunk =
        |(_, event): (String, Value)| Ok(serde_json::from_slice(&STANDARD.decode(word(&event["bytes"]))?)?);
    frames(body)?.into_iter().map(chunk).collect()
}

/// A count. Bedrock's own guardrail chunks write them as floats.
pub(crate) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().map(|float| format!("{float:.0}").parse().unwrap_or(0)))
}

pub(crate) fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(crate) fn list(value: &Value) -> &[Value] {
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
