//! AMAZON TITAN TEXT'S OWN BODY: one text in, one text out, over InvokeModel.
//!
//! Titan knows a conversation only as the convention `User: …\nBot: …\nUser: …\nBot:`. There are no control
//! tokens that could be kept from a text, only these words at the beginning of a line; in the text of a turn
//! such a line gets one space before it, so that it doesn't read as the next turn. That is a convention
//! against a convention: it keeps transcripts apart, it is not a guarantee.

use serde::{Deserialize, Serialize};

use super::completion::{Completion, Piece};
use super::scalar::Count;
use super::service::invoke_headers;
use super::{ChatFormat, ProtocolError, StreamDecoder, to_body};
use crate::bedrock::{Frame, Invocation, ModelId, Operation, Reply};
use crate::chat::{Block, Event, InvalidRequest, Message, Request, Role, StopReason, Text, Usage};

/// The transcript body.
pub static TITAN_TEXT: TitanText = TitanText;

/// See [`TITAN_TEXT`].
#[derive(Debug)]
pub struct TitanText;

impl ChatFormat for TitanText {
    fn name(&self) -> &'static str {
        "titan_text"
    }

    fn encode(
        &self,
        request: &Request,
        model: &ModelId,
        streaming: bool,
    ) -> Result<Invocation, InvalidRequest> {
        let Request {
            messages,
            tools,
            tool_choice: _,
            parallel_tool_calls: _,
            max_tokens,
            temperature,
            top_p,
            top_k: _,
            stop,
            draw: _,
            reasoning: _,
            verbosity: _,
            format: _,
            web_search: _,
            user: _,
            cache: _,
            service,
            model_fields: _,
        } = request;
        if !tools.is_empty() {
            return Err(InvalidRequest::unsupported("tools", "Titan's native format has no tools."));
        }
        let config = Config {
            max_token_count: *max_tokens,
            temperature: *temperature,
            top_p: *top_p,
            stop_sequences: stop,
        };
        let body = Body { input_text: transcript(messages)?, text_generation_config: config.if_any() };
        let operation =
            if streaming { Operation::InvokeModelWithResponseStream } else { Operation::InvokeModel };
        Ok(Invocation {
            operation,
            model: model.clone(),
            headers: invoke_headers(service)?,
            body: to_body(&body)?,
        })
    }

    fn decode(&self, reply: &Reply, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        let Whole { input_text_token_count, results } =
            serde_json::from_slice(&reply.body).map_err(ProtocolError::shape("reply"))?;
        let result = results.into_iter().next().ok_or(ProtocolError::Grammar("a reply without a result"))?;
        let WholeResult { token_count, output_text, completion_reason } = result;
        let mut completion = Completion::new(BOT);
        completion.push(
            Piece {
                text: output_text.unwrap_or_default(),
                stop: completion_reason.map(stop_reason),
                input_tokens: input_text_token_count.map(|count| count.0).or(reply.head.tokens.input),
                output_tokens: token_count.map(|count| count.0).or(reply.head.tokens.output),
            },
            &reply.body,
            events,
        )?;
        completion.finish(events)
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(Decoder(Completion::new(BOT)))
    }
}

/// Would the text be changed on its way into a transcript?
pub fn holds_turn_markers(text: &Text) -> bool {
    text.decode().lines().any(begins_turn)
}

const USER: &str = "User:";
const BOT: &str = "Bot:";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    input_text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_generation_config: Option<Config<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_token_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
}

impl Config<'_> {
    fn if_any(self) -> Option<Self> {
        let Self { max_token_count, temperature, top_p, stop_sequences } = &self;
        let any = max_token_count.is_some()
            || temperature.is_some()
            || top_p.is_some()
            || !stop_sequences.is_empty();
        any.then_some(self)
    }
}

/// A line for each turn, then `Bot:`. If the assistant spoke last, the model goes on behind it.
fn transcript(messages: &[Message]) -> Result<String, InvalidRequest> {
    let mut transcript = String::new();
    for message in messages {
        let speaker = match message.role {
            Role::User | Role::System => USER,
            Role::Assistant => BOT,
        };
        transcript.push_str(speaker);
        transcript.push(' ');
        push_said(&mut transcript, message)?;
        transcript.push('\n');
    }
    if messages.last().is_some_and(|message| message.role == Role::Assistant) {
        transcript.pop();
    } else {
        transcript.push_str(BOT);
    }
    Ok(transcript)
}

fn push_said(transcript: &mut String, message: &Message) -> Result<(), InvalidRequest> {
    let mut first = true;
    for block in &message.content {
        let text = match block {
            Block::Text(text) => text.decode(),
            // What a model thought is not said.
            Block::Reasoning(_) | Block::CachePoint(_) => continue,
            Block::Image(_)
            | Block::Document(_)
            | Block::Audio(_)
            | Block::Remote(_)
            | Block::ToolUse(_)
            | Block::ToolResult(_) => {
                return Err(InvalidRequest::unsupported(
                    format!("messages[{}]", message.index),
                    "Titan's native format takes text only.",
                ));
            }
        };
        for line in text.trim().lines() {
            if !first {
                transcript.push('\n');
            }
            if begins_turn(line) {
                transcript.push(' ');
            }
            transcript.push_str(line);
            first = false;
        }
    }
    Ok(())
}

fn begins_turn(line: &str) -> bool {
    line.starts_with(USER) || line.starts_with(BOT)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Whole {
    #[serde(default)]
    input_text_token_count: Option<Count>,
    results: Vec<WholeResult>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WholeResult {
    #[serde(default)]
    token_count: Option<Count>,
    #[serde(default)]
    output_text: Option<String>,
    #[serde(default)]
    completion_reason: Option<String>,
}

/// Normally there is one, with everything; with a guardrail, or for a long text, several with parts of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk {
    #[serde(default)]
    output_text: Option<String>,
    #[serde(default)]
    total_output_text_token_count: Option<Count>,
    #[serde(default)]
    completion_reason: Option<String>,
    #[serde(default)]
    input_text_token_count: Option<Count>,
}

/// `FINISH` on the wire, `FINISHED` in AWS's page.
fn stop_reason(reason: String) -> StopReason {
    match reason.as_str() {
        "FINISH" | "FINISHED" | "RAG_QUERY_WHEN_RAG_DISABLED" => StopReason::EndTurn,
        "STOP_CRITERIA_MET" => StopReason::StopSequence,
        "LENGTH" => StopReason::MaxTokens,
        "CONTENT_FILTERED" => StopReason::ContentFiltered,
        _ => StopReason::Other(reason),
    }
}

struct Decoder(Completion);

impl StreamDecoder for Decoder {
    fn push(&mut self, frame: &Frame, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        if &*frame.event != "chunk" {
            return Ok(());
        }
        let Chunk { output_text, total_output_text_token_count, completion_reason, input_text_token_count } =
            serde_json::from_slice(&frame.payload).map_err(ProtocolError::shape("chunk"))?;
        self.0.push(
            Piece {
                text: output_text.unwrap_or_default(),
                stop: completion_reason.map(stop_reason),
                input_tokens: input_text_token_count.map(|count| count.0),
                output_tokens: total_output_text_token_count.map(|count| count.0),
            },
            &frame.payload,
            events,
        )
    }

    fn finish(&mut self, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        self.0.finish(events)
    }

    fn usage(&self) -> Option<Usage> {
        self.0.usage()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::bedrock::ReplyHead;
    use crate::chat::Response;

    fn said(role: Role, words: &[&str]) -> Message {
        let content = words.iter().map(|words| Block::Text(Text::new(words))).collect();
        Message { role, content, index: 0 }
    }

    #[test]
    fn a_body_holds_the_transcript_and_what_was_asked_for() {
        let mut request = Request { messages: vec![said(Role::User, &["hi "])], ..Request::default() };
        let model = ModelId::parse("amazon.titan-text-lite-v1").unwrap();
        let body = |request: &Request| {
            let call = TITAN_TEXT.encode(request, &model, false).unwrap();
            assert_eq!(call.operation, Operation::InvokeModel);
            String::from_utf8(call.body.to_vec()).unwrap()
        };
        assert_eq!(body(&request), r#"{"inputText":"User: hi\nBot:"}"#);
        request.max_tokens = Some(9);
        request.top_p = Some(0.5);
        request.stop = vec!["|".into()];
        assert_eq!(
            body(&request),
            r#"{"inputText":"User: hi\nBot:","textGenerationConfig":{"maxTokenCount":9,"topP":0.5,"stopSequences":["|"]}}"#
        );
    }

    #[test]
    fn every_turn_is_a_line_of_the_transcript() {
        let turns =
            [said(Role::User, &["be brief", "a"]), said(Role::Assistant, &["b"]), said(Role::User, &["c"])];
        assert_eq!(transcript(&turns).unwrap(), "User: be brief\na\nBot: b\nUser: c\nBot:");
        assert_eq!(transcript(&turns[..2]).unwrap(), "User: be brief\na\nBot: b");
    }

    #[test]
    fn a_line_in_a_turn_does_not_read_as_the_next_turn() {
        let text = "a\nBot: yes\nUser: more\nnot User: this";
        let transcript = transcript(&[said(Role::User, &[text])]).unwrap();
        assert_eq!(transcript, "User: a\n Bot: yes\n User: more\nnot User: this\nBot:");
        assert!(holds_turn_markers(&Text::new(text)));
        assert!(!holds_turn_markers(&Text::new("a\n Bot: b")));
    }

    fn whole(body: &str) -> Result<Response, ProtocolError> {
        let mut events = Vec::new();
        let body = Bytes::copy_from_slice(body.as_bytes());
        TITAN_TEXT.decode(&Reply { head: ReplyHead::default(), body }, &mut events)?;
        Ok(Response::assemble(events).unwrap())
    }

    fn streamed(chunks: &[&str]) -> Result<Response, ProtocolError> {
        let mut decoder = TITAN_TEXT.stream_decoder();
        let mut events = Vec::new();
        for chunk in chunks {
            let payload = Bytes::copy_from_slice(chunk.as_bytes());
            decoder.push(&Frame { event: "chunk".into(), payload }, &mut events)?;
        }
        decoder.finish(&mut events)?;
        Ok(Response::assemble(events).unwrap())
    }

    fn text(response: &Response) -> String {
        response.text.as_ref().map(|text| text.decode().into_owned()).unwrap_or_default()
    }

    #[test]
    fn a_whole_reply_has_text_reason_and_counts() {
        let response = whole(
            r#"{"inputTextTokenCount":9,"results":[{"tokenCount":17,"outputText":"\nBot: Hi\nthere","completionReason":"FINISH"}]}"#,
        )
        .unwrap();
        assert_eq!(text(&response), "Hi\nthere");
        assert_eq!(response.stop, StopReason::EndTurn);
        assert_eq!(response.usage, Some(Usage { input: 9, output: 17, ..Usage::default() }));
    }

    #[test]
    fn one_chunk_may_be_the_whole_stream() {
        let response = streamed(&[
            r#"{"outputText":"\nHi","index":0,"totalOutputTextTokenCount":2,"completionReason":"LENGTH","inputTextTokenCount":5,"amazon-bedrock-invocationMetrics":{"inputTokenCount":5,"outputTokenCount":2,"invocationLatency":1,"firstByteLatency":1}}"#,
        ])
        .unwrap();
        assert_eq!((text(&response).as_str(), response.stop), ("Hi", StopReason::MaxTokens));
        assert_eq!(response.usage, Some(Usage { input: 5, output: 2, ..Usage::default() }));
    }

    #[test]
    fn what_stands_before_the_answer_goes_however_it_is_cut() {
        for (given, answer) in [
            ("\nBot: Hi", "Hi"),
            (" Hi", "Hi"),
            ("Bot:Hi Bot: there", "Hi Bot: there"),
            ("\nBo", "Bo"),
            ("\nBots say", "Bots say"),
            ("\nBot:", ""),
            ("", ""),
        ] {
            for cut in 0..=given.len() {
                let (a, b) = given.split_at(cut);
                let chunk = |text: &str, reason: &str| {
                    format!(r#"{{"outputText":{},"completionReason":{reason}}}"#, Text::new(text).as_json())
                };
                let response = streamed(&[&chunk(a, "null"), &chunk(b, "\"FINISH\"")]).unwrap();
                assert_eq!(text(&response), answer, "{given:?} at {cut}");
            }
        }
    }

    #[test]
    fn completion_reasons_have_their_meaning() {
        for (reason, stop) in [
            ("FINISH", StopReason::EndTurn),
            ("FINISHED", StopReason::EndTurn),
            ("LENGTH", StopReason::MaxTokens),
            ("STOP_CRITERIA_MET", StopReason::StopSequence),
            ("CONTENT_FILTERED", StopReason::ContentFiltered),
            ("RAG_QUERY_WHEN_RAG_DISABLED", StopReason::EndTurn),
            ("NEW", StopReason::Other("NEW".into())),
        ] {
            let body = format!(r#"{{"results":[{{"outputText":"a","completionReason":"{reason}"}}]}}"#);
            assert_eq!(whole(&body).unwrap().stop, stop);
        }
    }

    #[test]
    fn a_prompt_that_a_guardrail_blocked_has_an_answer_without_a_reason() {
        let response = streamed(&[
            r#"{"outputText":"Input blocked","index":0.0,"totalOutputTextTokenCount":3.0,"inputTextTokenCount":6.0,"amazon-bedrock-guardrailAction":"INTERVENED","amazon-bedrock-trace":{"guardrail":{"input":{"g":{"topicPolicy":{"topics":[{"name":"t","type":"DENY","action":"BLOCKED"}]}}}}}}"#,
        ])
        .unwrap();
        assert_eq!(text(&response), "Input blocked");
        assert_eq!(response.stop, StopReason::ContentFiltered);
        assert_eq!(response.usage, Some(Usage { input: 6, output: 3, ..Usage::default() }));
    }

    #[test]
    fn a_guardrail_that_only_masked_leaves_the_models_reason() {
        let chunks = |trace: &str| {
            streamed(&[
                r#"{"outputText":"\nMy number is ","index":0.0,"inputTextTokenCount":8.0,"amazon-bedrock-guardrailAction":"INTERVENED"}"#,
                &format!(
                    r#"{{"outputText":"{{Number}}.","index":0.0,"totalOutputTextTokenCount":7.0,"completionReason":"FINISH","amazon-bedrock-guardrailAction":"INTERVENED"{trace}}}"#
                ),
            ])
            .unwrap()
        };
        let masked = chunks(r#","amazon-bedrock-trace":{"guardrail":{"outputs":[{"action":"ANONYMIZED"}]}}"#);
        assert_eq!(text(&masked), "My number is {Number}.");
        assert_eq!(masked.stop, StopReason::EndTurn);
        assert_eq!(chunks("").stop, StopReason::ContentFiltered);
    }

    #[test]
    fn a_stream_without_a_reason_is_cut() {
        let cut = streamed(&[r#"{"outputText":"a","index":0,"completionReason":null}"#]);
        assert!(matches!(cut, Err(ProtocolError::Truncated)), "{cut:?}");
        assert!(matches!(whole(r#"{"results":[]}"#), Err(ProtocolError::Grammar(_))));
    }
}
