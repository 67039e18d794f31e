//! [`Response`] → a `chat.completion` object.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use super::calls::{CallForm, CallForms, custom_input};
use super::finish::finish_reason;
use crate::chat::{Citation, Extra, Reasoning, Response, ServiceTier, Text, ToolCall, Usage};

/// What an answer carries that no model says.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// `chatcmpl-…`, unique.
    pub id: &'a str,
    /// Seconds since 1970.
    pub created: u64,
    /// The model as the client named it.
    pub model: &'a str,
}

/// A reply that can't be shown to a client as an answer. The edge answers 502, or ends the stream in-band.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The model broke its own format before it said anything of use.
    #[error("the model's output was malformed and holds nothing usable")]
    Malformed,
    /// An event out of its place.
    #[error("{0}")]
    Grammar(&'static str),
    /// The stream ended before the model did.
    #[error("the stream ended before the model's stop event")]
    Truncated,
    /// The object can't be written as JSON.
    #[error("the answer can't be written: {0}")]
    Write(#[from] serde_json::Error),
}

/// A whole reply, written.
#[derive(Debug, Clone)]
pub struct Written {
    /// The JSON.
    pub body: Vec<u8>,
    /// What it says of its end: the first choice's.
    pub finish_reason: &'static str,
    /// What all choices cost together, where known.
    pub usage: Option<Usage>,
}

/// Writes whole replies to one request, a choice each. `content` and `refusal` are always there, as OpenAI has it; thoughts are in
/// `reasoning_content`, and those that must come back to the model, with their proofs, in `reasoning_details`.
pub fn completion(
    head: &Head<'_>,
    forms: &CallForms,
    responses: &[Response],
) -> Result<Written, EncodeError> {
    let choices = responses.iter().zip(0..).map(|(response, index)| choice(response, forms, index));
    let choices = choices.collect::<Result<Vec<_>, _>>()?;
    let finish_reason = choices.first().map_or("stop", |choice| choice.finish_reason);
    let usage = responses.iter().filter_map(|response| response.usage).reduce(sum);
    let completion = Completion {
        id: head.id,
        object: "chat.completion",
        created: head.created,
        model: head.model,
        choices,
        usage: usage.as_ref().map(wire_usage),
        service_tier: responses.iter().find_map(|response| response.service_tier).map(tier_word),
        // Each choice has its own; they are alike.
        bedrock: Extras(responses.first().map_or(&[], |response| &response.extras)),
    };
    Ok(Written { body: serde_json::to_vec(&completion)?, finish_reason, usage })
}

/// Each choice is a call of its own upstream, and each is paid for.
pub fn sum(a: Usage, b: Usage) -> Usage {
    Usage {
        input: a.input.saturating_add(b.input),
        output: a.output.saturating_add(b.output),
        cache_read: a.cache_read.saturating_add(b.cache_read),
        cache_write: a.cache_write.saturating_add(b.cache_write),
        reasoning: match (a.reasoning, b.reasoning) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (known, None) | (None, known) => known,
        },
    }
}

fn choice<'a>(response: &'a Response, forms: &CallForms, index: u32) -> Result<Choice<'a>, EncodeError> {
    let Response {
        text,
        refusal,
        reasoning,
        tool_calls,
        stop,
        usage: _,
        citations,
        service_tier: _,
        extras: _,
    } = response;
    let spoken = text.as_ref().filter(|text| !text.is_empty());
    let refusal = refusal.as_ref().filter(|words| !words.is_empty());
    let content = match spoken {
        Some(text) => Some(Cow::Borrowed(text)),
        None if !tool_calls.is_empty() || refusal.is_some() => None,
        None => Some(Cow::Owned(Text::new(""))),
    };
    let has_content = spoken.is_some() || refusal.is_some() || !tool_calls.is_empty();
    let finish_reason = finish_reason(stop, !tool_calls.is_empty(), has_content)?;
    let length = if citations.is_empty() { 0 } else { content.as_deref().map_or(0, characters) };
    let thoughts = Text::concat(reasoning.iter().map(|reasoning| &reasoning.text));
    let (mut function_call, mut calls) = (None, Vec::with_capacity(tool_calls.len()));
    for (at, ToolCall { id, name, arguments }) in tool_calls.iter().enumerate() {
        match forms.form(name, at) {
            CallForm::Deprecated => function_call = Some(Function { name, arguments }),
            CallForm::Function => {
                calls.push(WireToolCall::Function { id, function: Function { name, arguments } });
            }
            CallForm::Custom => {
                calls.push(WireToolCall::Custom {
                    id,
                    custom: Custom { name, input: custom_input(arguments) },
                });
            }
        }
    }
    Ok(Choice {
        index,
        message: Message {
            role: "assistant",
            content,
            refusal,
            reasoning_content: (!thoughts.is_empty()).then_some(thoughts),
            reasoning_details: reasoning_details(reasoning),
            annotations: citations.iter().map(|citation| Annotation::new(citation, length)).collect(),
            tool_calls: calls,
            function_call,
        },
        logprobs: None,
        finish_reason: forms.finish_reason(finish_reason),
    })
}

/// Thoughts with a proof. The others say no more than `reasoning_content` does.
fn reasoning_details(reasoning: &[Reasoning]) -> Vec<ReasoningDetail<'_>> {
    let mut details = Vec::new();
    for Reasoning { text, signature, redacted } in reasoning {
        if let Some(signature) = signature {
            details.push(ReasoningDetail::signed(details.len(), text, signature));
        }
        if let Some(data) = redacted {
            details.push(ReasoningDetail::encrypted(details.len(), data));
        }
    }
    details
}

/// OpenAI's `prompt_tokens` hold what a cache served or kept.
pub(super) fn wire_usage(usage: &Usage) -> WireUsage {
    let Usage { input: _, output, cache_read, cache_write, reasoning } = *usage;
    let prompt = usage.prompt();
    WireUsage {
        prompt_tokens: prompt,
        completion_tokens: output,
        total_tokens: prompt.saturating_add(output),
        prompt_tokens_details: PromptDetails { cached_tokens: cache_read, cache_write_tokens: cache_write },
        completion_tokens_details: reasoning.map(|reasoning_tokens| CompletionDetails { reasoning_tokens }),
    }
}

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<WireUsage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "Extras::is_empty")]
    bedrock: Extras<'a>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    message: Message<'a>,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<Cow<'a, Text>>,
    refusal: Option<&'a Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<Text>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasoning_details: Vec<ReasoningDetail<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<Annotation<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<WireToolCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<Function<'a>>,
}

/// Models say which text a place on the web stands behind, not which words of it: so the whole answer.
#[derive(Serialize)]
pub(super) struct Annotation<'a> {
    r#type: &'static str,
    url_citation: UrlCitation<'a>,
}

#[derive(Serialize)]
struct UrlCitation<'a> {
    start_index: usize,
    end_index: usize,
    url: &'a Text,
    /// OpenAI's is never absent.
    title: &'a Text,
}

impl<'a> Annotation<'a> {
    /// `length` is the answer's, in characters.
    pub(super) fn new(citation: &'a Citation, length: usize) -> Self {
        let Citation { url, title } = citation;
        let title = title.as_ref().unwrap_or(url);
        Self {
            r#type: "url_citation",
            url_citation: UrlCitation { start_index: 0, end_index: length, url, title },
        }
    }
}

pub(super) fn characters(text: &Text) -> usize {
    text.decode().chars().count()
}

/// OpenAI's word for a tier. It has none for reserved capacity, which serves as the default does.
pub(super) fn tier_word(tier: ServiceTier) -> &'static str {
    match tier {
        ServiceTier::Default | ServiceTier::Reserved => "default",
        ServiceTier::Flex => "flex",
        ServiceTier::Priority => "priority",
    }
}

/// Our extension: what Bedrock says and OpenAI has no word for, by Bedrock's names.
pub(super) struct Extras<'a>(pub(super) &'a [Extra]);

impl Extras<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Extras<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|Extra { name, value }| (name, value)))
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum WireToolCall<'a> {
    Function { id: &'a str, function: Function<'a> },
    Custom { id: &'a str, custom: Custom<'a> },
}

#[derive(Serialize)]
struct Custom<'a> {
    name: &'a str,
    input: Text,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a Text,
}

/// Our extension, in the shape that `OpenRouter` made known: what a client sends back for the model to trust.
/// `index` is there for SDKs that join the pieces of a stream by it.
#[derive(Serialize)]
pub(super) struct ReasoningDetail<'a> {
    r#type: &'static str,
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<&'a Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Text>,
}

impl<'a> ReasoningDetail<'a> {
    pub(super) fn signed(index: usize, text: &'a Text, signature: &'a Text) -> Self {
        Self { r#type: "reasoning.text", index, text: Some(text), signature: Some(signature), data: None }
    }

    pub(super) fn encrypted(index: usize, data: &'a Text) -> Self {
        Self { r#type: "reasoning.encrypted", index, text: None, signature: None, data: Some(data) }
    }
}

#[derive(Serialize)]
pub(super) struct WireUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Serialize)]
struct PromptDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Serialize)]
struct CompletionDetails {
    reasoning_tokens: u64,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::chat::{Json, StopReason};

    const HEAD: Head<'static> = Head { id: "chatcmpl-1", created: 1_700_000_000, model: "m" };

    fn silent(stop: StopReason) -> Response {
        Response {
            text: None,
            refusal: None,
            reasoning: Vec::new(),
            tool_calls: Vec::new(),
            stop,
            usage: None,
            citations: Vec::new(),
            service_tier: None,
            extras: Vec::new(),
        }
    }

    fn encoded(response: &Response) -> Value {
        serde_json::from_slice(
            &completion(&HEAD, &CallForms::default(), std::slice::from_ref(response)).unwrap().body,
        )
        .unwrap()
    }

    #[test]
    fn a_full_reply_has_every_member_in_its_place() {
        let response = Response {
            text: Some(Text::new("hé\n")),
            refusal: None,
            reasoning: vec![
                Reasoning { text: Text::new("a"), signature: Some(Text::new("sig")), redacted: None },
                Reasoning { text: Text::new(""), signature: None, redacted: Some(Text::new("data")) },
                Reasoning { text: Text::new("b"), signature: None, redacted: None },
            ],
            tool_calls: vec![ToolCall {
                id: "t".into(),
                name: "f".into(),
                arguments: Text::new("{\"a\":1}"),
            }],
            stop: StopReason::EndTurn,
            usage: Some(Usage { input: 3, output: 5, cache_read: 7, cache_write: 11, reasoning: Some(2) }),
            citations: vec![Citation { url: Text::new("https://a"), title: None }],
            service_tier: Some(ServiceTier::Priority),
            extras: vec![Extra { name: "trace", value: Json::parse("{\"b\": 1}").unwrap() }],
        };
        assert_eq!(
            encoded(&response),
            json!({
                "id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "m",
                "choices": [{
                    "index": 0, "logprobs": null, "finish_reason": "tool_calls",
                    "message": {
                        "role": "assistant", "content": "hé\n", "refusal": null, "reasoning_content": "ab",
                        "reasoning_details": [
                            {"type": "reasoning.text", "index": 0, "text": "a", "signature": "sig"},
                            {"type": "reasoning.encrypted", "index": 1, "data": "data"},
                        ],
                        "annotations": [{
                            "type": "url_citation",
                            "url_citation":
                                {"start_index": 0, "end_index": 3, "url": "https://a", "title": "https://a"},
                        }],
                        "tool_calls": [
                            {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}},
                        ],
                    },
                }],
                "usage": {
                    "prompt_tokens": 21, "completion_tokens": 5, "total_tokens": 26,
                    "prompt_tokens_details": {"cached_tokens": 7, "cache_write_tokens": 11},
                    "completion_tokens_details": {"reasoning_tokens": 2},
                },
                "service_tier": "priority",
                "bedrock": {"trace": {"b": 1}},
            })
        );
    }

    #[test]
    fn content_is_null_beside_calls_and_empty_without_them() {
        let mut response = silent(StopReason::EndTurn);
        let message = encoded(&response)["choices"][0]["message"].clone();
        assert_eq!(message, json!({"role": "assistant", "content": "", "refusal": null}));
        response.tool_calls = vec![ToolCall { id: "t".into(), name: "f".into(), arguments: Text::new("{}") }];
        assert_eq!(encoded(&response)["choices"][0]["message"]["content"], Value::Null);
    }

    #[test]
    fn a_refusal_stands_in_its_own_place() {
        let mut response = silent(StopReason::Refusal);
        response.refusal = Some(Text::new("Not \"this\"."));
        let choice = encoded(&response)["choices"][0].clone();
        assert_eq!(choice["finish_reason"], "content_filter");
        let message = json!({"role": "assistant", "content": null, "refusal": "Not \"this\"."});
        assert_eq!(choice["message"], message);
        response.text = Some(Text::new("Half an answer"));
        assert_eq!(encoded(&response)["choices"][0]["message"]["content"], "Half an answer");
        response = silent(StopReason::Malformed);
        response.refusal = Some(Text::new("No."));
        assert_eq!(encoded(&response)["choices"][0]["message"]["refusal"], "No.");
    }

    #[test]
    fn usage_that_nobody_told_is_absent() {
        assert_eq!(encoded(&silent(StopReason::EndTurn)).get("usage"), None);
    }

    #[test]
    fn a_malformed_reply_is_an_answer_only_if_it_says_something() {
        let mut response = silent(StopReason::Malformed);
        assert!(matches!(
            completion(&HEAD, &CallForms::default(), &[response.clone()]),
            Err(EncodeError::Malformed)
        ));
        response.text = Some(Text::new("half"));
        assert_eq!(encoded(&response)["choices"][0]["finish_reason"], "stop");
    }
}
