//! What a reply of InvokeModel says, in the body of each vendor, read without any of the gateway's own decoders.
//!
//! A whole reply is read as a stream of one chunk, with the counts of its headers. Models differ in what they call
//! things and not in much else.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::Value;

use crate::expect::{Said, chunks, finish_of, guarded, list, number, runs_on_server, word};

/// A native format that the gateway speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Native {
    /// Claude's Messages.
    Messages,
    /// Claude's Text Completions.
    Completions,
    CohereChat,
    /// Cohere's Command before R.
    Generations,
    DeepSeekR1,
    Llama,
    Mistral,
    Nova,
    /// OpenAI's Chat Completions.
    Chat,
    Titan,
}

impl Native {
    /// The format in which the gateway speaks InvokeModel to a model.
    pub(crate) fn of(id: &str) -> Option<Self> {
        let names = |parts: &[&str]| parts.iter().any(|part| id.contains(part));
        if names(&["embed", "rerank", "canvas", "reel", "sonic", "ai21.j2"]) {
            return None;
        }
        let formats: [(&[&str], Self); 9] = [
            (&["anthropic.claude"], Self::Messages),
            (&["cohere.command-r"], Self::CohereChat),
            (&["cohere.command"], Self::Generations),
            (&["deepseek.r1"], Self::DeepSeekR1),
            (&["meta.llama"], Self::Llama),
            (&["mistral-7b", "mixtral", "2402"], Self::Mistral),
            (&["amazon.nova"], Self::Nova),
            (&["amazon.titan-text", "amazon.titan-tg1"], Self::Titan),
            (
                &[
                    "ai21.",
                    "deepseek.",
                    "google.gemma",
                    "minimax.",
                    "mistral.",
                    "moonshot",
                    "nvidia.",
                    "openai.gpt-oss",
                    "qwen.",
                    "writer.",
                    "zai.",
                ],
                Self::Chat,
            ),
        ];
        formats.into_iter().find(|(parts, _)| names(parts)).map(|(_, format)| format)
    }

    /// Is it a body of this format that a request was made with?
    pub(crate) fn asked_with(self, request: &Value) -> bool {
        let member = match self {
            Self::Messages | Self::Nova | Self::Chat => "messages",
            Self::CohereChat => "message",
            Self::Titan => "inputText",
            Self::Completions | Self::Generations | Self::DeepSeekR1 | Self::Llama | Self::Mistral => {
                "prompt"
            }
        };
        request.get(member).is_some()
    }
}

/// A reply of InvokeModel. `headers` have the counts that some bodies lack.
pub(crate) fn whole(format: Native, body: &[u8], headers: &BTreeMap<String, String>) -> Result<Said> {
    let header = |name: &str| {
        let found = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, count)| count.parse::<u64>()).transpose()
    };
    let mut reading = Reading {
        header_input: header("x-amzn-bedrock-input-token-count")?,
        header_output: header("x-amzn-bedrock-output-token-count")?,
        ..Reading::default()
    };
    let reply = serde_json::from_slice(body)?;
    reading.read(format, &reply);
    reading.said(format, &[reply])
}

/// A stream of InvokeModelWithResponseStream.
pub(crate) fn stream(format: Native, body: &[u8]) -> Result<Said> {
    let chunks = chunks(body)?;
    let mut reading = Reading::default();
    for chunk in &chunks {
        reading.read(format, chunk);
        let metrics = &chunk["amazon-bedrock-invocationMetrics"];
        reading.header_input = number(&metrics["inputTokenCount"]).or(reading.header_input);
        reading.header_output = number(&metrics["outputTokenCount"]).or(reading.header_output);
    }
    reading.said(format, &chunks)
}

/// What has been read so far.
#[derive(Default)]
struct Reading {
    text: String,
    reasoning: String,
    calls: BTreeMap<u64, (String, String)>,
    reason: String,
    input: Option<u64>,
    output: Option<u64>,
    read: Option<u64>,
    written: Option<u64>,
    /// Bedrock's own counts, from headers or metrics.
    header_input: Option<u64>,
    header_output: Option<u64>,
}

impl Reading {
    fn read(&mut self, format: Native, chunk: &Value) {
        match format {
            Native::Messages => self.messages(chunk),
            Native::Completions => self.take(&chunk["completion"], &chunk["stop_reason"]),
            Native::CohereChat => self.cohere(chunk),
            Native::Generations => self.generations(chunk),
            Native::DeepSeekR1 => {
                self.take(&chunk["choices"][0]["text"], &chunk["choices"][0]["stop_reason"]);
            }
            Native::Llama => {
                self.take(&chunk["generation"], &chunk["stop_reason"]);
                self.input = number(&chunk["prompt_token_count"]).or(self.input);
                self.output = number(&chunk["generation_token_count"]).or(self.output);
            }
            Native::Mistral => self.take(&chunk["outputs"][0]["text"], &chunk["outputs"][0]["stop_reason"]),
            Native::Nova => self.nova(chunk),
            Native::Chat => self.chat(chunk),
            Native::Titan => {
                let result = &chunk["results"][0];
                self.take(&result["outputText"], &result["completionReason"]);
                self.take(&chunk["outputText"], &chunk["completionReason"]);
                self.input = number(&chunk["inputTextTokenCount"]).or(self.input);
                self.output = number(&result["tokenCount"]).or(self.output);
                self.output = number(&chunk["totalOutputTextTokenCount"]).or(self.output);
            }
        }
    }

    fn take(&mut self, text: &Value, reason: &Value) {
        self.text += word(text);
        if let Some(why) = reason.as_str() {
            why.clone_into(&mut self.reason);
        }
    }

    fn messages(&mut self, chunk: &Value) {
        let streamed = [&chunk["content_block"]].into_iter().map(|block| (chunk["index"].as_u64(), block));
        let whole = list(&chunk["content"]).iter().zip(0..).map(|(block, at)| (Some(at), block));
        for (index, block) in whole.chain(streamed) {
            self.text += word(&block["text"]);
            self.reasoning += word(&block["thinking"]);
            if block["type"] == "tool_use" {
                // A stream says `{}` here whatever follows.
                let input =
                    if chunk.get("content").is_some() { block["input"].to_string() } else { String::new() };
                self.calls.insert(index.unwrap_or_default(), (word(&block["name"]).to_owned(), input));
            }
        }
        let delta = &chunk["delta"];
        self.reasoning += word(&delta["thinking"]);
        if let Some((_, arguments)) = self.calls.get_mut(&chunk["index"].as_u64().unwrap_or_default()) {
            *arguments += word(&delta["partial_json"]);
        }
        self.take(&delta["text"], &delta["stop_reason"]);
        self.take(&Value::Null, &chunk["stop_reason"]);
        for usage in [&chunk["message"]["usage"], &chunk["usage"]] {
            self.input = number(&usage["input_tokens"]).or(self.input);
            self.output = number(&usage["output_tokens"]).or(self.output);
            self.read = number(&usage["cache_read_input_tokens"]).or(self.read);
            self.written = number(&usage["cache_creation_input_tokens"]).or(self.written);
        }
    }

    fn cohere(&mut self, chunk: &Value) {
        let kind = word(&chunk["event_type"]);
        if kind != "tool-calls-generation" || self.text.is_empty() {
            self.take(&chunk["text"], &chunk["finish_reason"]);
        }
        for call in list(&chunk["tool_calls"]) {
            let number = self.calls.len().try_into().unwrap_or_default();
            self.calls.insert(number, (word(&call["name"]).to_owned(), call["parameters"].to_string()));
        }
    }

    fn generations(&mut self, chunk: &Value) {
        let generation = &chunk["generations"][0];
        self.take(&generation["text"], &generation["finish_reason"]);
        if chunk["index"].as_u64().unwrap_or_default() == 0 {
            self.take(&chunk["text"], &chunk["finish_reason"]);
        }
    }

    fn nova(&mut self, chunk: &Value) {
        for (block, at) in list(&chunk["output"]["message"]["content"]).iter().zip(0..) {
            self.text += word(&block["text"]);
            self.reasoning += word(&block["reasoningContent"]["reasoningText"]["text"]);
            if block["toolUse"].is_object() && !runs_on_server(&block["toolUse"]) {
                let tool = &block["toolUse"];
                self.calls.insert(at, (word(&tool["name"]).to_owned(), tool["input"].to_string()));
            }
        }
        let start = &chunk["contentBlockStart"];
        let tool = &start["start"]["toolUse"];
        if tool.is_object() && !runs_on_server(tool) {
            let at = number(&start["contentBlockIndex"]).unwrap_or_default();
            self.calls.insert(at, (word(&tool["name"]).to_owned(), String::new()));
        }
        let piece = &chunk["contentBlockDelta"];
        self.reasoning += word(&piece["delta"]["reasoningContent"]["text"]);
        let at = number(&piece["contentBlockIndex"]).unwrap_or_default();
        if let Some((_, arguments)) = self.calls.get_mut(&at) {
            *arguments += word(&piece["delta"]["toolUse"]["input"]);
        }
        self.take(&piece["delta"]["text"], &chunk["messageStop"]["stopReason"]);
        self.take(&Value::Null, &chunk["stopReason"]);
        for usage in [&chunk["usage"], &chunk["metadata"]["usage"]] {
            self.input = number(&usage["inputTokens"]).or(self.input);
            self.output = number(&usage["outputTokens"]).or(self.output);
            self.read = number(&usage["cacheReadInputTokenCount"]).or(self.read);
            self.written = number(&usage["cacheWriteInputTokenCount"]).or(self.written);
        }
    }

    fn chat(&mut self, chunk: &Value) {
        let choice = &chunk["choices"][0];
        for said in [&choice["message"], &choice["delta"]] {
            self.reasoning += word(&said["reasoning_content"]);
            self.text += word(&said["content"]);
            for (call, place) in list(&said["tool_calls"]).iter().zip(0..) {
                let at = number(&call["index"]).unwrap_or(place);
                let (name, arguments) = self.calls.entry(at).or_default();
                *name += word(&call["function"]["name"]);
                *arguments += word(&call["function"]["arguments"]);
            }
        }
        self.take(&choice["text"], &choice["stop_reason"]);
        self.take(&Value::Null, &choice["finish_reason"]);
        let usage = &chunk["usage"];
        self.read = number(&usage["prompt_tokens_details"]["cached_tokens"]).or(self.read);
        let cached = self.read.unwrap_or_default();
        self.input = number(&usage["prompt_tokens"]).map(|prompt| prompt - cached).or(self.input);
        self.output = number(&usage["completion_tokens"]).or(self.output);
    }

    fn said(self, format: Native, parts: &[Value]) -> Result<Said> {
        let (thought, text) = match format {
            Native::Chat | Native::DeepSeekR1 => thought_and_answer(&self.text, format),
            Native::Titan => ("", titan_text(&self.text)),
            Native::Completions | Native::Generations | Native::Llama | Native::Mistral => {
                ("", self.text.trim_start())
            }
            Native::Messages | Native::CohereChat | Native::Nova => ("", self.text.as_str()),
        };
        let mut said = Said { text: text.to_owned(), reasoning: self.reasoning + thought, ..Said::default() };
        said.calls = self.calls.into_values().collect();
        let (input, output) = (self.input.or(self.header_input), self.output.or(self.header_output));
        if input.is_some() || output.is_some() {
            let known = |count: Option<u64>| count.unwrap_or_default();
            said.count(known(input), known(output), known(self.read), known(self.written));
        }
        Ok(said.finish(guarded(finish_of(&self.reason, &Value::Null)?, parts)))
    }
}

/// Titan begins with white space, and often with the mark of its own turn.
fn titan_text(text: &str) -> &str {
    let text = text.trim_start();
    text.strip_prefix("Bot:").map_or(text, str::trim_start)
}

/// R1 begins inside its thoughts; others may open them with a tag.
fn thought_and_answer(text: &str, format: Native) -> (&str, &str) {
    let begun = |open: &str, close: &str| {
        let rest = text.trim_start().strip_prefix(open)?;
        let (thought, answer) = rest.split_once(close).unwrap_or((rest, ""));
        Some((thought, answer.trim_start()))
    };
    let open = if format == Native::DeepSeekR1 { "" } else { "<think>" };
    begun(open, "</think>").or_else(|| begun("<reasoning>", "</reasoning>")).unwrap_or(("", text))
}
