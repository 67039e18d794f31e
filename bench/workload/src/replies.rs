//! What Bedrock answers, in the formats that models speak.

use crate::event_stream::{chunk, message};

/// Is in the text of every whole reply.
pub const TEXT_MARK: &str = "BENCHREPLY";

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Converse, which every model speaks.
    Converse,
    /// Anthropic's Messages.
    Claude,
    /// Meta's prompt and generation.
    Llama,
    /// Amazon Titan Text.
    Titan,
    /// OpenAI's Chat Completions, as many vendors take it in InvokeModel.
    OpenAi,
}

impl Format {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 5] = [Self::Converse, Self::Claude, Self::Llama, Self::Titan, Self::OpenAi];

    /// What InvokeModel answers for a model in `path`.
    pub fn native(path: &str) -> Self {
        if path.contains("llama") {
            Self::Llama
        } else if path.contains("titan") {
            Self::Titan
        } else if path.contains("qwen") {
            Self::OpenAi
        } else {
            Self::Claude
        }
    }

    /// A whole reply of about 200 tokens.
    pub fn reply(self) -> String {
        let text = text();
        match self {
            Self::Converse => format!(
                r#"{{"metrics":{{"latencyMs":1234}},"output":{{"message":{{"content":[{{"text":"{text}"}}],"role":"assistant"}}}},"stopReason":"end_turn","usage":{{"inputTokens":25,"outputTokens":200,"totalTokens":225}}}}"#
            ),
            Self::Claude => format!(
                r#"{{"id":"msg_bdrk_0001","type":"message","role":"assistant","model":"claude-3-5-sonnet-20241022","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":25,"output_tokens":200}}}}"#
            ),
            Self::Llama => format!(
                r#"{{"generation":"{text}","prompt_token_count":25,"generation_token_count":200,"stop_reason":"stop"}}"#
            ),
            Self::Titan => format!(
                r#"{{"inputTextTokenCount":25,"results":[{{"tokenCount":200,"outputText":"{text}","completionReason":"FINISH"}}]}}"#
            ),
            Self::OpenAi => format!(
                r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1760000000,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":25,"completion_tokens":200,"total_tokens":225}}}}"#
            ),
        }
    }

    /// What comes before the first delta of a stream.
    pub fn stream_head(self) -> Vec<u8> {
        match self {
            Self::Converse => message("messageStart", r#"{"p":"abcdefgh","role":"assistant"}"#),
            Self::Claude => [
                chunk(
                    r#"{"type":"message_start","message":{"id":"msg_bdrk_0001","type":"message","role":"assistant","model":"claude-3-5-sonnet-20241022","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":25,"output_tokens":1}}}"#,
                ),
                chunk(r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#),
            ]
            .concat(),
            Self::Llama | Self::Titan | Self::OpenAi => Vec::new(),
        }
    }

    /// A delta. `text` must hold nothing that JSON escapes.
    pub fn delta(self, text: &str) -> Vec<u8> {
        match self {
            Self::Converse => message(
                "contentBlockDelta",
                &format!(
                    r#"{{"contentBlockIndex":0,"delta":{{"text":"{text}"}},"p":"abcdefghijklmnopqrstu"}}"#
                ),
            ),
            Self::Claude => chunk(&format!(
                r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}}"#
            )),
            Self::Llama => chunk(&format!(
                r#"{{"generation":"{text}","prompt_token_count":null,"generation_token_count":2,"stop_reason":null}}"#
            )),
            Self::Titan => chunk(&format!(
                r#"{{"outputText":"{text}","index":0,"totalOutputTextTokenCount":null,"completionReason":null,"inputTextTokenCount":12}}"#
            )),
            Self::OpenAi => chunk(&format!(
                r#"{{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1760000000,"model":"m","choices":[{{"index":0,"delta":{{"role":"assistant","content":"{text}"}},"finish_reason":null}}]}}"#
            )),
        }
    }

    /// The n-th delta of a stream that nobody times: nine bytes of text. No space at its ends: what a model that
    /// completes prompts says is trimmed.
    pub fn numbered_delta(self, n: usize) -> Vec<u8> {
        self.delta(&format!("tok{n:05},"))
    }

    /// What comes after the last of `deltas` deltas.
    pub fn stream_tail(self, deltas: usize) -> Vec<u8> {
        let metrics = format!(
            r#""amazon-bedrock-invocationMetrics":{{"inputTokenCount":25,"outputTokenCount":{deltas},"invocationLatency":1234,"firstByteLatency":200}}"#
        );
        match self {
            Self::Converse => [
                message("contentBlockStop", r#"{"contentBlockIndex":0,"p":"abcdefghijklm"}"#),
                message("messageStop", r#"{"p":"abcdef","stopReason":"end_turn"}"#),
                message(
                    "metadata",
                    &format!(
                        r#"{{"metrics":{{"latencyMs":1234}},"p":"abcdefghi","usage":{{"inputTokens":25,"outputTokens":{deltas},"totalTokens":{}}}}}"#,
                        25 + deltas
                    ),
                ),
            ]
            .concat(),
            Self::Claude => [
                chunk(r#"{"type":"content_block_stop","index":0}"#),
                chunk(&format!(
                    r#"{{"type":"message_delta","delta":{{"stop_reason":"end_turn","stop_sequence":null}},"usage":{{"output_tokens":{deltas}}}}}"#
                )),
                chunk(&format!(r#"{{"type":"message_stop",{metrics}}}"#)),
            ]
            .concat(),
            Self::Llama => chunk(&format!(
                r#"{{"generation":"","prompt_token_count":25,"generation_token_count":{deltas},"stop_reason":"stop",{metrics}}}"#
            )),
            Self::Titan => chunk(&format!(
                r#"{{"outputText":"","index":0,"totalOutputTextTokenCount":{deltas},"completionReason":"FINISH","inputTextTokenCount":25,{metrics}}}"#
            )),
            Self::OpenAi => chunk(&format!(
                r#"{{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1760000000,"model":"m","choices":[{{"index":0,"delta":{{}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":25,"completion_tokens":{deltas},"total_tokens":{}}},{metrics}}}"#,
                25 + deltas
            )),
        }
    }
}

fn text() -> String {
    const WORDS: [&str; 8] =
        ["gateway", "request", "stream", "token", "model", "answer", "latency", "region"];
    let mut text = TEXT_MARK.to_owned();
    for n in 0..160 {
        text.push(' ');
        text.push_str(WORDS[n * 7 % WORDS.len()]);
    }
    text
}
